//! What Tripletex's answers mean. Pure.
//!
//! "Not written" is only what is listed here: a code of Tripletex's own in a body of its own shape. A page, a bare
//! status, a cut answer or an unknown code say nothing about the voucher.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use http::{HeaderMap, StatusCode};
use ledger::{Cause, Hold};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;

use super::render::{NO_VAT, NOK};
use super::wire;

/// What an answer to a sent voucher says.
#[derive(Debug)]
pub enum Verdict {
    /// Saved, as this.
    Saved(Box<wire::Voucher>),
    /// Not saved: the session is not valid.
    Unauthorised,
    /// Not saved: too many calls.
    TooMany,
    /// Not saved, for this reason.
    Refused(Refusal),
    /// Says nothing about the voucher.
    Unclear,
}

/// Why a voucher was surely not saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason's name.
    pub cause: Cause,
    /// What Tripletex said.
    pub what: String,
}

impl Refusal {
    /// The refusal with its remedy.
    pub fn hold(self) -> Hold {
        let remedy = match self.cause {
            Cause::AccountRefused => {
                "compare the account's settings in Tripletex with the mapping (ledger, department, project), mend one \
                 of them, then release"
            }
            Cause::VatRefused => {
                "compare the account's VAT code in Tripletex with the mapping, mend one of them, then release"
            }
            Cause::PeriodClosed | Cause::VatPeriodClosed => {
                "open the period in Tripletex and release, or book the voucher by hand"
            }
            Cause::Permission => {
                "give the employee token these entitlements in Tripletex (company, employees, access), then release"
            }
            Cause::CompanyGone => "check in Tripletex that the company and the token still exist",
            _ => "report this with the request id; nothing was booked",
        };
        Hold::new(self.cause, self.what, remedy)
    }
}

/// The entitlements that posting needs.
pub const POSTING_RIGHTS: &str = "Voucher (write) and Advanced Voucher";

/// Members of a voucher whose refusal means that the account does not take the line.
const ACCOUNT_MEMBERS: &[&str] = &[
    "postings.account",
    "postings.customer",
    "postings.supplier",
    "postings.employee",
    "postings.department",
    "postings.project",
];

/// What an answer to a sent voucher says.
pub fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Verdict {
    if status == StatusCode::UNAUTHORIZED {
        return Verdict::Unauthorised;
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Verdict::TooMany;
    }
    if status.is_success() {
        if let Ok(saved) = serde_json::from_slice::<wire::Envelope<wire::Voucher>>(body) {
            return Verdict::Saved(Box::new(saved.value));
        }
        // An error in the body of a success counts as that error.
        return match problem(body).filter(|problem| (400..500).contains(&problem.status)) {
            Some(problem) if problem.status == 401 => Verdict::Unauthorised,
            Some(problem) if problem.status == 429 => Verdict::TooMany,
            Some(problem) => refusal(&problem, headers).map_or(Verdict::Unclear, Verdict::Refused),
            None => Verdict::Unclear,
        };
    }
    match problem(body).filter(|problem| problem.status == status.as_u16()) {
        Some(problem) => refusal(&problem, headers).map_or(Verdict::Unclear, Verdict::Refused),
        None => Verdict::Unclear,
    }
}

/// The error of a body that has Tripletex's shape.
pub fn problem(body: &[u8]) -> Option<wire::Problem> {
    serde_json::from_slice(body).ok()
}

/// The listed errors, by status and code. `None` for those that do not prove that nothing was saved: conflicts and
/// duplicates, faults of the server, codes that are not listed.
fn refusal(problem: &wire::Problem, headers: &HeaderMap) -> Option<Refusal> {
    let what = told(problem, headers);
    let made = |cause, what| Some(Refusal { cause, what });
    match (problem.status, problem.code) {
        (403, 9000) => made(Cause::Permission, format!("the token lacks {POSTING_RIGHTS}: {what}")),
        (404, 6000) => made(Cause::CompanyGone, format!("the company's ledger is not there: {what}")),
        (422, 18000) => by_field(problem).and_then(|cause| made(cause, what)),
        (400, 4000 | 11000 | 12000 | 24000) | (422, 15000 | 16000 | 17000 | 21000 | 22000) => {
            made(Cause::Schema, what)
        }
        _ => None,
    }
}

/// Which member a validation speaks of decides: texts follow the user's language. Only between two causes that are
/// held alike does a text decide.
fn by_field(problem: &wire::Problem) -> Option<Cause> {
    let messages = problem.validation_messages.as_deref().unwrap_or_default();
    let mut cause = Cause::Schema;
    for message in messages {
        let field = message.field.as_deref().unwrap_or_default();
        let text = message.message.as_deref().unwrap_or_default().to_lowercase();
        let of = |start: &str| {
            let field = field.trim_start_matches("voucher.");
            field == start || field.starts_with(&format!("{start}."))
        };
        let found = if of("externalVoucherNumber") {
            // It may be ours, saved by an earlier try.
            return None;
        } else if ACCOUNT_MEMBERS.iter().any(|member| of(member)) {
            Cause::AccountRefused
        } else if of("postings.vatType") {
            Cause::VatRefused
        } else if of("date") || of("postings.date") {
            let of_vat = text.contains("mva") || text.contains("vat ");
            if of_vat { Cause::VatPeriodClosed } else { Cause::PeriodClosed }
        } else {
            continue;
        };
        // The first that a person can mend names the voucher's cause; the text tells all of them.
        if cause == Cause::Schema {
            cause = found;
        }
    }
    Some(cause)
}

