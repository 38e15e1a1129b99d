//! Faults where they happen: with or without effect, how often, and to whom.

use sandbox::{Ending, Fault, Options};
use serde_json::{Value, json};

use crate::client::Client;

fn happened(client: &mut Client) -> Value {
    client.control("GET", "faults", Value::Null).is(200)
}

/// A client with a session and a voucher to post.
fn poster() -> (Client, String, Value) {
    let mut client = Client::seeded(1);
    let session = client.tripletex_session();
    let (transit, sales) = (client.account(&session, 1909), client.account(&session, 1579));
    let posting = |row: i64, account: i64, amount: i64| json!({ "row": row, "account": { "id": account }, "amountGross": amount, "amountGrossCurrency": amount, "vatType": { "id": 0 } });
    let voucher = json!({
        "date": "2026-11-02", "description": "a", "externalVoucherNumber": "a",
        "postings": [posting(1, transit, 100), posting(2, sales, -100)],
    });
    (client, session, voucher)
}

#[test]
fn a_post_has_its_effect_or_not_as_the_kind_says() {
    for (fault, name) in Fault::ALL {
        let (mut client, session, voucher) = poster();
        client.control("PUT", "faults", json!({ "percent": 100, "kinds": [name] })).is(200);
        let answer = client.tripletex(&session, "POST", "ledger/voucher", voucher);
        client.control("DELETE", "faults", Value::Null).is(200);
        let booked =
            client.control("GET", "vouchers", Value::Null).is(200)["vouchers"].as_array().unwrap().len();
        let (effect, status, ending) = match fault {
            Fault::DropBefore => (0, None, Ending::Drop),
            Fault::DropAfter => (1, None, Ending::Drop),
            Fault::TooMany | Fault::TooManyRetryAfter => (0, Some(429), Ending::Whole),
            Fault::ServerError => (0, Some(500), Ending::Whole),
            Fault::ServerErrorAfter => (1, Some(500), Ending::Whole),
            Fault::BadGateway => (0, Some(502), Ending::Whole),
            Fault::Unavailable => (0, Some(503), Ending::Whole),
            Fault::Portal => (0, Some(200), Ending::Whole),
            Fault::Redirect => (0, Some(307), Ending::Whole),
            Fault::TokenExpired => (0, Some(401), Ending::Whole),
            Fault::CutBody => (1, Some(201), Ending::Cut(answer.body.len() / 2)),
            Fault::SlowBody => (1, Some(201), Ending::Slow),
            // It comes late, hidden or spoilt; the last ones do not happen to a voucher's post, so it comes
            // as it is.
            Fault::Hang | Fault::DelayVisible | Fault::HugeBody | Fault::Bomb | Fault::WrongContentType => {
                (1, Some(201), Ending::Whole)
            }
            Fault::DuplicateRows | Fault::RepeatedCursor => (1, Some(201), Ending::Whole),
        };
        assert_eq!(booked, effect, "{name}");
        assert_eq!(answer.ending, ending, "{name}");
        if let Some(status) = status {
            assert_eq!(answer.status, status, "{name}");
        }
    }
}

#[test]
fn a_hidden_voucher_appears() {
    let (mut client, session, voucher) = poster();
    client.control("PUT", "faults", json!({ "percent": 100, "kinds": ["delay-visible"] })).is(200);
    client.tripletex(&session, "POST", "ledger/voucher", voucher).is(201);
    let path = "ledger/voucher/%3EexternalVoucherNumber?externalVoucherNumber=a";
    let found = |client: &mut Client| {
        client.tripletex(&session, "GET", path, Value::Null).is(200)["fullResultSize"].clone()
    };
    assert_eq!(found(&mut client), 0);
    client.later(chrono::TimeDelta::seconds(2));
    assert_eq!(found(&mut client), 0);
    client.later(chrono::TimeDelta::seconds(20));
    assert_eq!(found(&mut client), 1);
    assert_eq!(happened(&mut client)["happened"], json!({ "delay-visible": 1 }));
}

#[test]
fn tokens_expire_until_new_ones_are_made() {
    let mut client = Client::seeded(1);
    let token = client.vipps_token();
    client
        .control("PUT", "faults", json!({ "percent": 100, "kinds": ["token-expired"], "limit": 1 }))
        .is(200);
    assert_eq!(client.vipps(&token, "settlement/v1/ledgers").status, 401);
    assert_eq!(client.vipps(&token, "settlement/v1/ledgers").status, 401);
    let token = client.vipps_token();
    assert_eq!(client.vipps(&token, "settlement/v1/ledgers").status, 200);
    // Stripe has no tokens.
    assert_eq!(client.stripe("payouts").status, 200);
}

