//! The demo homes do what their `expected.txt` says.

use std::collections::BTreeMap;

use bilag::status::Report;
use bilag_tests::home::demo_folder;
use bilag_tests::{Journal, TestHome, amount};
use rust_decimal::Decimal;

/// The lines of an `expected.txt`, by their first word.
fn expected(home: &str) -> BTreeMap<String, Vec<Vec<String>>> {
    let text = std::fs::read_to_string(demo_folder(home).join("expected.txt")).unwrap();
    let mut lines: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace().map(str::to_owned);
        let first = words.next().unwrap();
        lines.entry(first).or_default().push(words.collect());
    }
    lines
}

fn compare_vouchers(journal: &Journal, expected: &BTreeMap<String, Vec<Vec<String>>>) {
    let mut wanted: Vec<String> = Vec::new();
    for voucher in &expected["voucher"] {
        let [reference, on, postings, in_transit] = voucher.as_slice() else {
            panic!("{voucher:?}");
        };
        let booked = journal.of(reference);
        assert_eq!(&booked.on, on, "{reference}");
        assert_eq!(booked.lines.len().to_string(), *postings, "{reference}");
        assert_eq!(booked.on_account("1909"), amount(in_transit), "{reference}");
        wanted.push(reference.clone());
    }
    let mut booked: Vec<&str> = journal.references();
    booked.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(booked, wanted);
    let accounts: BTreeMap<String, Decimal> = expected["account"]
        .iter()
        .map(|line| (line[0].clone(), amount(&line[1])))
        .filter(|(_, balance)| !balance.is_zero())
        .collect();
    assert_eq!(journal.balances(), accounts);
    let postings: usize = journal.transactions.iter().map(|t| t.lines.len()).sum();
    assert_eq!(postings.to_string(), expected["postings"][0][0]);
    assert_eq!(journal.transactions.len().to_string(), expected["vouchers"][0][0]);
}

async fn compare_settlements(home: &TestHome, expected: &BTreeMap<String, Vec<Vec<String>>>) {
    let opened = home.open().await;
    for line in &expected["settlement"] {
        let [name, on, payout, gross, fee, net, count] = line.as_slice() else {
            panic!("{line:?}");
        };
        let (company, parsed) = opened.settlement(name).await.unwrap();
        let item = bilag_tests::home::settlement(&opened.world, &company, name).await;
        assert_eq!(item.state.to_string(), "posted", "{parsed}");
        assert_eq!(item.head.payout_on.to_string(), *on, "{parsed}");
        assert_eq!(item.head.payout, amount(payout), "{parsed}");
        assert_eq!(item.totals.gross, amount(gross), "{parsed}");
        assert_eq!(item.totals.fee, amount(fee), "{parsed}");
        assert_eq!(item.totals.net(), amount(net), "{parsed}");
        let vouchers = bilag_tests::home::vouchers(&opened.world, &company, name).await;
        assert_eq!(vouchers.len().to_string(), *count, "{parsed}");
    }
    let report = Report::read(&opened).await.unwrap();
    let posted = report.states.get("posted").copied().unwrap_or_default();
    assert_eq!(posted.to_string(), expected["settlements"][0][0]);
}

/// Asks hledger itself, where it is installed.
fn hledger_accepts(home: &TestHome, company: &str) {
    let checked = std::process::Command::new("hledger")
        .arg("-s")
        .arg("-f")
        .arg(home.journal_path(company))
        .arg("check")
        .output();
    if let Ok(output) = checked {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn nordlys_books_everything_as_expected_and_nothing_twice() {
    let home = TestHome::demo("nordlys");
    let expected = expected("nordlys");
    let first = home.pass().await.clean();
    let journal = home.journal("nordlys");
    assert_eq!(first.booked().len(), journal.transactions.len());
    compare_vouchers(&journal, &expected);
    compare_settlements(&home, &expected).await;
    hledger_accepts(&home, "nordlys");
    assert!(journal.text.starts_with("commodity 1000.00 NOK\naccount "));

    let again = home.pass().await.clean();
    assert_eq!(again.booked(), Vec::<String>::new());
    assert_eq!(home.journal("nordlys").text, journal.text);
    assert!(home.replays().await);
}

#[tokio::test]
async fn nordlys_gives_the_same_bytes_in_any_home() {
    let (one, other) = (TestHome::demo("nordlys"), TestHome::demo("nordlys"));
    one.pass().await.clean();
    other.pass().await.clean();
    assert_eq!(one.journal("nordlys").text, other.journal("nordlys").text);
}

#[tokio::test]
async fn nordlys_replay_notices_a_voucher_that_was_changed_in_the_books() {
    let home = TestHome::demo("nordlys");
    home.pass().await.clean();
    let path = home.journal_path("nordlys");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("    7770  ", "    7771  ", 1)).unwrap();
    assert!(!home.replays().await);
}

#[tokio::test]
async fn trouble_holds_what_is_expected_and_books_the_rest() {
    let home = TestHome::demo("trouble");
    let expected = expected("trouble");
    home.pass().await;
    compare_vouchers(&home.journal("trouble"), &expected);
    hledger_accepts(&home, "trouble");

    let opened = home.open().await;
    let report = Report::read(&opened).await.unwrap();
    let mut held: Vec<String> = Vec::new();
    for one in &report.held {
        assert!(!one.hold.what.is_empty() && !one.hold.remedy.is_empty(), "{one:?}");
        held.push(format!("{} {}", one.hold.cause, one.settlement));
    }
    let mut wanted: Vec<String> = expected["held"]
        .iter()
        .map(|line| match line[2].as_str() {
            // Rows whose payout is not known have no settlement yet.
            "-" => format!("{} vipps-mobilepay:555555:open", line[1]),
            name => format!("{} {name}", line[1]),
        })
        .collect();
    held.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(held, wanted);

    let unreadable: Vec<String> = report
        .unreadable
        .iter()
        .map(|error| {
            assert!(!error.at.is_empty() && !error.cause.is_empty(), "{error:?}");
            error.file.clone()
        })
        .collect();
    let wanted: Vec<String> =
        expected["error"].iter().map(|line| format!("inbox/trouble/{}", line[0])).collect();
    assert_eq!(unreadable, wanted);
}

#[tokio::test]
async fn trouble_stays_as_it_is_however_often_it_is_run() {
    let home = TestHome::demo("trouble");
    let first = home.pass().await;
    let journal = home.journal("trouble").text;
    let second = home.pass().await;
    assert!(second.vouchers.is_empty(), "{:?}", second.booked());
    assert_eq!(second.held, first.held);
    assert_eq!(second.unreadable, first.unreadable);
    assert_eq!(home.journal("trouble").text, journal);
}
