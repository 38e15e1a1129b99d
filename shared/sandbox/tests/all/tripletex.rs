//! Tripletex: sessions, look-ups, and what a voucher must be.

use chrono::TimeDelta;
use sandbox::{Options, tripletex};
use serde_json::{Value, json};

use crate::client::{Answer, Client, basic, encode};

/// A client with a session, and the ids of some accounts.
struct Books {
    client: Client,
    session: String,
}

impl Books {
    fn new() -> Books {
        Books::with(Options::default())
    }

    fn with(options: Options) -> Books {
        let mut client = Client::new(options);
        let session = client.tripletex_session();
        Books { client, session }
    }

    fn get(&mut self, path: &str) -> Answer {
        self.client.tripletex(&self.session, "GET", path, Value::Null)
    }

    fn post(&mut self, voucher: &Value) -> Answer {
        self.client.tripletex(&self.session, "POST", "ledger/voucher?sendToLedger=true", voucher.clone())
    }

    fn id(&mut self, number: i64) -> i64 {
        self.client.account(&self.session, number)
    }

    fn posting(&mut self, row: i64, number: i64, amount: Value) -> Value {
        json!({
            "row": row, "date": "2026-11-02", "description": "Oppgjør", "account": { "id": self.id(number) },
            "amountGross": amount, "amountGrossCurrency": amount, "currency": { "id": 1 }, "vatType": { "id": 0 },
        })
    }

    /// A payout's voucher: 990.50 in transit, 9.50 fee, 1000.00 sales.
    fn voucher(&mut self, reference: &str) -> Value {
        let postings = json!([
            self.posting(1, 1909, json!(990.5)),
            self.posting(2, 7770, json!(9.50)),
            self.posting(3, 1579, json!(-1000)),
        ]);
        json!({ "date": "2026-11-02", "description": "Oppgjør", "externalVoucherNumber": reference, "voucherType": null, "postings": postings })
    }

    fn search(&mut self, reference: &str) -> usize {
        let path = format!(
            "ledger/voucher/%3EexternalVoucherNumber?externalVoucherNumber={}&fields=id,number,date,externalVoucherNumber&from=0&count=10",
            encode(reference)
        );
        self.get(&path).is(200)["values"].as_array().unwrap().len()
    }
}

/// The refusal's first field and message.
fn refused(answer: &Answer, code: i64) -> (String, String) {
    let body = answer.is(422);
    assert_eq!(body["code"], code, "{body}");
    assert!(body["requestId"].is_string());
    let first = &body["validationMessages"][0];
    (first["field"].as_str().unwrap_or("").to_owned(), first["message"].as_str().unwrap().to_owned())
}

#[test]
fn a_voucher_is_posted_found_and_read_back() {
    let mut books = Books::new();
    let voucher = books.voucher("stripe:po_1");
    let answer = books.post(&voucher);
    assert!(answer.header("x-tlx-request-id").is_some());
    assert!(answer.header("x-rate-limit-remaining").is_some());
    let value = answer.is(201)["value"].clone();
    assert_eq!(
        (value["number"].as_i64(), value["year"].as_i64(), value["tempNumber"].as_i64()),
        (Some(1), Some(2026), Some(0))
    );
    assert_eq!(value["postings"].as_array().unwrap().len(), 3);
    assert_eq!(value["postings"][1]["amountGross"].to_string(), "9.5");
    assert_eq!(value["postings"][1]["amount"].to_string(), "9.50");
    assert_eq!(value["postings"][1]["account"]["id"], voucher["postings"][1]["account"]["id"]);
    assert_eq!(books.search("stripe:po_1"), 1);
    assert_eq!(books.search("stripe:po_2"), 0);
    let path = format!(
        "ledger/voucher/{}?fields=id,externalVoucherNumber,attachment(id),postings(row,amountGross,account(number),vatType(number))",
        value["id"]
    );
    let read = books.get(&path).is(200)["value"].clone();
    assert_eq!(read["postings"][0]["account"], json!({ "number": 1909 }));
    assert_eq!(read["postings"][0]["vatType"], json!({ "number": "0" }));
    assert!(read["attachment"].is_null() && read.get("date").is_none());
    let plain = books.get(&format!("ledger/voucher/{}", value["id"])).is(200);
    assert!(plain["value"]["postings"][0].get("row").is_none());
    let listed = books.get("ledger/voucher?dateFrom=2026-11-01&dateTo=2026-12-01").is(200);
    assert_eq!(listed["fullResultSize"], 1);
    assert_eq!(
        books.get("ledger/voucher?dateFrom=2026-10-01&dateTo=2026-11-02").is(200)["fullResultSize"],
        0
    );
}

