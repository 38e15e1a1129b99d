//! Conditions of rules one by one: each matches what it says and nothing beside.

use ledger::{FeeType, Kind};

use crate::case::{Case, mapping_with};

/// Whether a rule with one condition matches the first line of a small settlement.
fn matches(condition: &str, line: &str) -> bool {
    let mapping = mapping_with(&format!("rule {condition} => account=2900\n"));
    let case = Case::parse(&format!("head stripe:po_1 NOK 2026-02-05 0.00\n{line}\n"));
    let (line, _) = &case.lines[0];
    mapping.rules[0].when.matches(&mapping, line, line.kind, line.fee_type)
}

const SALE: &str = "tx_1 sale 2026-02-03 100.00 3.00 type=charge ref=N-17 method=card country=NO \
                    fee_type=processing tag.plan=year tag.shop=oslo";

#[test]
fn a_condition_matches_what_it_says() {
    for (right, wrong) in [
        ("connection=webshop", "connection=counter"),
        ("provider=stripe", "provider=klarna"),
        ("kind=sale", "kind=refund"),
        ("fee_type=processing", "fee_type=dispute"),
        ("remote_type=charge", "remote_type=payment"),
        ("method=card", "method=klarna"),
        ("currency=NOK", "currency=SEK"),
        ("country=NO", "country=SE"),
        ("reference=N-17", "reference=N-1"),
        ("reference=N-*", "reference=M-*"),
        ("tag.plan=year", "tag.plan=month"),
        ("tag.plan=year tag.shop=oslo", "tag.plan=year tag.shop=bergen"),
        ("from=2026-02-03", "from=2026-02-04"),
        ("to=2026-02-03", "to=2026-02-02"),
        ("from=2026-02-01 to=2026-02-28", "from=2026-03-01 to=2026-03-31"),
        ("kind=sale method=card", "kind=sale method=card country=SE"),
    ] {
        assert!(matches(right, SALE), "{right}");
        assert!(!matches(wrong, SALE), "{wrong}");
    }
}

#[test]
fn a_tag_that_a_row_does_not_have_is_not_matched() {
    assert!(!matches("tag.campaign=year", SALE));
    // The value of another key.
    assert!(!matches("tag.shop=year", SALE));
}

#[test]
fn the_fee_part_of_a_row_is_matched_by_its_own_kind_and_type() {
    let mapping = mapping_with("rule kind=fee fee_type=dispute => account=7771\n");
    let case = Case::parse(&format!("head stripe:po_1 NOK 2026-02-05 0.00\n{SALE}\n"));
    let (line, when) = (&case.lines[0].0, &mapping.rules[0].when);
    assert!(when.matches(&mapping, line, Kind::Fee, FeeType::Dispute));
    assert!(!when.matches(&mapping, line, Kind::Sale, FeeType::Dispute));
    assert!(!when.matches(&mapping, line, Kind::Fee, FeeType::Processing));
}

#[test]
fn a_mirrored_line_takes_out_its_gross_its_fee_and_the_vat_in_it() {
    let case = Case::parse("head stripe:po_1 NOK 2026-02-05 0.00\ntx_1 sale 2026-02-03 100.00 3.00 0.60\n");
    let mirrored = case.lines[0].0.clone().mirrored();
    let amounts = [mirrored.gross, mirrored.fee, mirrored.fee_vat].map(|amount| amount.to_string());
    assert_eq!(amounts, ["-100.00", "-3.00", "-0.60"]);
    assert_eq!(mirrored.net(), -case.lines[0].0.net());
}
