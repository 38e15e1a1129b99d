//! The settlement file in XML, versions 3.0 and 2.0, transaction by transaction.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io::{Seek as _, SeekFrom};

use ledger::{Cause, Currency, Head, Hold, Name};
use rust_decimal::Decimal;

use super::NAME;
use super::file::write;
use super::safe_xml::{Token, XmlReader};
use super::settle::{self, Tally};
use super::wire::{self, SETTLEMENT_FIELDS, TRANSACTION_FIELDS, Transaction, Version};
use crate::{GroupEnd, Item, ReadError, Rows, Terms};

/// The elements that hold others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Report,
    Details,
    Payments,
    Settlement,
    Transaction,
    Fees,
    Fee,
    /// An element that holds text, or one that is not read.
    Other,
}

/// Elements that may stand at one place only: elsewhere they would be passed over unseen.
const PLACES: [(&str, Option<Tag>, Tag); 7] = [
    (wire::ROOT, None, Tag::Report),
    ("SettlementDetailsInfo", Some(Tag::Report), Tag::Details),
    ("PaymentsInfo", Some(Tag::Details), Tag::Payments),
    ("SettlementInfo", Some(Tag::Payments), Tag::Settlement),
    ("TransactionInfo", Some(Tag::Settlement), Tag::Transaction),
    ("FeeDetailsInfo", Some(Tag::Payments), Tag::Fees),
    ("FeeInfo", Some(Tag::Fees), Tag::Fee),
];

/// The texts of one element's children, by name.
struct Fields {
    names: &'static [&'static str],
    texts: Vec<String>,
    seen: Vec<bool>,
}

impl Fields {
    fn new(names: &'static [&'static str]) -> Fields {
        Fields { names, texts: vec![String::new(); names.len()], seen: vec![false; names.len()] }
    }

    fn clear(&mut self) {
        self.seen.fill(false);
    }

    fn put(&mut self, name: &str, text: &str) -> Result<(), String> {
        let Some(index) = self.names.iter().position(|known| *known == name) else {
            return Ok(());
        };
        if std::mem::replace(&mut self.seen[index], true) {
            return Err(format!("{name} stands twice in one element; download the report again"));
        }
        self.texts[index].clear();
        self.texts[index].push_str(text.trim());
        Ok(())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let index = self.names.iter().position(|known| *known == name)?;
        self.seen[index].then(|| self.texts[index].as_str())
    }

    fn need(&self, name: &str) -> Result<&str, String> {
        self.get(name).ok_or_else(|| format!("{name} is missing; download the report again"))
    }

    fn amount(&self, name: &str, currency: Currency) -> Result<Decimal, String> {
        settle::amount(self.need(name)?, currency, name)
    }

    fn count(&self, name: &str) -> Result<u64, String> {
        let text = self.need(name)?;
        text.parse().map_err(|_| format!("{name} \"{}\" is not a number", settle::short(text)))
    }
}

/// The settlement that is being read.
struct Open {
    group: u32,
    name: Name,
    currency: Currency,
    settlement_type: String,
    tally: Tally,
    count: u64,
    capture: Decimal,
    refund: Decimal,
    gross: Decimal,
    fee: Decimal,
    net: Decimal,
}

/// What is given next.
enum Step {
    Transaction,
    Payout,
    End,
    Done,
}

/// The report, transaction by transaction.
pub struct Report {
    xml: XmlReader<File>,
    version: Version,
    stack: Vec<Tag>,
    unit: String,
    /// How many settlements the current `PaymentsInfo` holds, and how many it says it holds.
    settlements: (u64, Option<u64>),
    settlement: Fields,
    transaction: Fields,
    open: Option<Open>,
    /// The closing sum of the open settlement has been given.
    paid: bool,
    groups: u32,
    names: HashSet<Name>,
    account: Option<String>,
}

impl Report {
    /// Opens the report and reads its root element.
    ///
    /// # Errors
    ///
    /// A file that is not XML, or not a settlement report of a known version.
    pub fn open(mut file: File, terms: &Terms) -> Result<Report, ReadError> {
        file.seek(SeekFrom::Start(0))
            .map_err(|error| ReadError::new("file", format!("cannot be read: {error}")))?;
        let mut xml = XmlReader::new(file);
        xml.next()?;
        let version = Version::of(xml.namespace())
            .ok_or_else(|| ReadError::new(xml.at(), wire::unknown_namespace(xml.namespace())))?;
        if xml.name() != wire::ROOT {
            return Err(ReadError::new(xml.at(), format!("the root element is not {}", wire::ROOT)));
        }
        Ok(Report {
            xml,
            version,
            stack: vec![Tag::Report],
            unit: String::new(),
            settlements: (0, None),
            settlement: Fields::new(SETTLEMENT_FIELDS),
            transaction: Fields::new(TRANSACTION_FIELDS),
            open: None,
            paid: false,
            groups: 0,
            names: HashSet::new(),
            account: terms.account.clone(),
        })
    }