/// An error in one sentence, with the request id that Tripletex's support asks for.
pub fn told(problem: &wire::Problem, headers: &HeaderMap) -> String {
    let mut text = format!("{}/{}", problem.status, problem.code);
    if let Some(message) = problem.message.as_deref().or(problem.developer_message.as_deref()) {
        text.push_str(&format!(" {}", message.trim_end_matches('.')));
    }
    for message in problem.validation_messages.as_deref().unwrap_or_default().iter().take(5) {
        let field = message.field.as_deref().unwrap_or("voucher");
        let message = message.message.as_deref().unwrap_or_default();
        text.push_str(&format!("; {field}: {}", message.trim_end_matches('.')));
    }
    let text: String = text.chars().filter(|c| !c.is_control()).take(600).collect();
    match request_id(headers).or(problem.request_id.clone()) {
        Some(id) => format!("{text} (request {id})"),
        None => text,
    }
}

/// The id of a call, from its answer.
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("x-tlx-request-id")?.to_str().ok()?;
    Some(text.chars().filter(char::is_ascii_graphic).take(64).collect())
}

/// How long no call may be made, where the headers say that none is left.
pub fn spent(headers: &HeaderMap) -> Option<std::time::Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    if number("x-rate-limit-remaining")? > 0 {
        return None;
    }
    let seconds = number("x-rate-limit-reset").unwrap_or(1);
    Some(std::time::Duration::from_secs(seconds.clamp(1, 3600).unsigned_abs()))
}

/// The one object of a body; `None` if it has another shape.
pub fn object<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice::<wire::Envelope<T>>(body).ok().map(|envelope| envelope.value)
}

/// Whether a saved voucher waits to be posted. Numbers that the token may not see leave it to what was asked for.
pub fn is_draft(saved: &wire::Voucher, asked: bool) -> bool {
    match (saved.number, saved.temp_number) {
        (Some(number), _) if number > 0 => false,
        (_, Some(temp)) if temp > 0 => true,
        (Some(_), Some(_)) => true,
        _ => asked,
    }
}

/// The vouchers of a look-up that count: with exactly this number, not taken back, each once.
///
/// The specification does not say which of two vouchers carries `reverseVoucher`, so neither counts.
pub fn live<'a>(found: &'a [wire::Voucher], number: &str) -> Vec<&'a wire::Voucher> {
    let taken_back = |voucher: &wire::Voucher| {
        voucher.reverse_voucher.is_some()
            || found.iter().any(|other| other.reverse_voucher.is_some_and(|id| id.id == voucher.id))
    };
    let mut live: Vec<&wire::Voucher> = Vec::new();
    for voucher in found {
        let ours = voucher.external_voucher_number.as_deref() == Some(number);
        if ours && !taken_back(voucher) && live.iter().all(|other| other.id != voucher.id) {
            live.push(voucher);
        }
    }
    live
}

/// Whether the lines of a saved voucher can be compared: they are there with accounts and amounts. A voucher without
/// lines does not exist; one that shows none hides them from the token.
pub fn shows_lines(saved: &wire::Voucher) -> bool {
    let lines = saved.postings.as_deref().unwrap_or_default();
    !lines.is_empty() && lines.iter().all(|line| line.account.is_some() && line.amount_gross.is_some())
}

/// Compares what was saved with what was to be sent, line by line. The system's own lines (row 0) and dimensions that
/// it added where we gave none are left out. `moved` is the mark of a voucher that stands on a later day because its
/// own period was closed.
///
/// # Errors
///
/// What differs.
pub fn compare(sent: &wire::NewVoucher, saved: &wire::Voucher, moved: Option<&str>) -> Result<(), String> {
    let mut differences = Vec::new();
    match &saved.external_voucher_number {
        Some(number) if *number == sent.external_voucher_number => {}
        other => differences.push(format!(
            "external number {} in place of {}",
            other.as_deref().unwrap_or("(none)"),
            sent.external_voucher_number
        )),
    }
    let date = saved.date.as_deref().unwrap_or_default();
    let is_moved = moved.is_some_and(|mark| {
        let days = (date.parse::<NaiveDate>().ok(), sent.date.parse::<NaiveDate>().ok());
        let later = matches!(days, (Some(saved), Some(own)) if saved > own);
        later && saved.description.as_deref().unwrap_or_default().contains(mark)
    });
    if date != sent.date && !is_moved {
        differences.push(format!("date {date} in place of {}", sent.date));
    }
    let mut lines: BTreeMap<Line, i64> = BTreeMap::new();
    for posting in &sent.postings {
        *lines.entry(Line::sent(posting)).or_default() += 1;
    }
    for posting in saved.postings.as_deref().unwrap_or_default() {
        if posting.row == Some(0) || posting.system_generated == Some(true) {
            continue;
        }
        let mut line = Line::saved(posting);
        // A dimension that we did not give is no difference.
        for part in [Part::Neither, Part::Department, Part::Project, Part::Both] {
            let without = line.without(part);
            if lines.get(&without).is_some_and(|count| *count > 0) {
                line = without;
                break;
            }
        }
        *lines.entry(line).or_default() -= 1;
    }
    for (line, count) in lines.iter().filter(|(_, count)| **count != 0) {
        let what = if *count > 0 { "missing" } else { "not ours" };
        differences.push(format!("{} of {line} {what}", count.abs()));
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("; ")) }
}

