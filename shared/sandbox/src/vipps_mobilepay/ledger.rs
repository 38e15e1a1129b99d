//! A ledger: days of entries on two topics, with running balances.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::huge::Huge;
use crate::truth::{Expected, Meaning, Reversal, Soundness, Truth};

/// Which of a ledger's two accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Funds,
    Fees,
}

impl Topic {
    pub fn name(self) -> &'static str {
        match self {
            Topic::Funds => "funds",
            Topic::Fees => "fees",
        }
    }
}

/// One movement, in minor units; positive raises what the merchant is owed.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub psp: String,
    pub time: DateTime<Utc>,
    pub kind: &'static str,
    pub reference: String,
    pub amount: i64,
    pub before: i64,
    pub after: i64,
    /// Whether the entry names the sales unit.
    pub has_handle: bool,
}

/// The entries of one day and topic.
pub(super) enum Entries {
    Stored(Vec<Entry>),
    /// Captures that are worked out when asked for, then what was retained and paid out.
    Huge(Topic),
}

/// One ledger date.
pub(super) struct Day {
    pub on: NaiveDate,
    pub funds: Entries,
    pub fees: Entries,
    /// How many entries at the end of each topic are made only when the date is closed.
    tail: (u64, u64),
}

/// A ledger of one sales unit.
pub(super) struct Ledger {
    pub id: String,
    pub msn: &'static str,
    pub days: Vec<Day>,
    /// From this date on nothing is closed.
    pub open_from: Option<NaiveDate>,
    /// Fees are invoiced instead of retained.
    pub gross: bool,
    pub payouts: Vec<Truth>,
    /// With the payout's number, and the balance of the fees before it.
    huge: Option<(Huge, u64, i64)>,
    balances: (i64, i64),
    number: u64,
    entries: u64,
    expected: Expected,
    reversals: Vec<Reversal>,
    rows: u64,
}

impl Ledger {
    pub fn new(id: String, msn: &'static str, gross: bool) -> Ledger {
        Ledger {
            id,
            msn,
            days: Vec::new(),
            open_from: None,
            gross,
            payouts: Vec::new(),
            huge: None,
            balances: (0, 0),
            number: 2_000_101,
            entries: 0,
            expected: Expected::default(),
            reversals: Vec::new(),
            rows: 0,
        }
    }

    /// Begins a date; entries from now on belong to it.
    pub fn begin(&mut self, on: NaiveDate) {
        let empty = || Entries::Stored(Vec::new());
        self.days.push(Day { on, funds: empty(), fees: empty(), tail: (0, 0) });
    }

    /// The balance of the funds.
    pub fn balance(&self) -> i64 {
        self.balances.0
    }

    /// A new PSP reference.
    pub fn psp(&mut self) -> String {
        self.entries += 1;
        format!("{}{:07}", 30 + self.entries % 7, self.entries)
    }

    /// Puts an entry on the funds.
    pub fn put(&mut self, kind: &'static str, psp: &str, reference: &str, amount: i64) {
        let meaning = match kind {
            "capture" => Meaning::Sale,
            "refund" => Meaning::Refund,
            "retained-disputed-capture" | "returned-disputed-capture" => Meaning::Chargeback,
            "correction" | "credit-note" => Meaning::Adjustment,
            "top-up" => Meaning::TopUp,
            "fees-retained" => Meaning::Fee,
            "payout-aborted" => Meaning::PayoutReversal,
            "payout-scheduled" | "scheduled-for-payout" => Meaning::Payout,
            _ => Meaning::Unknown,
        };
        self.expected.add(meaning, amount, 0, 0);
        if meaning != Meaning::Payout {
            self.rows += 1;
        }
        if meaning == Meaning::PayoutReversal
            && let Some(day) = self.days.last()
        {
            self.reversals.push(Reversal { of: psp.to_owned(), on: day.on, amount });
        }
        let before = self.balances.0;
        self.balances.0 += amount;
        self.push(Topic::Funds, kind, psp, reference, amount, before);
    }

    /// Puts an entry on the fees.
    pub fn put_fee(&mut self, kind: &'static str, psp: &str, reference: &str, amount: i64) {
        let before = self.balances.1;
        self.balances.1 += amount;
        self.push(Topic::Fees, kind, psp, reference, amount, before);
    }

