//! A settlement and its mapping as text that a person can write and read.
//!
//! ```text
//! # A comment.
//! head  stripe:po_1  NOK  2026-02-03  970.00  opening=0.00
//! tx_1  sale    2026-02-01  1000.00  30.00  type=charge ref=N-1
//! tx_2  payout  2026-02-03  -970.00  0.00
//! ```
//!
//! A line is id, kind, day, gross, fee, the VAT in the fee where there is any, and attributes: `type`, `ref`,
//! `method`, `country`, `fee_type`, `original`, `repeat` and `tag.<key>` with a value; `stays`, `unknown` and
//! `taken-out` without. `\u202e` in a `ref` is the character that turns text around. The head is name,
//! currency, day,
//! payout and `opening`, `closing`, `purpose`, `revision` with a value; `window`, `invoiced` and `netted`
//! without.
//!
//! A mapping is what differs from [`mapping`]: `provider acme Acme Pay`, `book sales`, `account disputed
//! none`, `account sales 3000 vat=3`,
//! `rule kind=sale tag.plan=year => account=2900 vat=3 text=Year plan {payout}`.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use ledger::{
    Book, Currency, CutOff, FeeMode, FeeType, Granularity, Head, Hold, Kind, Line, Mapping, Name, Planner,
    Purpose, Reference, Role, Rule, Target, Voucher, money,
};
use rust_decimal::Decimal;

/// A settlement as a case tells it.
pub struct Case {
    /// The settlement as a whole.
    pub head: Head,
    /// What the vouchers are for.
    pub purpose: Purpose,
    /// The revision of the references.
    pub revision: u32,
    /// The lines; those with `true` were booked before and are taken out.
    pub lines: Vec<(Line<'static>, bool)>,
}

impl Case {
    /// Reads a case; panics with the line that is wrong.
    pub fn parse(text: &str) -> Case {
        let mut texts = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let words: Vec<&str> = texts.next().unwrap().split_whitespace().collect();
        let ["head", name, currency, on, payout, ref attributes @ ..] = words[..] else {
            panic!("not a head: {words:?}");
        };
        let currency = Currency::parse(currency).unwrap();
        let mut case = Case {
            head: Head {
                name: Name::parse(name).unwrap(),
                currency,
                payout_on: day(on),
                payout: amount(payout, currency),
                opening: Decimal::ZERO,
                closing: Decimal::ZERO,
                account: String::new(),
                window: false,
                fees_invoiced: None,
            },
            purpose: Purpose::Settlement,
            revision: 1,
            lines: Vec::new(),
        };
        for attribute in attributes {
            match attribute.split_once('=').unwrap_or((attribute, "")) {
                ("opening", value) => case.head.opening = amount(value, currency),
                ("closing", value) => case.head.closing = amount(value, currency),
                ("purpose", value) => case.purpose = Purpose::from_name(value).unwrap(),
                ("revision", value) => case.revision = value.parse().unwrap(),
                ("window", "") => case.head.window = true,
                ("invoiced", "") => case.head.fees_invoiced = Some(true),
                ("netted", "") => case.head.fees_invoiced = Some(false),
                other => panic!("not an attribute of a head: {other:?}"),
            }
        }
        for text in texts {
            let (line, taken_out, times) = line(text, currency);
            case.lines.extend(std::iter::repeat_n((line, taken_out), times));
        }
        case
    }