    /// Reads on to the end of a transaction, of a settlement or of the file.
    fn advance(&mut self) -> Result<Step, ReadError> {
        if self.paid {
            return Ok(Step::End);
        }
        loop {
            let token = self.xml.next()?;
            let step = match token {
                Token::Open => self.opened().map(|()| None),
                Token::Close => self.closed(),
                Token::End => return Ok(Step::Done),
            };
            match step {
                Ok(None) => {}
                Ok(Some(step)) => return Ok(step),
                Err(what) => return Err(self.error(what)),
            }
        }
    }

    fn error(&self, what: String) -> ReadError {
        let at = match &self.open {
            Some(open) => format!("{}, settlement {}", self.xml.at(), open.name.id),
            None => self.xml.at(),
        };
        ReadError::new(at, what)
    }

    fn opened(&mut self) -> Result<(), String> {
        if Version::of(self.xml.namespace()) != Some(self.version) {
            return Err(format!(
                "the element {} is of another namespace than the report",
                settle::short(self.xml.name())
            ));
        }
        let parent = self.stack.last().copied();
        let name = self.xml.name();
        let tag = match PLACES.iter().find(|(known, ..)| *known == name) {
            Some((_, place, tag)) if *place == parent => *tag,
            Some(_) => {
                return Err(format!("{name} stands at a place where the report has none"));
            }
            None => Tag::Other,
        };
        match tag {
            Tag::Details => self.unit.clear(),
            Tag::Payments => self.settlements = (0, None),
            Tag::Settlement => self.settlement.clear(),
            Tag::Transaction => self.transaction.clear(),
            _ => {}
        }
        self.stack.push(tag);
        Ok(())
    }