/// What of a line is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    account: i64,
    amount: Option<Decimal>,
    in_currency: Option<Decimal>,
    currency: i64,
    vat: i64,
    department: Option<i64>,
    project: Option<i64>,
}

#[derive(Clone, Copy)]
enum Part {
    Neither,
    Department,
    Project,
    Both,
}

impl Line {
    fn sent(posting: &wire::NewPosting) -> Line {
        Line {
            account: posting.account.id,
            amount: decimal(&posting.amount_gross),
            in_currency: decimal(&posting.amount_gross_currency),
            currency: posting.currency.id,
            vat: posting.vat_type.id,
            department: posting.department.map(|id| id.id),
            project: posting.project.map(|id| id.id),
        }
    }

    fn saved(posting: &wire::Posting) -> Line {
        let amount = posting.amount_gross.as_ref().and_then(decimal);
        Line {
            account: posting.account.map_or(-1, |id| id.id),
            amount,
            in_currency: posting.amount_gross_currency.as_ref().map_or(amount, decimal),
            currency: posting.currency.unwrap_or(NOK).id,
            vat: posting.vat_type.map_or(NO_VAT, |id| id.id),
            department: posting.department.map(|id| id.id),
            project: posting.project.map(|id| id.id),
        }
    }

    fn without(&self, part: Part) -> Line {
        let mut line = self.clone();
        if matches!(part, Part::Department | Part::Both) {
            line.department = None;
        }
        if matches!(part, Part::Project | Part::Both) {
            line.project = None;
        }
        line
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let amount = self.amount.map_or_else(|| "(no amount)".to_owned(), |amount| amount.to_string());
        write!(f, "[account id {}, {amount}, VAT id {}]", self.account, self.vat)
    }
}

/// A JSON number's exact value; the server may write `1.2E+4`.
fn decimal(number: &wire::Number) -> Option<Decimal> {
    let text = number.as_str();
    let value = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()?;
    Some(value.normalize())
}

/// A calendar: accounting periods and fiscal years, as days.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Calendar {
    /// Beginning, end, closed.
    pub periods: Vec<(NaiveDate, NaiveDate, bool)>,
    /// Beginning of each fiscal year.
    pub years: Vec<NaiveDate>,
}

impl Calendar {
    /// The calendar of what was listed; what cannot be read is left out, since the system checks again itself.
    pub fn new(periods: &[wire::Period], years: &[wire::Period]) -> Calendar {
        let mut calendar = Calendar::default();
        for period in periods {
            if let (Ok(start), Ok(end)) = (period.start.parse(), period.end.parse()) {
                calendar.periods.push((start, end, period.is_closed == Some(true)));
            }
        }
        calendar.years = years.iter().filter_map(|year| year.start.parse().ok()).collect();
        calendar.periods.sort_unstable();
        calendar.years.sort_unstable();
        calendar
    }

    /// Whether a day lies in a closed period. Whether `end` is the last day or the day after is not documented, so the
    /// period that begins last before the day counts.
    pub fn is_closed(&self, on: NaiveDate) -> bool {
        let period = self.periods.iter().rev().find(|(start, ..)| *start <= on);
        period.is_some_and(|(_, end, closed)| *closed && on <= *end)
    }

    /// The first open day after a closed one, within its fiscal year (the calendar year where none is listed).
    pub fn first_open(&self, on: NaiveDate) -> Option<NaiveDate> {
        let year = self.year(on);
        let open = self.periods.iter().find(|(start, _, closed)| *start > on && !closed)?;
        (self.year(open.0) == year).then_some(open.0)
    }

    fn year(&self, on: NaiveDate) -> NaiveDate {
        use chrono::Datelike as _;
        let listed = self.years.iter().rev().find(|start| **start <= on).copied();
        listed.unwrap_or_else(|| NaiveDate::from_ymd_opt(on.year(), 1, 1).unwrap_or(on))
    }
}
