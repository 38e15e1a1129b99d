//! Looks at the books and the table after a simulation, by the simulated systems' own truth: it shares no arithmetic
//! and no state with what it checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ledger::Name;
use rust_decimal::Decimal;
use serde_json::Value;
use store::item::{Attachment, VoucherState};
use store::{Key, SettlementItem, SettlementState, Table, Trail, VoucherItem, archive};

use super::history::What;
use super::{Running, Simulation};
use crate::amount;

/// Sums by account.
type Sums = BTreeMap<String, Decimal>;

/// What is wrong, and the trail of it.
pub(super) async fn check(simulation: &Simulation) -> (Vec<String>, String) {
    let mut found = Vec::new();
    let mut trail = String::new();
    for number in 0..simulation.companies.len() {
        let checker = Checker::new(simulation, number);
        let wrong = checker.all().await;
        for (settlement, what) in wrong {
            found.push(format!("{}/{settlement}: {what}", checker.company.plan.id));
            if let Some(name) = Name::parse(&settlement) {
                trail.push_str(&checker.trail(&name).await);
            }
        }
    }
    (found, trail)
}

struct Checker<'s> {
    simulation: &'s Simulation,
    number: usize,
    company: &'s Running,
    /// The mapping files that were in force.
    configs: Vec<toml::Table>,
    /// Months that were closed at some time.
    closed: BTreeSet<&'static str>,
    /// Whether documents may stand twice: somebody stood still while attaching, or the table was restored.
    documents_twice: bool,
    /// Whether the table was restored and a mapping file edited or a row amended: what was booked before and forgotten
    /// is then another entry under the same reference, which a person has to look at.
    collides: bool,
    vouchers: Vec<Value>,
}

/// A settlement and what is wrong with it.
type Wrong = (String, String);

