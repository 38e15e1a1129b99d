#![doc = include_str!("README.md")]

mod answer;
mod client;
mod render;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{Duration, NaiveDate};
use edge::config::ClosedPeriod;
use edge::{Error, Kind};
use ledger::{Cause, Hold, Voucher};
use store::posting::{Answer, Doubt, Found, Outbox};

use crate::{Access, Account, Books, Catalogue, System};
use answer::Verdict;
use client::{Client, Fault, Scan, Sent};

/// How long a saved voucher may stay invisible to a look-up. Tripletex documents no delay; integrators repeat for a
/// minute. Twice that, counted from when the sending surely had ended; later surprises are found by the later looks.
const VISIBLE_AFTER: Duration = Duration::minutes(2);

/// How long nothing is sent when nothing reaches Tripletex.
const UNREACHED: Duration = Duration::seconds(30);

/// Tripletex (Norway).
#[derive(Debug)]
pub struct Tripletex;

impl System for Tripletex {
    fn name(&self) -> &'static str {
        "tripletex"
    }

    // Not documented; integrators keep below a thousand.
    fn lines_max(&self) -> usize {
        900
    }

    fn needs_secret(&self) -> bool {
        true
    }

    fn secret_fields(&self) -> &'static [&'static str] {
        &["consumer_token", "employee_token"]
    }

    fn has_drafts(&self) -> bool {
        true
    }

    fn open<'w>(&self, access: Access<'w>) -> Result<Box<dyn Books + 'w>, Error> {
        Ok(Box::new(Client::new(access)?))
    }
}

#[async_trait]
impl Outbox for Client<'_> {
    fn doubt(&self) -> Doubt {
        Doubt::Lookup { visible_after: VISIBLE_AFTER }
    }

    async fn send(&self, voucher: &Voucher) -> Answer {
        match self.try_send(voucher).await {
            Ok(answer) => answer,
            // Whatever fails before the sending.
            Err(Fault::Held(hold)) => Answer::NotWritten(hold),
            Err(Fault::Failed(error)) if matches!(error.kind, Kind::Rejected | Kind::Bug) => {
                Answer::NotWritten(Hold::new(
                    Cause::Schema,
                    error.to_string(),
                    "report this with the request id; nothing was booked",
                ))
            }
            Err(Fault::Failed(error)) => {
                let after = error.after.and_then(|wait| Duration::from_std(wait).ok()).unwrap_or(UNREACHED);
                Answer::Later { after, why: error.to_string() }
            }
        }
    }

    async fn find(&self, voucher: &Voucher) -> Result<Found, Error> {
        Ok(self.try_find(voucher).await?)
    }

    fn takes_documents(&self) -> bool {
        true
    }

    async fn attach(&self, id: &str, document: Vec<u8>) -> Result<(), Error> {
        Ok(Client::attach(self, number(id)?, &document).await?)
    }

    async fn has_document(&self, id: &str) -> Result<bool, Error> {
        Ok(self.voucher(number(id)?).await?.attachment.is_some())
    }
}

