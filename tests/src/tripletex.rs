//! A Tripletex company behind the transport: strict, with a memory, and with faults on request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{Duration, NaiveDate};
use chrono_tz::Europe::Oslo;
use edge::Clock;
use edge::http::{Broken, Limits, Transport};
use http::{Method, Request, Response};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use trial::TestClock;

/// Where it stands.
pub const BASE: &str = "http://127.0.0.1:4010/tripletex";

/// What happens to a call that is hit.
#[derive(Clone, Debug)]
pub enum Trick {
    /// It never arrives.
    LoseBefore,
    /// It has its effect; the answer is lost.
    LoseAfter,
    /// It takes this many seconds.
    Slow(i64),
    /// No connection is made.
    Unreached,
    /// Nothing is done, and this is said: status, headers, body.
    Say(u16, &'static [(&'static str, &'static str)], String),
    /// It has its effect, and this is said.
    SayAfter(u16, String),
    /// It has its effect, and what is saved is changed on the way.
    Save(fn(&mut Value)),
}

/// What the company has.
#[derive(Debug, Default)]
pub struct State {
    /// Vouchers as they are read.
    pub vouchers: Vec<Value>,
    /// Method and path with query of every call.
    pub calls: Vec<String>,
    /// The body of each voucher that was sent, as it came.
    pub sent: Vec<String>,
    /// Documents: voucher, bytes of the whole form.
    pub documents: Vec<(i64, Vec<u8>)>,
    /// Accounts as they are read.
    pub accounts: Vec<Value>,
    /// Days whose periods are closed: everything before this day.
    pub closed_before: Option<NaiveDate>,
    /// The most elements of one page.
    pub page_max: usize,
    /// Headers of every good answer.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The session that is valid, and the day it ends with.
    session: Option<(String, NaiveDate)>,
    sessions: u32,
    tricks: VecDeque<(String, Trick)>,
    next_id: i64,
}

/// A Tripletex company.
#[derive(Debug)]
pub struct Tripletex {
    clock: Arc<TestClock>,
    state: Mutex<State>,
}

impl Tripletex {
    /// A company with a few accounts.
    pub fn new(clock: &Arc<TestClock>) -> Arc<Tripletex> {
        let account = |number: u64, vat: Option<i64>| {
            json!({"id": 50_000 + number, "number": number, "name": format!("Konto {number}"),
                "ledgerType": if number == 1500 { "CUSTOMER" } else { "GENERAL" },
                "vatLocked": vat.is_some(), "vatType": {"id": vat.unwrap_or(0)},
                "requiresDepartment": false, "requiresProject": false, "isInactive": false, "currency": null})
        };
        let state = State {
            accounts: vec![
                account(1500, Some(0)),
                account(1570, None),
                account(1579, None),
                account(1909, None),
                account(3000, Some(3)),
                account(7770, None),
            ],
            page_max: 1000,
            next_id: 608_000_000,
            ..State::default()
        };
        Arc::new(Tripletex { clock: Arc::clone(clock), state: Mutex::new(state) })
    }

    /// Looks at, or changes, what the company has.
    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap())
    }

    /// Plays a trick on the next call whose method and path begin so.
    pub fn trick(&self, call: &str, trick: Trick) {
        self.with(|state| state.tricks.push_back((call.to_owned(), trick)));
    }

    /// Plays no more tricks.
    pub fn forget_tricks(&self) {
        self.with(|state| state.tricks.clear());
    }

    /// Ends the session.
    pub fn end_session(&self) {
        self.with(|state| state.session = None);
    }

    /// How many calls began so.
    pub fn count(&self, call: &str) -> usize {
        self.with(|state| state.calls.iter().filter(|made| made.starts_with(call)).count())
    }

    /// The calls of sessions, charts and periods left out.
    pub fn calls(&self) -> Vec<String> {
        let apart = ["/token", "/ledger/account?", "/ledger/vatType", "/ledger/annual"];
        self.with(|state| {
            let calls = state.calls.iter().filter(|call| !apart.iter().any(|part| call.contains(part)));
            calls.cloned().collect()
        })
    }
}

/// An error in Tripletex's shape.
pub fn problem(status: u16, code: u32, field: &str, message: &str) -> String {
    json!({"status": status, "code": code, "message": "Validering feilet.", "link": "https://tripletex.no/v2-docs/",
        "developerMessage": "VALIDATION_ERROR", "requestId": "req-1",
        "validationMessages": [{"field": field, "message": message, "path": null, "rootId": null}]})
    .to_string()
}