impl<'s> Checker<'s> {
    fn new(simulation: &'s Simulation, number: usize) -> Checker<'s> {
        let company = &simulation.companies[number];
        let configs = company.configs.lock().unwrap().iter().map(|text| text.parse().unwrap()).collect();
        let events = simulation.history.events.iter();
        let closed = events.filter_map(|event| match event.what {
            What::ClosePeriod { company, month } if company == number => Some(month),
            _ => None,
        });
        let closed = closed.collect();
        let happens = |is: fn(&What) -> bool| simulation.history.events.iter().any(|event| is(&event.what));
        let documents_twice =
            happens(|what| matches!(what, What::Stall { .. } | What::Restore { .. } | What::Clock { .. }));
        let collides = happens(|what| matches!(what, What::Restore { .. }))
            && happens(|what| matches!(what, What::Configure { .. } | What::Amend { .. }));
        let vouchers = simulation.vouchers(number);
        Checker { simulation, number, company, configs, closed, documents_twice, collides, vouchers }
    }

    async fn all(&self) -> Vec<Wrong> {
        let mut wrong = self.each_voucher();
        let mut explained: BTreeSet<String> = BTreeSet::new();
        let payouts = self.simulation.payouts(self.number);
        for payout in &payouts {
            let name = payout["settlement"].as_str().unwrap().to_owned();
            explained.insert(name.clone());
            explained.insert(format!("{name}:payout-reversal"));
            explained.extend(self.corrections(&name));
            for what in self.payout(&name, payout).await {
                wrong.push((name.clone(), what));
            }
        }
        for voucher in &self.vouchers {
            let (base, _) = parted(reference(voucher));
            if !explained.contains(&base) {
                wrong.push((base.clone(), format!("{base} is in the books, and nothing says why")));
            }
        }
        wrong.extend(self.recorded().await);
        for item in self.settlements().await {
            let name = item.name.to_string();
            for what in self.archived(&item, &payouts).await.into_iter().chain(self.explained(&item).await) {
                wrong.push((name.clone(), what));
            }
        }
        wrong
    }

    /// Each voucher by itself: there once, balanced, with its document.
    fn each_voucher(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let mut seen = BTreeSet::new();
        for voucher in &self.vouchers {
            let reference = reference(voucher);
            let base = parted(reference).0;
            let name = base.trim_end_matches(":payout-reversal");
            let name = name.split_once(":correction").map_or(name, |(name, _)| name).to_owned();
            let mut is = |what: String| wrong.push((name.clone(), what));
            if !seen.insert(reference) {
                is(format!("{reference} is in the books twice"));
            }
            let total: Decimal = sums(voucher).values().sum();
            if !total.is_zero() {
                is(format!("{reference} does not balance: {total}"));
            }
            let documents = voucher["attachments"].as_u64().unwrap_or_default();
            if documents == 0 && !self.collides || documents > 1 && !self.documents_twice {
                is(format!("{reference} has {documents} documents"));
            }
        }
        wrong
    }

    /// The sums of all parts under a reference, or why they are none.
    fn booked(&self, base: &str) -> Result<Option<Sums>, String> {
        let (mut all, mut parts, mut of) = (Sums::new(), BTreeSet::new(), 0);
        for voucher in &self.vouchers {
            let (found, (part, parts_of)) = parted(reference(voucher));
            if found == base {
                add(&mut all, &sums(voucher));
                parts.insert(part);
                if of != 0 && of != parts_of {
                    return Err(format!("{base} stands in parts of {of} and of {parts_of}"));
                }
                of = parts_of;
            }
        }
        if parts.is_empty() {
            return Ok(None);
        }
        if parts.len() != of {
            return Err(format!("{base} has {} of {of} parts", parts.len()));
        }
        Ok(Some(all))
    }

    /// One payout: its state, and its vouchers account by account.
    async fn payout(&self, name: &str, payout: &Value) -> Vec<String> {
        let state = self.state(name).await;
        let text = |field: &str| payout[field].as_str().unwrap_or_default();
        let (soundness, cause) = (text("soundness"), text("cause"));
        let mut wrong = Vec::new();
        let shown = state.as_ref().map_or("unknown".to_owned(), ToString::to_string);
        let closes = self.closed.iter().any(|month| {
            text("on").starts_with(month)
                || payout["reversals"].as_array().is_some_and(|list| {
                    list.iter().any(|back| back["on"].as_str().is_some_and(|on| on.starts_with(month)))
                })
        }) || !self.closed.is_empty() && self.months();
        let held_for_period = closes && shown == "held(period-closed)";
        let collided = self.collides && shown == "held(collision)";
        let right = match soundness {
            "sound" => shown == "posted" || held_for_period || collided,
            "unsound" => shown == format!("held({cause})"),
            "waiting" => shown.starts_with("waiting(") || shown == "unknown" || shown == "announced",
            _ => shown == "unknown",
        };
        if !right {
            wrong.push(format!("{name} is {soundness} {cause} and stands as {shown}: {state:?}"));
        }
        match self.booked(name) {
            Ok(Some(found)) if soundness == "sound" => {
                wrong.extend(self.booked_right(name, payout, &found, held_for_period || collided));
            }
            Ok(Some(found)) => wrong.push(format!("{name} is {soundness} {cause} and booked as {found:?}")),
            Ok(None) if soundness == "sound" && !held_for_period => {
                wrong.push(format!("{name} is not booked"))
            }
            Ok(None) => {}
            // A period that was closed between two parts.
            Err(_) if held_for_period => {}
            Err(what) => wrong.push(what),
        }
        if soundness == "sound" && shown == "posted" {
            wrong.extend(self.came_back(name, payout));
        }
        wrong
    }

    /// The references of the corrections of a settlement that was amended.
    fn corrections(&self, name: &str) -> Vec<String> {
        let prefix = format!("{name}:correction:");
        let bases: BTreeSet<String> =
            self.vouchers.iter().map(|voucher| parted(reference(voucher)).0).collect();
        let amended = self.company.amended.lock().unwrap().contains_key(name);
        bases.into_iter().filter(|base| amended && base.starts_with(&prefix)).collect()
    }

    /// A payout is booked as it is now, or as it was before a row was amended and the difference in a correction.
    fn booked_right(&self, name: &str, payout: &Value, found: &Sums, held: bool) -> Option<String> {
        let now = &payout["postings"];
        let wanted = self.expected(payout, now);
        let mut corrected = Sums::new();
        let corrections = self.corrections(name);
        for base in &corrections {
            match self.booked(base) {
                Ok(sums) => add(&mut corrected, &sums.unwrap_or_default()),
                Err(what) => return Some(what),
            }
        }
        if corrections.is_empty() && wanted.contains(found) {
            return None;
        }
        if let Some(before) = self.company.amended.lock().unwrap().get(name)
            && self.expected(payout, before).contains(found)
            && (held && corrections.is_empty()
                || corrections.len() == 1
                    && self.expected(payout, &difference(now, before)).contains(&corrected))
        {
            return None;
        }
        Some(format!(
            "{name} is booked as {found:?} and corrected by {corrected:?}, not as one of {wanted:?}"
        ))
    }

    /// Payouts whose return stands among the rows are booked back.
    fn came_back(&self, name: &str, payout: &Value) -> Option<String> {
        let reversals = payout["reversals"].as_array().unwrap();
        let mut postings = serde_json::Map::new();
        let total: Decimal = reversals.iter().map(|back| amount(back["amount"].as_str().unwrap())).sum();
        postings.insert("provider_balance".to_owned(), total.to_string().into());
        postings.insert("in_transit".to_owned(), (-total).to_string().into());
        let base = format!("{name}:payout-reversal");
        match self.booked(&base) {
            Ok(None) if total.is_zero() => None,
            Ok(None) => Some(format!("{base} is not booked")),
            Ok(Some(found)) => {
                let wanted = self.expected(payout, &Value::Object(postings));
                (!wanted.contains(&found))
                    .then(|| format!("{base} is booked as {found:?}, not as {wanted:?}"))
            }
            Err(what) => Some(what),
        }
    }

    /// Whether months were ever kept apart, so that a part may fall into another month than the payout.
    fn months(&self) -> bool {
        self.configs.iter().any(|config| {
            config["connections"]
                .as_table()
                .unwrap()
                .values()
                .any(|connection| connection.get("cut_off").is_some())
        })
    }

    /// What postings by role are by account, under each mapping file that was in force.
    fn expected(&self, payout: &Value, postings: &Value) -> Vec<Sums> {
        let connection = match payout["provider"].as_str() {
            Some("stripe") => "webshop",
            _ => "counter",
        };
        let by_config = self.configs.iter().map(|config| {
            let mut sums = Sums::new();
            for (role, sum) in postings.as_object().unwrap() {
                let own = config["connections"][connection].get("accounts").and_then(|own| own.get(role));
                let target = own.unwrap_or_else(|| &config["accounts"][role]);
                let account = target.get("account").unwrap_or(target).as_str().unwrap();
                *sums.entry(account.to_owned()).or_default() += amount(sum.as_str().unwrap());
            }
            sums.retain(|_, sum| !sum.is_zero());
            sums
        });
        by_config.collect()
    }

    /// Whatever a settlement was made from is in the archive, whole, and has all rows.
    async fn archived(&self, item: &SettlementItem, payouts: &[Value]) -> Vec<String> {
        let name = item.name.to_string();
        if item.source.manifest.is_empty() {
            return Vec::new();
        }
        let oracle = &self.simulation.oracle;
        let manifest = match archive::manifest(oracle, &item.source.manifest).await {
            Ok(manifest) => manifest,
            Err(error) => return vec![format!("{name}: {error}")],
        };
        let (mut wrong, mut rows) = (Vec::new(), 0);
        for chunk in &manifest.chunks {
            match archive::chunk(oracle, chunk).await {
                Ok(bytes) => rows += bytes.iter().filter(|byte| **byte == b'\n').count() as u64,
                Err(error) => wrong.push(format!("{name}: {error}")),
            }
        }
        let payout = payouts.iter().find(|payout| payout["settlement"] == name.as_str());
        let truth =
            payout.filter(|payout| payout["soundness"] == "sound").and_then(|payout| payout["rows"].as_u64());
        // The payout's own row is one of them.
        if truth.is_some_and(|truth| truth + 1 != rows) || rows != item.source.rows {
            wrong
                .push(format!("{name}: {rows} rows are archived, {} said, {truth:?} true", item.source.rows));
        }
        wrong
    }

    /// The trail tells how a settlement and its vouchers came to where they are, and the vouchers are at their end.
    async fn explained(&self, item: &SettlementItem) -> Vec<String> {
        let key = Key::settlement(&self.company.plan.id, &item.name);
        let mut wrong = self.chained(&key, &item.state.to_string()).await;
        let prefix = Key::vouchers_of(&item.name);
        for read in self.table().list::<VoucherItem>(&self.company.plan.id, &prefix).await.unwrap() {
            wrong.extend(self.chained(&read.key, &read.body.state.to_string()).await);
            let done = match (&item.state, &read.body.state) {
                (SettlementState::Posted, state) => matches!(
                    state,
                    VoucherState::Posted
                        | VoucherState::Drafted
                        | VoucherState::Reversed
                        | VoucherState::Superseded
                ),
                (SettlementState::Held(_), VoucherState::Posting(_) | VoucherState::Unknown(_)) => false,
                _ => true,
            };
            if !done {
                wrong.push(format!(
                    "{} is {} while its settlement is {}",
                    read.body.text, read.body.state, item.state
                ));
            }
            if read.body.alert.is_some() {
                wrong.push(format!("{}: alert {:?}", read.body.text, read.body.alert));
            }
            let owes = !matches!(read.body.attachment, None | Some(Attachment::Done { .. }));
            if owes && matches!(read.body.state, VoucherState::Posted | VoucherState::Drafted) {
                wrong.push(format!("{}: its document is {:?}", read.body.text, read.body.attachment));
            }
        }
        wrong
    }

    /// Each voucher in the books has its item.
    async fn recorded(&self) -> Vec<Wrong> {
        if self.collides {
            return Vec::new();
        }
        let listed = self.table().list::<VoucherItem>(&self.company.plan.id, "v#").await.unwrap();
        let known: BTreeSet<String> = (listed.iter())
            .filter(|read| matches!(read.body.state, VoucherState::Posted | VoucherState::Drafted))
            .map(|read| read.body.reference.to_string())
            .collect();
        let missing = self.vouchers.iter().map(reference).filter(|reference| !known.contains(*reference));
        missing
            .map(|reference| (parted(reference).0, format!("{reference} has no item that is booked")))
            .collect()
    }

    async fn chained(&self, key: &Key, state: &str) -> Vec<String> {
        let prefix = format!("t#{}#", key.item);
        let entries = self.table().list::<Trail>(&key.company, &prefix).await.unwrap();
        let mut now = String::new();
        for read in &entries {
            let (entry, is_note) = (&read.body, read.key.item.contains(NOTE));
            if SIDE.contains(&entry.to.as_str()) || is_note {
                continue;
            }
            if entry.from != now && !(entry.from.is_empty() && now.is_empty()) {
                return vec![format!(
                    "{key}: its trail goes from {now:?} to one that begins {:?}",
                    entry.from
                )];
            }
            now.clone_from(&entry.to);
        }
        if now == state { Vec::new() } else { vec![format!("{key} is {state}; its trail ends as {now:?}")] }
    }

    fn table(&self) -> Table<'_> {
        Table::of(&self.simulation.oracle)
    }

