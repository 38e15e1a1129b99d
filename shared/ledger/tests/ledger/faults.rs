//! Single stories of what goes wrong with money, each named for its fault.

use ledger::{Cause, Hold, Mapping, Role, Side, Voucher};
use rust_decimal::Decimal;

use crate::case::{Case, mapping, mapping_with};

fn plan(text: &str, mapping: &Mapping) -> Result<Vec<Voucher>, Hold> {
    Case::parse(text).plan(mapping)
}

fn vouchers(text: &str) -> Vec<Voucher> {
    plan(text, &mapping()).unwrap()
}

fn hold(text: &str) -> Hold {
    plan(text, &mapping()).unwrap_err()
}

/// What a role comes to over vouchers, debit positive.
fn sum(vouchers: &[Voucher], role: Role) -> String {
    let sum: Decimal = vouchers
        .iter()
        .flat_map(|voucher| &voucher.postings)
        .filter(|posting| posting.role == role)
        .map(|posting| posting.signed())
        .sum();
    format!("{sum:.2}")
}

#[test]
fn fault_087_an_unknown_type_holds_the_whole_settlement_unless_a_limit_is_given() {
    let text = "head stripe:po_1 NOK 2026-02-05 95.00\n\
                tx_1 sale 2026-02-02 100.00 0.00 type=charge\n\
                tx_2 adjustment 2026-02-02 -5.00 0.00 type=mystery unknown\n\
                tx_3 payout 2026-02-05 -95.00 0.00 type=payout\n";
    let held = hold(text);
    assert_eq!(held.cause, Cause::UnknownLine);
    assert!(held.what.contains("\"mystery\""), "{held}");
    let mapping = mapping_with("account unallocated 1599\nunallocated_limit 5.00\n");
    assert_eq!(sum(&plan(text, &mapping).unwrap(), Role::Unallocated), "5.00");
    // A limit without an account is not enough.
    let held = plan(text, &mapping_with("unallocated_limit 5.00\n")).unwrap_err();
    assert_eq!(held.cause, Cause::MissingAccount);
    // What the source calls the type reaches people without characters that turn text around.
    let held = hold(&text.replace("type=mystery", "type=my\u{202e}stery\u{7}"));
    assert!(held.what.contains("\"mystery\""), "{held}");
}

#[test]
fn fault_089_rows_that_do_not_add_up_are_held_with_the_difference() {
    let held = hold(
        "head stripe:po_1 NOK 2026-02-05 100.00\n\
         tx_1 sale 2026-02-02 90.00 0.00\ntx_2 payout 2026-02-05 -100.00 0.00\n",
    );
    assert_eq!(held.cause, Cause::DoesNotAddUp);
    assert!(held.what.contains("10.00 NOK is missing"), "{held}");
    // The rows add up, yet not to the payout that the source states.
    let held = hold(
        "head stripe:po_1 NOK 2026-02-05 100.00\n\
         tx_1 sale 2026-02-02 90.00 0.00\ntx_2 payout 2026-02-05 -90.00 0.00\n",
    );
    assert_eq!(held.cause, Cause::DoesNotAddUp);
    assert!(held.what.contains("payout rows say 90.00, the source says 100.00"), "{held}");
}

#[test]
fn fault_090_a_difference_of_one_minor_unit_is_held_and_never_rounded_away() {
    for (currency, sale, payout) in [
        ("NOK", "100.01", "100.00"),
        ("NOK", "99.99", "100.00"),
        ("JPY", "101", "100"),
        ("KWD", "100.001", "100.000"),
    ] {
        let held = hold(&format!(
            "head stripe:po_1 {currency} 2026-02-05 {payout}\n\
             tx_1 sale 2026-02-02 {sale} 0\ntx_2 payout 2026-02-05 -{payout} 0\n"
        ));
        assert_eq!(held.cause, Cause::DoesNotAddUp, "{held}");
    }
}

#[test]
fn fault_094_a_payout_that_the_provider_takes_from_the_bank_is_credited_in_transit() {
    let vouchers = vouchers(
        "head stripe:po_1 NOK 2026-02-05 -400.00\n\
         tx_1 sale 2026-02-02 100.00 0.00\ntx_2 refund 2026-02-02 -500.00 0.00\n\
         tx_3 payout 2026-02-05 400.00 0.00\n",
    );
    let transit = vouchers[0].postings.iter().find(|posting| posting.role == Role::InTransit).unwrap();
    assert_eq!((transit.side, transit.amount.to_string()), (Side::Credit, "400.00".to_owned()));
    assert_eq!(sum(&vouchers, Role::SalesClearing), "400.00");
}

