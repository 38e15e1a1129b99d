//! What must hold for every settlement, whatever its rows and whatever the configuration.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use ledger::{
    Book, Cause, Currency, CutOff, FeeType, Granularity, Head, Hold, Kind, Line, Mapping, Name, Planner,
    Purpose, Reference, Role, Voucher,
};
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof};
use proptest::proptest;
use rust_decimal::Decimal;

use crate::case::{day, mapping_with};

/// One row in minor units, before it has a currency.
#[derive(Clone, Debug)]
struct Row {
    kind: Kind,
    on: NaiveDate,
    gross: i64,
    fee: i64,
    fee_vat: i64,
    fee_type: FeeType,
    tagged: bool,
    special: u8,
}

impl Row {
    /// The row as a line; rows that are a fee or its VAT have no gross.
    fn line(&self, index: usize, currency: Currency) -> Line<'static> {
        let amount = |minor: i64| Decimal::new(minor, currency.digits());
        let own = matches!(self.kind, Kind::Fee | Kind::FeeRefund | Kind::FeeVat);
        let gross = if own { 0 } else { self.gross };
        let id = format!("tx_{index}");
        let mut line = Line::new(id.clone(), self.kind, self.on, amount(gross), amount(self.fee), currency);
        line.fee_vat = if self.kind == Kind::FeeVat { Decimal::ZERO } else { amount(self.fee_vat) };
        line.fee_type = self.fee_type;
        line.reference = id.into();
        line.remote_type = self.kind.name().into();
        if self.tagged {
            line.tags.push(("plan".into(), "year".into()));
        }
        if self.kind == Kind::Hold && self.special == 0 {
            line.stays_on_balance = true;
        }
        if self.kind == Kind::Adjustment && self.special == 0 {
            line.unknown = true;
        }
        line
    }
}

/// A settlement that adds up, with a configuration.
#[derive(Clone, Debug)]
struct Sample {
    head: Head,
    lines: Vec<Line<'static>>,
    mapping: Mapping,
}

impl Sample {
    fn plan(&self) -> Result<Vec<Voucher>, Hold> {
        let mut planner = Planner::new(&self.mapping, &self.head, Purpose::Settlement, 1);
        for line in &self.lines {
            planner.add(line)?;
        }
        planner.finish()
    }
}

fn a_day() -> impl Strategy<Value = NaiveDate> {
    (0..40u64).prop_map(|days| day("2027-12-20") + chrono::Days::new(days))
}

fn a_row() -> impl Strategy<Value = Row> {
    let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Payout).collect();
    let amount = || {
        prop_oneof![
            4 => -1_000_000..1_000_000i64,
            1 => Just(0),
            1 => -99_999_999_999_999..99_999_999_999_999i64
        ]
    };
    let fee = || {
        prop_oneof![
            2 => Just(0),
            3 => -10_000..50_000i64
        ]
    };
    (
        prop::sample::select(kinds),
        a_day(),
        amount(),
        fee(),
        fee(),
        prop::sample::select(FeeType::ALL),
        any::<bool>(),
        0..4u8,
    )
        .prop_map(|(kind, on, gross, fee, fee_vat, fee_type, tagged, special)| Row {
            kind,
            on,
            gross,
            fee,
            fee_vat,
            fee_type,
            tagged,
            special,
        })
}

/// A payout row: its day, amount and fee.
type PayoutRow = (NaiveDate, i64, i64);

fn a_mapping() -> impl Strategy<Value = Mapping> {
    let options = (
        prop::sample::select(Book::ALL),
        prop::sample::select(Granularity::ALL),
        prop::sample::select(CutOff::ALL),
        3..=20usize,
        any::<[bool; 2]>(),
    );
    options.prop_map(|(book, granularity, cut_off, lines_max, [one_result, ruled])| {
        let mut text = format!(
            "book {book}\ngranularity {granularity}\ncut_off {cut_off}\nlines_max {lines_max}\n\
                 account sales 3000 vat=3\naccount unallocated 1599\n\
                 unallocated_limit 79228162514264337593543950\n"
        );
        if one_result {
            // Income and expense on one account are still two lines.
            text.push_str("account other_income 8990\naccount other_expense 8990\n");
        }
        if ruled {
            text.push_str("rule kind=sale tag.plan=year => account=1578 department=10\n");
            text.push_str("rule kind=fee => account=7771 text=Fees {month} {payout}\n");
        }
        mapping_with(&text)
    })
}

fn a_sample() -> impl Strategy<Value = Sample> {
    let payouts = prop::collection::vec((a_day(), -1_000_000..5_000_000i64, 0..500i64), 0..4);
    (
        prop::collection::vec(a_row(), 0..40),
        payouts,
        prop::sample::select(&["NOK", "JPY", "KWD"][..]),
        prop_oneof![Just(0), -100_000..100_000i64],
        any::<bool>(),
        a_mapping(),
    )
        .prop_map(|(rows, payouts, currency, opening, first, mapping)| {
            sample(&rows, &payouts, currency, opening, first, mapping)
        })
}