    fn push(
        &mut self,
        topic: Topic,
        kind: &'static str,
        psp: &str,
        reference: &str,
        amount: i64,
        before: i64,
    ) {
        let Some(day) = self.days.last_mut() else {
            return;
        };
        let made_by_night =
            matches!(kind, "fees-retained" | "fees-invoiced" | "payout-scheduled" | "scheduled-for-payout");
        let entries = if topic == Topic::Funds { &mut day.funds } else { &mut day.fees };
        if let Entries::Stored(entries) = entries {
            let count = i64::try_from(entries.len()).unwrap_or(0);
            // Past midnight in Oslo, as the real ones are.
            let second =
                if made_by_night { 23 * 3600 + 1380 } else { (7 * 3600 + 180 * count).min(22 * 3600) };
            let time = day.on.and_time(NaiveTime::MIN).and_utc()
                + TimeDelta::seconds(second)
                + TimeDelta::microseconds(824_993);
            entries.push(Entry {
                psp: psp.to_owned(),
                time,
                kind,
                reference: reference.to_owned(),
                amount,
                before,
                after: before + amount,
                has_handle: !made_by_night,
            });
        }
    }

    /// Ends a date: fees are retained, or invoiced when `invoice` is set for a gross ledger.
    pub fn retain(&mut self, invoice: bool) {
        let (fees, Some(on)) = (self.balances.1, self.days.last().map(|day| day.on)) else {
            return;
        };
        if fees == 0 {
            return;
        }
        let of_day = format!("{}-{}", self.id, on.format("%Y%m%d"));
        if self.gross {
            if invoice {
                self.put_fee("fees-invoiced", &of_day, "", -fees);
            }
            return;
        }
        self.put_fee("fees-retained", &of_day, "", -fees);
        // The two twins do not share their reference.
        let twin = format!("01J{:09X}-{:013X}", self.number, self.entries + 0x00C0_FFEE);
        self.put("fees-retained", &twin, "", fees);
    }

    /// Pays the balance out under `kind`.
    pub fn pay(&mut self, kind: &'static str, soundness: Soundness) {
        let Some(on) = self.days.last().map(|day| day.on) else {
            return;
        };
        let (amount, number) = (self.balances.0, self.number);
        let psp = format!("{}-{number}", self.id);
        let reference = format!("Utb. {number} Vippsnr {}", self.msn);
        self.put(kind, &psp, &reference, -amount);
        self.number += 1;
        self.payouts.push(Truth {
            provider: "vipps-mobilepay",
            id: psp,
            account: self.id.clone(),
            on,
            amount,
            currency: "NOK",
            rows: std::mem::take(&mut self.rows),
            soundness,
            returned: false,
            reversals: std::mem::take(&mut self.reversals),
            expected: std::mem::take(&mut self.expected),
        });
    }

    /// Leaves the last date open: what was retained and paid out on it is shown only when it is closed.
    pub fn leave_open(&mut self) {
        if let Some(day) = self.days.last_mut() {
            let made_by_night = |entries: &Entries| match entries {
                Entries::Stored(entries) => entries.iter().filter(|entry| !entry.has_handle).count() as u64,
                Entries::Huge(_) => 0,
            };
            day.tail = (made_by_night(&day.funds), made_by_night(&day.fees));
            self.open_from = Some(day.on);
        }
    }

    /// Closes the date that was left open. False if none was.
    pub fn close(&mut self) -> bool {
        if self.open_from.take().is_none() {
            return false;
        }
        for payout in self.payouts.iter_mut().filter(|payout| payout.soundness == Soundness::Waiting) {
            payout.soundness = Soundness::Sound;
        }
        true
    }

    /// The payouts whose date is over at `now`, and those that wait.
    pub fn truths(&self, now: DateTime<Utc>) -> Vec<Truth> {
        let today = now.with_timezone(&chrono_tz::Europe::Oslo).date_naive();
        self.payouts.iter().filter(|payout| payout.on < today).cloned().collect()
    }

    /// Makes the amount of a capture of the last date differ from what it did to the balance.
    pub fn break_chain(&mut self) {
        if let Some(Day { funds: Entries::Stored(entries), .. }) = self.days.last_mut()
            && let Some(entry) = entries.iter_mut().find(|entry| entry.kind == "capture")
        {
            entry.amount += 100;
        }
    }

    /// A date of very many captures that are paid out on it. A ledger takes one.
    pub fn add_huge(&mut self, on: NaiveDate, huge: Huge) {
        let (amounts, fees) = huge.sums();
        let fees = if self.gross { 0 } else { fees };
        let (number, owed) = (self.number, self.balances.1);
        self.days.push(Day {
            on,
            funds: Entries::Huge(Topic::Funds),
            fees: Entries::Huge(Topic::Fees),
            tail: (0, 0),
        });
        let mut expected = Expected::default();
        expected.add(Meaning::Sale, amounts, 0, 0);
        expected.add(Meaning::Fee, -fees, 0, 0);
        expected.add(Meaning::Payout, fees - amounts, 0, 0);
        self.payouts.push(Truth {
            provider: "vipps-mobilepay",
            id: format!("{}-{number}", self.id),
            account: self.id.clone(),
            on,
            amount: amounts - fees,
            currency: "NOK",
            rows: huge.rows() + u64::from(!self.gross),
            soundness: Soundness::Sound,
            returned: false,
            reversals: Vec::new(),
            expected,
        });
        self.balances.1 -= if self.gross { huge.sums().1 } else { 0 };
        self.huge = Some((huge, number, owed));
        self.number += 1;
    }