#[test]
fn fault_095_a_payout_of_nothing_with_sales_has_lines_and_no_money_on_its_way() {
    let vouchers = vouchers(
        "head stripe:po_1 NOK 2026-02-05 0.00\n\
         tx_1 sale 2026-02-02 100.00 3.00\ntx_2 refund 2026-02-02 -97.00 0.00\n\
         tx_3 payout 2026-02-05 0.00 0.00\n",
    );
    assert_eq!(vouchers.len(), 1);
    assert_eq!(vouchers[0].postings.len(), 3);
    assert!(
        vouchers[0]
            .postings
            .iter()
            .all(|posting| posting.role != Role::InTransit && !posting.amount.is_zero())
    );
}

#[test]
fn fault_096_refunds_in_other_payouts_and_refunds_undone_come_to_the_true_sum() {
    let mut all = Vec::new();
    for text in [
        "head stripe:po_1 NOK 2026-02-05 970.00\n\
         tx_1 sale 2026-02-02 1000.00 30.00\ntx_2 payout 2026-02-05 -970.00 0.00\n",
        // Refunded in two parts, more than this payout's sales.
        "head stripe:po_2 NOK 2026-02-12 -700.00\n\
         tx_3 refund 2026-02-08 -600.00 0.00 original=tx_1\n\
         tx_4 refund 2026-02-09 -100.00 0.00 original=tx_1\n\
         tx_5 payout 2026-02-12 700.00 0.00\n",
        // The first refund did not go through, and is made again in the next payout.
        "head stripe:po_3 NOK 2026-02-19 600.00\n\
         tx_6 refund-reversal 2026-02-15 600.00 0.00 original=tx_1\n\
         tx_7 payout 2026-02-19 -600.00 0.00\n",
        "head stripe:po_4 NOK 2026-02-26 -600.00\n\
         tx_8 refund 2026-02-20 -600.00 0.00 original=tx_1\n\
         tx_9 payout 2026-02-26 600.00 0.00\n",
    ] {
        all.extend(vouchers(text));
    }
    assert_eq!(sum(&all, Role::SalesClearing), "-300.00");
    assert_eq!(sum(&all, Role::ProviderFee), "30.00");
    assert_eq!(sum(&all, Role::InTransit), "270.00");
    assert_eq!(sum(&all, Role::ProviderBalance), "0.00");
}

#[test]
fn fault_098_the_reserve_account_is_the_providers_reserve_after_each_part() {
    let mut all = Vec::new();
    for (text, reserve) in [
        (
            "head stripe:po_1 NOK 2026-02-05 900.00\n\
             tx_1 sale 2026-02-02 1000.00 0.00\ntx_2 hold 2026-02-02 -100.00 0.00\n\
             tx_3 payout 2026-02-05 -900.00 0.00\n",
            "100.00",
        ),
        (
            "head stripe:po_2 NOK 2026-03-05 60.00\n\
             tx_4 hold-release 2026-03-02 60.00 0.00\ntx_5 payout 2026-03-05 -60.00 0.00\n",
            "40.00",
        ),
        // Held and released on one day: both are there for the reader.
        (
            "head stripe:po_3 NOK 2026-04-05 20.00\n\
             tx_6 hold 2026-04-02 -20.00 0.00\ntx_7 hold-release 2026-04-02 40.00 0.00\n\
             tx_8 payout 2026-04-05 -20.00 0.00\n",
            "20.00",
        ),
    ] {
        all.extend(vouchers(text));
        assert_eq!(sum(&all, Role::HeldByProvider), reserve);
    }
    assert_eq!(all[2].postings.len(), 3);
}

#[test]
fn fault_101_fees_for_speed_top_ups_transfers_and_loans_each_have_their_account() {
    let vouchers = vouchers(
        "head stripe:po_1 NOK 2026-02-05 1130.00\n\
         tx_1 top-up 2026-02-02 300.00 0.00\ntx_2 transfer 2026-02-02 -50.00 0.00\n\
         tx_3 loan 2026-02-03 1000.00 0.00\ntx_4 loan 2026-02-04 -110.00 0.00\n\
         tx_5 payout 2026-02-05 -1130.00 10.00 fee_type=payout\n",
    );
    for (role, expected) in [
        (Role::InTransit, "830.00"),
        (Role::OwnTransfer, "50.00"),
        (Role::ProviderLoan, "-890.00"),
        (Role::ProviderFee, "10.00"),
        (Role::ProviderBalance, "0.00"),
        (Role::OtherIncome, "0.00"),
    ] {
        assert_eq!(sum(&vouchers, role), expected, "{role}");
    }
}

