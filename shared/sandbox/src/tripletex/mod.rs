#![doc = include_str!("README.md")]

mod attachment;
mod chart;
mod error;
mod model;
mod post;
mod records;
mod search;
mod session;
mod voucher;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use http::{Method, Response};
use serde_json::{Value, json};

use crate::random::Random;
use crate::simulator::{Lock, Part, Registered, Simulator};
use crate::wire::{self, Request};
use chart::Account;
use error::{Refusal, refuse, refuse_fields};
use model::{Fields, Model};
use session::Sessions;
use voucher::{Attachment, Posting, Voucher};

/// The token of the integration.
pub const CONSUMER_TOKEN: &str = "sandbox-consumer";
/// The token of the company.
pub const EMPLOYEE_TOKEN: &str = "sandbox-employee";
/// A token of the company whose owner may not write vouchers.
pub const READ_ONLY_EMPLOYEE_TOKEN: &str = "sandbox-employee-read-only";

/// The books of the company.
pub(crate) struct Books {
    accounts: Vec<Account>,
    vouchers: Vec<Voucher>,
    /// Closed months.
    closed: BTreeSet<i64>,
    /// Last number by year, voucher type and whether it is posted.
    numbers: BTreeMap<(i32, Option<i64>, bool), i64>,
    next_id: i64,
    next_posting_id: i64,
    visible_after: TimeDelta,
}

/// The simulated system.
pub(crate) struct Tripletex {
    books: Books,
    sessions: Sessions,
    random: Random,
}

pub(crate) const REGISTERED: Registered = Registered {
    name: "tripletex",
    prefix: "tripletex",
    make: |options, _| {
        let visible_after = TimeDelta::from_std(options.visible_after).unwrap_or(TimeDelta::zero());
        Box::new(Tripletex::new(options.seed, visible_after))
    },
    home,
};

fn home(base: &str, _: NaiveDate) -> Part {
    let config = format!(
        r#"[accounting]
system = "tripletex"
secret = "tripletex"
base_url = "{base}/tripletex/v2"
"#
    );
    let secret = format!("consumer_token = \"{CONSUMER_TOKEN}\"\nemployee_token = \"{EMPLOYEE_TOKEN}\"\n");
    Part { config, secret }
}

/// A refusal of the server itself, before it knows the request.
fn refusal(status: u16, message: &str) -> Response<Vec<u8>> {
    let body = json!({
        "status": status,
        "code": 1000,
        "message": message,
        "link": "https://tripletex.no/v2-docs/",
        "developerMessage": null,
        "validationMessages": null,
        "requestId": "00000000-0000-4000-a000-000000000000",
    });
    wire::json(status, &body)
}

impl Tripletex {
    /// New books. Searches find a voucher only `visible_after` it was posted.
    fn new(seed: u64, visible_after: TimeDelta) -> Tripletex {
        let books = Books {
            accounts: chart::accounts(),
            vouchers: Vec::new(),
            closed: BTreeSet::new(),
            numbers: BTreeMap::new(),
            next_id: 608_896_000,
            next_posting_id: 3_845_108_000,
            visible_after,
        };
        Tripletex { books, sessions: Sessions::new(seed), random: Random::new(seed, "tripletex requests") }
    }
}