#[test]
fn the_same_reference_is_accepted_twice_and_the_search_contains() {
    let mut books = Books::new();
    let voucher = books.voucher("stripe:po_1");
    assert_eq!(books.post(&voucher).status, 201);
    assert_eq!(books.post(&voucher).status, 201);
    let longer = books.voucher("stripe:po_1:2/2");
    assert_eq!(books.post(&longer).status, 201);
    assert_eq!(books.search("stripe:po_1"), 3);
    assert_eq!(books.search("STRIPE:PO_1:2"), 1);
    let body = books.client.control("GET", "vouchers", Value::Null).is(200);
    assert_eq!(body["references"], json!({ "stripe:po_1": 2, "stripe:po_1:2/2": 1 }));
    assert_eq!(body["twice"], json!(["stripe:po_1"]));
    assert_eq!(body["vouchers"][0]["postings"][0]["account"], "1909");
}

#[test]
fn sessions_are_made_used_and_ended() {
    let mut books = Books::new();
    let body = books.get("token/session/%3EwhoAmI").is(200);
    assert!(body["value"]["companyId"].is_i64());
    assert_eq!(
        books.get("token/session/%3EwhoAmI?fields=companyId").is(200)["value"].as_object().unwrap().len(),
        1
    );
    let path = format!("token/session/{}", encode(&books.session));
    assert_eq!(books.client.tripletex("", "DELETE", &path, Value::Null).status, 204);
    let body = books.get("ledger/account").is(401);
    assert_eq!(body["code"], 3000);
    assert_eq!(books.client.tripletex("", "DELETE", &path, Value::Null).status, 404);
}

#[test]
fn sessions_die_at_midnight_in_oslo() {
    let mut books = Books::new();
    // Two days from now: the 22nd begins at 23:00 UTC of the 21st.
    books.client.now = "2026-11-21T22:59:59Z".parse().unwrap();
    assert_eq!(books.get("currency").status, 200);
    books.client.later(TimeDelta::seconds(1));
    assert_eq!(books.get("currency").status, 401);
}

#[test]
fn sessions_need_both_tokens_and_a_day_to_come() {
    let mut client = Client::seeded(1);
    let create = |client: &mut Client, body: Value| {
        let headers = [("content-type", "application/json")];
        client.call("POST", "/tripletex/v2/token/session/:create", &headers, body.to_string().as_bytes())
    };
    let body = |consumer: &str, employee: &str, until: &str| json!({ "consumerToken": consumer, "employeeToken": employee, "expirationDate": until });
    let (consumer, employee) = (tripletex::CONSUMER_TOKEN, tripletex::EMPLOYEE_TOKEN);
    assert_eq!(create(&mut client, body(consumer, "wrong", "2026-11-22")).is(401)["code"], 3000);
    assert_eq!(create(&mut client, body("wrong", employee, "2026-11-22")).is(401)["code"], 3000);
    let today = create(&mut client, body(consumer, employee, "2026-11-20"));
    assert_eq!(refused(&today, 18_000).0, "expirationDate");
    assert_eq!(
        refused(&create(&mut client, body(consumer, employee, "22.11.2026")), 16_000).0,
        "expirationDate"
    );
    assert_eq!(
        refused(&create(&mut client, json!({ "consumerToken": consumer })), 15_000).0,
        "employeeToken"
    );
    let mut more = body(consumer, employee, "2026-11-22");
    more["companyId"] = json!(1);
    assert_eq!(refused(&create(&mut client, more), 16_000).0, "companyId");
    let query = format!("consumerToken={consumer}&employeeToken={employee}&expirationDate=2026-11-22");
    let older = client.call("PUT", &format!("/tripletex/v2/token/session/:create?{query}"), &[], b"").is(200);
    let session = older["value"]["token"].as_str().unwrap().to_owned();
    assert_eq!(client.tripletex(&session, "GET", "currency", Value::Null).status, 200);
    for (user, status) in [("", 200), ("107964001", 200), ("1", 403)] {
        let authorization = basic(user, &session);
        let answer = client.call("GET", "/tripletex/v2/currency", &[("authorization", &authorization)], b"");
        assert_eq!(answer.status, status, "{user}");
    }
}