#[test]
fn fault_102_each_month_of_a_payout_is_dated_in_it_over_leap_days_and_year_ends() {
    for (row, payout, dated) in [
        ("2025-12-30", "2026-01-02", "2025-12-31"),
        ("2026-12-01", "2027-01-04", "2026-12-31"),
        ("2028-02-29", "2028-03-02", "2028-02-29"),
        ("2028-02-03", "2028-03-02", "2028-02-29"),
        ("2027-02-28", "2027-03-02", "2027-02-28"),
        ("2100-02-01", "2100-03-02", "2100-02-28"),
        ("2026-04-30", "2026-05-04", "2026-04-30"),
        // The row comes after the payout: its month is dated by its last day as well.
        ("2026-02-02", "2026-01-31", "2026-02-28"),
    ] {
        let text = format!(
            "head stripe:po_1 NOK {payout} 97.00\n\
             tx_1 sale {row} 100.00 3.00\ntx_2 payout {payout} -97.00 0.00\n"
        );
        let parts = plan(&text, &mapping_with("cut_off month\n")).unwrap();
        assert_eq!(parts.len(), 2, "{text}");
        let mut days: Vec<String> = parts.iter().map(|part| part.on.to_string()).collect();
        assert!(days.is_sorted(), "{days:?}");
        days.retain(|day| day != payout);
        assert_eq!(days, [dated]);
        assert_eq!(sum(&parts, Role::ProviderBalance), "0.00");
        // Not cut, there is one voucher, dated by the payout.
        let whole = vouchers(&text);
        assert_eq!(whole.len(), 1);
        assert_eq!(whole[0].on.to_string(), payout);
    }
    // Within one month there is nothing to cut.
    let text = "head stripe:po_1 NOK 2028-02-29 97.00\n\
                tx_1 sale 2028-02-28 100.00 3.00\ntx_2 payout 2028-02-29 -97.00 0.00\n";
    let parts = plan(text, &mapping_with("cut_off month\n")).unwrap();
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].on.to_string(), "2028-02-29");
}

#[test]
fn fault_107_the_same_settlement_of_two_companies_or_accounts_gives_vouchers_with_keys_of_their_own() {
    let text = |name: &str| {
        format!(
            "head {name} NOK 2026-02-05 100.00\n\
             tx_1 sale 2026-02-02 100.00 0.00\ntx_2 payout 2026-02-05 -100.00 0.00\n"
        )
    };
    let mut keys = std::collections::BTreeSet::new();
    for company in ["nordlys", "sydlys"] {
        for name in ["p:1", "p:460017:1", "p:460018:1", "q:1"] {
            let mut mapping = mapping();
            mapping.company = company.to_owned();
            for voucher in plan(&text(name), &mapping).unwrap() {
                assert!(
                    keys.insert((voucher.company.clone(), voucher.reference.to_string())),
                    "{company} {name}"
                );
            }
        }
    }
    assert_eq!(keys.len(), 8);
}

#[test]
fn vat_that_the_provider_states_never_has_a_vat_code() {
    let text = "head stripe:po_1 NOK 2026-02-05 75.00\n\
                tx_1 sale 2026-02-02 100.00 25.00 5.00\ntx_2 payout 2026-02-05 -75.00 0.00\n";
    let mapping = mapping_with(
        "book sales\naccount sales 3000 vat=3\naccount fee_vat 2711 vat=1\nrule provider=stripe => vat=5\n",
    );
    let vouchers = plan(text, &mapping).unwrap();
    for posting in &vouchers[0].postings {
        let code = match posting.role {
            Role::FeeVat | Role::InTransit => "none",
            _ => "5",
        };
        assert_eq!(posting.vat, code, "{posting:?}");
    }
}

#[test]
fn what_was_booked_by_a_rule_is_taken_out_by_the_same_rule() {
    let text = "head stripe:po_1 NOK 2026-02-05 90.00 purpose=correction revision=3\n\
                tx_1 sale 2026-02-02 100.00 10.00 2.00 fee_type=processing taken-out\n\
                tx_1 sale 2026-02-02 100.00 5.00 1.00 fee_type=processing\n\
                tx_2 hold 2026-02-02 -5.00 0.00 type=payout_minimum_balance_hold stays\n\
                tx_3 adjustment 2026-02-02 -5.00 0.00 type=mystery unknown\n";
    let mapping =
        mapping_with("account unallocated 1599\nunallocated_limit 5\nrule kind=fee => account=7771\n");
    let vouchers = plan(text, &mapping).unwrap();
    assert_eq!(vouchers.len(), 1);
    let lines: Vec<String> = vouchers[0]
        .postings
        .iter()
        .map(|posting| format!("{} {} {}", posting.side, posting.account, posting.amount))
        .collect();
    assert_eq!(lines, ["credit 7771 4.00", "credit 2711 1.00", "debit 1599 5.00"]);
    assert_eq!(vouchers[0].reference.to_string(), "stripe:po_1:correction:r3");
    assert_eq!(vouchers[0].corrects.as_deref(), Some("stripe:po_1"));
}
