//! The control: counts, the truth, and payouts that come back.

use serde_json::{Value, json};

use crate::client::Client;

#[test]
fn calls_are_counted_by_endpoint_and_purpose() {
    let mut client = Client::seeded(1);
    client.stripe("payouts/po_1");
    client.stripe("payouts/po_2");
    client.vipps_token();
    let session = client.tripletex_session();
    client.tripletex(&session, "GET", "currency", Value::Null);
    client.tripletex(&session, "POST", "ledger/voucher", json!({}));
    client.tripletex(
        &session,
        "GET",
        "ledger/voucher/%3EexternalVoucherNumber?externalVoucherNumber=a",
        Value::Null,
    );
    let body = client.control("GET", "calls", Value::Null).is(200);
    assert_eq!(
        body["kinds"],
        json!({
            "stripe": { "data": 2 },
            "tripletex": { "catalogue": 1, "search": 1, "send": 1, "session": 1 },
            "vipps-mobilepay": { "session": 1 },
        })
    );
    assert_eq!(body["total"], 7);
    let first = &body["calls"][0];
    assert_eq!((first["endpoint"].as_str(), first["count"].as_u64()), (Some("/v1/payouts/{id}"), Some(2)));
    client.control("DELETE", "calls", Value::Null).is(200);
    assert_eq!(client.control("GET", "calls", Value::Null).is(200)["total"], 0);
}

#[test]
fn whoever_follows_a_redirect_is_seen() {
    let mut client = Client::seeded(1);
    client.control("PUT", "faults", json!({ "percent": 100, "kinds": ["redirect"] })).is(200);
    let answer = client.stripe("payouts");
    let location = answer.header("location").unwrap().to_owned();
    client.call("GET", &location, &[], b"").is(200);
    assert_eq!(client.control("GET", "calls", Value::Null).is(200)["redirects_followed"], 1);
}

#[test]
fn a_stripe_payout_comes_back_in_a_new_one() {
    let mut client = Client::seeded(1);
    let before = client.truth();
    let sound = |truth: &&Value| {
        truth["provider"] == "stripe" && truth["soundness"] == "sound" && truth["returned"] == false
    };
    let id = before.iter().find(sound).unwrap()["id"].as_str().unwrap().to_owned();
    client.control("POST", "fail-payout", json!({ "id": id })).is(200);
    client.control("POST", "fail-payout", json!({ "id": id })).is(409);
    let failed = client.stripe(&format!("payouts/{id}")).is(200);
    // The row is a little older than the payout that it stands in.
    assert_eq!(failed["status"], "failed");
    let truths = client.truth();
    assert_eq!(truths.len(), before.len() + 1);
    let new = truths.iter().rfind(|truth| truth["provider"] == "stripe").unwrap();
    assert_eq!(new["reversals"][0]["of"], id.as_str());
    let rows =
        client.stripe_all(&format!("balance_transactions?payout={}", new["id"].as_str().unwrap()), 100);
    assert_eq!(rows.iter().map(|row| row["net"].as_i64().unwrap()).sum::<i64>(), 0);
    let row = rows.iter().find(|row| row["type"] == "payout_failure").unwrap();
    assert_eq!((&row["id"], &row["source"]), (&failed["failure_balance_transaction"], &json!(id)));
    let all = client.stripe_all("balance_transactions", 100);
    assert!(all.is_sorted_by(|one, other| one["created"].as_i64() >= other["created"].as_i64()));
    client.control("POST", "fail-payout", json!({ "id": "po_none" })).is(409);
}

#[test]
fn a_vipps_payout_comes_back_on_a_new_date() {
    let mut client = Client::seeded(1);
    let token = client.vipps_token();
    let ledger = client.vipps_ledger(&token);
    let truths = client.truth();
    let sound = |truth: &&Value| {
        truth["account"] == ledger.as_str() && truth["soundness"] == "sound" && truth["returned"] == false
    };
    let id = truths.iter().find(sound).unwrap()["id"].as_str().unwrap().to_owned();
    // Not while a date is open: nothing may come after it.
    client.control("POST", "fail-payout", json!({ "id": id })).is(409);
    client.control("POST", "settle", json!({ "system": "vipps-mobilepay" })).is(200);
    client.control("POST", "fail-payout", json!({ "id": id })).is(200);
    // On a date that nobody has read to its end: it is paid out again when that is over.
    client.later(chrono::TimeDelta::days(1));
    let token = client.vipps_token();
    let feed = client.vipps_feed(&token, &ledger, "funds");
    let aborted = feed.iter().rfind(|item| item["entryType"] == "payout-aborted").unwrap();
    assert_eq!(aborted["pspReference"], id.as_str());
    assert_eq!(feed.last().unwrap()["balanceAfter"], 0);
    let truths = client.truth();
    assert_eq!(truths.last().unwrap()["reversals"][0]["on"], aborted["ledgerDate"]);
}

#[test]
fn unknown_controls_and_bodies_are_refused() {
    let mut client = Client::seeded(1);
    client.control("GET", "nothing", Value::Null).is(404);
    client.control("POST", "settle", json!({ "payout": 1 })).is(400);
    client.control("POST", "close-period", json!({})).is(400);
    assert_eq!(client.call("GET", "/paypal/v1/payouts", &[], b"").status, 404);
    assert_eq!(client.call("GET", "/stripe/%zz", &[], b"").status, 400);
}

#[test]
fn the_second_settle_finds_nothing() {
    let mut client = Client::seeded(1);
    let waiting =
        |client: &mut Client| client.truth().iter().filter(|truth| truth["soundness"] == "waiting").count();
    assert_eq!(waiting(&mut client), 2);
    client.control("POST", "settle", Value::Null).is(200);
    assert_eq!(waiting(&mut client), 0);
    client.control("POST", "settle", Value::Null).is(409);
}