#[test]
fn a_token_without_the_right_writes_nothing() {
    let mut books = Books::new();
    let voucher = books.voucher("a");
    books.session = books.client.tripletex_session_of(tripletex::READ_ONLY_EMPLOYEE_TOKEN);
    assert_eq!(books.post(&voucher).is(403)["code"], 9000);
    assert_eq!(books.search("a"), 0);
}

#[test]
fn lists_are_paged_and_filtered() {
    let mut books = Books::new();
    let all = books.get("ledger/account?fields=id,number").is(200);
    let count = all["fullResultSize"].as_u64().unwrap();
    assert!(count > 40);
    let page = books.get("ledger/account?from=40&count=3&fields=number").is(200);
    assert_eq!(
        (page["from"].as_u64(), page["count"].as_u64(), page["fullResultSize"].as_u64()),
        (Some(40), Some(3), Some(count))
    );
    assert_eq!(page["values"][0]["number"], all["values"][40]["number"]);
    assert!(page["values"][0].get("id").is_none());
    let digest = all["versionDigest"].as_str().unwrap().to_owned();
    let authorization = basic("0", &books.session);
    let headers = [("authorization", authorization.as_str()), ("if-none-match", digest.as_str())];
    assert_eq!(
        books.client.call("GET", "/tripletex/v2/ledger/account?fields=id,number", &headers, b"").status,
        304
    );
    let fields = "id,number,name,ledgerType,vatLocked,vatType(id,number),legalVatTypes(id),requiresDepartment,requiresProject,isInactive,isBankAccount,currency(id)";
    let body = books.get(&format!("ledger/account?number=1500,3000,6860&fields={}", encode(fields))).is(200);
    let of = |at: usize| body["values"][at].clone();
    assert_eq!((of(0)["ledgerType"].as_str(), of(0)["number"].as_i64()), (Some("CUSTOMER"), Some(1500)));
    assert_eq!(
        (of(1)["vatLocked"].as_bool(), of(1)["vatType"].clone()),
        (Some(true), json!({ "id": 3, "number": "3" }))
    );
    assert_eq!(of(2)["requiresDepartment"], true);
    assert_eq!(
        books.get("ledger/vatType?number=86&fields=id,number").is(200)["values"],
        json!([{ "id": 34, "number": "86" }])
    );
    assert_eq!(books.get("ledger/vatType?number=13").is(200)["values"][0]["id"], 12);
    assert_eq!(books.get("currency?code=EUR&fields=id").is(200)["values"][0]["id"], 5);
    assert_eq!(books.get("ledger/voucherType?name=betaling").is(200)["fullResultSize"], 1);
    assert_eq!(books.get("department?departmentNumber=10").is(200)["values"][0]["name"], "Nettbutikk");
    assert_eq!(books.get("project?number=2026").is(200)["fullResultSize"], 1);
    let periods = books
        .get("ledger/accountingPeriod?startFrom=2026-11-01&startTo=2026-12-01&fields=start,end,isClosed")
        .is(200);
    assert_eq!(periods["values"], json!([{ "start": "2026-11-01", "end": "2026-12-01", "isClosed": false }]));
    let numbers: std::collections::BTreeSet<i64> =
        all["values"].as_array().unwrap().iter().map(|account| account["id"].as_i64().unwrap()).collect();
    assert_eq!(numbers.len() as u64, count, "every account has an id of its own");
}

