//! What vouchers and totals say beside their sums: counts of rows, texts, days, proofs and fingerprints.

use ledger::{Cause, Head, Posting, Purpose, Role, Side, Totals, Voucher, voucher};
use rust_decimal::Decimal;

use crate::case::{Case, day, mapping_with};

const SETTLEMENT: &str = "head stripe:po_1 NOK 2026-02-05 270.00\n\
                          tx_1 sale 2026-02-02 100.00 3.00 type=charge\n\
                          tx_2 sale 2026-02-03 100.00 3.00 type=charge\n\
                          tx_3 sale 2026-02-04 100.00 3.00 type=charge\n\
                          tx_4 refund 2026-02-04 -21.00 0.00 type=refund\n\
                          tx_5 payout 2026-02-05 -270.00 0.00 type=payout\n";

fn planned(text: &str, mapping: &str) -> Vec<Voucher> {
    Case::parse(text).plan(&mapping_with(mapping)).unwrap()
}

fn totals(text: &str) -> (Totals, Head) {
    let case = Case::parse(text);
    let mut totals = Totals::default();
    for (line, _) in &case.lines {
        totals.add(line).unwrap();
    }
    (totals, case.head)
}

fn of_role(voucher: &Voucher, role: Role) -> Vec<&Posting> {
    voucher.postings.iter().filter(|posting| posting.role == role).collect()
}

#[test]
fn a_posting_tells_how_many_rows_and_which_rule_are_behind_it() {
    let rules = "rule kind=refund => account=1580\nrule kind=sale => account=1578\n";
    let vouchers = planned(SETTLEMENT, rules);
    let clearing = of_role(&vouchers[0], Role::SalesClearing);
    let told: Vec<(&str, u64, Option<usize>)> =
        clearing.iter().map(|posting| (posting.account.as_str(), posting.rows, posting.rule)).collect();
    assert_eq!(told, [("1578", 3, Some(2)), ("1580", 1, Some(1))]);
    let transit = of_role(&vouchers[0], Role::InTransit);
    assert_eq!((transit.len(), transit[0].rows, transit[0].rule), (1, 1, None));
    assert_eq!(of_role(&vouchers[0], Role::ProviderFee)[0].rows, 3);
}

#[test]
fn a_window_of_two_payouts_counts_both() {
    let text = "head stripe:window-2026-02-05-NOK NOK 2026-02-05 0.00 window closing=-200.00\n\
                tx_1 payout 2026-02-05 -150.00 0.00\ntx_2 payout 2026-02-05 -50.00 0.00\n";
    let mut case = Case::parse(text);
    case.head.payout = Decimal::new(20_000, 2);
    let vouchers = case.plan(&mapping_with("")).unwrap();
    assert_eq!(of_role(&vouchers[0], Role::InTransit)[0].rows, 2);
    assert_eq!(vouchers[0].text, "Stripe 2026-02-05");
}

#[test]
fn amounts_have_the_digits_of_the_currency_whatever_the_rows_were_read_with() {
    let mut case = Case::parse(
        "head stripe:po_1 NOK 2026-02-05 100.00\ntx_1 sale 2026-02-02 100.00 0.00\n\
         tx_2 payout 2026-02-05 -100.00 0.00\n",
    );
    for (line, _) in &mut case.lines {
        line.gross = line.gross.normalize();
    }
    let vouchers = case.plan(&mapping_with("")).unwrap();
    assert!(vouchers[0].postings.iter().all(|posting| posting.amount.to_string() == "100.00"));
}

#[test]
fn vouchers_say_what_they_are() {
    let text = |vouchers: &[Voucher]| vouchers[0].text.clone();
    assert_eq!(text(&planned(SETTLEMENT, "")), "Stripe payout po_1");
    let mut case = Case::parse(SETTLEMENT);
    (case.purpose, case.revision) = (Purpose::Correction, 2);
    let correction = case.plan(&mapping_with("")).unwrap();
    assert_eq!(text(&correction), "Stripe correction of po_1");
    assert_eq!(correction[0].corrects.as_deref(), Some("stripe:po_1"));
    let returned = planned(
        "head stripe:po_2 NOK 2026-02-09 0.00 closing=100.00\n\
         tx_1 payout-reversal 2026-02-09 100.00 0.00\n",
        "",
    );
    assert_eq!(text(&returned), "Stripe payout returned, listed in po_2");
}

