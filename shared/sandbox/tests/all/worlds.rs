//! Worlds made from a seed: they satisfy the identities that the providers document, and what is unsound
//! breaks one.

use std::collections::BTreeMap;

use sandbox::{Huge, Options};
use serde_json::{Value, json};

use crate::client::{Client, encode};

/// Minor units of text in major units.
fn minor(text: &Value) -> i64 {
    text.as_str().unwrap().replace('.', "").parse().unwrap()
}

fn sum(rows: &[Value], member: &str) -> i64 {
    rows.iter().map(|row| row[member].as_i64().unwrap()).sum()
}

/// Debit positive, by role: what a checker would expect of the rows, worked out from the API's words alone.
fn stripe_postings(rows: &[Value]) -> BTreeMap<String, i64> {
    let mut roles: BTreeMap<String, i64> = BTreeMap::new();
    for row in rows {
        let amount = row["amount"].as_i64().unwrap();
        let role = match (row["type"].as_str().unwrap(), row["reporting_category"].as_str().unwrap()) {
            (_, "charge" | "refund" | "partial_capture_reversal" | "refund_failure") => "sales_clearing",
            (_, "dispute" | "dispute_reversal") => "disputed",
            (_, "fee") => "provider_fee",
            (_, "tax") => "fee_vat",
            (_, "risk_reserved_funds") => "held_by_provider",
            (_, "topup" | "payout") => "in_transit",
            (_, "other_adjustment") if amount > 0 => "other_income",
            (_, "payout_minimum_balance_hold" | "payout_reversal") => "",
            other => panic!("{other:?}"),
        };
        if !role.is_empty() {
            *roles.entry(role.to_owned()).or_default() -= amount;
        }
        for detail in row["fee_details"].as_array().unwrap() {
            let role = if detail["type"] == "tax" { "fee_vat" } else { "provider_fee" };
            *roles.entry(role.to_owned()).or_default() += detail["amount"].as_i64().unwrap();
        }
    }
    let rest: i64 = roles.values().sum();
    roles.insert("provider_balance".to_owned(), -rest);
    roles.retain(|_, amount| *amount != 0);
    roles
}

fn postings(truth: &Value) -> BTreeMap<String, i64> {
    truth["postings"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(role, amount)| (role.clone(), minor(amount)))
        .collect()
}

#[test]
fn sound_stripe_payouts_satisfy_every_identity() {
    for seed in 1..=12 {
        let mut client = Client::new(Options { seed, payouts: 13, sound_only: true, ..Options::default() });
        let truths = client.truth();
        let mut checked = 0;
        for truth in truths.iter().filter(|truth| truth["provider"] == "stripe") {
            let id = truth["id"].as_str().unwrap();
            let payout = client.stripe(&format!("payouts/{id}")).is(200);
            let rows = client.stripe_all(&format!("balance_transactions?payout={id}"), 100);
            let own: Vec<&Value> =
                rows.iter().filter(|row| row["source"] == id && row["type"] == "payout").collect();
            assert_eq!(own.len(), 1, "seed {seed} {id}");
            assert_eq!(own[0]["id"], payout["balance_transaction"]);
            assert_eq!(own[0]["amount"].as_i64().unwrap(), -payout["amount"].as_i64().unwrap());
            assert_eq!(sum(&rows, "net"), 0, "seed {seed} {id}");
            for row in &rows {
                let part = |name: &str| row[name].as_i64().unwrap();
                assert_eq!(part("net"), part("amount") - part("fee"));
                assert_eq!(sum(row["fee_details"].as_array().unwrap(), "amount"), part("fee"));
                assert_eq!(row["currency"], "nok");
            }
            assert_eq!(minor(&truth["amount"]), payout["amount"].as_i64().unwrap());
            assert_eq!(postings(truth), stripe_postings(&rows), "seed {seed} {id}");
            assert_eq!(postings(truth).values().sum::<i64>(), 0);
            assert_eq!(truth["rows"], rows.len() - 1);
            if payout["status"] == "failed" {
                let row = payout["failure_balance_transaction"].as_str().unwrap();
                let row = client.stripe(&format!("balance_transactions/{row}")).is(200);
                assert_eq!((row["type"].as_str(), &row["source"]), (Some("payout_failure"), &payout["id"]));
                assert_eq!(row["amount"], payout["amount"]);
                assert_eq!(truth["returned"], true);
            }
            checked += 1;
        }
        assert_eq!(checked, 13);
    }
}