#[test]
fn wrong_parameters_are_refused() {
    let mut books = Books::new();
    let body = books.get("ledger/account?fields=id,nummer").is(400);
    assert_eq!(body["code"], 11_000);
    assert_eq!(
        body["message"],
        "Illegal field in fields filter: nummer. nummer does not match a field in the model: AccountDTO"
    );
    assert_eq!(books.get("ledger/voucher/1?fields=postings(account(nr))").is(400)["code"], 11_000);
    assert_eq!(books.get("ledger/account?fields=id(name)").is(400)["code"], 11_000);
    let answer = books.get("ledger/voucher");
    assert_eq!(refused(&answer, 15_000), ("dateFrom".to_owned(), "Kan ikke være null.".to_owned()));
    let answer = books.get("ledger/voucher?dateFrom=2026-01-01&dateTo=2026-01-01");
    assert!(refused(&answer, 18_000).1.contains("greater than or equal"));
    assert_eq!(
        refused(&books.get("ledger/voucher?dateFrom=1.1.2026&dateTo=2026-01-02"), 21_000).0,
        "dateFrom"
    );
    assert_eq!(refused(&books.get("ledger/voucher/%3EnonPosted"), 15_000).0, "includeNonApproved");
    assert_eq!(books.get("ledger/voucher/1").is(404)["code"], 6000);
    assert_eq!(books.get("ledger/voucher/abc").is(400)["code"], 12_000);
    assert_eq!(books.get("ledger/nothing").is(404)["code"], 6000);
}

#[test]
fn bodies_are_mapped_strictly() {
    let mut books = Books::new();
    let good = books.voucher("a");
    let mut refuse = |change: &dyn Fn(&mut Value), code: i64| {
        let mut voucher = good.clone();
        change(&mut voucher);
        refused(&books.post(&voucher), code)
    };
    assert_eq!(
        refuse(&|voucher| voucher["voucherDate"] = json!("2026-11-02"), 16_000),
        ("voucherDate".to_owned(), "Feltet eksisterer ikke i objektet.".to_owned())
    );
    assert_eq!(refuse(&|voucher| voucher["postings"][0]["debit"] = json!(1), 16_000).0, "debit");
    assert_eq!(
        refuse(&|voucher| voucher["postings"][0]["account"]["id"] = json!("x"), 16_000).0,
        "postings.account.id"
    );
    assert_eq!(
        refuse(&|voucher| voucher["postings"][0]["amountGross"] = json!("990.50"), 16_000).0,
        "postings.amountGross"
    );
    assert_eq!(refuse(&|voucher| voucher["date"] = json!("02.11.2026"), 16_000).0, "date");
    let session = books.session.clone();
    let authorization = basic("0", &session);
    let kind =
        |kind: &'static str| [("authorization", authorization.clone()), ("content-type", kind.to_owned())];
    let mut raw = |headers: [(&str, String); 2], body: &[u8]| {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        books.client.call("POST", "/tripletex/v2/ledger/voucher", &headers, body)
    };
    assert_eq!(raw(kind("application/json"), b"{\"date\":").is(422)["code"], 22_000);
    assert_eq!(raw(kind("text/plain"), good.to_string().as_bytes()).status, 415);
    assert_eq!(books.search("a"), 0);
}