impl Client<'_> {
    /// Prepares a voucher and sends it. An error means that it was not sent.
    async fn try_send(&self, voucher: &Voucher) -> Result<Answer, Fault> {
        // What is looked up first may be slow, and a sending must end before the claim on the voucher does.
        let latest = self.latest();
        let on = match self.day(voucher, false).await? {
            Ok(on) => on,
            Err(hold) => return Ok(Answer::NotWritten(hold)),
        };
        let (mut directory, from_cache) = self.directory(voucher, false).await?;
        let mut rendered = render::render(voucher, &directory, on);
        if rendered.is_err() && from_cache {
            (directory, _) = self.directory(voucher, true).await?;
            rendered = render::render(voucher, &directory, on);
        }
        let mut sent = match rendered {
            Ok(sent) => sent,
            Err(hold) => return Ok(Answer::NotWritten(hold)),
        };
        let mut outcome = self.post(&sent, latest).await?;
        if let Sent::Judged(Verdict::Refused(refusal)) = &outcome {
            match refusal.cause {
                // An id may be of an account that was replaced since it was kept. Nothing was saved.
                Cause::AccountRefused | Cause::VatRefused if from_cache => {
                    (directory, _) = self.directory(voucher, true).await?;
                    match render::render(voucher, &directory, on) {
                        Ok(again) if again != sent => {
                            sent = again;
                            outcome = self.post(&sent, latest).await?;
                        }
                        Ok(_) => {}
                        Err(hold) => return Ok(Answer::NotWritten(hold)),
                    }
                }
                // Closed since the periods were kept: what is done then is decided with the periods as they are.
                Cause::PeriodClosed => match self.day(voucher, true).await? {
                    Ok(now) if now != on => {
                        let why = refusal.what.clone();
                        return Ok(Answer::Later { after: Duration::seconds(1), why });
                    }
                    Ok(_) => {}
                    Err(hold) => return Ok(Answer::NotWritten(hold)),
                },
                _ => {}
            }
        }
        Ok(match outcome {
            Sent::Judged(Verdict::Saved(saved)) => self.saved(&sent, *saved).await,
            Sent::Judged(Verdict::Unauthorised) => Answer::NotWritten(Hold::new(
                Cause::Credentials,
                "Tripletex refuses a session that was just made",
                "make a new employee token in Tripletex and put it into the company's secret bundle, then release",
            )),
            Sent::Judged(Verdict::Refused(refusal)) => Answer::NotWritten(refusal.hold()),
            Sent::Judged(Verdict::Unclear | Verdict::TooMany) => Answer::Unknown,
            Sent::TooMany(after) => Answer::Later { after, why: "too many calls".to_owned() },
            Sent::Unreached(why) => Answer::Later { after: UNREACHED, why },
        })
    }

    /// What became of a voucher that Tripletex says it saved.
    async fn saved(&self, sent: &wire::NewVoucher, answered: wire::Voucher) -> Answer {
        let id = answered.id.to_string();
        let saved = if answer::shows_lines(&answered) {
            answered
        } else {
            match self.voucher(answered.id).await {
                Ok(saved) if answer::shows_lines(&saved) => saved,
                // It is looked up and compared later.
                _ => return Answer::Unknown,
            }
        };
        match answer::compare(sent, &saved, None) {
            Ok(()) if answer::is_draft(&saved, self.drafts()) => Answer::Drafted { id },
            Ok(()) => Answer::Accepted { id },
            Err(what) => Answer::Differs { id, what },
        }
    }

    /// The day that a voucher is booked on: its own, or where that is closed and the company wants it so, the first
    /// open one of the fiscal year.
    async fn day(&self, voucher: &Voucher, anew: bool) -> Result<Result<NaiveDate, Hold>, Fault> {
        let calendar = self.calendar(anew).await?;
        if !calendar.is_closed(voucher.on) {
            return Ok(Ok(voucher.on));
        }
        let held = |what: &str| {
            Err(Hold::new(
                Cause::PeriodClosed,
                format!("{}: the accounting period of {} is closed{what}", voucher.reference, voucher.on),
                "open the period in Tripletex and release, or book the voucher by hand",
            ))
        };
        Ok(match (self.access.settings.closed_period, calendar.first_open(voucher.on)) {
            (ClosedPeriod::Hold, _) => held(""),
            (ClosedPeriod::FirstOpen, _) if !render::is_free_of_vat(voucher) => {
                held(", and lines with VAT are not moved to another one")
            }
            (ClosedPeriod::FirstOpen, None) => held(", and no later one of its fiscal year is open"),
            (ClosedPeriod::FirstOpen, Some(on)) => Ok(on),
        })
    }

    async fn try_find(&self, voucher: &Voucher) -> Result<Found, Fault> {
        let external = render::external_number(&voucher.reference);
        let Scan::Complete(mut found) = self.search(&external).await? else {
            return Ok(Found::NotSure);
        };
        if self.drafts() {
            let Scan::Complete(drafts) = self.search_drafts(voucher.on).await? else {
                return Ok(Found::NotSure);
            };
            found.extend(drafts);
        }
        let live = answer::live(&found, &external);
        let one = match live.as_slice() {
            [] => return Ok(Found::Nothing),
            [one] => *one,
            more => {
                let ids: Vec<String> = more.iter().map(|voucher| shown(voucher)).collect();
                return Ok(Found::Differs(format!(
                    "it stands on {} vouchers: {}",
                    ids.len(),
                    ids.join(", ")
                )));
            }
        };
        if !answer::shows_lines(one) {
            return Err(Fault::Held(Hold::new(
                Cause::Permission,
                format!("voucher {} does not show its lines to the employee token", shown(one)),
                "give the token the entitlement Voucher (read) for all departments and employees, then release",
            )));
        }
        let mark = render::true_day(voucher.on);
        let moved = render::is_free_of_vat(voucher).then_some(mark.as_str());
        let (mut directory, from_cache) = self.directory(voucher, false).await?;
        let mut compared = compared(voucher, &directory, one, moved);
        if compared.is_err() && from_cache {
            (directory, _) = self.directory(voucher, true).await?;
            compared = self::compared(voucher, &directory, one, moved);
        }
        Ok(match compared {
            Err(what) => Found::Differs(format!("voucher {}: {what}", shown(one))),
            Ok(()) if answer::is_draft(one, self.drafts()) => Found::Draft { id: one.id.to_string() },
            Ok(()) => Found::Ours { id: one.id.to_string() },
        })
    }
}