impl Simulator for Tripletex {
    fn template(&self, request: &Request) -> &'static str {
        match request.segments().as_slice() {
            ["v2", "token", "session", ":create"] => "/token/session/:create",
            ["v2", "token", "session", ">whoAmI"] => "/token/session/>whoAmI",
            ["v2", "token", "session", _] => "/token/session/{token}",
            ["v2", "currency"] => "/currency",
            ["v2", "department"] => "/department",
            ["v2", "project"] => "/project",
            ["v2", "ledger", "account"] => "/ledger/account",
            ["v2", "ledger", "vatType"] => "/ledger/vatType",
            ["v2", "ledger", "voucherType"] => "/ledger/voucherType",
            ["v2", "ledger", "accountingPeriod"] => "/ledger/accountingPeriod",
            ["v2", "ledger", "annualAccount"] => "/ledger/annualAccount",
            ["v2", "ledger", "voucher"] => "/ledger/voucher",
            ["v2", "ledger", "voucher", ">externalVoucherNumber"] => "/ledger/voucher/>externalVoucherNumber",
            ["v2", "ledger", "voucher", ">nonPosted"] => "/ledger/voucher/>nonPosted",
            ["v2", "ledger", "voucher", _] => "/ledger/voucher/{id}",
            ["v2", "ledger", "voucher", _, ":reverse"] => "/ledger/voucher/{id}/:reverse",
            ["v2", "ledger", "voucher", _, "attachment"] => "/ledger/voucher/{voucherId}/attachment",
            ["v2", "ledger", _, _] | ["v2", "currency" | "department" | "project", _] => "(one object)",
            _ => "(unknown)",
        }
    }

    fn kind(&self, method: &str, template: &str) -> &'static str {
        match template {
            path if path.starts_with("/token/") => "session",
            "/ledger/voucher" if method == Method::POST.as_str() => "send",
            path if path.ends_with("/attachment") => "attach",
            path if path.ends_with("/:reverse") => "reverse",
            "/ledger/voucher" | "/ledger/voucher/>externalVoucherNumber" | "/ledger/voucher/>nonPosted" => {
                "search"
            }
            "/ledger/voucher/{id}" => "data",
            _ => "catalogue",
        }
    }

    fn handle(&mut self, now: DateTime<Utc>, request: &Request, hidden: TimeDelta) -> Response<Vec<u8>> {
        let id = self.random.uuid();
        let count = self.books.vouchers.len();
        let mut response = match self.answer(now, request) {
            Ok(response) => response,
            Err(refusal) => refusal.response(&id),
        };
        if let Some(voucher) = self.books.vouchers.get_mut(count) {
            voucher.visible_at += hidden;
        }
        wire::header(&mut response, "x-tlx-request-id", &id);
        response
    }

    fn too_many(&self) -> Response<Vec<u8>> {
        refusal(429, "Too many requests")
    }

    fn server_error(&self) -> Response<Vec<u8>> {
        refusal(500, "Internal error")
    }

    fn show_rate(&self, response: &mut Response<Vec<u8>>, limit: u32, left: u32) {
        wire::header(response, "x-rate-limit-limit", &limit.to_string());
        wire::header(response, "x-rate-limit-remaining", &left.to_string());
        wire::header(response, "x-rate-limit-reset", "1");
    }

    fn saves(&self, request: &Request) -> bool {
        *request.method == Method::POST && self.template(request) == "/ledger/voucher"
    }

    fn has_cursor(&self, request: &Request) -> bool {
        request.param("from").is_some_and(|from| from != "0")
    }

    /// The first page again, whatever was asked for.
    fn rewind(&self, request: &mut Request) {
        request.query.retain(|(name, _)| name != "from");
    }

    fn expire_tokens(&mut self) {
        self.sessions.expire();
    }

    fn close_period(&mut self, day: NaiveDate) -> bool {
        self.books.close(day);
        true
    }

    fn lock(&mut self, lock: &Lock) -> bool {
        let vat = match &lock.vat {
            Some(number) => match chart::VATS.iter().find(|vat| vat.number == number) {
                Some(vat) => Some(vat.id),
                None => return false,
            },
            None => None,
        };
        let Some(account) = self.books.accounts.iter_mut().find(|account| account.number == lock.account)
        else {
            return false;
        };
        if let Some(vat) = vat {
            (account.vat, account.vat_locked) = (vat, true);
        }
        account.is_inactive = lock.inactive.unwrap_or(account.is_inactive);
        account.needs_department = lock.department.unwrap_or(account.needs_department);
        account.needs_project = lock.project.unwrap_or(account.needs_project);
        true
    }

    fn vouchers(&self) -> Vec<Value> {
        self.books.vouchers_json()
    }
}

