//! `bilag status`: what is booked, held, waiting, in transit and still with the provider.

use std::collections::BTreeMap;

use chrono::{NaiveDate, Utc};
use edge::Error;
use ledger::{Hold, Purpose};
use rust_decimal::Decimal;
use serde_json::json;
use store::item::{ConnectionItem, FileItem, PositionItem, SettlementItem};
use store::{Key, SettlementState, Table, VoucherItem, VoucherState, bucket};

use crate::out::{self, Exit};
use crate::{Home, Out};

/// Something that a person has to act on.
#[derive(Clone, Debug)]
pub struct Held {
    /// The company.
    pub company: String,
    /// The settlement's name.
    pub settlement: String,
    /// Why and what to do.
    pub hold: Hold,
}

/// A file that cannot be read.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// The file, from the home folder on.
    pub file: String,
    /// Where in the file.
    pub at: String,
    /// Why and what to do.
    pub cause: String,
}

/// Money between provider and bank.
#[derive(Clone, Debug)]
pub struct Transit {
    /// The company.
    pub company: String,
    /// The settlement's name.
    pub settlement: String,
    /// Since when.
    pub on: NaiveDate,
    /// How much; negative when the provider debits the bank.
    pub amount: Decimal,
    /// The currency's code.
    pub currency: String,
}

/// The state of a home.
#[derive(Debug, Default)]
pub struct Report {
    /// How many settlements are in each state.
    pub states: BTreeMap<String, u64>,
    /// What is held.
    pub held: Vec<Held>,
    /// What cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// What waits, and for what.
    pub waiting: Vec<(String, String, String)>,
    /// Settlements whose posting is under way or doubtful.
    pub unknown: u64,
    /// What the bank has not shown yet.
    pub transit: Vec<Transit>,
    /// Rows that no payout holds yet.
    pub open: Vec<(String, PositionItem)>,
    /// All vouchers, by company and connection.
    pub vouchers: Vec<(String, String, VoucherItem)>,
}

impl Report {
    /// Reads the state of all companies of a home.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn read(home: &Home) -> Result<Report, Error> {
        let mut report = Report::default();
        for (key, error) in home.misplaced().await? {
            let (file, at, cause) = (format!("inbox/{key}"), error.at, error.cause);
            report.unreadable.push(Unreadable { file, at, cause });
        }
        for company in home.companies().await? {
            report.company(home, &company).await?;
        }
        Ok(report)
    }

    async fn company(&mut self, home: &Home, company: &str) -> Result<(), Error> {
        let table = Table::of(&home.world);
        for read in table.list::<SettlementItem>(company, "s#").await? {
            let item = read.body;
            *self.states.entry(item.state.name().to_owned()).or_default() += 1;
            let settlement = item.name.to_string();
            match &item.state {
                SettlementState::Held(hold) => {
                    self.held.push(Held { company: company.to_owned(), settlement, hold: hold.clone() });
                }
                SettlementState::Waiting(why) => {
                    self.waiting.push((company.to_owned(), settlement, why.clone()))
                }
                SettlementState::Fetched | SettlementState::Posting => self.unknown += 1,
                SettlementState::Announced => {
                    let rows = item.fetch.as_ref().map_or(0, |fetch| fetch.rows);
                    let why = match rows {
                        0 => "its rows are fetched at the next run".to_owned(),
                        rows => format!("{rows} rows are here, the rest follows"),
                    };
                    self.waiting.push((company.to_owned(), settlement, why));
                }
                SettlementState::Posted if !item.head.payout.is_zero() => self.transit.push(Transit {
                    company: company.to_owned(),
                    settlement,
                    on: item.head.payout_on,
                    amount: item.head.payout,
                    currency: item.head.currency.code().to_owned(),
                }),
                SettlementState::Posted => {}
            }
            for voucher in table.list::<VoucherItem>(company, &Key::vouchers_of(&item.name)).await? {
                let returned = &voucher.body;
                // The money of an earlier payout came back: it is no longer on its way.
                if returned.reference.purpose == Purpose::PayoutReversal
                    && returned.state == VoucherState::Posted
                {
                    self.transit.push(Transit {
                        company: company.to_owned(),
                        settlement: returned.text.clone(),
                        on: returned.on,
                        amount: -returned.total,
                        currency: returned.currency.clone(),
                    });
                }
                if let Some(alert) = &voucher.body.alert {
                    let (company, settlement) = (company.to_owned(), item.name.to_string());
                    self.held.push(Held { company, settlement, hold: alert.clone() });
                }
                if voucher.body.state != VoucherState::Superseded {
                    self.vouchers.push((company.to_owned(), item.connection.clone(), voucher.body));
                }
            }
        }
        self.transit.sort_by_key(|transit| transit.on);
        for read in table.list::<ConnectionItem>(company, "n#").await? {
            let name = read.key.item.trim_start_matches("n#").to_owned();
            let (company, settlement) = (company.to_owned(), format!("connection:{name}"));
            match (read.body.hold, read.body.trouble) {
                (Some(hold), _) => self.held.push(Held { company, settlement, hold }),
                (None, Some(trouble)) => self.waiting.push((company, settlement, trouble)),
                (None, None) => {}
            }
        }
        for read in table.list::<PositionItem>(company, "o#").await? {
            let position = read.body;
            if position.totals.rows == 0 {
                continue;
            }
            match &position.hold {
                Some(hold) => {
                    let scope =
                        if position.scope.is_empty() { &position.connection } else { &position.scope };
                    let settlement = format!("{}:{scope}:open", position.provider);
                    self.held.push(Held { company: company.to_owned(), settlement, hold: hold.clone() });
                }
                None => self.open.push((company.to_owned(), position)),
            }
        }
        let world = &home.world;
        for read in table.list::<FileItem>(company, "f#").await? {
            let item = read.body;
            let Some(error) = item.error else { continue };
            let key = format!("{company}/{}/{}", item.connection, item.file);
            let told = self.unreadable.iter().any(|other| other.file.strip_prefix("inbox/") == Some(&key));
            if !told && bucket::etag(world, &world.places.inbox, &key).await?.is_some() {
                self.unreadable.push(Unreadable {
                    file: format!("inbox/{key}"),
                    at: error.at,
                    cause: error.cause,
                });
            }
        }
        Ok(())
    }

    /// How many things a person has to act on.
    pub fn held_count(&self) -> usize {
        self.held.len() + self.unreadable.len()
    }

    /// Prints what is held and unreadable.
    pub fn print_held(&self, out: Out) {
        for held in &self.held {
            out.object(&json!({
                "type": "held",
                "company": held.company,
                "settlement": held.settlement,
                "cause": held.hold.cause.name(),
                "what": held.hold.what,
                "remedy": held.hold.remedy,
            }));
        }
        for error in &self.unreadable {
            out.object(&json!({ "type": "error", "file": error.file, "at": error.at, "cause": error.cause }));
        }
        if !self.held.is_empty() {
            out.text("\nHeld, until a person acts:");
            for held in &self.held {
                let Held { company, settlement, hold } = held;
                out.text(&format!(
                    "  {company}/{settlement}  {}\n      what    {}\n      remedy  {}",
                    hold.cause, hold.what, hold.remedy
                ));
            }
        }
        if !self.unreadable.is_empty() {
            out.text("\nFiles that cannot be read (they stay where they are):");
            for error in &self.unreadable {
                out.text(&format!("  {}\n      {}: {}", error.file, error.at, error.cause));
            }
        }
    }
}