#[test]
fn worlds_hold_every_shape() {
    let mut client = Client::seeded(2);
    let payouts = client.stripe_all("payouts", 100);
    assert!(payouts.iter().any(|payout| payout["amount"].as_i64().unwrap() < 0));
    assert!(payouts.iter().any(|payout| payout["status"] == "failed"));
    let rows = client.stripe_all("balance_transactions", 100);
    for category in [
        "charge",
        "refund",
        "partial_capture_reversal",
        "refund_failure",
        "dispute",
        "dispute_reversal",
        "fee",
        "tax",
        "risk_reserved_funds",
        "payout_minimum_balance_hold",
        "topup",
        "other_adjustment",
        "payout_reversal",
        "payout",
    ] {
        assert!(rows.iter().any(|row| row["reporting_category"] == category), "{category}");
    }
    let euro = rows.iter().find(|row| !row["exchange_rate"].is_null()).unwrap();
    assert!(euro["exchange_rate"].to_string().starts_with("11."));
    let token = client.vipps_token();
    let ledger = client.vipps_ledger(&token);
    let mut items = client.vipps_feed(&token, &ledger, "funds");
    items.extend(client.vipps_feed(&token, &ledger, "fees"));
    for kind in [
        "capture",
        "refund",
        "retained-disputed-capture",
        "returned-disputed-capture",
        "correction",
        "top-up",
        "fees-retained",
        "payout-scheduled",
        "scheduled-for-payout",
        "payout-aborted",
        "capture-fee",
        "service-fee",
        "loyalty-bonus",
    ] {
        assert!(items.iter().any(|item| item["entryType"] == kind), "{kind}");
    }
    assert!(items.iter().any(|item| item["balanceAfter"].as_i64().unwrap() < 0));
}

#[test]
fn unsound_stripe_payouts_break_one_rule_each() {
    let mut client = Client::seeded(4);
    let truths = client.truth();
    let causes: Vec<&str> = truths
        .iter()
        .filter(|truth| truth["provider"] == "stripe")
        .filter_map(|truth| truth["cause"].as_str())
        .collect();
    assert_eq!(causes, ["does-not-add-up", "unknown-line", "manual-payout"]);
    let of = |cause: &str| {
        truths.iter().find(|truth| truth["cause"] == cause && truth["provider"] == "stripe").unwrap()
    };
    let rows = |client: &mut Client, truth: &Value| {
        client.stripe_all(&format!("balance_transactions?payout={}", truth["id"].as_str().unwrap()), 100)
    };
    assert_ne!(sum(&rows(&mut client, of("does-not-add-up")), "net"), 0);
    let unknown = rows(&mut client, of("unknown-line"));
    assert_eq!(sum(&unknown, "net"), 0);
    assert!(unknown.iter().any(|row| row["type"] == "loyalty_settlement"));
}

/// Checks the chain of balances; gives the place of the first entry that breaks it.
fn broken(items: &[Value]) -> Option<usize> {
    let mut balance = 0;
    items.iter().position(|item| {
        let part = |name: &str| item[name].as_i64().unwrap();
        let breaks = part("balanceBefore") != balance
            || part("balanceBefore") + part("amount") != part("balanceAfter");
        balance = part("balanceAfter");
        breaks
    })
}

