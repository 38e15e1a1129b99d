//! Vipps MobilePay: both kinds of keys, ledgers, dates, the feed, refusals.

use chrono::{NaiveDate, TimeDelta};
use sandbox::{Options, vipps_mobilepay as vipps};
use serde_json::{Value, json};

use crate::client::{Answer, Client, basic, encode};

fn standard(client: &mut Client, change: &[(&str, Option<&str>)]) -> Answer {
    let mut headers = vec![
        ("client_id", vipps::CLIENT_ID),
        ("client_secret", vipps::CLIENT_SECRET),
        ("Ocp-Apim-Subscription-Key", vipps::SUBSCRIPTION_KEY),
        ("Merchant-Serial-Number", vipps::MERCHANT_SERIAL_NUMBER),
    ];
    for (name, value) in change {
        headers.retain(|(known, _)| known != name);
        headers.extend(value.map(|value| (*name, value)));
    }
    client.call("POST", "/vipps/accesstoken/get", &headers, b"")
}

fn specialized(client: &mut Client, id: &str, body: &str, more: &[(&str, &str)]) -> Answer {
    let authorization = basic(id, vipps::ACCOUNTING_CLIENT_SECRET);
    let mut headers = vec![
        ("authorization", authorization.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    headers.extend(more);
    client.call("POST", "/vipps/miami/v1/token", &headers, body.as_bytes())
}

fn accounting(client: &mut Client) -> String {
    let body = specialized(client, vipps::ACCOUNTING_CLIENT_ID, "grant_type=client_credentials", &[]).is(200);
    assert_eq!(body["expires_in"], 900);
    format!("Bearer {}", body["access_token"].as_str().unwrap())
}

#[test]
fn tokens_of_a_sales_unit_need_all_four_headers() {
    let mut client = Client::seeded(1);
    let body = standard(&mut client, &[]).is(200);
    assert_eq!(body["token_type"], "Bearer");
    for number in ["expires_in", "expires_on", "ext_expires_in", "not_before"] {
        assert!(body[number].is_string(), "{number}");
    }
    for name in ["client_id", "client_secret", "Ocp-Apim-Subscription-Key", "Merchant-Serial-Number"] {
        assert_eq!(standard(&mut client, &[(name, None)]).status, 401, "{name}");
        assert_eq!(standard(&mut client, &[(name, Some("wrong"))]).status, 401, "{name}");
    }
    let second = [("Ocp-Apim-Subscription-Key", Some(vipps::SECOND_SUBSCRIPTION_KEY))];
    assert_eq!(standard(&mut client, &second).status, 200);
}

#[test]
fn tokens_of_an_accounting_partner_take_no_subscription_key() {
    let mut client = Client::seeded(1);
    let id = vipps::ACCOUNTING_CLIENT_ID;
    let grant = "grant_type=client_credentials";
    accounting(&mut client);
    let key = [("Ocp-Apim-Subscription-Key", vipps::SUBSCRIPTION_KEY)];
    assert_eq!(specialized(&mut client, id, grant, &key).is(401)["error"], "invalid_client");
    assert_eq!(specialized(&mut client, "nobody", grant, &[]).is(401)["error"], "invalid_client");
    assert_eq!(specialized(&mut client, id, "", &[]).is(400)["error"], "invalid_request");
    assert_eq!(
        specialized(&mut client, id, "grant_type=password", &[]).is(400)["error"],
        "unsupported_grant_type"
    );
}

#[test]
fn tokens_end() {
    let mut client = Client::seeded(1);
    let (token, partner) = (client.vipps_token(), accounting(&mut client));
    let get = |client: &mut Client| {
        client.call("GET", "/vipps/settlement/v1/ledgers", &[("authorization", &partner)], b"").status
    };
    assert_eq!(get(&mut client), 200);
    client.later(TimeDelta::seconds(899));
    assert_eq!(get(&mut client), 200);
    client.later(TimeDelta::seconds(1));
    assert_eq!(get(&mut client), 401);
    assert_eq!(client.vipps(&token, "settlement/v1/ledgers").status, 200);
    client.later(TimeDelta::days(1));
    let body = client.vipps(&token, "settlement/v1/ledgers").is(401);
    assert_eq!(body["code"], "Unauthorized");
    let token = client.vipps_token();
    client.control("POST", "expire-tokens", json!({ "system": "vipps-mobilepay" })).is(200);
    assert_eq!(client.vipps(&token, "settlement/v1/ledgers").status, 401);
}

#[test]
fn calls_carry_what_belongs_to_their_keys() {
    let mut client = Client::seeded(1);
    let token = format!("Bearer {}", client.vipps_token());
    let path = "/vipps/settlement/v1/ledgers";
    let key = ("Ocp-Apim-Subscription-Key", vipps::SUBSCRIPTION_KEY);
    let msn = ("Merchant-Serial-Number", vipps::MERCHANT_SERIAL_NUMBER);
    let bearer = ("authorization", token.as_str());
    assert_eq!(client.call("GET", path, &[bearer, key, msn], b"").status, 200);
    assert_eq!(client.call("GET", path, &[bearer, msn], b"").is(401)["statusCode"], 401);
    assert_eq!(client.call("GET", path, &[bearer, key], b"").is(401)["code"], "Unauthorized");
    assert_eq!(client.call("GET", path, &[("authorization", &token[7..]), key, msn], b"").status, 401);
    let long = ("Vipps-System-Name", "a name that is far longer than thirty");
    assert_eq!(client.call("GET", path, &[bearer, key, msn, long], b"").is(500)["errorCode"], 10_002);
    let partner = accounting(&mut client);
    assert_eq!(client.call("GET", path, &[("authorization", &partner), key], b"").status, 401);
    let other =
        specialized(&mut client, vipps::PARTNER_CLIENT_ID, "grant_type=client_credentials", &[]).is(200);
    let other = format!("Bearer {}", other["access_token"].as_str().unwrap());
    let answer = client.call("GET", path, &[("authorization", &other)], b"");
    assert_eq!(answer.is(403)["status"], 403);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
}

#[test]
fn ledgers_are_paged_and_only_those_that_were_granted() {
    let mut client = Client::new(Options { vipps_second_ledger: true, ..Options::default() });
    let partner = accounting(&mut client);
    let get = |client: &mut Client, query: &str| {
        let path = format!("/vipps/settlement/v1/ledgers{query}");
        client.call("GET", &path, &[("authorization", &partner)], b"")
    };
    let first = get(&mut client, "").is(200);
    let cursor = encode(first["cursor"].as_str().unwrap());
    let second = get(&mut client, &format!("?cursor={cursor}")).is(200);
    assert_eq!((first["items"].as_array().unwrap().len(), second["cursor"].as_str()), (1, Some("")));
    let other = second["items"][0]["ledgerId"].as_str().unwrap();
    assert_ne!(first["items"][0]["ledgerId"], other);
    assert_eq!(second["items"][0]["settlesForRecipientHandles"], json!(["api:7654321"]));
    let filtered = get(&mut client, "?settlesForRecipientHandles=api:7654321").is(200);
    assert_eq!(filtered["items"], second["items"]);
    assert_eq!(get(&mut client, "?cursor=abc").status, 500);
    let token = client.vipps_token();
    assert_eq!(client.vipps_ledger(&token), first["items"][0]["ledgerId"].as_str().unwrap());
    let body = client.vipps(&token, &format!("report/v2/ledgers/{other}/funds/feed")).is(404);
    assert_eq!(body["detail"], "No such ledgerId");
}

/// All pages of a date, and whether it is still open.
fn date(client: &mut Client, token: &str, path: &str) -> (Vec<Value>, bool) {
    let (mut items, mut query) = (Vec::new(), String::new());
    loop {
        let body = client.vipps(token, &format!("{path}{query}")).is(200);
        items.extend(body["items"].as_array().unwrap().iter().cloned());
        if body["hasMore"] == false {
            assert!(body.get("cursor").is_none());
            return (items, body["tryLater"] == true);
        }
        query = format!("?cursor={}", encode(body["cursor"].as_str().unwrap()));
    }
}

#[test]
fn dates_and_feed_tell_the_same_story() {
    for page in [1000, 3] {
        let mut client = Client::new(Options { vipps_page: page, ..Options::default() });
        let token = client.vipps_token();
        let ledger = client.vipps_ledger(&token);
        for topic in ["funds", "fees"] {
            let feed = client.vipps_feed(&token, &ledger, topic);
            let mut on: NaiveDate = feed[0]["ledgerDate"].as_str().unwrap().parse().unwrap();
            let mut walked = Vec::new();
            let mut open = 0;
            while on <= client.now.date_naive() {
                let path = format!("report/v2/ledgers/{ledger}/{topic}/dates/{on}");
                let (items, is_open) = date(&mut client, &token, &path);
                assert!(items.iter().all(|item| item["ledgerDate"] == on.to_string()));
                walked.extend(items);
                open += i32::from(is_open);
                on = on.succ_opt().unwrap();
            }
            assert_eq!(walked, feed);
            assert!(open > 0);
        }
    }
}

#[test]
fn a_date_closes_when_it_is_settled() {
    let mut client = Client::seeded(1);
    let token = client.vipps_token();
    let ledger = client.vipps_ledger(&token);
    let truth = client.truth();
    let waiting =
        truth.iter().rfind(|truth| truth["soundness"] == "waiting" && truth["account"] == *ledger).unwrap();
    let path = format!("report/v2/ledgers/{ledger}/funds/dates/{}", waiting["on"].as_str().unwrap());
    let (before, is_open) = date(&mut client, &token, &path);
    assert!(is_open && before.iter().all(|item| item["entryType"] == "capture"));
    let feed = client.vipps_feed(&token, &ledger, "funds");
    client.control("POST", "settle", json!({ "system": "vipps-mobilepay" })).is(200);
    let (after, is_open) = date(&mut client, &token, &path);
    assert!(!is_open);
    assert_eq!(after.last().unwrap()["entryType"], "payout-scheduled");
    assert_eq!(after.last().unwrap()["pspReference"], waiting["id"]);
    assert_eq!(client.vipps_feed(&token, &ledger, "funds").len(), feed.len() + 2);
    client.control("POST", "settle", json!({ "system": "vipps-mobilepay" })).is(409);
}

#[test]
fn entries_have_the_documented_members() {
    let mut client = Client::seeded(1);
    let token = client.vipps_token();
    let ledger = client.vipps_ledger(&token);
    let answer = client.vipps(&token, &format!("report/v2/ledgers/{ledger}/funds/feed"));
    assert_eq!(answer.header("vipps-feed-page-size"), Some("1000"));
    let first = answer.json()["items"][0].clone();
    assert!(first["time"].as_str().unwrap().ends_with(".824993Z"));
    assert!(
        first["amount"].is_i64() && first["currency"] == "NOK" && first["recipientHandle"] == "api:123456"
    );
    assert!(first.get("name").is_none());
    let path = format!("report/v2/ledgers/{ledger}/funds/feed?includeGDPRSensitiveData=true");
    assert!(client.vipps(&token, &path).is(200)["items"][0]["name"].is_string());
    let fees = client.vipps_feed(&token, &ledger, "fees");
    let funds = client.vipps_feed(&token, &ledger, "funds");
    let retained = |items: &[Value]| -> Vec<(String, i64)> {
        let found = items.iter().filter(|item| item["entryType"] == "fees-retained");
        found
            .map(|item| (item["pspReference"].as_str().unwrap().to_owned(), item["amount"].as_i64().unwrap()))
            .collect()
    };
    for (one, other) in retained(&funds).iter().zip(retained(&fees)) {
        assert_eq!(one.1, -other.1);
        assert_ne!(one.0, other.0);
    }
}

#[test]
fn wrong_requests_are_refused() {
    let mut client = Client::seeded(1);
    let token = client.vipps_token();
    let ledger = client.vipps_ledger(&token);
    let base = format!("report/v2/ledgers/{ledger}");
    for path in [
        "funds/dates/2026-13-01",
        "funds/dates/20261101",
        "money/feed",
        "funds/feed?cursor=abc",
        "funds/dates/2026-11-01?cursor=abc",
    ] {
        assert_eq!(client.vipps(&token, &format!("{base}/{path}")).is(500)["errorCode"], 10_002, "{path}");
    }
    let cursor =
        client.vipps(&token, &format!("{base}/funds/feed")).is(200)["cursor"].as_str().unwrap().to_owned();
    let cursor = encode(&cursor);
    assert_eq!(client.vipps(&token, &format!("{base}/fees/feed?cursor={cursor}")).status, 500);
    assert_eq!(client.vipps(&token, "report/v2/ledgers/999999/funds/feed").status, 404);
    assert_eq!(client.vipps(&token, "report/v1/ledgertransactions").is(404)["statusCode"], 404);
    // A day that nothing was sold on is closed and empty; one to come is open.
    assert_eq!(date(&mut client, &token, &format!("{base}/funds/dates/2020-01-01")), (Vec::new(), false));
    assert_eq!(date(&mut client, &token, &format!("{base}/funds/dates/2027-01-01")), (Vec::new(), true));
}
