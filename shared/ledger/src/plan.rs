//! Lines in, balanced vouchers out.
//!
//! The provider is an account: every row moves `provider_balance`, the payout row moves it on to `in_transit`.
//! Lines that cancel within one voucher are not written, so an ordinary payout leaves only sales, fees and
//! `in_transit`. Rows are folded: with summary granularity the memory needed does not grow with the rows.

use chrono::{Datelike, Months, NaiveDate};
use rust_decimal::Decimal;

use crate::hold::{Cause, Hold};
use crate::line::{FeeType, Kind, Line};
use crate::mapping::{Book, CutOff, FeeMode, Granularity, Mapping, Role, Target};
use crate::money::Sum;
use crate::settlement::{Head, RunningTotals, Totals};
use crate::voucher::{Posting, Purpose, Reference, Side, Voucher};

/// The most lines of one settlement; beyond, the settlement is held rather than filling the memory.
pub const SETTLEMENT_LINES_MAX: usize = 100_000;

/// A month as `year * 12 + month0`; 0 when the settlement is not cut by month.
type Period = i32;

/// Where a part of a line goes, resolved once per role and rule.
struct Resolved {
    role: Role,
    rule: Option<usize>,
    target: Target,
    text: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct GroupKey {
    period: Period,
    kind: Kind,
    fee_type: FeeType,
    role: Role,
    rule: Option<usize>,
}

struct Group {
    key: GroupKey,
    /// Which of the resolved accounts the key's role and rule have.
    resolved: u16,
    amount: Sum,
    rows: u64,
    reference: String,
}

#[derive(Default)]
struct Balance {
    provider: Sum,
    transit: Sum,
    payouts: u64,
}

struct Returned {
    on: NaiveDate,
    amount: Decimal,
    id: String,
}

/// Folds the lines of one settlement into vouchers.
pub struct Planner<'m> {
    mapping: &'m Mapping,
    head: &'m Head,
    purpose: Purpose,
    revision: u32,
    totals: RunningTotals,
    resolved: Vec<Resolved>,
    /// Which of `resolved` a role and rule have, by [`Planner::place`]; the last number when not yet known.
    resolved_by: Vec<u16>,
    groups: Vec<Group>,
    /// The group of the last line of each kind: the next of the kind mostly has the same.
    last_group: [usize; Kind::ALL.len()],
    /// One per period, in the order in which the periods came.
    balances: Vec<(Period, Balance)>,
    returned: Vec<Returned>,
    /// The line at hand is taken out again.
    taking_out: bool,
}

