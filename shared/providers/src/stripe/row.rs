//! One balance transaction of the API, in Stripe's words: read in place, and archived as the same JSON with nothing
//! but the fields below. An archived row is read by the same code as an answer.

use std::borrow::Cow;

use crate::json::{Bad, Json, Seen, push_integer, push_text, push_word};

/// A balance transaction. Amounts are minor units as Stripe counts them; an empty text is null or not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row<'a> {
    pub id: &'a str,
    /// `type`: what the movement is technically.
    pub type_: &'a str,
    /// `reporting_category`: what it is for accounting.
    pub category: &'a str,
    pub balance_type: &'a str,
    pub currency: &'a str,
    pub amount: i64,
    pub fee: i64,
    pub net: i64,
    /// Unix seconds.
    pub created: i64,
    pub fees: Fees<'a>,
    /// The rate's digits as they came.
    pub exchange_rate: &'a str,
    pub source: Source<'a>,
}

/// `fee_details`, summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fees<'a> {
    /// The list as it came.
    pub raw: &'a str,
    /// Σ amount.
    pub sum: i64,
    /// Σ amount of the type `tax`.
    pub tax: i64,
    /// How many are of the type `tax`.
    pub taxes: u32,
    /// How many are of the type `application_fee`.
    pub application_fees: u32,
    /// How many there are.
    pub count: u32,
}

/// `source`: what caused the movement. Only the id where the answer has it unexpanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source<'a> {
    pub id: &'a str,
    /// What it is, for example `charge`.
    pub object: &'a str,
    /// The charge of a refund or dispute.
    pub charge: &'a str,
    pub payment_intent: &'a str,
    pub method: &'a str,
    pub country: &'a str,
    /// The metadata as they came.
    pub metadata: &'a str,
}

const ID: u32 = 0;
const TYPE: u32 = 1;
const CATEGORY: u32 = 2;
const BALANCE_TYPE: u32 = 3;
const CURRENCY: u32 = 4;
const AMOUNT: u32 = 5;
const FEE: u32 = 6;
const NET: u32 = 7;
const CREATED: u32 = 8;
const FEE_DETAILS: u32 = 9;
const EXCHANGE_RATE: u32 = 10;
const SOURCE: u32 = 11;

impl<'a> Row<'a> {
    /// Reads the row that comes next.
    ///
    /// # Errors
    ///
    /// If a field that is needed is missing, stands twice, or is of another type.
    pub fn read(json: &mut Json<'a>) -> Result<Row<'a>, Bad> {
        let mut row = Row::default();
        let mut seen = Seen::default();
        json.object()?;
        while let Some(key) = json.key()? {
            match key {
                "id" => {
                    json.once(&mut seen, ID, "id")?;
                    row.id = json.word()?;
                }
                "amount" => {
                    json.once(&mut seen, AMOUNT, "amount")?;
                    row.amount = json.integer("amount")?;
                }
                "balance_type" => {
                    json.once(&mut seen, BALANCE_TYPE, "balance_type")?;
                    row.balance_type = json.word_or_null()?;
                }
                "created" => {
                    json.once(&mut seen, CREATED, "created")?;
                    row.created = json.integer("created")?;
                }
                "currency" => {
                    json.once(&mut seen, CURRENCY, "currency")?;
                    row.currency = json.word()?;
                }
                "exchange_rate" => {
                    json.once(&mut seen, EXCHANGE_RATE, "exchange_rate")?;
                    row.exchange_rate = rate(json)?;
                }
                "fee" => {
                    json.once(&mut seen, FEE, "fee")?;
                    row.fee = json.integer("fee")?;
                }
                "fee_details" => {
                    json.once(&mut seen, FEE_DETAILS, "fee_details")?;
                    row.fees = Fees::read(json)?;
                }
                "net" => {
                    json.once(&mut seen, NET, "net")?;
                    row.net = json.integer("net")?;
                }
                "reporting_category" => {
                    json.once(&mut seen, CATEGORY, "reporting_category")?;
                    row.category = json.word_or_null()?;
                }
                "source" => {
                    json.once(&mut seen, SOURCE, "source")?;
                    row.source = Source::read(json)?;
                }
                "type" => {
                    json.once(&mut seen, TYPE, "type")?;
                    row.type_ = json.word()?;
                }
                _ => json.skip()?,
            }
        }
        for (bit, field) in [
            (ID, "id"),
            (TYPE, "type"),
            (CURRENCY, "currency"),
            (AMOUNT, "amount"),
            (FEE, "fee"),
            (NET, "net"),
            (CREATED, "created"),
            (FEE_DETAILS, "fee_details"),
        ] {
            if !seen.has(bit) {
                return Err(json.bad(field, "is missing"));
            }
        }
        Ok(row)
    }

    /// Appends the archived form: one line of JSON, of the metadata only the keys in `tags`.
    pub fn write(&self, out: &mut Vec<u8>, tags: &[String]) {
        out.extend_from_slice(b"{\"id\":");
        push_word(out, self.id);
        out.extend_from_slice(b",\"amount\":");
        push_integer(out, self.amount);
        out.extend_from_slice(b",\"fee\":");
        push_integer(out, self.fee);
        out.extend_from_slice(b",\"net\":");
        push_integer(out, self.net);
        out.extend_from_slice(b",\"created\":");
        push_integer(out, self.created);
        out.extend_from_slice(b",\"currency\":");
        push_word(out, self.currency);
        out.extend_from_slice(b",\"type\":");
        push_word(out, self.type_);
        push_filled(out, b",\"reporting_category\":", self.category);
        push_filled(out, b",\"balance_type\":", self.balance_type);
        if !self.exchange_rate.is_empty() {
            out.extend_from_slice(b",\"exchange_rate\":");
            out.extend_from_slice(self.exchange_rate.as_bytes());
        }
        out.extend_from_slice(b",\"fee_details\":");
        self.fees.write(out);
        self.source.write(out, tags);
        out.push(b'}');
    }
}

/// A rate's digits; empty for null.
fn rate<'a>(json: &mut Json<'a>) -> Result<&'a str, Bad> {
    if json.null()? {
        return Ok("");
    }
    if matches!(json.peek(), b'-' | b'0'..=b'9') {
        return json.raw();
    }
    Err(json.bad("exchange_rate", "is no number"))
}