    /// Number of entries of a date that are there at `now`; all of them once it is closed.
    pub fn len(&self, day: &Day, topic: Topic, now: DateTime<Utc>) -> u64 {
        let closed = self.is_closed(day.on, now);
        let (entries, tail) = match topic {
            Topic::Funds => (&day.funds, day.tail.0),
            Topic::Fees => (&day.fees, day.tail.1),
        };
        match entries {
            Entries::Stored(entries) if closed => entries.len() as u64,
            Entries::Stored(entries) => {
                let kept = entries.len() - usize::try_from(tail).unwrap_or(0);
                entries.iter().take(kept).filter(|entry| entry.time <= now).count() as u64
            }
            Entries::Huge(_) if !closed => 0,
            Entries::Huge(topic) => {
                let rows = self.huge.as_ref().map_or(0, |(huge, ..)| huge.rows());
                match (topic, self.gross) {
                    (Topic::Funds, false) => rows + 2,
                    (Topic::Funds, true) | (Topic::Fees, false) => rows + 1,
                    (Topic::Fees, true) => rows,
                }
            }
        }
    }

    /// Whether a date is over and complete.
    pub fn is_closed(&self, on: NaiveDate, now: DateTime<Utc>) -> bool {
        let today = now.with_timezone(&chrono_tz::Europe::Oslo).date_naive();
        on < today && self.open_from.is_none_or(|open| on < open)
    }

    /// An entry of a date.
    pub fn entry(&self, day: &Day, topic: Topic, index: u64) -> Option<Entry> {
        let entries = if topic == Topic::Funds { &day.funds } else { &day.fees };
        match entries {
            Entries::Stored(entries) => entries.get(usize::try_from(index).ok()?).cloned(),
            Entries::Huge(topic) => self.huge_entry(day.on, *topic, index),
        }
    }

    fn huge_entry(&self, on: NaiveDate, topic: Topic, index: u64) -> Option<Entry> {
        let (huge, number, owed) = self.huge.as_ref()?;
        let (rows, sums) = (huge.rows(), huge.sums());
        let midnight = on.and_time(NaiveTime::MIN).and_utc();
        let night = midnight + TimeDelta::seconds(23 * 3600 + 1380);
        let made = |psp: String, kind, reference: String, amount, before, has_handle| {
            let step = TimeDelta::milliseconds(i64::try_from(index * 82_000_000 / (rows + 1)).unwrap_or(0));
            let time = if has_handle { midnight + step } else { night };
            Some(Entry { psp, time, kind, reference, amount, before, after: before + amount, has_handle })
        };
        if index < rows {
            let ((amount, fee), before) = (huge.row(index), huge.before(index));
            let (psp, reference) = (format!("77{index:09}"), format!("kasse-{index}"));
            return match topic {
                Topic::Funds => made(psp, "capture", reference, amount, before.0, true),
                Topic::Fees => made(psp, "capture-fee", reference, -fee, owed - before.1, true),
            };
        }
        let payout = format!("{}-{number}", self.id);
        match (topic, index - rows) {
            (Topic::Fees, 0) => made(
                format!("{}-{}", self.id, on.format("%Y%m%d")),
                "fees-retained",
                String::new(),
                sums.1,
                -sums.1,
                false,
            ),
            (Topic::Funds, 0) if !self.gross => {
                made(format!("01JHUGE-{number}"), "fees-retained", String::new(), -sums.1, sums.0, false)
            }
            (Topic::Funds, _) => {
                let balance = if self.gross { sums.0 } else { sums.0 - sums.1 };
                let reference = format!("Utb. {number} Vippsnr {}", self.msn);
                made(payout, "payout-scheduled", reference, -balance, balance, false)
            }
            (Topic::Fees, _) => None,
        }
    }

    /// An entry as the API shows it; `personal` adds a customer's data.
    pub fn entry_json(&self, on: NaiveDate, entry: &Entry, personal: bool) -> Value {
        let mut shown = json!({
            "pspReference": entry.psp,
            "time": entry.time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            "ledgerDate": on.to_string(),
            "entryType": entry.kind,
            "reference": entry.reference,
            "currency": "NOK",
            "amount": entry.amount,
            "balanceBefore": entry.before,
            "balanceAfter": entry.after,
            "recipientHandle": if entry.has_handle { Value::from(format!("api:{}", self.msn)) } else { Value::Null },
        });
        if personal && entry.kind == "capture" {
            shown["name"] = Value::from("Kari Nordmann");
            shown["maskedPhoneNo"] = Value::from("xxxx 9999");
            shown["message"] = Value::from("Takk!");
        }
        shown
    }
}