fn sample(
    rows: &[Row],
    payouts: &[PayoutRow],
    currency: &str,
    opening: i64,
    payout_first: bool,
    mapping: Mapping,
) -> Sample {
    let currency = Currency::parse(currency).unwrap();
    let amount = |minor: i64| Decimal::new(minor, currency.digits());
    let payouts: Vec<Line<'static>> = payouts
        .iter()
        .enumerate()
        .map(|(index, (on, gross, fee))| {
            let id = format!("po_{index}");
            Line::new(id, Kind::Payout, *on, amount(-gross), amount(*fee), currency)
        })
        .collect();
    let rows = rows.iter().enumerate().map(|(index, row)| row.line(index, currency));
    let lines: Vec<Line<'static>> = if payout_first {
        payouts.iter().cloned().chain(rows).collect()
    } else {
        rows.chain(payouts.iter().cloned()).collect()
    };
    let window = payouts.len() != 1;
    let payout_on = payouts.first().map_or(day("2028-01-05"), |line| line.on);
    let head = Head {
        name: Name::parse("stripe:po_1").unwrap(),
        currency,
        payout_on,
        payout: -payouts.iter().map(|line| line.gross).sum::<Decimal>(),
        opening: amount(opening),
        closing: amount(opening) + lines.iter().map(Line::net).sum::<Decimal>(),
        account: String::new(),
        window,
        fees_invoiced: None,
    };
    Sample { head, lines, mapping }
}

/// What each role must come to, debit positive, from the rows alone: the side opposite to what the row does
/// to the
/// provider's balance.
fn expected(sample: &Sample) -> BTreeMap<Role, Decimal> {
    let mut sums: BTreeMap<Role, Decimal> = BTreeMap::new();
    let mut debit = |role: Role, amount: Decimal| *sums.entry(role).or_default() += amount;
    let mut stays = Decimal::ZERO;
    for line in &sample.lines {
        if line.stays_on_balance {
            stays += line.gross - line.fee;
            continue;
        }
        if line.unknown {
            debit(Role::Unallocated, line.fee - line.gross);
            continue;
        }
        let role = match line.kind {
            Kind::Sale | Kind::Refund | Kind::RefundReversal => match sample.mapping.book {
                Book::Clearing => Role::SalesClearing,
                Book::Sales => Role::Sales,
            },
            Kind::Chargeback | Kind::ChargebackReversal => Role::Disputed,
            Kind::Hold | Kind::HoldRelease => Role::HeldByProvider,
            Kind::Transfer | Kind::Conversion => Role::OwnTransfer,
            Kind::Loan => Role::ProviderLoan,
            Kind::Adjustment if line.gross < Decimal::ZERO => Role::OtherExpense,
            Kind::Adjustment => Role::OtherIncome,
            Kind::Fee | Kind::FeeRefund => Role::ProviderFee,
            Kind::FeeVat => Role::FeeVat,
            Kind::TopUp | Kind::Payout | Kind::PayoutReversal => Role::InTransit,
        };
        debit(role, -line.gross);
        if line.kind == Kind::FeeVat {
            debit(Role::FeeVat, line.fee);
        } else {
            debit(Role::ProviderFee, line.fee - line.fee_vat);
            debit(Role::FeeVat, line.fee_vat);
        }
    }
    let change = sample.head.closing - sample.head.opening - stays;
    debit(Role::ProviderBalance, change);
    sums.retain(|_, amount| !amount.is_zero());
    sums
}

/// What each role comes to over vouchers, debit positive.
fn booked(vouchers: &[Voucher]) -> BTreeMap<Role, Decimal> {
    let mut sums: BTreeMap<Role, Decimal> = BTreeMap::new();
    for posting in vouchers.iter().flat_map(|voucher| &voucher.postings) {
        *sums.entry(posting.role).or_default() += posting.signed();
    }
    sums.retain(|_, amount| !amount.is_zero());
    sums
}