#[test]
fn cursors_are_repeated() {
    let mut client = Client::new(Options { vipps_page: 5, ..Options::default() });
    let first = client.stripe("payouts?limit=2").is(200);
    let token = client.vipps_token();
    let ledger = client.vipps_ledger(&token);
    let session = client.tripletex_session();
    let feed = format!("report/v2/ledgers/{ledger}/funds/feed");
    let cursor = client.vipps(&token, &feed).is(200)["cursor"].as_str().unwrap().to_owned();
    client.control("PUT", "faults", json!({ "percent": 100, "kinds": ["repeated-cursor"] })).is(200);
    assert_eq!(client.stripe("payouts?limit=2").is(200), first);
    let last = &first["data"][1];
    let again =
        client.stripe(&format!("payouts?limit=2&starting_after={}", last["id"].as_str().unwrap())).is(200);
    assert_eq!((again["data"].clone(), again["has_more"].as_bool()), (json!([last]), Some(true)));
    let next = client.vipps(&token, &format!("{feed}?cursor={}", crate::client::encode(&cursor))).is(200);
    assert_eq!(next["cursor"], cursor.as_str());
    let page = client
        .tripletex(&session, "GET", "ledger/account?from=10&count=5&fields=number", Value::Null)
        .is(200);
    assert_eq!((page["from"].as_i64(), page["values"][0]["number"].as_i64()), (Some(0), Some(1500)));
    assert_eq!(happened(&mut client)["total"], 3);
}

#[test]
fn rows_are_doubled() {
    let mut client = Client::seeded(1);
    let token = client.vipps_token();
    let ledger = client.vipps_ledger(&token);
    client.control("PUT", "faults", json!({ "percent": 100, "kinds": ["duplicate-rows"] })).is(200);
    let items =
        client.vipps(&token, &format!("report/v2/ledgers/{ledger}/fees/feed")).is(200)["items"].clone();
    let items = items.as_array().unwrap();
    assert_eq!(items[items.len() - 1], items[items.len() - 2]);
    // A single object has no rows.
    let before = happened(&mut client)["total"].clone();
    assert_eq!(client.stripe("balance").status, 200);
    assert_eq!(happened(&mut client)["total"], before);
}

#[test]
fn faults_keep_to_their_share_system_endpoint_and_limit() {
    let share = |spec: Value| {
        let mut client = Client::seeded(1);
        let session = client.tripletex_session();
        client.control("PUT", "faults", spec).is(200);
        for _ in 0..200 {
            client.stripe("balance");
            client.tripletex(&session, "GET", "currency", Value::Null);
            client.control("GET", "calls", Value::Null).is(200);
        }
        happened(&mut client)["total"].as_u64().unwrap()
    };
    let all = share(json!({ "percent": 20, "seed": 7, "kinds": ["500", "429"] }));
    assert!((50..110).contains(&all), "{all}");
    assert_eq!(share(json!({ "percent": 20, "seed": 7, "kinds": ["500", "429"] })), all);
    assert_eq!(share(json!({ "percent": 100, "kinds": ["500"], "only": "tripletex" })), 200);
    assert_eq!(share(json!({ "percent": 100, "kinds": ["500"], "endpoint": "balance" })), 200);
    assert_eq!(share(json!({ "percent": 100, "kinds": ["500"], "limit": 3 })), 3);
    assert_eq!(share(json!({ "percent": 0, "kinds": ["500"] })), 0);
    assert_eq!(share(json!({ "percent": 100, "kinds": [] })), 0);
}

#[test]
fn faults_from_the_beginning_come_from_the_options() {
    let faults =
        serde_json::from_value(json!({ "percent": 100, "kinds": ["503-html"], "only": "stripe" })).unwrap();
    let mut client = Client::new(Options { faults: Some(faults), ..Options::default() });
    assert_eq!(client.stripe("payouts").status, 503);
    client.vipps_token();
    let body = client.control("PUT", "faults", json!({ "percent": 1, "kinds": ["earthquake"] })).is(400);
    assert!(body["error"].as_str().unwrap().contains("earthquake"));
    let misspelt = json!({ "percent": 1, "kinds": ["500"], "only": "strip" });
    client.control("PUT", "faults", misspelt).is(409);
    client.control("POST", "expire-tokens", json!({ "system": "strip" })).is(409);
}