#[test]
fn the_books_refuse_what_does_not_fit() {
    let mut books = Books::new();
    let good = books.voucher("a");
    let mut refuse = |change: &dyn Fn(&mut Value)| {
        let mut voucher = good.clone();
        change(&mut voucher);
        let answer = books.post(&voucher);
        refused(&answer, 18_000)
    };
    let drop_row = |voucher: &mut Value, at: usize| {
        voucher["postings"][at].as_object_mut().unwrap().remove("row");
    };
    let (field, text) = refuse(&|voucher| drop_row(voucher, 0));
    assert!(field == "postings.row" && text.contains("rad 0"));
    assert_eq!(refuse(&|voucher| voucher["postings"][0]["row"] = json!(0)).0, "postings.row");
    assert_eq!(
        refuse(&|voucher| voucher["postings"] = json!([])).1,
        "Et bilag kan ikke registreres uten posteringer."
    );
    assert_eq!(refuse(&|voucher| voucher["description"] = Value::Null).0, "description");
    let set = |voucher: &mut Value, amount: Value| {
        voucher["postings"][0]["amountGross"] = amount.clone();
        voucher["postings"][0]["amountGrossCurrency"] = amount;
    };
    assert_eq!(
        refuse(&|voucher| set(voucher, json!(990.51))).1,
        "Summen av posteringene for 2026-11-02 er ikke lik 0."
    );
    assert_eq!(
        refuse(&|voucher| voucher["postings"][0]["date"] = json!("2026-11-03")).1,
        "Summen av posteringene for 2026-11-02 er ikke lik 0."
    );
    assert_eq!(
        refuse(&|voucher| voucher["postings"][0]["amountGrossCurrency"] = Value::Null).1,
        "Beløp (amountGross) må være det samme som valutabeløpet (amountGrossCurrency)"
    );
    assert_eq!(
        refuse(&|voucher| voucher["postings"][0]["account"] = json!({ "number": 1920 })).0,
        "postings.account.name"
    );
    assert_eq!(
        refuse(&|voucher| voucher["postings"][0]["account"] = json!({ "id": 1920 })).0,
        "postings.account.id"
    );
    assert_eq!(
        refuse(&|voucher| voucher["postings"][0]["vatType"] = json!({ "id": 3 })).1,
        "Kontoen 1909 Penger på vei er låst til mva-kode 0: Ingen avgiftsbehandling."
    );
    assert_eq!(
        refuse(&|voucher| voucher["postings"][1]["vatType"] = json!({ "id": 3 })).0,
        "postings.vatType.id"
    );
    assert_eq!(
        refuse(&|voucher| voucher["postings"][1]["vatType"] = json!({ "id": 86 })).0,
        "postings.vatType.id"
    );
    assert_eq!(refuse(&|voucher| voucher["voucherType"] = json!({ "id": 9_912_090 })).0, "voucherType.id");
    assert_eq!(
        refuse(&|voucher| voucher["externalVoucherNumber"] = json!("x".repeat(71))).0,
        "externalVoucherNumber"
    );
    assert_eq!(refuse(&|voucher| voucher["postings"][1]["row"] = json!(1)).0, "postings.row");
    assert_eq!(
        refuse(&|voucher| voucher["postings"][0]["department"] = json!({ "id": 1 })).0,
        "postings.department.id"
    );
    for (number, field) in [
        (1500, "customer"),
        (2400, "supplier"),
        (1572, "employee"),
        (6860, "department"),
        (3999, "project"),
        (1521, "account"),
    ] {
        let mut voucher = good.clone();
        voucher["postings"][1]["account"] = json!({ "id": books.id(number) });
        assert_eq!(refused(&books.post(&voucher), 18_000).0, format!("postings.{field}.id"), "{number}");
    }
    assert_eq!(books.search("a"), 0);
    let mut voucher = good.clone();
    voucher["postings"][1]["account"] = json!({ "id": books.id(6860) });
    voucher["postings"][1]["department"] = json!({ "id": 1_020_110 });
    assert_eq!(books.post(&voucher).status, 201);
}