#[test]
fn sound_vipps_ledgers_keep_every_balance() {
    for seed in 1..=12 {
        for gross in [false, true] {
            let options = Options {
                seed,
                payouts: 13,
                sound_only: true,
                vipps_gross: gross,
                vipps_page: 50,
                ..Options::default()
            };
            let mut client = Client::new(options);
            let token = client.vipps_token();
            let ledger = client.vipps_ledger(&token);
            let funds = client.vipps_feed(&token, &ledger, "funds");
            let fees = client.vipps_feed(&token, &ledger, "fees");
            assert_eq!(broken(&funds), None, "seed {seed}");
            assert_eq!(broken(&fees), None, "seed {seed}");
            let is_payout = |item: &&Value| {
                matches!(item["entryType"].as_str().unwrap(), "payout-scheduled" | "scheduled-for-payout")
            };
            let payouts: Vec<&Value> = funds.iter().filter(is_payout).collect();
            assert!(payouts.iter().all(|payout| payout["balanceAfter"] == 0));
            assert_eq!(funds.iter().any(|item| item["entryType"] == "fees-retained"), !gross);
            assert_eq!(fees.iter().any(|item| item["entryType"] == "fees-invoiced"), gross);
            let truths = client.truth();
            let truths: Vec<&Value> =
                truths.iter().filter(|truth| truth["provider"] == "vipps-mobilepay").collect();
            assert_eq!(truths.len(), 13);
            let mut sets = funds.split_inclusive(|item| is_payout(&item));
            for (truth, payout) in truths.iter().zip(payouts) {
                assert_eq!(truth["id"], payout["pspReference"]);
                assert_eq!(truth["on"], payout["ledgerDate"]);
                assert_eq!(minor(&truth["amount"]), -payout["amount"].as_i64().unwrap());
                assert!(payout["recipientHandle"].is_null());
                let set = sets.next().unwrap();
                assert_eq!(sum(set, "amount"), 0);
                assert_eq!(truth["rows"], set.len() - 1);
                let part = |name: &str| truth["expected"].get(name).map_or(0, minor);
                let of = |kinds: &[&str]| -> i64 {
                    let found =
                        set.iter().filter(|item| kinds.contains(&item["entryType"].as_str().unwrap()));
                    found.map(|item| item["amount"].as_i64().unwrap()).sum()
                };
                assert_eq!(part("sales"), of(&["capture"]));
                assert_eq!(part("refunds"), of(&["refund"]));
                assert_eq!(part("fees"), -of(&["fees-retained"]));
                assert_eq!(
                    part("chargebacks"),
                    of(&["retained-disputed-capture", "returned-disputed-capture"])
                );
                assert_eq!(part("payout_reversals"), of(&["payout-aborted"]));
                assert_eq!(part("top_ups"), of(&["top-up"]));
                assert_eq!(part("adjustments"), of(&["correction"]));
                assert_eq!(postings(truth).values().sum::<i64>(), 0);
            }
        }
    }
}

#[test]
fn unsound_vipps_payouts_break_one_rule_each() {
    let mut client = Client::seeded(4);
    let token = client.vipps_token();
    let ledger = client.vipps_ledger(&token);
    let funds = client.vipps_feed(&token, &ledger, "funds");
    let truths = client.truth();
    let of = |cause: &str| {
        truths.iter().find(|truth| truth["cause"] == cause && truth["provider"] == "vipps-mobilepay").unwrap()
    };
    let at = broken(&funds).unwrap();
    assert_eq!(funds[at]["ledgerDate"], of("does-not-add-up")["on"]);
    let unknown = funds.iter().find(|item| item["entryType"] == "loyalty-bonus").unwrap();
    assert_eq!(unknown["ledgerDate"], of("unknown-line")["on"]);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = |seed| {
        let mut client = Client::seeded(seed);
        let mut bytes = Vec::new();
        for path in ["payouts?limit=100", "balance_transactions?limit=100&expand[]=data.source"] {
            let answer = client.stripe(path);
            bytes.extend(format!("{:?}", answer.headers).into_bytes());
            bytes.extend(answer.body);
        }
        let token = client.vipps_token();
        let ledger = client.vipps_ledger(&token);
        bytes.extend(client.vipps(&token, &format!("report/v2/ledgers/{ledger}/funds/feed")).body);
        let session = client.tripletex_session();
        bytes.extend(session.bytes());
        let answer = client.tripletex(&session, "GET", "ledger/account", Value::Null);
        bytes.extend(format!("{:?}", answer.headers).into_bytes());
        bytes.extend(answer.body);
        bytes.extend(json!(client.truth()).to_string().into_bytes());
        bytes
    };
    assert_eq!(bytes(9), bytes(9));
    assert_ne!(bytes(9), bytes(10));
}