#[test]
fn totals_know_the_days_the_payouts_and_what_is_unusual() {
    let (totals, head) = totals(
        "head stripe:po_1 NOK 2026-02-07 150.00 opening=10.00 closing=65.00\n\
         tx_1 sale 2026-02-04 100.00 3.00\n\
         tx_2 sale 2026-02-02 100.00 2.00\n\
         tx_3 hold 2026-02-05 -20.00 0.00 stays\n\
         tx_4 payout-reversal 2026-02-06 30.00 0.00\n\
         tx_5 payout 2026-02-07 -100.00 0.00\n\
         tx_6 payout 2026-02-07 -50.00 0.00\n",
    );
    assert_eq!((totals.first_on, totals.last_on), (Some(day("2026-02-02")), Some(day("2026-02-07"))));
    assert_eq!((totals.rows, totals.payout_rows), (6, 2));
    let sums = [totals.stays, totals.returned, totals.left_on_balance(&head)];
    assert_eq!(sums.map(|sum| sum.to_string()), ["-20.00", "30.00", "75.00"]);
    totals.prove(&head).unwrap();
}

#[test]
fn totals_keep_the_first_five_names_of_unknown_types_once() {
    let rows: String = (1..=8)
        .map(|row| format!("tx_{row} adjustment 2026-02-02 -1.00 0.50 type=odd{} unknown\n", row.max(2)))
        .collect();
    let (totals, _) = totals(&format!("head stripe:po_1 NOK 2026-02-05 0.00\n{rows}"));
    assert_eq!(totals.unknown_types, ["odd2", "odd3", "odd4", "odd5", "odd6"]);
    assert_eq!(totals.unknown.to_string(), "12.00");
    assert_eq!((totals.stays, totals.returned), (Decimal::ZERO, Decimal::ZERO));
}

/// A sound voucher.
fn sound() -> Voucher {
    planned(SETTLEMENT, "").remove(0)
}

#[test]
fn a_voucher_that_is_not_sound_is_not_proved() {
    let voucher = sound();
    voucher.prove().unwrap();
    assert_eq!(voucher.total().to_string(), "300.00");
    let spoilt = |spoil: fn(&mut Voucher)| {
        let mut spoilt = voucher.clone();
        spoil(&mut spoilt);
        spoilt.prove().unwrap_err()
    };
    for hold in [
        spoilt(|voucher| voucher.postings[0].amount += Decimal::new(1, 2)),
        spoilt(|voucher| voucher.postings.clear()),
        // Balanced, yet below 0 on both sides.
        spoilt(|voucher| {
            for posting in &mut voucher.postings {
                posting.amount = -posting.amount;
            }
        }),
        // Balanced, yet of more digits than the currency has.
        spoilt(|voucher| {
            for side in [Side::Debit, Side::Credit] {
                let of_side = voucher.postings.iter_mut().find(|posting| posting.side == side);
                of_side.unwrap().amount += Decimal::new(1, 3);
            }
        }),
    ] {
        assert_eq!(hold.cause, Cause::DoesNotAddUp);
    }
}

#[test]
fn a_voucher_has_a_fingerprint_of_every_byte() {
    let voucher = sound();
    let read: Voucher = serde_json::from_slice(&voucher.canonical()).unwrap();
    assert_eq!(read, voucher);
    assert_eq!((voucher.hash().len(), voucher.hash()), (64, read.hash()));
    let mut other = voucher.clone();
    other.postings[0].text.push('.');
    assert_ne!(other.hash(), voucher.hash());
    assert_eq!(voucher::hex(&[0x00, 0x0f, 0xa5]), "000fa5");
}