    async fn state(&self, name: &str) -> Option<SettlementState> {
        let key = Key::settlement(&self.company.plan.id, &Name::parse(name).unwrap());
        self.table().get::<SettlementItem>(&key).await.unwrap().map(|read| read.body.state)
    }

    async fn settlements(&self) -> Vec<SettlementItem> {
        let listed = self.table().list::<SettlementItem>(&self.company.plan.id, "s#").await.unwrap();
        listed.into_iter().map(|read| read.body).collect()
    }

    /// The history of a settlement and its vouchers, for people.
    async fn trail(&self, name: &Name) -> String {
        let mut keys = vec![Key::settlement(&self.company.plan.id, name)];
        let prefix = Key::vouchers_of(name);
        let vouchers = self.table().list::<Value>(&self.company.plan.id, &prefix).await.unwrap();
        keys.extend(vouchers.into_iter().map(|read| read.key));
        let mut text = String::new();
        for key in keys {
            for Trail { at, who, from, to, cause, .. } in self.table().trail(&key).await.unwrap() {
                writeln!(text, "  {at} {key} {who}: {from} -> {to}: {cause}").unwrap();
            }
        }
        text
    }
}

/// What a worker learned that was no longer at work on the item stands behind everything else.
const NOTE: &str = "#999999999999#";