type Said = (u16, String);

fn list(values: &[Value], query: &[(String, String)], page_max: usize) -> Said {
    let number = |name: &str, default: usize| {
        query.iter().find(|(key, _)| key == name).map_or(default, |(_, value)| value.parse().unwrap())
    };
    let (from, count) = (number("from", 0), number("count", 1000).min(page_max));
    let page: Vec<&Value> = values.iter().skip(from).take(count).collect();
    let body = json!({"fullResultSize": values.len(), "from": from, "count": page.len(),
        "versionDigest": "d", "values": page});
    (200, body.to_string())
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// The digits of an amount; it must have two decimals.
fn cents(value: &Value) -> Result<Decimal, Said> {
    let text = value.as_number().map(serde_json::Number::to_string).unwrap_or_default();
    let exact = text.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 2);
    let amount = text.parse().ok().filter(|_| exact);
    amount.ok_or_else(|| (422, problem(422, 15000, "postings.amountGross", &text)))
}

impl State {
    fn create_session(&mut self, body: &[u8], today: NaiveDate) -> Said {
        let body: Value = serde_json::from_slice(body).unwrap();
        let known = body["consumerToken"] == "consumer-x" && body["employeeToken"] == "employee-x";
        let ends_on: NaiveDate = body["expirationDate"].as_str().unwrap().parse().unwrap();
        assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
        if !known {
            return (401, problem(401, 3000, "", "Unauthorized"));
        }
        assert!(ends_on > today, "{ends_on}");
        self.sessions += 1;
        let token = format!("session-{}", self.sessions);
        self.session = Some((token.clone(), ends_on));
        (201, json!({"value": {"id": 1, "token": token, "expirationDate": ends_on.to_string()}}).to_string())
    }

    fn is_signed_in(&self, request: &Request<Vec<u8>>, today: NaiveDate) -> bool {
        let Some(given) = request.headers().get("authorization") else { return false };
        assert!(given.is_sensitive());
        self.session.as_ref().is_some_and(|(token, ends_on)| {
            let expected = format!("Basic {}", STANDARD.encode(format!("0:{token}")));
            given.as_bytes() == expected.as_bytes() && today < *ends_on
        })
    }

    fn save(&mut self, body: &[u8], booked: bool, change: Option<fn(&mut Value)>) -> Result<Said, Said> {
        self.sent.push(String::from_utf8(body.to_vec()).unwrap());
        let mut voucher: Value = serde_json::from_slice(body).unwrap();
        let known = ["date", "description", "externalVoucherNumber", "voucherType", "postings"];
        for key in voucher.as_object().unwrap().keys() {
            assert!(known.contains(&key.as_str()), "{key}");
        }
        assert!(voucher["externalVoucherNumber"].as_str().unwrap().chars().count() <= 70);
        let day: NaiveDate = voucher["date"].as_str().unwrap().parse().unwrap();
        if self.closed_before.is_some_and(|open| day < open) {
            return Err((422, problem(422, 18000, "date", "Perioden er lukket.")));
        }
        let date = voucher["date"].clone();
        let mut rows = Vec::new();
        let mut sum = Decimal::ZERO;
        for posting in voucher["postings"].as_array_mut().unwrap() {
            let refuse = |field: &str, message: &str| Err((422, problem(422, 18000, field, message)));
            let row = posting["row"].as_i64().unwrap_or(0);
            if row < 1 || rows.contains(&row) {
                return refuse("postings.row", "Posteringene på rad 0 er systemgenererte.");
            }
            rows.push(row);
            let account = posting["account"]["id"].as_i64().unwrap();
            let Some(account) = self.accounts.iter().find(|known| known["id"] == account) else {
                return refuse("postings.account.id", "Kontoen finnes ikke.");
            };
            if account["ledgerType"] == "CUSTOMER" {
                return refuse("postings.customer.id", "Kunde mangler.");
            }
            if account["vatLocked"] == true && account["vatType"]["id"] != posting["vatType"]["id"] {
                return refuse("postings.vatType.id", "Kontoen er låst til mva-kode.");
            }
            let gross = cents(&posting["amountGross"])?;
            if gross != cents(&posting["amountGrossCurrency"])? {
                return refuse("postings.amountGross", "Beløp må være det samme som valutabeløpet");
            }
            assert_eq!(posting["currency"]["id"], 1);
            assert_eq!(posting["date"], date);
            posting["systemGenerated"] = false.into();
            posting["amount"] = posting["amountGross"].clone();
            sum += gross;
        }
        if sum != Decimal::ZERO {
            return Err((422, problem(422, 18000, "postings", "Summen av posteringene er ikke lik 0.")));
        }
        let with_vat = voucher["postings"].as_array().unwrap().iter().any(|line| line["vatType"]["id"] != 0);
        if with_vat {
            let row = json!({"row": 0, "account": {"id": 52701}, "amountGross": -1.5, "vatType": {"id": 3},
                "systemGenerated": true});
            voucher["postings"].as_array_mut().unwrap().push(row);
        }
        self.next_id += 1;
        voucher["id"] = self.next_id.into();
        let number = if booked { self.vouchers.len() + 1 } else { 0 };
        voucher["number"] = number.into();
        voucher["tempNumber"] = if booked { 0 } else { 77 }.into();
        voucher["reverseVoucher"] = Value::Null;
        voucher["attachment"] = Value::Null;
        if let Some(change) = change {
            change(&mut voucher);
        }
        self.vouchers.push(voucher.clone());
        Ok((201, json!({"value": voucher}).to_string()))
    }