    fn closed(&mut self) -> Result<Option<Step>, String> {
        let tag = self.stack.pop();
        let (name, text) = (self.xml.name(), self.xml.text());
        match (tag, self.stack.last()) {
            (Some(Tag::Transaction), _) => {
                self.begin()?;
                Ok(Some(Step::Transaction))
            }
            (Some(Tag::Settlement), _) => {
                self.begin()?;
                self.paid = true;
                Ok(Some(Step::Payout))
            }
            (Some(Tag::Payments), _) => match self.settlements {
                (found, Some(told)) if found != told => Err(format!(
                    "NumOfSettlements is {told} but {found} are there; the file is not whole, download \
                     it again"
                )),
                _ => Ok(None),
            },
            (Some(Tag::Other), Some(Tag::Details)) if name == "SerialNumber" => {
                text.trim().clone_into(&mut self.unit);
                Ok(None)
            }
            (Some(Tag::Other), Some(Tag::Payments)) if name == "NumOfSettlements" => {
                let count = text.trim().parse().map_err(|_| "NumOfSettlements is not a number".to_owned())?;
                self.settlements.1 = Some(count);
                Ok(None)
            }
            (Some(Tag::Other), Some(Tag::Settlement)) => self.settlement.put(name, text).map(|()| None),
            (Some(Tag::Other), Some(Tag::Transaction)) => self.transaction.put(name, text).map(|()| None),
            (Some(Tag::Other), Some(Tag::Fee)) if name == "FeeAmount" => {
                if text.trim().bytes().any(|byte| !matches!(byte, b'0' | b'.' | b'-')) {
                    return Err(format!(
                        "FeeDetailsInfo charges {} outside the settlements, which cannot be booked from \
                         this file; export the Settlement report as CSV from the portal, where fees are \
                         rows",
                        settle::short(text)
                    ));
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Begins the settlement at its first transaction, or at its end if it has none.
    fn begin(&mut self) -> Result<(), String> {
        if self.open.is_some() {
            return Ok(());
        }
        let id = self.settlement.need("SettlementID")?;
        for (what, text) in [("SerialNumber", self.unit.as_str()), ("SettlementID", id)] {
            if !Name::is_plain(text) {
                return Err(format!("{what} \"{}\" is empty or no number", settle::short(text)));
            }
        }
        let name = Name { provider: NAME.to_owned(), scope: self.unit.clone(), id: id.to_owned() };
        if !self.names.insert(name.clone()) {
            return Err(format!("the settlement {id} of sales unit {} stands twice in this file", self.unit));
        }
        let settlement_type = match self.version {
            Version::Two => String::new(),
            Version::Three => self.settlement.need("SettlementType")?.to_owned(),
        };
        if self.version == Version::Three && !matches!(settlement_type.as_str(), "Net" | "Gross") {
            return Err(format!(
                "SettlementType \"{}\" is neither Net nor Gross",
                settle::short(&settlement_type)
            ));
        }
        let mut tally = Tally::default();
        if let Some(hold) = settle::check_account(self.account.as_deref(), &name, &self.unit, None) {
            tally.hold(hold);
        }
        self.settlements.0 += 1;
        self.open = Some(Open {
            group: self.groups,
            name,
            currency: settle::currency(self.settlement.need("SettlementCurrencyCode")?)?,
            settlement_type,
            tally,
            count: 0,
            capture: Decimal::ZERO,
            refund: Decimal::ZERO,
            gross: Decimal::ZERO,
            fee: Decimal::ZERO,
            net: Decimal::ZERO,
        });
        self.groups += 1;
        Ok(())
    }
}

impl Rows for Report {
    fn next(&mut self, json: Option<&mut Vec<u8>>) -> Result<Option<Item<'_>>, ReadError> {
        let step = self.advance()?;
        let xml = &self.xml;
        let failed = |what: String| ReadError::new(xml.at(), what);
        if let Step::End = step {
            self.paid = false;
            let Some(open) = self.open.take() else {
                return Ok(None);
            };
            let group = open.group;
            let end = open.end(self.version, &self.settlement).map_err(failed)?;
            return Ok(Some(Item::Group { group, end }));
        }
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        let row = match step {
            Step::Done | Step::End => return Ok(None),
            Step::Transaction => {
                open.fold(self.version, &self.transaction).map_err(failed)?;
                transaction_row(&open.name, &open.settlement_type, self.version, &self.transaction)
            }
            Step::Payout => payout_row(&open.name, &open.settlement_type, self.version, &self.settlement),
        };
        let row = row.map_err(failed)?;
        if let Some(json) = json {
            write(json, &row)?;
        }
        let line = settle::transaction_line(row, false).map_err(failed)?;
        open.tally.add(&line);
        Ok(Some(Item::Row { group: open.group, line }))
    }
}

impl Open {
    /// Checks one transaction and adds it to the sums.
    fn fold(&mut self, version: Version, fields: &Fields) -> Result<(), String> {
        let id = fields.need("TransactionID")?;
        let named = |what: String| format!("transaction {}: {what}", settle::short(id));
        let code = fields.need("SettlementCurrencyCode").map_err(named)?;
        if settle::currency(code).map_err(named)? != self.currency {
            return Err(named(format!("it is in {code}, the settlement in {}", self.currency)));
        }
        let amount = |name: &str| fields.amount(name, self.currency).map_err(named);
        let gross = amount("TransactionGrossAmount")?;
        let net = amount("TransactionNetAmount")?;
        let fee = amount("TransactionFeeAmount")?;
        let (capture, refund) = match version {
            Version::Three => (amount("TransactionCaptureAmount")?, amount("TransactionRefundAmount")?),
            Version::Two => (gross.max(Decimal::ZERO), gross.min(Decimal::ZERO)),
        };
        if !capture.is_zero() && !refund.is_zero() {
            return Err(named("it is capture and refund at once; download the report again".to_owned()));
        }
        let signs = capture >= Decimal::ZERO && refund <= Decimal::ZERO && fee >= Decimal::ZERO;
        if version == Version::Three && !signs {
            return Err(named("a capture or fee is negative, or a refund positive".to_owned()));
        }
        for (what, expected, found) in [("gross", capture + refund, gross), ("net", gross - fee, net)] {
            if expected != found {
                self.tally.hold(does_not_add_up(
                    &self.name,
                    &format!("the {what} amount of transaction {}", settle::short(id)),
                    expected,
                    found,
                ));
            }
        }
        self.count += 1;
        self.capture += capture;
        self.refund += refund;
        self.gross += gross;
        self.fee += fee;
        self.net += net;
        Ok(())
    }

    /// Proves every sum that the settlement states, and ends it.
    fn end(mut self, version: Version, fields: &Fields) -> Result<GroupEnd, String> {
        let told = |name: &str| fields.amount(name, self.currency);
        let (gross, net, fee) =
            (told("GrossSettlementAmount")?, told("NetSettlementAmount")?, told("FeeSettlementAmount")?);
        let mut identities = vec![
            ("GrossSettlementAmount", self.gross, gross),
            ("FeeSettlementAmount", self.fee, fee),
            ("NetSettlementAmount, of its transactions,", self.net, net),
            ("NetSettlementAmount, gross less fee,", gross - fee, net),
            (
                "NumOfTransactions",
                Decimal::from(self.count),
                Decimal::from(fields.count("NumOfTransactions")?),
            ),
        ];
        let (settled, day) = match version {
            Version::Two => (net, fields.need("SettlementBatchDate")?),
            Version::Three => {
                let (capture, refund) = (told("CaptureSettlementAmount")?, told("RefundSettlementAmount")?);
                let settled = told("SettledAmount")?;
                let expected = if self.settlement_type == "Gross" { gross } else { net };
                identities.extend([
                    ("CaptureSettlementAmount", self.capture, capture),
                    ("RefundSettlementAmount", self.refund, refund),
                    ("GrossSettlementAmount, captures and refunds,", capture + refund, gross),
                    ("SettledAmount", expected, settled),
                ]);
                (settled, fields.need("SettlementDate")?)
            }
        };
        for (what, expected, found) in identities {
            if expected != found {
                self.tally.hold(does_not_add_up(&self.name, what, expected, found));
            }
        }
        let head = Head {
            currency: self.currency,
            payout_on: settle::day(day).ok_or_else(|| format!("\"{}\" is not a date", settle::short(day)))?,
            payout: settled,
            opening: Decimal::ZERO,
            closing: Decimal::ZERO,
            account: self.name.scope.clone(),
            window: false,
            fees_invoiced: match self.settlement_type.as_str() {
                "Gross" => Some(true),
                _ => (!fee.is_zero()).then_some(false),
            },
            name: self.name,
        };
        Ok(self.tally.end(head, None))
    }
}

/// The row of a transaction that has been checked. What it is, the sign of its gross amount tells in both
/// versions: captures and refunds never share one.
fn transaction_row<'a>(
    name: &'a Name,
    settlement_type: &'a str,
    version: Version,
    fields: &'a Fields,
) -> Result<Transaction<'a>, String> {
    let (on, refund) = match version {
        Version::Three => ("TransactionTime", fields.need("TransactionRefundAmount")?),
        Version::Two => ("TransactionDate", fields.need("TransactionGrossAmount")?),
    };
    Ok(Transaction {
        unit: Cow::Borrowed(&name.scope),
        settlement: Cow::Borrowed(&name.id),
        settlement_type: Cow::Borrowed(settlement_type),
        kind: Cow::Borrowed(if is_negative(refund) { wire::REFUND[0] } else { wire::CAPTURE[0] }),
        id: Cow::Borrowed(fields.need("TransactionID")?),
        order: Cow::Borrowed(fields.get("OrderID").unwrap_or_default()),
        method: Cow::Borrowed(""),
        on: Cow::Borrowed(fields.need(on)?),
        gross: Cow::Borrowed(fields.need("TransactionGrossAmount")?),
        fee: Cow::Borrowed(fields.need("TransactionFeeAmount")?),
        net: Cow::Borrowed(fields.need("TransactionNetAmount")?),
        currency: Cow::Borrowed(fields.need("SettlementCurrencyCode")?),
    })
}

/// Whether an amount that has been read before is below 0, which `-0.00` is not.
fn is_negative(amount: &str) -> bool {
    amount.starts_with('-') && amount.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}

/// The row of what is paid out, made from the settlement's own figures.
fn payout_row<'a>(
    name: &'a Name,
    settlement_type: &'a str,
    version: Version,
    fields: &'a Fields,
) -> Result<Transaction<'a>, String> {
    let (word, day) = match version {
        Version::Three => (wire::SETTLED[0], fields.need("SettlementDate")?),
        Version::Two => (wire::SETTLED[1], fields.need("SettlementBatchDate")?),
    };
    let settled = fields.need(word)?;
    Ok(Transaction {
        unit: Cow::Borrowed(&name.scope),
        settlement: Cow::Borrowed(&name.id),
        settlement_type: Cow::Borrowed(settlement_type),
        kind: Cow::Borrowed(word),
        id: Cow::Borrowed(&name.id),
        order: Cow::Borrowed(""),
        method: Cow::Borrowed(""),
        on: Cow::Borrowed(day),
        gross: Cow::Borrowed(settled),
        fee: Cow::Borrowed("0"),
        net: Cow::Borrowed(settled),
        currency: Cow::Borrowed(fields.need("SettlementCurrencyCode")?),
    })
}

fn does_not_add_up(name: &Name, what: &str, expected: Decimal, found: Decimal) -> Hold {
    Hold::new(
        Cause::DoesNotAddUp,
        format!("{name}: {what} should be {expected} and is {found}"),
        "download the report again and drop it in the inbox",
    )
}