    /// The vouchers of the case, or why it is held.
    pub fn plan(&self, mapping: &Mapping) -> Result<Vec<Voucher>, Hold> {
        let purpose = match self.purpose {
            Purpose::Reversal => Purpose::Settlement,
            other => other,
        };
        let mut planner = Planner::new(mapping, &self.head, purpose, self.revision);
        for (line, taken_out) in &self.lines {
            if *taken_out {
                planner.take_out(line)?;
            } else {
                planner.add(line)?;
            }
        }
        let vouchers = planner.finish()?;
        if self.purpose != Purpose::Reversal {
            return Ok(vouchers);
        }
        Ok(vouchers
            .iter()
            .map(|voucher| {
                voucher.reversal(Reference { purpose: Purpose::Reversal, ..voucher.reference.clone() })
            })
            .collect())
    }
}

fn line(text: &str, currency: Currency) -> (Line<'static>, bool, usize) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [id, kind, on, gross, fee, ref rest @ ..] = words[..] else {
        panic!("not a line: {text}");
    };
    let kind = Kind::from_name(kind).unwrap_or_else(|| panic!("no kind: {text}"));
    let (gross, fee) = (amount(gross, currency), amount(fee, currency));
    let mut line = Line::new(id.to_owned(), kind, day(on), gross, fee, currency);
    let (mut taken_out, mut times) = (false, 1);
    for (index, word) in rest.iter().enumerate() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("type", value) => line.remote_type = value.to_owned().into(),
            ("ref", value) => {
                line.reference = value.replace("\\u202e", "\u{202e}").into();
            }
            ("repeat", value) => times = value.parse().unwrap(),
            ("method", value) => line.method = value.to_owned().into(),
            ("country", value) => line.country = value.to_owned().into(),
            ("original", value) => line.original_id = value.to_owned().into(),
            ("fee_type", value) => line.fee_type = FeeType::from_name(value).unwrap(),
            ("stays", "") => line.stays_on_balance = true,
            ("unknown", "") => line.unknown = true,
            ("taken-out", "") => taken_out = true,
            (key, value) => match key.strip_prefix("tag.") {
                Some(key) => line.tags.push((key.to_owned().into(), value.to_owned().into())),
                None if index == 0 => line.fee_vat = amount(word, currency),
                None => panic!("not an attribute of a line: {word} in {text}"),
            },
        }
    }
    (line, taken_out, times)
}

/// A day from its text.
pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn amount(text: &str, currency: Currency) -> Decimal {
    money::parse_amount(text, currency.digits()).unwrap()
}

/// The account of each role in tests; revenue has no VAT code until a case gives one.
const ACCOUNTS: &[(Role, &str)] = &[
    (Role::SalesClearing, "1579"),
    (Role::Sales, "3000"),
    (Role::Disputed, "1581"),
    (Role::ProviderFee, "7770"),
    (Role::FeeVat, "2711"),
    (Role::HeldByProvider, "1575"),
    (Role::OwnTransfer, "1576"),
    (Role::ProviderLoan, "2290"),
    (Role::OtherIncome, "3990"),
    (Role::OtherExpense, "7790"),
    (Role::ProviderBalance, "1570"),
    (Role::InTransit, "1909"),
];

/// The mapping of a shop that books its sales elsewhere.
pub fn mapping() -> Mapping {
    let accounts: BTreeMap<Role, Target> = ACCOUNTS
        .iter()
        .map(|(role, account)| {
            let account = (*account).to_owned();
            let target = Target { account, ..Target::default() };
            (*role, target)
        })
        .collect();
    Mapping {
        company: "nordlys".to_owned(),
        connection: "webshop".to_owned(),
        provider: "stripe".to_owned(),
        provider_title: "Stripe".to_owned(),
        book: Book::Clearing,
        granularity: Granularity::Summary,
        cut_off: CutOff::Payout,
        fees: FeeMode::Auto,
        unallocated_limit: None,
        accounts,
        rules: Vec::new(),
        lines_max: 1_000,
    }
}

