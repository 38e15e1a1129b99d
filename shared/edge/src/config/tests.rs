//! What the reader accepts and refuses, one sentence per rule.
#![allow(clippy::unwrap_used)]

mod mapping;
mod parts;

use super::problem::Notes;
use super::*;

const EXAMPLE: &str = include_str!("../../../../infra/example.toml");

const SYSTEMS: &[SystemFacts] = &[
    SystemFacts { name: "journal", lines_max: 5000, needs_secret: false, has_drafts: false },
    SystemFacts { name: "tripletex", lines_max: 900, needs_secret: true, has_drafts: true },
];

const KNOWN: Known<'static> = Known { providers: &["stripe", "vipps-mobilepay"], systems: SYSTEMS };

/// A small valid file. Tests change a line of it, or add to the end, which is the table of accounts.
const SMALL: &str = r#"[company]
id = "nordlys"
name = "Nordlys Keramikk AS"
country = "NO"
currency = "NOK"
time_zone = "Europe/Oslo"
[accounting]
system = "journal"
[connections.webshop]
provider = "stripe"
start_on = 2026-01-01
#more
[accounts]
sales_clearing = "1579"
provider_balance = "1570"
in_transit = "1909"
provider_fee = "7770"
"#;

fn read_small(text: &str) -> Result<(Config, Vec<Problem>), Vec<Problem>> {
    read("nordlys.toml", text.as_bytes(), &KNOWN)
}

fn with(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "{from}");
    SMALL.replacen(from, to, 1)
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// The small file with `from` replaced by `to` is refused, and one problem is `key: …what…`.
#[track_caller]
fn refused(from: &str, to: &str, key: &str, what: &str) {
    let problems = read_small(&with(from, to)).expect_err("accepted");
    let found = problems.iter().any(|problem| {
        problem.severity == Severity::Error && problem.key == key && problem.what.contains(what)
    });
    assert!(found, "{key}: {what} not in\n{}", lines(&problems));
}

/// The small file with `#more` replaced by `more` is refused.
#[track_caller]
fn more_refused(more: &str, key: &str, what: &str) {
    refused("#more", more, key, what);
}

/// The small file with `from` replaced by `to` is accepted; its configuration and warnings.
#[track_caller]
fn accepted(from: &str, to: &str) -> (Config, String) {
    match read_small(&with(from, to)) {
        Ok((config, warnings)) => (config, lines(&warnings)),
        Err(problems) => panic!("{}", lines(&problems)),
    }
}

const SECOND: &str = "[connections.members]\nprovider = \"vipps-mobilepay\"\nstart_on = 2026-01-01\n";

#[test]
fn the_example_is_valid_and_shows_every_key_that_the_reader_knows() {
    let (document, errors) = DeTable::parse_recoverable(EXAMPLE);
    assert!(errors.is_empty());
    let (notes, nothing) = (Notes::new("example.toml", EXAMPLE, document.get_ref()), DeTable::new());
    let config = walk(&notes, document.get_ref(), &nothing, &KNOWN).unwrap();
    let (asked, seen) = (notes.asked.take(), notes.seen.take());
    assert_eq!(lines(&notes.into_problems()), "");
    assert_eq!(asked, seen);
    assert!(asked.contains("accounts.exchange_loss") && asked.contains("when.tag"), "{asked:?}");
    assert_eq!(read("example.toml", EXAMPLE.as_bytes(), &KNOWN).unwrap(), (config, vec![]));
}

#[test]
fn a_small_file_has_the_documented_defaults() {
    let (config, warnings) = accepted("#more", "");
    let webshop = &config.connections["webshop"];
    assert_eq!(
        (webshop.book, webshop.settle_by, webshop.granularity, webshop.cut_off, webshop.fees, webshop.rate),
        (
            ledger::Book::Clearing,
            SettleBy::Payout,
            ledger::Granularity::Summary,
            ledger::CutOff::Payout,
            ledger::FeeMode::Auto,
            Rate::Ledger,
        )
    );
    assert_eq!((webshop.report_time_zone, webshop.window_from()), (chrono_tz::Tz::UTC, None));
    assert_eq!((config.accounting.post, config.accounting.closed_period), (Post::Booked, ClosedPeriod::Hold));
    // One warning for each role that reports often need.
    assert_eq!(warnings.lines().count(), 5, "{warnings}");
    assert!(warnings.contains("nordlys.toml:13: warning: accounts.disputed: is not given; "), "{warnings}");
}

#[test]
fn all_errors_come_at_once_with_line_and_key() {
    let text = include_str!("tests/mistakes.toml");
    let expected = include_str!("tests/mistakes.expected");
    let mut problems = read_small(text).unwrap_err();
    problems.retain(|problem| problem.severity == Severity::Error);
    assert_eq!(lines(&problems), expected);
}

