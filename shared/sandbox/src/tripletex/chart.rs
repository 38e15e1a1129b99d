//! The company's books before the first voucher: accounts, VAT types, voucher types, currencies, dimensions.

use rust_decimal::Decimal;

/// The id of the first account; an account's id has nothing to do with its number.
pub(super) const FIRST_ACCOUNT_ID: i64 = 429_395_001;

/// Who stands behind the postings of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ledger {
    General,
    Customer,
    Vendor,
    Employee,
}

/// One account.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub id: i64,
    pub number: i64,
    pub name: &'static str,
    pub ledger: Ledger,
    /// The VAT type it comes with, by id.
    pub vat: i64,
    /// Only that VAT type may be used.
    pub vat_locked: bool,
    pub needs_department: bool,
    pub needs_project: bool,
    pub is_inactive: bool,
}

impl Account {
    /// The VAT types that may be used, by id.
    pub fn legal_vat(&self) -> Vec<i64> {
        match (self.vat_locked, self.number) {
            (true, _) => vec![self.vat],
            (false, 3000..=3999) => vec![0, 3, 5, 6, 7, 31, 32, 52],
            (false, _) => vec![0, 1, 11, 12, 34, 35],
        }
    }

    /// The group of accounts that its first digit tells.
    pub fn kind(&self) -> &'static str {
        match self.number {
            ..2000 => "ASSETS",
            2000..2100 => "EQUITY",
            2100..3000 => "LIABILITIES",
            3000..4000 => "OPERATING_REVENUES",
            4000..8000 => "OPERATING_EXPENSES",
            8000..8100 => "INVESTMENT_INCOME",
            _ => "COST_OF_CAPITAL",
        }
    }
}

/// Number, name, and the id of the only VAT type that may be used; -1 for a free one.
const ACCOUNTS: &[(i64, &str, i64)] = &[
    (1500, "Kundefordringer", 0),
    (1521, "Oppgjør kortselskap", 0),
    (1570, "Mellomværende betalingsformidler", 0),
    (1571, "Mellomværende Vipps", 0),
    (1572, "Andre kortsiktige lån", 0),
    (1575, "Sperrede midler betalingsformidler", 0),
    (1576, "Omtvistede betalinger", 0),
    (1578, "Solgt, ikke oppgjort", 0),
    (1579, "Andre kortsiktige fordringer", 0),
    (1580, "Avsetning tap på kundefordringer", 0),
    (1900, "Kontanter", 0),
    (1909, "Penger på vei", 0),
    (1920, "Bankinnskudd", 0),
    (1925, "Bankinnskudd, oppgjør", 0),
    (1940, "Bankinnskudd utland", 0),
    (1960, "Egne konti hos betalingsformidler", 0),
    (1999, "Uavklart", 0),
    (2000, "Aksjekapital", 0),
    (2280, "Lån fra betalingsformidler", 0),
    (2400, "Leverandørgjeld", 0),
    (2700, "Utgående merverdiavgift, høy sats", 0),
    (2701, "Utgående merverdiavgift, middels sats", 0),
    (2702, "Utgående merverdiavgift, lav sats", 0),
    (2704, "Utgående merverdiavgift, tjenester fra utlandet", 0),
    (2710, "Inngående merverdiavgift, høy sats", 0),
    (2711, "Inngående merverdiavgift, middels sats", 0),
    (2712, "Inngående merverdiavgift, lav sats", 0),
    (2714, "Inngående merverdiavgift, tjenester fra utlandet", 0),
    (2900, "Forskudd fra kunder", 0),
    (2990, "Annen kortsiktig gjeld", 0),
    (3000, "Salgsinntekt, avgiftspliktig", 3),
    (3010, "Salgsinntekt, middels sats", 31),
    (3100, "Salgsinntekt, avgiftsfri", -1),
    (3990, "Annen driftsrelatert inntekt", -1),
    (3999, "Annen inntekt", -1),
    (4300, "Innkjøp av varer for videresalg", -1),
    (6540, "Inventar", -1),
    (6860, "Møter og kurs", -1),
    (7100, "Bilgodtgjørelse", 0),
    (7740, "Øredifferanser", 0),
    (7770, "Bank- og kortgebyrer", -1),
    (7790, "Annen kostnad", -1),
    (7791, "Avrunding", 0),
    (7830, "Tap på fordringer", 0),
    (8060, "Valutagevinst", 0),
    (8160, "Valutatap", 0),
];