impl<'m> Planner<'m> {
    /// A planner for the settlement of `head`; `revision` becomes part of the references.
    pub fn new(mapping: &'m Mapping, head: &'m Head, purpose: Purpose, revision: u32) -> Planner<'m> {
        Planner {
            mapping,
            head,
            purpose,
            revision,
            totals: RunningTotals::default(),
            resolved: Vec::new(),
            resolved_by: vec![u16::MAX; Role::ALL.len() * (mapping.rules.len() + 1)],
            groups: Vec::new(),
            last_group: [0; Kind::ALL.len()],
            balances: Vec::new(),
            returned: Vec::new(),
            taking_out: false,
        }
    }

    /// Takes out one line that was booked before, for a correction: on the accounts of the line itself, with the
    /// sides exchanged. The mirrored line is another thing, since an expense taken out is no income.
    ///
    /// # Errors
    ///
    /// As for [`Planner::add`].
    pub fn take_out(&mut self, line: &Line<'_>) -> Result<(), Hold> {
        self.taking_out = true;
        let done = self.add(line);
        self.taking_out = false;
        done
    }

    /// An amount of the line at hand, turned around where the line is taken out.
    fn turned(&self, amount: Decimal) -> Decimal {
        if self.taking_out { -amount } else { amount }
    }

    /// Adds one line, the payout's own row included.
    ///
    /// # Errors
    ///
    /// The [`Hold`] that stops the settlement: a missing role, a refused rule, fees against the fee mode, a foreign
    /// currency, too many lines.
    pub fn add(&mut self, line: &Line<'_>) -> Result<(), Hold> {
        if self.taking_out {
            self.totals.add(&line.clone().mirrored())?;
        } else {
            self.totals.add(line)?;
        }
        if line.currency != self.head.currency {
            return Err(Hold::new(
                Cause::DoesNotAddUp,
                format!(
                    "{}: row {} is in {}, the payout in {}",
                    self.head.name,
                    printable(&line.id),
                    line.currency,
                    self.head.currency
                ),
                "download the report again; a payout has one currency",
            ));
        }
        if line.unknown {
            return self.add_unallocated(line);
        }
        if line.stays_on_balance {
            return Ok(());
        }
        if line.kind == Kind::PayoutReversal {
            self.returned.push(Returned {
                on: line.on,
                amount: self.turned(line.gross),
                id: line.id.clone().into_owned(),
            });
            return self.add_fee(line);
        }
        let period = self.period(line.on);
        let gross = self.turned(line.gross);
        let balance = self.balance(period);
        add(&mut balance.provider, gross);
        if line.kind == Kind::Payout {
            add(&mut balance.transit, -gross);
            balance.payouts += 1;
        } else if !line.gross.is_zero() {
            self.post(line, period, line.kind, FeeType::Unknown, -line.gross)?;
        }
        self.add_fee(line)
    }

    /// Splits what the provider kept into fee, fee refund and stated VAT.
    fn add_fee(&mut self, line: &Line<'_>) -> Result<(), Hold> {
        if line.fee.is_zero() && line.fee_vat.is_zero() {
            return Ok(());
        }
        if self.mapping.fees == FeeMode::Invoiced {
            return Err(Hold::new(
                Cause::FeeMode,
                format!(
                    "{}: row {} has a fee of {} taken from the payout",
                    self.head.name,
                    printable(&line.id),
                    line.fee
                ),
                format!(
                    "the configuration says fees = \"invoiced\" for connection {}: set fees = \"netted\" or \"auto\"",
                    self.mapping.connection
                ),
            ));
        }
        let period = self.period(line.on);
        let fee = self.turned(line.fee);
        add(&mut self.balance(period).provider, -fee);
        if line.kind == Kind::FeeVat {
            return self.post(line, period, Kind::FeeVat, line.fee_type, line.fee);
        }
        let fee = if line.fee_vat.is_zero() { line.fee } else { line.fee - line.fee_vat };
        if !fee.is_zero() {
            let kind = if fee.is_sign_negative() { Kind::FeeRefund } else { Kind::Fee };
            self.post(line, period, kind, line.fee_type, fee)?;
        }
        if !line.fee_vat.is_zero() {
            self.post(line, period, Kind::FeeVat, line.fee_type, line.fee_vat)?;
        }
        Ok(())
    }

    fn add_unallocated(&mut self, line: &Line<'_>) -> Result<(), Hold> {
        let name = &self.head.name;
        let hold = |what: String, remedy: String| Err(Hold::new(Cause::UnknownLine, what, remedy));
        let what = format!(
            "{name}: row {} has the unknown type \"{}\"",
            printable(&line.id),
            printable(&line.remote_type)
        );
        match self.mapping.unallocated_limit {
            Some(limit) if self.totals.unknown() > limit => hold(
                format!("{what}, and such rows come to {}, over the limit of {limit}", self.totals.unknown()),
                format!(
                    "book it by hand, update bilag, or raise unallocated_limit under [connections.{}]",
                    self.mapping.connection
                ),
            ),
            Some(_) => {
                let period = self.period(line.on);
                let net = self.turned(line.net());
                add(&mut self.balance(period).provider, net);
                let amount = -line.net();
                self.post_to_role(line, period, Role::Unallocated, Kind::Adjustment, FeeType::Unknown, amount)
            }
            None => hold(
                what,
                format!(
                    "update bilag; or give accounts.unallocated and unallocated_limit under [connections.{}], then \
                     release",
                    self.mapping.connection
                ),
            ),
        }
    }

    /// The balance of a period; neighbours mostly share the newest.
    #[inline]
    fn balance(&mut self, period: Period) -> &mut Balance {
        let known = self.balances.iter().rposition(|(known, _)| *known == period);
        let index = known.unwrap_or_else(|| {
            self.balances.push((period, Balance::default()));
            self.balances.len() - 1
        });
        &mut self.balances[index].1
    }

    fn period(&self, on: NaiveDate) -> Period {
        match self.mapping.cut_off {
            CutOff::Payout => 0,
            CutOff::Month => on.year() * 12 + on.month0() as i32,
        }
    }

    /// Books `amount` (debit positive, before any turning around) of a line as `kind`.
    #[inline]
    fn post(
        &mut self,
        line: &Line<'_>,
        period: Period,
        kind: Kind,
        fee_type: FeeType,
        amount: Decimal,
    ) -> Result<(), Hold> {
        match self.mapping.role(kind, line.gross) {
            Some(role) => self.post_to_role(line, period, role, kind, fee_type, amount),
            None => Ok(()),
        }
    }

    fn post_to_role(
        &mut self,
        line: &Line<'_>,
        period: Period,
        role: Role,
        kind: Kind,
        fee_type: FeeType,
        amount: Decimal,
    ) -> Result<(), Hold> {
        let mapping = self.mapping;
        let amount = self.turned(amount);
        let rule = mapping.rules.iter().position(|rule| rule.when.matches(mapping, line, kind, fee_type));
        let key = GroupKey { period, kind, fee_type, role, rule };
        match self.known_group(&key) {
            Some(group) => {
                add(&mut group.amount, amount);
                group.rows += 1;
                Ok(())
            }
            None => self.open_group(key, amount, &line.reference),
        }
    }

    /// The group that a line is added to, if there is one and lines are summed.
    #[inline]
    fn known_group(&mut self, key: &GroupKey) -> Option<&mut Group> {
        if self.mapping.granularity != Granularity::Summary {
            return None;
        }
        let last = self.last_group[key.kind as usize];
        let index = match self.groups.get(last) {
            Some(group) if group.key == *key => last,
            _ => self.groups.iter().position(|group| group.key == *key)?,
        };
        self.last_group[key.kind as usize] = index;
        self.groups.get_mut(index)
    }

    fn open_group(&mut self, key: GroupKey, amount: Decimal, reference: &str) -> Result<(), Hold> {
        let mapping = self.mapping;
        let resolved = match self.resolved_by[self.place(key.role, key.rule)] {
            u16::MAX => self.resolve(key.role, key.rule, key.kind)?,
            known => known,
        };
        if self.groups.len() >= SETTLEMENT_LINES_MAX {
            return Err(Hold::new(
                Cause::TooManyLines,
                format!("{}: more than {SETTLEMENT_LINES_MAX} voucher lines", self.head.name),
                format!("set granularity = \"summary\" under [connections.{}]", mapping.connection),
            ));
        }
        let reference = match mapping.granularity {
            Granularity::Summary => String::new(),
            Granularity::Transaction => printable(reference),
        };
        self.last_group[key.kind as usize] = self.groups.len();
        let mut sum = Sum::default();
        add(&mut sum, amount);
        self.groups.push(Group { key, resolved, amount: sum, rows: 1, reference });
        Ok(())
    }

    /// Where `resolved_by` keeps a role and rule.
    fn place(&self, role: Role, rule: Option<usize>) -> usize {
        role as usize * (self.mapping.rules.len() + 1) + rule.map_or(0, |rule| rule + 1)
    }

    /// Finds the account of a role and rule, and refuses what the booking style does not allow.
    fn resolve(&mut self, role: Role, rule_index: Option<usize>, kind: Kind) -> Result<u16, Hold> {
        let mapping = self.mapping;
        let rule = rule_index.map(|index| &mapping.rules[index]);
        let base = mapping.accounts.get(&role);
        let account = rule.and_then(|rule| rule.account.as_ref()).or(base.map(|target| &target.account));
        let Some(account) = account else {
            return Err(missing_account(self.head, mapping, role));
        };
        let pick = |of_rule: fn(&crate::mapping::Rule) -> &Option<String>, of_role: Option<&String>| {
            rule.and_then(|rule| of_rule(rule).clone()).or(of_role.cloned())
        };
        let vat = pick(|rule| &rule.vat, base.and_then(|target| target.vat.as_ref()));
        if let (Some(rule), Some(index)) = (rule, rule_index)
            && role == Role::SalesClearing
        {
            refuse_in_clearing(self.head, mapping, rule, index)?;
        }
        if role == Role::Sales && vat.is_none() {
            return Err(Hold::new(
                Cause::VatMissing,
                format!(
                    "{}: {kind} is booked to revenue on {account}, but nothing gives its VAT code",
                    self.head.name
                ),
                "add vat to the role, for example sales = { account = \"3000\", vat = \"3\" }, or to a [[rules]] \
                 entry; \"none\" is explicit",
            ));
        }
        let target = Target {
            account: account.clone(),
            // VAT that the provider states is an amount of VAT; a code would make VAT of it once more.
            vat: vat.filter(|_| role != Role::FeeVat),
            department: pick(|rule| &rule.department, base.and_then(|target| target.department.as_ref())),
            project: pick(|rule| &rule.project, base.and_then(|target| target.project.as_ref())),
        };
        let index = u16::try_from(self.resolved.len()).unwrap_or(u16::MAX);
        self.resolved.push(Resolved {
            role,
            rule: rule_index,
            target,
            text: rule.and_then(|rule| rule.text.clone()),
        });
        let place = self.place(role, rule_index);
        self.resolved_by[place] = index;
        Ok(index)
    }

    /// The totals of the lines so far.
    pub fn totals(&self) -> Totals {
        self.totals.so_far()
    }

    /// Ends the settlement: proves that it adds up and returns its vouchers, each balanced. A settlement without
    /// any movement has no voucher.
    ///
    /// # Errors
    ///
    /// The [`Hold`] that stops the settlement.
    pub fn finish(mut self) -> Result<Vec<Voucher>, Hold> {
        if self.purpose == Purpose::Settlement {
            self.totals().prove(self.head)?;
            if self.mapping.fees == FeeMode::Netted && self.head.fees_invoiced == Some(true) {
                return Err(Hold::new(
                    Cause::FeeMode,
                    format!("{}: the provider pays gross and invoices its fees", self.head.name),
                    format!(
                        "the configuration says fees = \"netted\" for connection {}: set fees = \"invoiced\" or \"auto\"",
                        self.mapping.connection
                    ),
                ));
            }
        }
        let mut vouchers = self.settlement_vouchers()?;
        let returned: Vec<Voucher> = self.return_vouchers()?;
        vouchers.extend(returned);
        for voucher in &vouchers {
            voucher.prove()?;
        }
        Ok(vouchers)
    }

    fn settlement_vouchers(&mut self) -> Result<Vec<Voucher>, Hold> {
        let lines_max = self.mapping.lines_max.max(3);
        let groups = std::mem::take(&mut self.groups);
        let mut balances = std::mem::take(&mut self.balances);
        balances.sort_by_key(|(period, _)| *period);
        let mut parts: Vec<(NaiveDate, Vec<Posting>)> = Vec::new();
        for (period, balance) in &balances {
            let mut postings: Vec<Posting> = Vec::new();
            let mut ordered: Vec<&Group> = groups
                .iter()
                .filter(|group| group.key.period == *period && !group.amount.total().is_zero())
                .collect();
            if self.mapping.granularity == Granularity::Summary {
                ordered.sort_by_key(|group| {
                    let resolved = &self.resolved[usize::from(group.resolved)];
                    (
                        group.key.kind,
                        group.key.fee_type,
                        resolved.target.account.clone(),
                        resolved.rule,
                        resolved.role,
                    )
                });
            }
            let (provider, transit) = (balance.provider.total(), balance.transit.total());
            if !transit.is_zero() {
                postings.push(self.plain(Role::InTransit, Kind::Payout, transit, balance.payouts)?);
            }
            postings.extend(ordered.iter().map(|group| self.posting(group)));
            let on = self.dated(*period);
            if provider.is_zero() && postings.len() <= lines_max {
                if !postings.is_empty() {
                    parts.push((on, postings));
                }
                continue;
            }
            // Each part stands on provider_balance; over the parts of a period it comes to the period's balance.
            let mut left = provider;
            let chunks: Vec<&[Posting]> = postings.chunks(lines_max - 1).collect();
            let last = chunks.len().saturating_sub(1);
            for (index, chunk) in chunks.into_iter().enumerate() {
                let mut part = chunk.to_vec();
                let sum: Decimal = part.iter().map(Posting::signed).sum();
                let share = if index == last { left } else { -sum };
                left -= share;
                if !share.is_zero() {
                    part.push(self.plain(Role::ProviderBalance, Kind::Payout, share, 0)?);
                }
                parts.push((on, part));
            }
        }
        let count = number(parts.len())?;
        parts
            .into_iter()
            .zip(1..)
            .map(|((on, postings), part)| self.voucher(self.purpose, part, count, on, postings))
            .collect()
    }

    /// Payouts that came back: booked once, dated their own day, the settlement's voucher leaves them alone.
    fn return_vouchers(&mut self) -> Result<Vec<Voucher>, Hold> {
        let returned = std::mem::take(&mut self.returned);
        let purpose = match self.purpose {
            Purpose::Settlement => Purpose::PayoutReversal,
            other => other,
        };
        if purpose == Purpose::Correction && !returned.is_empty() {
            return Err(Hold::new(
                Cause::DuplicateDiffers,
                format!("{}: a returned payout was added or changed after booking", self.head.name),
                "compare both reports and book the difference by hand, then release",
            ));
        }
        let mut returned: Vec<Returned> = returned.into_iter().filter(|row| !row.amount.is_zero()).collect();
        // A report may list its rows in any order; the parts keep their numbers.
        returned.sort_by(|a, b| (a.on, &a.id, a.amount).cmp(&(b.on, &b.id, b.amount)));
        let count = number(returned.len())?;
        let mut vouchers = Vec::new();
        for (row, part) in returned.into_iter().zip(1..) {
            let mut balance = self.plain(Role::ProviderBalance, Kind::PayoutReversal, row.amount, 1)?;
            let mut transit = self.plain(Role::InTransit, Kind::PayoutReversal, -row.amount, 1)?;
            for posting in [&mut balance, &mut transit] {
                posting.text =
                    format!("{} payout returned {}", self.mapping.provider_title, printable(&row.id));
            }
            vouchers.push(self.voucher(purpose, part, count, row.on, vec![balance, transit])?);
        }
        Ok(vouchers)
    }

    /// The payout's period is dated by the payout row, another month by its last day.
    fn dated(&self, period: Period) -> NaiveDate {
        if period == 0 || period == self.period(self.head.payout_on) {
            return self.head.payout_on;
        }
        NaiveDate::from_ymd_opt(period.div_euclid(12), period.rem_euclid(12) as u32 + 1, 1)
            .and_then(|first| first.checked_add_months(Months::new(1)))
            .and_then(|next| next.pred_opt())
            .unwrap_or(self.head.payout_on)
    }

    fn plain(&self, role: Role, kind: Kind, amount: Decimal, rows: u64) -> Result<Posting, Hold> {
        let target =
            self.mapping.accounts.get(&role).ok_or_else(|| missing_account(self.head, self.mapping, role))?;
        let word = match role {
            Role::InTransit => "payout",
            _ => "balance",
        };
        let text = format!("{} {word} {}", self.mapping.provider_title, self.head.name.id);
        Ok(posting(amount, target, text, role, kind, None, None, rows))
    }

    fn posting(&self, group: &Group) -> Posting {
        let Resolved { role, rule, target, text } = &self.resolved[usize::from(group.resolved)];
        let kind = group.key.kind;
        let is_fee = matches!(kind, Kind::Fee | Kind::FeeRefund | Kind::FeeVat);
        let fee_type = is_fee.then_some(group.key.fee_type);
        let text = match text {
            Some(template) => self.fill(template, group),
            None => {
                let mut text = format!("{} {}", self.mapping.provider_title, label(kind));
                if let Some(fee_type) = fee_type.filter(|fee_type| *fee_type != FeeType::Unknown) {
                    text.push_str(&format!(" ({fee_type})"));
                }
                if !group.reference.is_empty() {
                    text.push_str(&format!(" {}", group.reference));
                }
                if *role == Role::Unallocated {
                    text.push_str(" (unknown type)");
                }
                text
            }
        };
        posting(
            group.amount.total(),
            target,
            text,
            *role,
            kind,
            fee_type,
            rule.map(|index| index + 1),
            group.rows,
        )
    }

    fn fill(&self, template: &str, group: &Group) -> String {
        let month = match group.key.period {
            0 => self.head.payout_on.format("%Y-%m").to_string(),
            period => format!("{:04}-{:02}", period.div_euclid(12), period.rem_euclid(12) + 1),
        };
        printable(
            &template
                .replace("{payout}", &self.head.name.id)
                .replace("{provider}", &self.mapping.provider_title)
                .replace("{kind}", label(group.key.kind))
                .replace("{month}", &month)
                .replace("{reference}", &group.reference),
        )
    }

    fn voucher(
        &self,
        purpose: Purpose,
        part: u32,
        parts: u32,
        on: NaiveDate,
        postings: Vec<Posting>,
    ) -> Result<Voucher, Hold> {
        let fit = |posting: Posting| -> Result<Posting, Hold> {
            let amount = self.head.currency.fit(posting.amount).map_err(|error| {
                Hold::new(
                    Cause::DoesNotAddUp,
                    format!("{}: {error}", self.head.name),
                    "check the source's amounts",
                )
            })?;
            Ok(Posting { amount, ..posting })
        };
        let settlement = self.head.name.clone();
        let reference = Reference { settlement, purpose, revision: self.revision, part, parts };
        let title = &self.mapping.provider_title;
        let id = &self.head.name.id;
        let text = match purpose {
            Purpose::PayoutReversal => format!("{title} payout returned, listed in {id}"),
            Purpose::Correction => format!("{title} correction of {id}"),
            _ if self.head.window => format!("{title} {}", self.head.payout_on),
            _ => format!("{title} payout {id}"),
        };
        let corrects = (purpose == Purpose::Correction).then(|| self.head.name.to_string());
        let postings = postings.into_iter().map(fit).collect::<Result<Vec<_>, Hold>>()?;
        let company = self.mapping.company.clone();
        Ok(Voucher { company, reference, on, currency: self.head.currency, text, corrects, postings })
    }
}