fn compared(
    voucher: &Voucher,
    directory: &render::Directory,
    saved: &wire::Voucher,
    moved: Option<&str>,
) -> Result<(), String> {
    let wanted = render::render(voucher, directory, voucher.on).map_err(|hold| hold.what)?;
    answer::compare(&wanted, saved, moved)
}

/// A voucher as a person finds it.
fn shown(voucher: &wire::Voucher) -> String {
    match voucher.number.filter(|number| *number > 0) {
        Some(number) => format!("number {number} (id {})", voucher.id),
        None => format!("id {}", voucher.id),
    }
}

fn number(id: &str) -> Result<i64, Error> {
    id.parse().map_err(|_| Error::bug(format!("\"{id}\" is not the id of a Tripletex voucher")))
}

#[async_trait]
impl Books for Client<'_> {
    async fn catalogue(&self) -> Result<Catalogue, Error> {
        let who = self.who().await?;
        let name = who.company.and_then(|company| company.name);
        let (accounts, vats) = (self.accounts().await?, self.vat_types().await?);
        let directory = render::Directory::new(&accounts, &vats);
        let accounts = accounts.iter().map(|account| {
            let number = account.number.to_string();
            let kept = render::Account::of(account);
            let shown = Account {
                name: account.name.clone().unwrap_or_default(),
                vat_locked: kept.locked.map(|id| directory.vat_code(id)),
                refuses: kept.refuses,
                needs_department: kept.needs_department,
                needs_project: kept.needs_project,
            };
            (number, shown)
        });
        let accounts: BTreeMap<String, Account> = accounts.collect();
        let codes: BTreeMap<String, String> = vats
            .iter()
            .filter_map(|vat| Some((vat.number.clone()?, vat.name.clone().unwrap_or_default())))
            .collect();
        // Without either nobody can tell; with the rights missing, a mapping that names none is still fine.
        let departments = named(self.departments("").await)?;
        let projects = named(self.projects("").await)?;
        // What posting asks for besides: proves the rights to look vouchers up and to see the periods.
        self.search("bilag:check").await?;
        self.calendar(true).await?;
        Ok(Catalogue {
            company: name.unwrap_or_default(),
            accounts: Some(accounts),
            vat_codes: Some(codes),
            departments,
            projects,
        })
    }
}

/// The numbers and names of dimensions; `None` where the token may not see them.
fn named(dimensions: Result<Vec<wire::Dimension>, Fault>) -> Result<Option<BTreeSet<String>>, Error> {
    match dimensions {
        Ok(all) => Ok(Some(
            all.into_iter()
                .flat_map(|one| [one.number, one.department_number, one.name])
                .flatten()
                .filter(|name| !name.is_empty())
                .collect(),
        )),
        Err(Fault::Held(hold)) if hold.cause == Cause::Permission => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}
