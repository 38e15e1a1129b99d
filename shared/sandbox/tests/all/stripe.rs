//! Stripe: keys, versions, filters, cursors, refusals.

use std::collections::BTreeSet;

use sandbox::{Options, stripe};
use serde_json::Value;

use crate::client::{Client, basic};

fn with_key(client: &mut Client, authorization: &str, path: &str) -> (u16, Value) {
    let headers = [("authorization", authorization), ("stripe-version", "2026-07-29.dahlia")];
    let answer = client.call("GET", &format!("/stripe/v1/{path}"), &headers, b"");
    assert!(answer.header("request-id").unwrap().starts_with("req_"));
    (answer.status, answer.json())
}

#[test]
fn keys_are_answered_as_the_real_ones() {
    let mut client = Client::seeded(1);
    let bearer = |key: &str| format!("Bearer {key}");
    let (status, body) = with_key(&mut client, &bearer(stripe::REVOKED_KEY), "payouts");
    assert_eq!(status, 401);
    assert_eq!(body["error"]["type"], "invalid_request_error");
    assert_eq!(body["error"]["message"], "Invalid API Key provided: ************oked");
    let (status, body) = with_key(&mut client, &bearer(stripe::EXPIRED_KEY), "payouts");
    assert_eq!((status, body["error"]["code"].as_str()), (401, Some("api_key_expired")));
    let (status, body) = with_key(&mut client, &bearer(stripe::PUBLISHABLE_KEY), "payouts");
    assert_eq!((status, body["error"]["code"].as_str()), (401, Some("secret_key_required")));
    let restricted = bearer(stripe::RESTRICTED_KEY_WITHOUT_PAYOUTS);
    let (status, body) = with_key(&mut client, &restricted, "payouts");
    assert_eq!(status, 403);
    assert!(body["error"]["message"].as_str().unwrap().contains("rak_payout_read"));
    assert_eq!(with_key(&mut client, &restricted, "balance_transactions").0, 200);
    assert_eq!(with_key(&mut client, &bearer(stripe::RESTRICTED_KEY), "payouts").0, 200);
    assert_eq!(with_key(&mut client, &basic(stripe::KEY, ""), "payouts").0, 200);
    let answer = client.call("GET", "/stripe/v1/payouts", &[("stripe-version", "2026-07-29.dahlia")], b"");
    assert_eq!(answer.is(401)["error"]["type"], "invalid_request_error");
}

#[test]
fn a_request_without_version_is_refused() {
    let mut client = Client::seeded(1);
    let key = format!("Bearer {}", stripe::KEY);
    let answer = client.call("GET", "/stripe/v1/payouts", &[("authorization", &key)], b"");
    assert_eq!(answer.status, 400);
    let headers = [("authorization", key.as_str()), ("stripe-version", "latest")];
    assert_eq!(client.call("GET", "/stripe/v1/payouts", &headers, b"").status, 400);
}

#[test]
fn unknown_addresses_and_parameters_are_refused() {
    let mut client = Client::seeded(1);
    let body = client.stripe("payouts?foo=1").is(400);
    assert_eq!(body["error"]["code"], "parameter_unknown");
    assert_eq!(body["error"]["param"], "foo");
    for path in [
        "payouts?payout=x",
        "payouts?created[before]=1",
        "balance_transactions?status=paid",
        "balance_transactions?arrival_date=1",
    ] {
        assert_eq!(client.stripe(path).is(400)["error"]["code"], "parameter_unknown", "{path}");
    }
    for path in
        ["payouts?limit=0", "payouts?limit=101", "payouts?limit=ten", "payouts?created[gte]=yesterday"]
    {
        assert_eq!(client.stripe(path).is(400)["error"]["code"], "parameter_invalid_integer", "{path}");
    }
    assert_eq!(client.stripe("payouts?status=in_transit").is(400)["error"]["param"], "status");
    assert_eq!(client.stripe("payouts/po_none").is(404)["error"]["code"], "resource_missing");
    assert_eq!(client.stripe("payouts?starting_after=po_none").is(400)["error"]["param"], "starting_after");
    assert_eq!(client.stripe("balance_transactions?payout=po_none").is(400)["error"]["param"], "payout");
    assert_eq!(client.stripe("accounts").status, 404);
    let last = client.stripe("payouts?limit=1").is(200)["data"][0]["id"].as_str().unwrap().to_owned();
    let both = format!("payouts?starting_after={last}&ending_before={last}");
    assert_eq!(client.stripe(&both).status, 400);
}

#[test]
fn pages_of_any_size_give_the_same_rows() {
    let mut client = Client::seeded(3);
    let payouts = client.stripe_all("payouts", 100);
    let created: Vec<i64> = payouts.iter().map(|payout| payout["created"].as_i64().unwrap()).collect();
    assert!(created.is_sorted_by(|one, other| one > other));
    assert_eq!(client.stripe_all("payouts", 2), payouts);
    let all = client.stripe_all("balance_transactions", 100);
    assert!(all.is_sorted_by(|one, other| one["created"].as_i64() >= other["created"].as_i64()));
    assert_eq!(client.stripe_all("balance_transactions", 7), all);
    let ids: BTreeSet<&str> = all.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), all.len());
}