    fn attach(&mut self, id: i64, request: &Request<Vec<u8>>) -> Said {
        let Some(voucher) = self.vouchers.iter_mut().find(|voucher| voucher["id"] == id) else {
            return (404, problem(404, 6000, "", "Object not found"));
        };
        let kind = request.headers()["content-type"].to_str().unwrap();
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        let text = String::from_utf8_lossy(request.body());
        assert!(text.starts_with(&format!("--{boundary}\r\n")) && text.contains("name=\"file\""), "{text}");
        assert!(text.ends_with(&format!("\r\n--{boundary}--\r\n")), "{text}");
        voucher["attachment"] = json!({"id": 9001});
        let value = json!({"value": voucher}).to_string();
        self.documents.push((id, request.body().clone()));
        (201, value)
    }

    fn periods(&self) -> Vec<Value> {
        let month = |year: i32, month: u32| NaiveDate::from_ymd_opt(year, month, 1).unwrap();
        (0..24)
            .map(|index| {
                let (year, number) = (2025 + index / 12, u32::try_from(index % 12).unwrap() + 1);
                let start = month(year, number);
                let end = if number == 12 { month(year + 1, 1) } else { month(year, number + 1) };
                let closed = self.closed_before.is_some_and(|open| start < open);
                json!({"id": index + 1, "start": start.to_string(), "end": end.to_string(), "isClosed": closed})
            })
            .collect()
    }