#[test]
fn huge_settlements_are_paged_and_add_up() {
    let options =
        |provider| Options { payouts: 2, huge: Some(Huge { provider, rows: 3_000 }), ..Options::default() };
    let mut client = Client::new(options("stripe"));
    let truths = client.truth();
    let truth = truths.iter().find(|truth| truth["rows"] == 3_000).unwrap();
    let rows =
        client.stripe_all(&format!("balance_transactions?payout={}", truth["id"].as_str().unwrap()), 100);
    assert_eq!(rows.len(), 3_001);
    assert_eq!(sum(&rows, "net"), 0);
    assert_eq!(postings(truth), stripe_postings(&rows));

    for gross in [false, true] {
        let options = Options { vipps_gross: gross, sound_only: true, ..options("vipps-mobilepay") };
        let mut client = Client::new(options);
        let token = client.vipps_token();
        let ledger = client.vipps_ledger(&token);
        assert_eq!(broken(&client.vipps_feed(&token, &ledger, "funds")), None);
        assert_eq!(broken(&client.vipps_feed(&token, &ledger, "fees")), None);
        let truths = client.truth();
        let truth = truths.iter().find(|truth| truth["rows"].as_u64().unwrap() >= 3_000).unwrap();
        let path = format!("report/v2/ledgers/{ledger}/funds/dates/{}", truth["on"].as_str().unwrap());
        let mut cursor: Option<String> = None;
        let mut items = Vec::new();
        loop {
            let query = cursor.map(|cursor| format!("?cursor={}", encode(&cursor))).unwrap_or_default();
            let body = client.vipps(&token, &format!("{path}{query}")).is(200);
            items.extend(body["items"].as_array().unwrap().iter().cloned());
            cursor = body["cursor"].as_str().map(str::to_owned);
            assert_eq!(body["hasMore"].as_bool().unwrap(), cursor.is_some());
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(items.len() as u64, truth["rows"].as_u64().unwrap() + 1);
        assert_eq!(sum(&items, "amount"), 0);
    }
}

#[test]
fn a_million_rows_take_no_memory() {
    let options = Options {
        payouts: 1,
        huge: Some(Huge { provider: "stripe", rows: 1_000_000 }),
        ..Options::default()
    };
    let mut client = Client::new(options);
    let truths = client.truth();
    let truth = truths.iter().find(|truth| truth["rows"] == 1_000_000).unwrap();
    let id = truth["id"].as_str().unwrap();
    let first = client.stripe(&format!("balance_transactions?payout={id}&limit=1")).is(200);
    let own = first["data"][0]["id"].as_str().unwrap();
    let late = format!("{}{:08}", &own[..own.len() - 8], 999_990);
    let page =
        client.stripe(&format!("balance_transactions?payout={id}&limit=100&starting_after={late}")).is(200);
    assert_eq!(page["data"].as_array().unwrap().len(), 10);
    assert_eq!(page["has_more"], false);
}

#[test]
fn earlier_payouts_lie_before_the_base_day() {
    let mut client = Client::new(Options { before: 3, ..Options::default() });
    let body = client.control("GET", "payouts", Value::Null).is(200);
    let base_on = body["base_on"].as_str().unwrap();
    for truth in body["payouts"].as_array().unwrap() {
        let is_before = truth["on"].as_str().unwrap() < base_on;
        assert_eq!(truth["soundness"] == "before", is_before, "{truth}");
    }
}