#[inline]
fn push_filled(out: &mut Vec<u8>, name: &[u8], word: &str) {
    if !word.is_empty() {
        out.extend_from_slice(name);
        push_word(out, word);
    }
}

impl<'a> Fees<'a> {
    #[inline]
    fn read(json: &mut Json<'a>) -> Result<Fees<'a>, Bad> {
        let mut fees = Fees::default();
        let start = json.place();
        each_fee(json, |amount, type_| {
            fees.count += 1;
            fees.sum = fees.sum.checked_add(amount)?;
            match type_ {
                "tax" => {
                    fees.taxes += 1;
                    fees.tax = fees.tax.checked_add(amount)?;
                }
                "application_fee" => fees.application_fees += 1,
                _ => {}
            }
            Some(())
        })?;
        fees.raw = json.since(start);
        Ok(fees)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        // It was read before, so it can be read again.
        let again = each_fee(&mut Json::part(self.raw), |amount, type_| {
            if out.last() == Some(&b'}') {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"amount\":");
            push_integer(out, amount);
            out.extend_from_slice(b",\"type\":");
            push_word(out, type_);
            out.push(b'}');
            Some(())
        });
        debug_assert!(again.is_ok(), "{again:?}");
        out.push(b']');
    }
}

/// Amount and type of each fee detail. `None` of `each` means that the sum is beyond any real one.
#[inline]
fn each_fee(json: &mut Json<'_>, mut each: impl FnMut(i64, &str) -> Option<()>) -> Result<(), Bad> {
    json.array()?;
    while json.item()? {
        let mut seen = Seen::default();
        let (mut amount, mut type_) = (0, "");
        json.object()?;
        while let Some(key) = json.key()? {
            match key {
                "amount" => {
                    json.once(&mut seen, AMOUNT, "amount")?;
                    amount = json.integer("amount")?;
                }
                "type" => {
                    json.once(&mut seen, TYPE, "type")?;
                    type_ = json.word()?;
                }
                _ => json.skip()?,
            }
        }
        if !seen.has(AMOUNT) || !seen.has(TYPE) {
            return Err(json.bad("fee_details", "has no amount or type"));
        }
        each(amount, type_).ok_or_else(|| json.bad("fee_details", "is beyond any real sum"))?;
    }
    Ok(())
}

/// Metadata as (key, value).
pub type Tags<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

impl<'a> Source<'a> {
    fn read(json: &mut Json<'a>) -> Result<Source<'a>, Bad> {
        let mut source = Source::default();
        if json.peek() != b'{' {
            source.id = json.word_or_null()?;
            return Ok(source);
        }
        let mut seen = Seen::default();
        json.object()?;
        while let Some(key) = json.key()? {
            match key {
                "id" => {
                    json.once(&mut seen, 0, "source.id")?;
                    source.id = json.word()?;
                }
                "object" => {
                    json.once(&mut seen, 1, "source.object")?;
                    source.object = json.word()?;
                }
                "charge" => {
                    json.once(&mut seen, 2, "source.charge")?;
                    source.charge = id_of(json)?;
                }
                "payment_intent" => {
                    json.once(&mut seen, 3, "source.payment_intent")?;
                    source.payment_intent = id_of(json)?;
                }
                "payment_method_details" => {
                    json.once(&mut seen, 4, "source.payment_method_details")?;
                    source.read_method(json)?;
                }
                "metadata" => {
                    json.once(&mut seen, 5, "source.metadata")?;
                    let raw = json.raw()?;
                    source.metadata = if raw == "{}" || raw == "null" { "" } else { raw };
                }
                _ => json.skip()?,
            }
        }
        if !seen.has(0) {
            return Err(json.bad("source.id", "is missing"));
        }
        Ok(source)
    }

    fn read_method(&mut self, json: &mut Json<'a>) -> Result<(), Bad> {
        if json.null()? {
            return Ok(());
        }
        let mut seen = Seen::default();
        json.object()?;
        while let Some(key) = json.key()? {
            match key {
                "type" => {
                    json.once(&mut seen, 0, "payment_method_details.type")?;
                    self.method = json.word_or_null()?;
                }
                "card" | "card_present" if json.peek() == b'{' => {
                    json.object()?;
                    while let Some(key) = json.key()? {
                        if key == "country" {
                            json.once(&mut seen, 1, "payment_method_details.card.country")?;
                            self.country = json.word_or_null()?;
                        } else {
                            json.skip()?;
                        }
                    }
                }
                _ => json.skip()?,
            }
        }
        Ok(())
    }

    /// The values of the metadata keys in `tags`, in the order of `tags`.
    pub fn tags(&self, tags: &[String]) -> Result<Tags<'a>, Bad> {
        let mut found: Vec<(usize, Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        if tags.is_empty() || self.metadata.is_empty() {
            return Ok(Vec::new());
        }
        let mut json = Json::part(self.metadata);
        json.object()?;
        while let Some(key) = json.any_key()? {
            match tags.iter().position(|tag| *tag == key) {
                Some(place) if found.iter().any(|(other, ..)| *other == place) => {
                    return Err(json.bad("source.metadata", "holds a key twice"));
                }
                Some(place) => found.push((place, key, json.text_or_null()?)),
                None => json.skip()?,
            }
        }
        found.retain(|(_, _, value)| !value.is_empty());
        found.sort_by_key(|(place, ..)| *place);
        Ok(found.into_iter().map(|(_, key, value)| (key, value)).collect())
    }

    fn write(&self, out: &mut Vec<u8>, tags: &[String]) {
        if self.id.is_empty() {
            return;
        }
        out.extend_from_slice(b",\"source\":{\"id\":");
        push_word(out, self.id);
        push_filled(out, b",\"object\":", self.object);
        push_filled(out, b",\"charge\":", self.charge);
        push_filled(out, b",\"payment_intent\":", self.payment_intent);
        if !self.method.is_empty() || !self.country.is_empty() {
            out.extend_from_slice(b",\"payment_method_details\":{\"type\":");
            push_word(out, self.method);
            if !self.country.is_empty() {
                out.extend_from_slice(b",\"card\":{\"country\":");
                push_word(out, self.country);
                out.push(b'}');
            }
            out.push(b'}');
        }
        let kept = self.tags(tags).unwrap_or_default();
        if !kept.is_empty() {
            out.extend_from_slice(b",\"metadata\":{");
            for (number, (key, value)) in kept.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                push_text(out, key);
                out.push(b':');
                push_text(out, value);
            }
            out.push(b'}');
        }
        out.push(b'}');
    }
}

/// The id of something that may be expanded.
fn id_of<'a>(json: &mut Json<'a>) -> Result<&'a str, Bad> {
    if json.peek() != b'{' {
        return json.word_or_null();
    }
    let mut id = None;
    json.object()?;
    while let Some(key) = json.key()? {
        match (key, id) {
            ("id", None) => id = Some(json.word()?),
            ("id", Some(_)) => return Err(json.bad("id", "stands twice")),
            _ => json.skip()?,
        }
    }
    id.ok_or_else(|| json.bad("id", "is missing"))
}