    fn route(&mut self, request: &Request<Vec<u8>>, change: Option<fn(&mut Value)>) -> Said {
        let path = request.uri().path().strip_prefix("/tripletex").unwrap().to_owned();
        let query: Vec<(String, String)> = request
            .uri()
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), decoded(value)))
            .collect();
        let of = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let get = request.method() == Method::GET;
        match path.as_str() {
            "/token/session/%3EwhoAmI" if get => (
                200,
                json!({"value": {"companyId": 1, "company": {"name": "Nordlys Keramikk AS"}}}).to_string(),
            ),
            "/ledger/account" if get => list(&self.accounts, &query, self.page_max),
            "/ledger/vatType" if get => {
                let vat = |id: i64, code: &str| json!({"id": id, "number": code, "name": "Mva", "parentType": {"id": 0}});
                list(&[vat(0, "0"), vat(3, "3"), vat(34, "86")], &query, self.page_max)
            }
            "/department" if get => {
                let all = [json!({"id": 611, "departmentNumber": "10", "name": "Butikk"})];
                let wanted = of("departmentNumber").or(of("name")).unwrap_or_default();
                let fits = all[0].to_string().contains(&wanted);
                list(if fits { &all } else { &[] }, &query, self.page_max)
            }
            "/project" if get => list(&[], &query, self.page_max),
            "/ledger/accountingPeriod" if get => list(&self.periods(), &query, self.page_max),
            "/ledger/annualAccount" if get => {
                let year = |year: i32| json!({"id": year, "start": format!("{year}-01-01"), "end": format!("{}-01-01", year + 1)});
                list(&[year(2025), year(2026)], &query, self.page_max)
            }
            // Finds what contains the text in any case: the worst that the documentation allows.
            "/ledger/voucher/%3EexternalVoucherNumber" if get => {
                let wanted = of("externalVoucherNumber").unwrap().to_lowercase();
                let found: Vec<Value> = (self.vouchers.iter())
                    .filter(|voucher| voucher["number"] != 0)
                    .filter(|voucher| {
                        voucher["externalVoucherNumber"]
                            .as_str()
                            .unwrap_or_default()
                            .to_lowercase()
                            .contains(&wanted)
                    })
                    .cloned()
                    .collect();
                list(&found, &query, self.page_max)
            }
            "/ledger/voucher/%3EnonPosted" if get => {
                assert!(of("dateFrom").unwrap() < of("dateTo").unwrap());
                assert_eq!(of("includeNonApproved").unwrap(), "true");
                let drafts: Vec<Value> =
                    self.vouchers.iter().filter(|voucher| voucher["number"] == 0).cloned().collect();
                list(&drafts, &query, self.page_max)
            }
            "/ledger/voucher" if request.method() == Method::POST => {
                let booked = of("sendToLedger").unwrap() == "true";
                self.save(request.body(), booked, change).unwrap_or_else(|said| said)
            }
            path => {
                let rest = path.strip_prefix("/ledger/voucher/").unwrap_or_else(|| panic!("{path}"));
                match rest.strip_suffix("/attachment") {
                    Some(id) if request.method() == Method::POST => self.attach(id.parse().unwrap(), request),
                    None if get => {
                        let id: i64 = rest.parse().unwrap();
                        match self.vouchers.iter().find(|voucher| voucher["id"] == id) {
                            Some(voucher) => (200, json!({"value": voucher}).to_string()),
                            None => (404, problem(404, 6000, "", "Object not found")),
                        }
                    }
                    _ => panic!("{} {path}", request.method()),
                }
            }
        }
    }
}

#[async_trait]
impl Transport for Tripletex {
    async fn exchange(&self, request: Request<Vec<u8>>, limits: Limits) -> Result<Response<Vec<u8>>, Broken> {
        // Calls take time, in which others are allowed.
        self.clock.forward(Duration::milliseconds(250));
        let today = self.clock.now().with_timezone(&Oslo).date_naive();
        let mut state = self.state.lock().unwrap();
        let uri = request.uri().to_string();
        let path = uri.strip_prefix(BASE).unwrap_or_else(|| panic!("{uri}"));
        assert!(!path.contains(['>', ' ']), "{path}");
        assert!(!uri.contains("consumer-x") && !uri.contains("session-"), "{uri}");
        let call = format!("{} {path}", request.method());
        if request.method() == Method::POST && !path.starts_with("/token") {
            assert!(limits.fresh, "{call}");
        }
        state.calls.push(call.clone());
        let hit = state.tricks.iter().position(|(on, _)| call.starts_with(on));
        let trick = hit.and_then(|at| state.tricks.remove(at)).map(|(_, trick)| trick);
        let answer = |(status, body): Said, headers: &[(&'static str, &'static str)]| {
            let mut answer = Response::builder().status(status).header("x-tlx-request-id", "tlx-7");
            for (name, value) in headers {
                answer = answer.header(*name, *value);
            }
            Ok(answer.body(body.into_bytes()).unwrap())
        };
        match &trick {
            Some(Trick::Slow(seconds)) => self.clock.forward(Duration::seconds(*seconds)),
            Some(Trick::Unreached) => return Err(Broken::NotSent("no route".to_owned())),
            Some(Trick::LoseBefore) => return Err(Broken::Lost("timed out".to_owned())),
            Some(Trick::Say(status, headers, body)) => return answer((*status, body.clone()), headers),
            _ => {}
        }
        let said = if path == "/token/session/:create" {
            state.create_session(request.body(), today)
        } else if !state.is_signed_in(&request, today) {
            (401, problem(401, 3000, "", "Could not log in. Check login info in Authorization header."))
        } else {
            let change = match trick {
                Some(Trick::Save(change)) => Some(change),
                _ => None,
            };
            state.route(&request, change)
        };
        let headers = state.headers.clone();
        match trick {
            Some(Trick::LoseAfter) => Err(Broken::Lost("the connection broke".to_owned())),
            Some(Trick::SayAfter(status, body)) => answer((status, body), &headers),
            _ => answer(said, &headers),
        }
    }
}