fn sum_of(lines: &[Line<'_>], kind: Kind) -> Decimal {
    lines.iter().filter(|line| line.kind == kind).map(|line| line.gross).sum()
}

proptest! {
    #[test]
    fn every_voucher_balances_and_every_role_comes_to_the_sum_of_its_rows(sample in a_sample()) {
        let vouchers = sample.plan().unwrap();
        for voucher in &vouchers {
            voucher.prove().unwrap();
            prop_assert_eq!(voucher.currency, sample.head.currency);
            prop_assert!(voucher.postings.len() >= 2);
            prop_assert!(voucher.postings.len() <= sample.mapping.lines_max);
            prop_assert!(voucher.postings.iter().all(|posting| !posting.amount.is_zero()));
        }
        let booked = booked(&vouchers);
        prop_assert_eq!(&booked, &expected(&sample));
        let transit = sample.head.payout
            - sum_of(&sample.lines, Kind::PayoutReversal)
            - sum_of(&sample.lines, Kind::TopUp);
        prop_assert_eq!(booked.get(&Role::InTransit).copied().unwrap_or_default(), transit);
    }

    #[test]
    fn parts_are_numbered_without_gaps_and_dated_in_their_month(sample in a_sample()) {
        let vouchers = sample.plan().unwrap();
        for purpose in [Purpose::Settlement, Purpose::PayoutReversal] {
            let parts: Vec<&Reference> = vouchers
                .iter()
                .map(|voucher| &voucher.reference)
                .filter(|reference| reference.purpose == purpose)
                .collect();
            for (reference, part) in parts.iter().zip(1..) {
                prop_assert_eq!(reference.part, part);
                prop_assert_eq!(reference.parts as usize, parts.len());
                prop_assert_eq!(reference.revision, 1);
            }
        }
        let references: BTreeSet<String> =
            vouchers.iter().map(|voucher| voucher.reference.to_string()).collect();
        prop_assert_eq!(references.len(), vouchers.len());
        for voucher in &vouchers {
            let next = voucher.on.succ_opt().unwrap();
            let month_ends = voucher.on.format("%m").to_string() != next.format("%m").to_string();
            prop_assert!(
                voucher.on == sample.head.payout_on
                    || voucher.reference.purpose == Purpose::PayoutReversal
                    || (sample.mapping.cut_off == CutOff::Month && month_ends)
            );
        }
    }

    #[test]
    fn the_order_of_the_rows_does_not_change_summed_vouchers(
        (sample, shuffled) in a_sample().prop_flat_map(|sample| {
            let lines = Just(sample.lines.clone()).prop_shuffle();
            (Just(sample), lines)
        })
    ) {
        let mut sample = sample;
        sample.mapping.granularity = Granularity::Summary;
        let vouchers = sample.plan().unwrap();
        sample.lines = shuffled;
        prop_assert_eq!(sample.plan().unwrap(), vouchers);
    }

    #[test]
    fn a_changed_amount_on_any_row_is_refused(
        sample in a_sample(),
        pick in any::<prop::sample::Index>(),
        by in prop_oneof![Just(1), Just(-1), 1..1_000_000i64],
        fee in any::<bool>(),
    ) {
        let mut sample = sample;
        if !sample.lines.is_empty() {
            let index = pick.index(sample.lines.len());
            let by = Decimal::new(by, sample.head.currency.digits());
            let line = &mut sample.lines[index];
            if fee {
                line.fee += by;
            } else {
                line.gross += by;
            }
            prop_assert_eq!(sample.plan().unwrap_err().cause, Cause::DoesNotAddUp);
        }
    }

    #[test]
    fn what_is_taken_out_and_put_back_leaves_nothing(sample in a_sample()) {
        let mut planner = Planner::new(&sample.mapping, &sample.head, Purpose::Correction, 2);
        let rows = || sample.lines.iter().filter(|line| line.kind != Kind::PayoutReversal);
        for line in rows() {
            planner.take_out(line).unwrap();
        }
        for line in rows() {
            planner.add(line).unwrap();
        }
        if sample.mapping.granularity == Granularity::Summary {
            prop_assert_eq!(planner.finish().unwrap(), Vec::new());
        } else {
            prop_assert_eq!(booked(&planner.finish().unwrap()), BTreeMap::new());
        }
    }

    #[test]
    fn fault_107_no_two_settlements_share_a_reference(
        one in a_key(), other in a_key(),
    ) {
        let text = |(company, reference): &(String, Reference)| (company.clone(), reference.to_string());
        prop_assert_eq!(one == other, text(&one) == text(&other));
        prop_assert_eq!(Name::parse(&one.1.settlement.to_string()), Some(one.1.settlement.clone()));
    }
}

/// A company and a voucher's reference, from few enough names that equal ones come up.
fn a_key() -> impl Strategy<Value = (String, Reference)> {
    (
        prop::sample::select(&["nordlys", "sydlys"][..]),
        prop::sample::select(&["stripe", "vipps-mobilepay"][..]),
        prop::sample::select(&["", "1", "12", "460017", "acct_1"][..]),
        prop::sample::select(&["1", "12", "460017", "po_1", "460017-1", "window-2026-02-03-NOK"][..]),
        prop::sample::select(Purpose::ALL),
        1..3u32,
        (1..3u32).prop_flat_map(|parts| (1..=parts, Just(parts))),
    )
        .prop_map(|(company, provider, scope, id, purpose, revision, (part, parts))| {
            let settlement =
                Name { provider: provider.to_owned(), scope: scope.to_owned(), id: id.to_owned() };
            let reference = Reference { settlement, purpose, revision, part, parts };
            (company.to_owned(), reference)
        })
}