#[test]
fn fault_109_a_malformed_file_is_refused_with_the_line_of_each_syntax_error() {
    let text = "[company]\nid = nordlys\nname = \"Nordlys\nname = \"N\"\nname = \"M\"\n";
    let problems = read_small(text).unwrap_err();
    let found: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(found, [2, 3, 4, 5], "{}", lines(&problems));
    assert!(problems.iter().all(|problem| problem.what.starts_with("this is not valid TOML: ")));

    for (text, line, what) in [
        (&b""[..], 1, "empty"),
        (b" \n\t\n", 1, "empty"),
        (b"\xef\xbb\xbf", 1, "empty"),
        (b"[company]\nname = \"\xf8\"\n", 2, "not UTF-8"),
        (b"\xff\xfe[\0c\0", 1, "not UTF-8"),
        (b"a = 1\0", 1, "not valid TOML"),
        (&[b'#'; SIZE_MAX + 1], 1, "262145 bytes"),
    ] {
        let problems = read("nordlys.toml", text, &KNOWN).unwrap_err();
        assert_eq!(problems[0].line, line, "{what}");
        assert!(problems[0].what.contains(what), "{what} not in {}", lines(&problems));
    }
    let deep = format!("a = {}", "[".repeat(100_000));
    assert!(read_small(&deep).is_err());
    let deep = format!("{} = 1\n{}", vec!["a"; 30_000].join("."), SMALL);
    assert!(read_small(&deep).is_err());
}

#[test]
fn fault_109_a_file_cut_short_never_panics_and_is_refused_while_required_parts_are_missing() {
    let required = EXAMPLE.find("vat = \"none\" }  # required").unwrap() + "vat = \"none\" }".len();
    for cut in 0..EXAMPLE.len() {
        let result = read("example.toml", &EXAMPLE.as_bytes()[..cut], &KNOWN);
        assert_eq!(result.is_ok(), cut >= required, "cut at byte {cut}: {result:?}");
    }
    for cut in 0..SMALL.len() {
        let result = read("nordlys.toml", &SMALL.as_bytes()[..cut], &KNOWN);
        assert_eq!(result.is_ok(), cut >= SMALL.len() - 1, "cut at byte {cut}: {result:?}");
    }
}

#[test]
fn fault_109_unknown_keys_are_refused_everywhere_with_the_nearest_known_one() {
    for (from, to, key, what) in [
        ("[company]", "[acounts]\n[company]", "acounts", "did you mean accounts?"),
        ("id =", "organisation = \"x\"\nid =", "company.organisation", "known here: country, currency, id, "),
        (
            "system =",
            "closed_periods = \"hold\"\nsystem =",
            "accounting.closed_periods",
            "mean closed_period?",
        ),
        ("#more", "star_on = 2026-01-01", "connections.webshop.star_on", "did you mean start_on?"),
        ("#more", "accounts.banc = \"1\"", "connections.webshop.accounts.banc", "did you mean bank?"),
        (
            "= \"7770\"",
            "= { account = \"7770\", vta = \"1\" }",
            "accounts.provider_fee.vta",
            "did you mean vat?",
        ),
        ("#more", "[[rules]]\nwhen = {}\nvats = \"1\"", "rules[1].vats", "did you mean vat?"),
        (
            "#more",
            "[[rules]]\nwhen.kinds = \"fee\"\nvat = \"1\"",
            "rules[1].when.kinds",
            "did you mean kind?",
        ),
        ("#more", "\"a b\" = 1", "connections.webshop.\"a b\"", "not a known key"),
    ] {
        refused(from, to, key, what);
    }
}

#[test]
fn fault_109_an_account_mapped_twice_is_refused_where_it_would_hide_money() {
    let what = "account \"1570\" is also that of accounts.provider_balance (line 15)";
    for role in ["held_by_provider", "disputed", "provider_loan", "bank", "provider_fee", "rounding"] {
        let text = format!("{}{role} = \"1570\"\n", SMALL.replace("provider_fee = \"7770\"\n", ""));
        let problems = read_small(&text).unwrap_err();
        assert!(
            problems
                .iter()
                .any(|problem| problem.key == format!("accounts.{role}") && problem.what.contains(what)),
            "{}",
            lines(&problems)
        );
    }
    refused("\"1909\"", "\"1579\"", "accounts.in_transit", "also that of accounts.sales_clearing (line 14)");
    // The connection's own account meets the company's.
    more_refused(
        "accounts.bank = \"1909\"",
        "accounts.in_transit",
        "also that of connections.webshop.accounts.bank (line 12)",
    );
    // The same key twice is not even TOML.
    refused("in_transit", "provider_balance = \"1\"\nin_transit", "", "duplicate key");
    // Costs may share an account.
    accepted("= \"7770\"", "= \"7770\"\nfee_vat = \"7770\"\nother_expense = \"7770\"");
}

#[test]
fn a_file_of_nothing_but_mistakes_is_refused_in_time_with_a_list_that_can_be_read() {
    let fill = |line: &str| line.repeat(SIZE_MAX / line.len());
    let keys: String = (0..20_000).map(|index| format!("k{index}=1\n")).collect();
    let connections: String = (0..8_000).map(|index| format!("[connections.c{index}]\n")).collect();
    for text in [
        fill("]\n"),
        fill("[[rules]]\n"),
        fill("[[rules]]\nwhen={}\n"),
        format!("[accounts]\n{keys}"),
        keys,
        connections,
    ] {
        let problems = read_small(&text).unwrap_err();
        assert!(problems.len() <= 201, "{}", problems.len());
        assert!(problems.iter().any(|problem| problem.severity == Severity::Error));
    }
    let problems = read_small(&fill("]\n")).unwrap_err();
    assert!(problems[200].what.starts_with("and 130872 more problems"), "{}", problems[200]);
}

#[test]
fn a_byte_order_mark_and_carriage_returns_are_no_problem() {
    let text = format!("\u{feff}{}", SMALL.replace('\n', "\r\n"));
    assert_eq!(read_small(&text).unwrap().0, accepted("#more", "").0);
    let problems = read_small(&text.replace("\"journal\"", "\"jurnal\"")).unwrap_err();
    assert_eq!(problems[0].line, 8);
}