/// What trails say besides states.
const SIDE: [&str; 4] = ["documented", "not documented", "document put off", "alert"];

fn reference(voucher: &Value) -> &str {
    voucher["reference"].as_str().unwrap_or_default()
}

/// A reference without its part, and which part it is of how many.
fn parted(reference: &str) -> (String, (usize, usize)) {
    let (base, last) = reference.rsplit_once(':').unwrap_or((reference, ""));
    match last.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?))) {
        Some(part) => (base.to_owned(), part),
        None => (reference.to_owned(), (1, 1)),
    }
}

fn sums(voucher: &Value) -> Sums {
    let mut sums = Sums::new();
    for posting in voucher["postings"].as_array().unwrap() {
        let account = posting["account"].as_str().unwrap();
        *sums.entry(account.to_owned()).or_default() += amount(posting["amount"].as_str().unwrap());
    }
    sums.retain(|_, sum| !sum.is_zero());
    sums
}

/// What one set of postings by role has more than another.
fn difference(now: &Value, before: &Value) -> Value {
    let (now, before) = (now.as_object().unwrap(), before.as_object().unwrap());
    let sum = |of: &serde_json::Map<String, Value>, role: &str| {
        of.get(role).map_or(Decimal::ZERO, |sum| amount(sum.as_str().unwrap()))
    };
    let roles: BTreeSet<&String> = now.keys().chain(before.keys()).collect();
    let by_role =
        roles.into_iter().map(|role| (role.clone(), (sum(now, role) - sum(before, role)).to_string().into()));
    Value::Object(by_role.collect())
}

fn add(to: &mut Sums, other: &Sums) {
    for (account, sum) in other {
        *to.entry(account.clone()).or_default() += *sum;
    }
    to.retain(|_, sum| !sum.is_zero());
}