/// [`mapping`] with what a case changes; panics with the line that is wrong.
pub fn mapping_with(text: &str) -> Mapping {
    let mut mapping = mapping();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (key, value) = line.split_once(' ').unwrap();
        match key {
            "provider" => {
                let (name, title) = value.split_once(' ').unwrap();
                mapping.provider = name.to_owned();
                mapping.provider_title = title.to_owned();
            }
            "book" => mapping.book = Book::from_name(value).unwrap(),
            "granularity" => mapping.granularity = Granularity::from_name(value).unwrap(),
            "cut_off" => mapping.cut_off = CutOff::from_name(value).unwrap(),
            "fees" => mapping.fees = FeeMode::from_name(value).unwrap(),
            "unallocated_limit" => mapping.unallocated_limit = Some(value.parse().unwrap()),
            "lines_max" => mapping.lines_max = value.parse().unwrap(),
            "account" => {
                let words: Vec<&str> = value.split_whitespace().collect();
                let role = Role::from_name(words[0]).unwrap();
                if words[1] == "none" {
                    mapping.accounts.remove(&role);
                } else {
                    let rule = effects(&words[2..]);
                    mapping.accounts.insert(
                        role,
                        Target {
                            account: words[1].to_owned(),
                            vat: rule.vat,
                            department: rule.department,
                            project: rule.project,
                        },
                    );
                }
            }
            "rule" => mapping.rules.push(rule(value)),
            _ => panic!("not a line of a mapping: {line}"),
        }
    }
    mapping
}

fn rule(text: &str) -> Rule {
    let (when, then) = text.split_once(" => ").unwrap();
    // The text of a rule comes last and may have blanks.
    let (then, words) = then.split_once("text=").unwrap_or((then, ""));
    let mut rule = effects(&then.split_whitespace().collect::<Vec<_>>());
    rule.text = (!words.is_empty()).then(|| words.to_owned());
    for condition in when.split_whitespace() {
        let (key, value) = condition.split_once('=').unwrap();
        let text = || Some(value.to_owned());
        match key {
            "connection" => rule.when.connection = text(),
            "provider" => rule.when.provider = text(),
            "kind" => rule.when.kind = Kind::from_name(value),
            "fee_type" => rule.when.fee_type = FeeType::from_name(value),
            "remote_type" => rule.when.remote_type = text(),
            "method" => rule.when.method = text(),
            "currency" => rule.when.currency = Currency::parse(value).ok(),
            "country" => rule.when.country = text(),
            "reference" => rule.when.reference = text(),
            "from" => rule.when.from = Some(day(value)),
            "to" => rule.when.to = Some(day(value)),
            _ => {
                let tag = key.strip_prefix("tag.").unwrap().to_owned();
                rule.when.tag.insert(tag, value.to_owned());
            }
        }
    }
    rule
}

fn effects(words: &[&str]) -> Rule {
    let mut rule = Rule::default();
    for word in words {
        let (key, value) = word.split_once('=').unwrap();
        let value = Some(value.to_owned());
        match key {
            "account" => rule.account = value,
            "vat" => rule.vat = value,
            "department" => rule.department = value,
            "project" => rule.project = value,
            _ => panic!("not an effect: {word}"),
        }
    }
    rule
}

#[test]
fn cases_are_read_as_they_are_written() {
    let mapping = mapping_with(
        "book sales\naccount sales 3000 vat=3 department=10\n\
         rule kind=sale tag.plan=year => account=2900 text=Year plan {payout}\naccount disputed none\n",
    );
    assert_eq!(mapping.book, Book::Sales);
    assert_eq!(mapping.accounts[&Role::Sales].department.as_deref(), Some("10"));
    assert_eq!(mapping.rules[0].when.kind, Some(Kind::Sale));
    assert_eq!(mapping.rules[0].text.as_deref(), Some("Year plan {payout}"));
    assert!(!mapping.accounts.contains_key(&Role::Disputed));
    let case = Case::parse(
        "# One sale.\nhead stripe:po_1 NOK 2026-02-03 97.00 opening=1.00 window\n\
         tx_1 sale 2026-02-01 100.00 3.00 0.60 ref=N-1 tag.plan=year taken-out\n",
    );
    assert!(case.head.window);
    let (line, taken_out) = &case.lines[0];
    assert!(*taken_out);
    assert_eq!((line.fee_vat.to_string(), line.reference.as_ref()), ("0.60".to_owned(), "N-1"));
    assert_eq!(line.tags.len(), 1);
}