/// The chart of a new company. 6860 needs a department, 3999 a project, 1521 is inactive.
pub(super) fn accounts() -> Vec<Account> {
    let make = |(index, (number, name, vat)): (usize, &(i64, &'static str, i64))| Account {
        // Ids follow the order in which the accounts were made, not their numbers.
        id: FIRST_ACCOUNT_ID + i64::try_from(index * 7 % ACCOUNTS.len()).unwrap_or(0),
        number: *number,
        name,
        ledger: match number {
            1500 => Ledger::Customer,
            1572 => Ledger::Employee,
            2400 => Ledger::Vendor,
            _ => Ledger::General,
        },
        vat: (*vat).max(0),
        vat_locked: *vat >= 0,
        needs_department: *number == 6860,
        needs_project: *number == 3999,
        is_inactive: *number == 1521,
    };
    ACCOUNTS.iter().enumerate().map(make).collect()
}

/// One VAT type: its id is not its number.
pub(super) struct Vat {
    pub id: i64,
    pub number: &'static str,
    pub name: &'static str,
    /// Percent of the net amount; negative where the buyer owes it.
    pub percent: i64,
    /// Where the system books the VAT; the buyer's own VAT goes to the second and, without deduction, to the
    /// account of the line.
    pub account: Option<i64>,
    pub owed: Option<i64>,
}

const fn vat(
    id: i64,
    number: &'static str,
    name: &'static str,
    percent: i64,
    account: Option<i64>,
    owed: Option<i64>,
) -> Vat {
    Vat { id, number, name, percent, account, owed }
}

pub(super) const VATS: &[Vat] = &[
    vat(0, "0", "Ingen avgiftsbehandling", 0, None, None),
    vat(1, "1", "Fradrag inngående avgift, høy sats", 25, Some(2710), None),
    vat(3, "3", "Utgående avgift, høy sats", 25, Some(2700), None),
    vat(5, "5", "Ingen utgående avgift (innenfor mva-loven)", 0, None, None),
    vat(6, "6", "Ingen utgående avgift (utenfor mva-loven)", 0, None, None),
    vat(7, "7", "Ingen avgiftsbehandling (inntekter)", 0, None, None),
    vat(11, "11", "Fradrag inngående avgift, middels sats", 15, Some(2711), None),
    vat(12, "13", "Fradrag inngående avgift, lav sats", 12, Some(2712), None),
    vat(31, "31", "Utgående avgift, middels sats", 15, Some(2701), None),
    vat(32, "33", "Utgående avgift, lav sats", 12, Some(2702), None),
    vat(34, "86", "Tjenester fra utlandet med fradrag, høy sats", -25, Some(2714), Some(2704)),
    vat(35, "87", "Tjenester fra utlandet uten fradrag, høy sats", -25, None, Some(2704)),
    vat(52, "52", "Avgiftsfri utførsel av varer og tjenester", 0, None, None),
];

impl Vat {
    pub fn find(id: i64) -> Option<&'static Vat> {
        VATS.iter().find(|vat| vat.id == id)
    }

    /// The text that shows number, rate and name.
    pub fn display(&self) -> String {
        format!("{}: ({}%) {}", self.number, self.percent.abs(), self.name)
    }

    /// The VAT of a gross amount, rounded to øre half away from zero, as the books round.
    pub fn of(&self, gross: Decimal) -> Decimal {
        use rust_decimal::RoundingStrategy::MidpointAwayFromZero;
        let percent = Decimal::from(self.percent);
        let vat = match self.percent {
            0 => Decimal::ZERO,
            1.. => gross * percent / (Decimal::ONE_HUNDRED + percent),
            _ => gross * -percent / Decimal::ONE_HUNDRED,
        };
        vat.round_dp_with_strategy(2, MidpointAwayFromZero)
    }
}

/// Id and name of the voucher types.
pub(super) const VOUCHER_TYPES: &[(i64, &str)] = &[
    (9_912_090, "Utgående faktura"),
    (9_912_091, "Leverandørfaktura"),
    (9_912_093, "Betaling"),
    (9_912_094, "Lønnsbilag"),
    (9_912_096, "Mva-melding"),
    (9_912_099, "Bankavstemming"),
    (9_912_102, "Åpningsbalanse"),
    (9_912_106, "Øreavrunding"),
];

/// The voucher type of sales invoices, which no voucher may be given by hand.
pub(super) const OUTGOING_INVOICE: i64 = 9_912_090;

/// Id, code, factor and country of the currencies.
pub(super) const CURRENCIES: &[(i64, &str, i64, &str)] = &[
    (1, "NOK", 1, "Norge"),
    (2, "SEK", 100, "Sverige"),
    (3, "DKK", 100, "Danmark"),
    (4, "USD", 1, "USA"),
    (5, "EUR", 1, "EU"),
    (6, "GBP", 1, "Storbritannia"),
    (7, "CHF", 100, "Sveits"),
];

/// Id, number and name of the departments.
pub(super) const DEPARTMENTS: &[(i64, &str, &str)] =
    &[(1_020_110, "10", "Nettbutikk"), (1_020_111, "20", "Butikk")];

/// Id, number and name of the projects.
pub(super) const PROJECTS: &[(i64, &str, &str)] =
    &[(4_440_001, "1", "Julemarked"), (4_440_002, "2026", "Messe")];

/// Ids of a customer, a supplier and an employee.
pub(super) const CUSTOMER_ID: i64 = 108_313_001;
/// See [`CUSTOMER_ID`].
pub(super) const SUPPLIER_ID: i64 = 108_335_602;
/// See [`CUSTOMER_ID`].
pub(super) const EMPLOYEE_ID: i64 = 18_609_424;
/// The company's id.
pub(super) const COMPANY_ID: i64 = 107_964_001;