impl Tripletex {
    fn answer(&mut self, now: DateTime<Utc>, request: &Request) -> Result<Response<Vec<u8>>, Refusal> {
        let path = request.path.clone();
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        let not_found = || refuse(404, 6000, "Object not found");
        let ["v2", rest @ ..] = segments.as_slice() else {
            return Err(not_found());
        };
        let method = request.method.as_str();
        match (method, rest) {
            ("POST" | "PUT", ["token", "session", ":create"]) => return self.sessions.create(now, request),
            ("DELETE", ["token", "session", token]) => return self.sessions.delete(token),
            _ => {}
        }
        let rights = self.sessions.rights(now, request)?;
        if *request.method != Method::GET && !rights.can_write {
            return Err(refuse(403, 9000, "You do not have permission to access this feature."));
        }
        match (method, rest) {
            ("GET", ["token", "session", ">whoAmI"]) => {
                let fields = search::fields(request, Model::LoggedInUser)?.unwrap_or_else(Fields::all);
                value(200, self.books.render(Model::LoggedInUser, chart::EMPLOYEE_ID, &fields))
            }
            ("POST", ["ledger", "voucher"]) => {
                let posted = flag(request, "sendToLedger", true)?;
                let body = post::read(request)?;
                let id = self.books.post(now, &body, posted)?;
                let fields = search::fields(request, Model::Voucher)?.unwrap_or_else(Fields::with_postings);
                value(201, self.books.render(Model::Voucher, id, &fields))
            }
            ("PUT", ["ledger", "voucher", id, ":reverse"]) => {
                let id = object_id(id)?;
                let date = search::parse_day(request, "date")?
                    .ok_or_else(|| refuse_fields(15_000, &[("date", "Kan ikke være null.")]))?;
                let id = self.books.reverse(now, id, date)?;
                value(200, self.books.render(Model::Voucher, id, &Fields::with_postings()))
            }
            ("POST", ["ledger", "voucher", id, "attachment"]) => {
                let id = object_id(id)?;
                let upload = attachment::read(request)?;
                self.books.attach(id, &upload)?;
                value(201, self.books.render(Model::Voucher, id, &Fields::all()))
            }
            ("GET", ["ledger", "voucher", name]) if name.starts_with('>') => {
                self.books.list(now, &rest.join("/"), request).map(|body| wire::json(200, &body))
            }
            (
                "GET",
                [.., kind @ ("account" | "vatType" | "voucherType" | "accountingPeriod" | "voucher"), id],
            )
            | ("GET", [kind @ ("currency" | "department" | "project"), id]) => {
                let model = match *kind {
                    "account" => Model::Account,
                    "vatType" => Model::VatType,
                    "voucherType" => Model::VoucherType,
                    "accountingPeriod" => Model::AccountingPeriod,
                    "currency" => Model::Currency,
                    "department" => Model::Department,
                    "project" => Model::Project,
                    _ => Model::Voucher,
                };
                let fields = search::fields(request, model)?.unwrap_or_else(Fields::all);
                value(200, self.books.render(model, object_id(id)?, &fields))
            }
            ("GET", [..]) => {
                let body = self.books.list(now, &rest.join("/"), request)?;
                let digest = body.get("versionDigest").and_then(Value::as_str);
                if digest.is_some() && request.header("if-none-match") == digest {
                    return Ok(wire::answer(304, "application/json", Vec::new()));
                }
                Ok(wire::json(200, &body))
            }
            _ => Err(refuse(405, 4000, "HTTP 405 Method Not Allowed")),
        }
    }
}

impl Books {
    /// Ids grow, so vouchers stand in their order.
    fn place(&self, id: i64) -> Result<usize, Refusal> {
        let place = self.vouchers.binary_search_by_key(&id, |voucher| voucher.id);
        place.map_err(|_| refuse(404, 6000, "Object not found"))
    }

    /// The voucher with an id.
    fn voucher(&self, id: i64) -> Option<&Voucher> {
        self.place(id).ok().and_then(|place| self.vouchers.get(place))
    }

    /// Books the mirror of a voucher on a day.
    fn reverse(&mut self, now: DateTime<Utc>, id: i64, date: NaiveDate) -> Result<i64, Refusal> {
        let place = self.place(id)?;
        let voucher = self.vouchers[place].clone();
        if voucher.reverse.is_some() {
            return Err(refuse_fields(18_000, &[("id", "Bilaget er allerede tilbakeført.")]));
        }
        if self.is_closed(date) {
            let text = format!("Regnskapsperioden {} er lukket.", date.format("%Y-%m"));
            return Err(refuse_fields(18_000, &[("date", &text)]));
        }
        let mut postings = Vec::new();
        for posting in &voucher.postings {
            self.next_posting_id += 1;
            postings.push(Posting {
                id: self.next_posting_id,
                date,
                amount: -posting.amount,
                gross: -posting.gross,
                gross_currency: -posting.gross_currency,
                ..posting.clone()
            });
        }
        let description = format!("Tilbakeføring av bilag {}: {}", voucher.number, voucher.description);
        let new = self.add(now, date, description, voucher.voucher_type, None, postings, true);
        self.vouchers[place].reverse = Some(new);
        if let Some(mirror) = self.vouchers.last_mut() {
            mirror.reverse = Some(id);
        }
        Ok(new)
    }

    /// Attaches a file; a second one is added to the first.
    fn attach(&mut self, id: i64, upload: &attachment::Upload) -> Result<(), Refusal> {
        let place = self.place(id)?;
        let voucher = &mut self.vouchers[place];
        voucher.version += 1;
        match &mut voucher.attachment {
            Some(attachment) => {
                attachment.size += upload.size;
                attachment.uploads += 1;
            }
            none => {
                *none = Some(Attachment {
                    id: id + 700_000,
                    name: upload.name.clone(),
                    size: upload.size,
                    uploads: 1,
                });
            }
        }
        Ok(())
    }
}

fn value(status: u16, value: Option<Value>) -> Result<Response<Vec<u8>>, Refusal> {
    let value = value.ok_or_else(|| refuse(404, 6000, "Object not found"))?;
    Ok(wire::json(status, &json!({ "value": value })))
}

fn object_id(text: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| refuse(400, 12_000, &format!("Illegal path parameter: {text}")))
}

fn flag(request: &Request, name: &str, default: bool) -> Result<bool, Refusal> {
    match request.param(name) {
        None => Ok(default),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(refuse_fields(21_000, &[(name, "Verdien er ikke gyldig.")])),
    }
}