/// Prints the state of a home.
///
/// # Errors
///
/// If the store does not answer.
pub async fn status(home: &Home, out: Out) -> Result<Exit, Error> {
    let report = Report::read(home).await?;
    let names: Vec<String> = report.states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    out.text(&format!(
        "Settlements: {}",
        if names.is_empty() { "none yet".to_owned() } else { names.join(", ") }
    ));
    for (company, connection, voucher) in &report.vouchers {
        let reference = &voucher.reference;
        out.object(&json!({
            "type": "voucher",
            "company": company,
            "connection": connection,
            "settlement": reference.settlement.to_string(),
            "reference": voucher.text,
            "purpose": reference.purpose.name(),
            "part": format!("{}/{}", reference.part, reference.parts),
            "state": voucher.state.to_string(),
            "on": voucher.on,
            "currency": voucher.currency,
        }));
    }
    let today = Utc::now().date_naive();
    let mut rows = Vec::new();
    for transit in &report.transit {
        let age = (today - transit.on).num_days();
        out.object(&json!({
            "type": "in-transit", "company": transit.company, "settlement": transit.settlement, "on": transit.on,
            "amount": out::amount(&transit.currency, transit.amount), "currency": transit.currency, "age_days": age,
        }));
        rows.push(vec![
            transit.settlement.clone(),
            transit.on.to_string(),
            ledger::voucher::grouped(transit.amount),
            transit.currency.clone(),
            format!("{age} days"),
        ]);
    }
    if !rows.is_empty() {
        out.text("\nIn transit to the bank (booked, not yet matched with a bank line), oldest first:");
    }
    out.table(&["settlement", "since", ">amount", "currency", ">age"], rows);
    for (company, position) in &report.open {
        let totals = &position.totals;
        let (from, to) = (totals.first_on, totals.last_on);
        let age = from.map(|day| (today - day).num_days());
        let file = format!("inbox/{company}/{}/{}", position.connection, position.file);
        out.object(&json!({
            "type": "open", "company": company, "connection": position.connection, "scope": position.scope,
            "currency": position.currency, "rows": totals.rows, "net": out::amount(&position.currency, totals.net()),
            "from": from, "to": to, "age_days": age, "file": file,
        }));
        out.text(&format!(
            "\nWith the provider, no payout yet: {company}/{} {} rows, {} {}, {} to {}, {} days old, in {file}",
            position.connection,
            totals.rows,
            ledger::voucher::grouped(totals.net()),
            position.currency,
            from.map(|day| day.to_string()).unwrap_or_default(),
            to.map(|day| day.to_string()).unwrap_or_default(),
            age.unwrap_or_default(),
        ));
    }
    for (company, settlement, why) in &report.waiting {
        out.object(
            &json!({ "type": "waiting", "company": company, "settlement": settlement, "reason": why }),
        );
        out.text(&format!("\nWaiting: {company}/{settlement}: {why}"));
    }
    report.print_held(out);
    let posted = report.vouchers.iter().filter(|(_, _, v)| v.state == VoucherState::Posted).count();
    summary(out, posted, &report, report.unknown);
    Ok(if report.held_count() > 0 { Exit::Held } else { Exit::Done })
}

/// Prints the last line.
pub fn summary(out: Out, posted: usize, report: &Report, unknown: u64) {
    let (held, waiting) = (report.held_count(), report.waiting.len());
    out.object(&json!({
        "type": "summary", "posted": posted, "held": held, "waiting": waiting, "unknown": unknown,
    }));
    out.text(&format!("\n{posted} vouchers posted, {held} held, {waiting} waiting, {unknown} unknown"));
}