#[test]
fn an_empty_voucher_is_told_everything_at_once() {
    let mut books = Books::new();
    let body = books.post(&json!({})).is(422);
    let fields: Vec<&str> = body["validationMessages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["date", "description", "postings"]);
}

#[test]
fn amounts_are_rounded_without_a_word() {
    let mut books = Books::new();
    let mut voucher = books.voucher("a");
    for (at, amount) in [(0, json!(990.504)), (1, json!(9.496)), (2, json!(-1000.0049))] {
        voucher["postings"][at]["amountGross"] = amount.clone();
        voucher["postings"][at]["amountGrossCurrency"] = amount;
    }
    let value = books.post(&voucher).is(201)["value"].clone();
    assert_eq!(value["postings"][0]["amountGross"].to_string(), "990.50");
}

#[test]
fn the_system_books_vat_on_row_0() {
    let mut books = Books::new();
    let post = |books: &mut Books, number: i64, vat: i64, amount: i64| {
        let mut voucher = books.voucher("vat");
        voucher["postings"] =
            json!([books.posting(1, number, json!(amount)), books.posting(2, 1579, json!(-amount))]);
        voucher["postings"][0]["vatType"] = json!({ "id": vat });
        books.post(&voucher).is(201)["value"]["postings"].as_array().unwrap().clone()
    };
    let text = |posting: &Value| (posting["row"].as_i64().unwrap(), posting["amount"].to_string());
    let postings = post(&mut books, 7770, 1, 125);
    assert_eq!(
        postings.iter().map(text).collect::<Vec<_>>(),
        [(1, "100.00".to_owned()), (2, "-125.00".to_owned()), (0, "25.00".to_owned())]
    );
    assert_eq!(postings[0]["amountGross"].to_string(), "125");
    assert_eq!(postings[2]["systemGenerated"], true);
    let postings = post(&mut books, 3000, 3, -100);
    assert_eq!((text(&postings[0]).1, text(&postings[2]).1), ("-80.00".to_owned(), "-20.00".to_owned()));
    // Services from abroad: the buyer owes the VAT and deducts it.
    let postings = post(&mut books, 7770, 34, 100);
    assert_eq!(
        postings.iter().map(|posting| text(posting).1).collect::<Vec<_>>(),
        ["100.00", "-100.00", "25.00", "-25.00"]
    );
    // Without deduction it is a cost.
    let postings = post(&mut books, 7770, 35, 100);
    assert_eq!(postings[2]["account"]["id"], postings[0]["account"]["id"]);
}

#[test]
fn a_closed_month_takes_no_voucher() {
    let mut books = Books::new();
    let voucher = books.voucher("a");
    let id = books.post(&voucher).is(201)["value"]["id"].clone();
    books.client.control("POST", "close-period", json!({ "month": "2026-11" })).is(200);
    assert_eq!(refused(&books.post(&voucher), 18_000).0, "date");
    let path = format!("ledger/voucher/{id}/:reverse?date=2026-11-30");
    let session = books.session.clone();
    assert_eq!(refused(&books.client.tripletex(&session, "PUT", &path, Value::Null), 18_000).0, "date");
    let periods =
        books.get("ledger/accountingPeriod?startFrom=2026-10-01&startTo=2026-12-01&fields=isClosed").is(200);
    assert_eq!(periods["values"], json!([{ "isClosed": false }, { "isClosed": true }]));
    books.client.control("POST", "close-period", json!({ "month": "november" })).is(409);
}

#[test]
fn accounts_are_locked_on_request() {
    let mut books = Books::new();
    let voucher = books.voucher("a");
    books.client.control("POST", "lock-account", json!({ "account": 7770, "vat": "1" })).is(200);
    assert!(refused(&books.post(&voucher), 18_000).1.contains("låst til mva-kode 1"));
    books
        .client
        .control("POST", "lock-account", json!({ "account": 7770, "vat": "0", "requires_department": true }))
        .is(200);
    assert_eq!(refused(&books.post(&voucher), 18_000).1, "Avdeling mangler.");
    books
        .client
        .control(
            "POST",
            "lock-account",
            json!({ "account": 7770, "requires_department": false, "inactive": true }),
        )
        .is(200);
    assert!(refused(&books.post(&voucher), 18_000).1.contains("ikke aktiv"));
    books.client.control("POST", "lock-account", json!({ "account": 1 })).is(409);
}

#[test]
fn a_reversal_mirrors_its_voucher_once() {
    let mut books = Books::new();
    let voucher = books.voucher("a");
    let id = books.post(&voucher).is(201)["value"]["id"].clone();
    let session = books.session.clone();
    let mut put = |path: String| books.client.tripletex(&session, "PUT", &path, Value::Null);
    assert_eq!(refused(&put(format!("ledger/voucher/{id}/:reverse")), 15_000).0, "date");
    let mirror = put(format!("ledger/voucher/{id}/:reverse?date=2026-11-10")).is(200)["value"].clone();
    assert_eq!(mirror["postings"][0]["amountGross"].to_string(), "-990.5");
    assert_eq!((mirror["date"].as_str(), &mirror["reverseVoucher"]["id"]), (Some("2026-11-10"), &id));
    assert_eq!(put(format!("ledger/voucher/{id}/:reverse?date=2026-11-10")).status, 422);
    assert_eq!(put("ledger/voucher/1/:reverse?date=2026-11-10".to_owned()).status, 404);
    assert_eq!(
        books.get(&format!("ledger/voucher/{id}?fields=reverseVoucher(id)")).is(200)["value"]["reverseVoucher"]
            ["id"],
        mirror["id"]
    );
}

#[test]
fn drafts_wait_for_a_person() {
    let mut books = Books::new();
    let voucher = books.voucher("a");
    let session = books.session.clone();
    let value = books
        .client
        .tripletex(&session, "POST", "ledger/voucher?sendToLedger=false", voucher)
        .is(201)["value"]
        .clone();
    assert_eq!((value["number"].as_i64(), value["tempNumber"].as_i64()), (Some(0), Some(1)));
    assert_eq!(
        books.get("ledger/voucher?dateFrom=2026-11-01&dateTo=2026-12-01").is(200)["fullResultSize"],
        0
    );
    let drafts =
        books.get("ledger/voucher/%3EnonPosted?includeNonApproved=true&fields=externalVoucherNumber").is(200);
    assert_eq!(drafts["values"], json!([{ "externalVoucherNumber": "a" }]));
}

#[test]
fn attachments_must_be_pdf() {
    let mut books = Books::new();
    let voucher = books.voucher("a");
    let id = books.post(&voucher).is(201)["value"]["id"].clone();
    let authorization = basic("0", &books.session);
    let mut upload = |path: &str, kind: &str, part: &str, content: &str| {
        let body = format!(
            "--abc\r\nContent-Disposition: form-data; {part}\r\nContent-Type: application/pdf\r\n\r\n{content}\r\n--abc--\r\n"
        );
        let headers = [("authorization", authorization.as_str()), ("content-type", kind)];
        books.client.call(
            "POST",
            &format!("/tripletex/v2/ledger/voucher/{path}/attachment"),
            &headers,
            body.as_bytes(),
        )
    };
    let (id, form) = (id.to_string(), "multipart/form-data; boundary=abc");
    let file = "name=\"file\"; filename=\"bilag.pdf\"";
    let pdf = "%PDF-1.4\r\n1 0 obj\r\n%%EOF\n";
    assert_eq!(upload(&id, form, file, "id;amount\r\n").is(422)["code"], 18_000);
    assert_eq!(upload(&id, form, "name=\"file\"", pdf).is(422)["code"], 18_000);
    assert_eq!(upload(&id, form, "name=\"other\"; filename=\"a.pdf\"", pdf).is(400)["code"], 4000);
    assert_eq!(upload(&id, "application/pdf", file, pdf).status, 415);
    assert_eq!(upload("1", form, file, pdf).status, 404);
    let value = upload(&id, form, file, pdf).is(201)["value"].clone();
    assert!(value["attachment"]["id"].is_i64());
    let read = books.get(&format!("ledger/voucher/{id}?fields=attachment(fileName,size,mimeType)")).is(200);
    assert_eq!(
        read["value"]["attachment"],
        json!({ "fileName": "bilag.pdf", "size": pdf.len(), "mimeType": "application/pdf" })
    );
    let vouchers = books.client.control("GET", "vouchers", Value::Null).is(200);
    assert_eq!(vouchers["vouchers"][0]["attachments"], 1);
}

#[test]
fn searches_find_a_voucher_only_later_if_the_options_say_so() {
    let mut books =
        Books::with(Options { visible_after: std::time::Duration::from_secs(8), ..Options::default() });
    let voucher = books.voucher("a");
    let id = books.post(&voucher).is(201)["value"]["id"].clone();
    assert_eq!(books.search("a"), 0);
    assert_eq!(books.get(&format!("ledger/voucher/{id}")).status, 200);
    books.client.later(TimeDelta::seconds(8));
    assert_eq!(books.search("a"), 1);
}

#[test]
fn too_many_requests_are_told() {
    let mut books = Books::with(Options { requests_per_second: Some(3), ..Options::default() });
    assert_eq!(books.get("currency").header("x-rate-limit-remaining"), Some("1"));
    assert_eq!(books.get("currency").header("x-rate-limit-remaining"), Some("0"));
    let answer = books.get("currency");
    assert_eq!((answer.status, answer.header("retry-after")), (429, None));
    books.client.later(TimeDelta::seconds(1));
    assert_eq!(books.get("currency").status, 200);
}

#[test]
fn foreign_currency_keeps_its_own_amount() {
    let mut books = Books::new();
    let mut voucher = books.voucher("eur");
    voucher["postings"] = json!([
        books.posting(1, 1920, json!(11_200)),
        books.posting(2, 8160, json!(100)),
        books.posting(3, 1579, json!(-11_300))
    ]);
    voucher["postings"][2]["currency"] = json!({ "id": 5 });
    voucher["postings"][2]["amountGrossCurrency"] = json!(-1000);
    let postings = books.post(&voucher).is(201)["value"]["postings"].clone();
    assert_eq!(
        (postings[2]["amountGross"].to_string(), postings[2]["amountCurrency"].to_string()),
        ("-11300".to_owned(), "-1000.00".to_owned())
    );
}