#[test]
fn pages_go_back_with_ending_before() {
    let mut client = Client::seeded(3);
    let all = client.stripe_all("balance_transactions", 100);
    let at = all[30]["id"].as_str().unwrap();
    let page = client.stripe(&format!("balance_transactions?limit=10&ending_before={at}")).is(200);
    assert_eq!(page["data"].as_array().unwrap(), &all[20..30]);
    assert_eq!(page["has_more"], true);
    let page = client.stripe(&format!("balance_transactions?limit=100&ending_before={at}")).is(200);
    assert_eq!(page["data"].as_array().unwrap(), &all[..30]);
    assert_eq!(page["has_more"], false);
    let payouts = client.stripe_all("payouts", 100);
    let at = payouts[3]["id"].as_str().unwrap();
    let page = client.stripe(&format!("payouts?limit=2&ending_before={at}")).is(200);
    assert_eq!(page["data"].as_array().unwrap(), &payouts[1..3]);
}

#[test]
fn filters_narrow_lists() {
    let mut client = Client::seeded(3);
    let payouts = client.stripe_all("payouts", 100);
    let middle = payouts[4]["created"].as_i64().unwrap();
    let count =
        |client: &mut Client, query: String| client.stripe_all(&format!("payouts?{query}"), 100).len();
    assert_eq!(count(&mut client, format!("created[gte]={middle}")), 5);
    assert_eq!(count(&mut client, format!("created[gt]={middle}")), 4);
    assert_eq!(count(&mut client, format!("created[lte]={middle}")), payouts.len() - 4);
    assert_eq!(count(&mut client, format!("created%5Blt%5D={middle}")), payouts.len() - 5);
    assert_eq!(count(&mut client, format!("created={middle}")), 1);
    let paid = payouts.iter().filter(|payout| payout["status"] == "paid").count();
    assert_eq!(count(&mut client, "status=paid".to_owned()), paid);
    assert!(count(&mut client, "status=failed".to_owned()) == 1);
    let rows = client.stripe_all("balance_transactions", 100);
    let disputes = client.stripe_all("balance_transactions?type=adjustment", 100);
    assert_eq!(disputes.len(), rows.iter().filter(|row| row["type"] == "adjustment").count());
    let source = disputes[0]["source"].as_str().unwrap_or("none").to_owned();
    assert!(client.stripe_all(&format!("balance_transactions?source={source}"), 10).len() <= 1);
    assert!(client.stripe_all("balance_transactions?currency=eur", 10).is_empty());
}

#[test]
fn rows_of_a_payout_made_by_hand_are_not_told() {
    let mut client = Client::seeded(1);
    let payouts = client.stripe_all("payouts", 100);
    let manual = payouts.iter().find(|payout| payout["automatic"] == false).unwrap();
    assert_eq!(manual["reconciliation_status"], "not_applicable");
    let path = format!("balance_transactions?payout={}", manual["id"].as_str().unwrap());
    assert_eq!(client.stripe(&path).is(400)["error"]["param"], "payout");
    // Its own row is there all the same.
    let row = manual["balance_transaction"].as_str().unwrap();
    assert_eq!(client.stripe(&format!("balance_transactions/{row}")).is(200)["source"], manual["id"]);
}

#[test]
fn sources_are_expanded() {
    let mut client = Client::seeded(1);
    let rows = client.stripe_all("balance_transactions?expand[]=data.source", 100);
    let of =
        |object: &str| rows.iter().find(|row| row["source"]["object"] == object).unwrap()["source"].clone();
    assert!(of("charge")["metadata"]["order_id"].is_string());
    let refund = of("refund");
    assert!(rows.iter().any(|row| row["source"]["id"] == refund["charge"]));
    assert!(of("dispute")["charge"].is_string());
    assert!(of("payout")["arrival_date"].is_i64());
    assert_eq!(client.stripe("balance").is(200)["object"], "balance");
}

#[test]
fn a_waiting_payout_lists_half_until_it_is_settled() {
    let mut client = Client::seeded(1);
    let waiting = client.stripe_all("payouts", 100).remove(0);
    assert_eq!(waiting["reconciliation_status"], "in_progress");
    let id = waiting["id"].as_str().unwrap();
    let path = format!("balance_transactions?payout={id}");
    let before = client.stripe_all(&path, 100).len();
    client.control("POST", "settle", serde_json::json!({ "id": id })).is(200);
    assert!(client.stripe_all(&path, 100).len() > before);
    let settled = client.stripe(&format!("payouts/{id}")).is(200);
    assert_eq!(settled["reconciliation_status"], "completed");
    client.control("POST", "settle", serde_json::json!({ "id": id })).is(409);
}

#[test]
fn payouts_appear_when_they_are_made() {
    let options =
        Options { base_on: Some(crate::client::noon().date_naive()), sound_only: true, ..Options::default() };
    let mut client = Client::new(options);
    assert_eq!(client.stripe_all("payouts", 10).len(), 1);
    client.later(chrono::TimeDelta::days(2));
    assert_eq!(client.stripe_all("payouts", 10).len(), 2);
    client.later(chrono::TimeDelta::days(10));
    assert_eq!(client.stripe_all("payouts", 10).len(), 6);
}