/// Adds to a sum that [`Totals`] has bounded already: every amount here is part of a checked total.
#[inline]
fn add(sum: &mut Sum, amount: Decimal) {
    if sum.add(amount).is_none() {
        *sum = Sum::Wide(Decimal::MAX);
    }
}

#[allow(clippy::too_many_arguments)]
fn posting(
    signed: Decimal,
    target: &Target,
    text: String,
    role: Role,
    kind: Kind,
    fee_type: Option<FeeType>,
    rule: Option<usize>,
    rows: u64,
) -> Posting {
    Posting {
        side: if signed.is_sign_negative() { Side::Credit } else { Side::Debit },
        amount: signed.abs(),
        account: target.account.clone(),
        vat: target.vat.clone().unwrap_or_else(|| "none".to_owned()),
        department: target.department.clone(),
        project: target.project.clone(),
        text,
        role,
        kind,
        fee_type,
        rule,
        rows,
    }
}

fn missing_account(head: &Head, mapping: &Mapping, role: Role) -> Hold {
    Hold::new(
        Cause::MissingAccount,
        format!("{}: the role {role} is needed and has no account", head.name),
        format!("add  {role} = \"<account>\"  under [accounts] in {}.toml, then release", mapping.company),
    )
}

/// With clearing, the sale is booked elsewhere: a rule may move it to another clearing account, nothing more.
fn refuse_in_clearing(
    head: &Head,
    mapping: &Mapping,
    rule: &crate::mapping::Rule,
    index: usize,
) -> Result<(), Hold> {
    debug_assert_eq!(mapping.book, Book::Clearing);
    let refuse = |what: String| {
        Err(Hold::new(
            Cause::RuleRefused,
            format!(
                "{}: rule {} {what}, but connection {} books to clearing",
                head.name,
                index + 1,
                mapping.connection
            ),
            "narrow the rule with kind or connection, or set book = \"sales\" for the connection",
        ))
    };
    if rule.vat.as_deref().is_some_and(|vat| vat != "none") {
        return refuse("sets a VAT code on sales".to_owned());
    }
    let other = mapping.accounts.iter().find(|(role, target)| {
        !matches!(role, Role::SalesClearing | Role::Unallocated)
            && rule.account.as_ref() == Some(&target.account)
    });
    match other {
        Some((role, target)) => refuse(format!("moves sales to {}, the account of {role}", target.account)),
        None => Ok(()),
    }
}

fn number(count: usize) -> Result<u32, Hold> {
    u32::try_from(count)
        .map_err(|_| Hold::new(Cause::TooManyLines, "too many parts", "use summary granularity"))
}

fn label(kind: Kind) -> &'static str {
    match kind {
        Kind::Sale => "sales",
        Kind::Refund => "refunds",
        Kind::RefundReversal => "refunds reversed",
        Kind::Chargeback => "chargebacks",
        Kind::ChargebackReversal => "chargebacks reversed",
        Kind::Fee => "fees",
        Kind::FeeRefund => "fees refunded",
        Kind::FeeVat => "VAT on fees",
        Kind::Hold => "held back",
        Kind::HoldRelease => "released",
        Kind::TopUp => "top-up",
        Kind::Transfer => "transfers",
        Kind::Loan => "loan",
        Kind::Adjustment => "adjustments",
        Kind::Conversion => "currency conversion",
        Kind::Payout => "payout",
        Kind::PayoutReversal => "payout returned",
    }
}

/// Remote text without control and bidirectional characters, at most 120 characters.
pub fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(
                c,
                '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            )
    };
    text.chars().filter(|c| !hidden(*c)).take(120).collect()
}
