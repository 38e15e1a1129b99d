//! The Report API's answers: entries, pages of a date, ledgers, tokens and errors.
//!
//! Amounts are whole minor units. Fields that are not named here are never read, so names, messages and telephone
//! numbers cannot be kept by mistake. A field that stands twice is refused.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};

/// One movement on a ledger. The archived form has the same fields and the ledger's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry<'a> {
    /// The ledger; filled in by us, since answers are about one ledger.
    #[serde(borrow, default)]
    pub ledger_id: Cow<'a, str>,
    /// The provider's id of the movement; `<ledger id>-<payout number>` on a payout. Disputes repeat their capture's.
    #[serde(borrow)]
    pub psp_reference: Cow<'a, str>,
    /// When it happened; the accounting day is never derived from it.
    #[serde(borrow, default, deserialize_with = "text_or_null", skip_serializing_if = "str::is_empty")]
    pub time: Cow<'a, str>,
    /// The accounting day, `YYYY-MM-DD`; where an answer leaves it out, the day that was asked for.
    #[serde(borrow, default, deserialize_with = "text_or_null", skip_serializing_if = "str::is_empty")]
    pub ledger_date: Cow<'a, str>,
    /// What it is; an open set.
    #[serde(borrow)]
    pub entry_type: Cow<'a, str>,
    /// The merchant's reference; on a payout the text for the bank.
    #[serde(borrow, default, deserialize_with = "text_or_null", skip_serializing_if = "str::is_empty")]
    pub reference: Cow<'a, str>,
    /// Three letters.
    #[serde(borrow)]
    pub currency: Cow<'a, str>,
    /// What it does to the balance.
    pub amount: i64,
    /// The balance before it.
    pub balance_before: i64,
    /// The balance after it.
    pub balance_after: i64,
    /// The sales unit; none on payouts and fees.
    #[serde(borrow, default, deserialize_with = "text_or_null", skip_serializing_if = "str::is_empty")]
    pub recipient_handle: Cow<'a, str>,
}

impl Entry<'_> {
    /// How messages name the entry.
    pub fn name(&self) -> String {
        let short = |text: &str| text.chars().take(60).collect::<String>();
        format!("{} {}", short(&self.entry_type), short(&self.psp_reference))
    }
}

/// A text that may be `null`, borrowed where it can be: serde's own reading of optional text copies it.
fn text_or_null<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, str>, D::Error> {
    struct Text;
    impl<'de> serde::de::Visitor<'de> for Text {
        type Value = Cow<'de, str>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text or null")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Cow::Borrowed(""))
        }

        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok(Cow::Borrowed(""))
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_str(Text)
        }

        fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(Cow::Borrowed(text))
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Cow::Owned(text.to_owned()))
        }
    }
    deserializer.deserialize_option(Text)
}

/// One page of a ledger date.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPage<'a> {
    #[serde(borrow)]
    items: Vec<Entry<'a>>,
    has_more: Option<bool>,
    cursor: Option<String>,
    try_later: bool,
}

/// One page of a ledger date.
#[derive(Debug)]
pub struct Page<'a> {
    /// Its entries, in the order of the ledger; may be empty.
    pub items: Vec<Entry<'a>>,
    /// What comes next.
    pub then: Then,
}

/// What a page says of the date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// The next page is after this cursor. Whether the date is closed, the last page tells.
    More(String),
    /// The date is closed and this is its last page.
    Closed,
    /// The date is open: entries may be missing, and those that came may not be used.
    Open,
}

/// Why an answer is no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong with it.
    pub what: String,
    /// The answer ends too early: asking again may help.
    pub cut_off: bool,
}

impl Unreadable {
    fn of(error: &serde_json::Error) -> Unreadable {
        Unreadable { what: error.to_string(), cut_off: error.is_eof() }
    }

    fn shape(what: &str) -> Unreadable {
        Unreadable { what: what.to_owned(), cut_off: false }
    }
}

impl<'a> Page<'a> {
    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if it is no page: not JSON, cut off, a needed field missing, of another type, or twice.
    pub fn read(body: &'a [u8]) -> Result<Page<'a>, Unreadable> {
        let raw: RawPage<'a> = serde_json::from_slice(body).map_err(|error| Unreadable::of(&error))?;
        let cursor = raw.cursor.filter(|cursor| !cursor.is_empty());
        let then = match (raw.has_more, cursor) {
            (Some(true), Some(cursor)) => Then::More(cursor),
            (Some(true), None) => return Err(Unreadable::shape("hasMore is true, but there is no cursor")),
            // The guide's shortest example leaves it out; then only the cursor could tell.
            (None, Some(_)) => return Err(Unreadable::shape("there is a cursor, but no hasMore")),
            (Some(false) | None, _) if raw.try_later => Then::Open,
            (Some(false) | None, _) => Then::Closed,
        };
        Ok(Page { items: raw.items, then })
    }
}

/// A ledger that the keys reach.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// Its id.
    pub ledger_id: String,
    /// Three letters; older answers leave it out.
    #[serde(default)]
    pub currency: Option<String>,
    /// The sales units whose payments it collects: `api:<number>`, `NO:<number>`, `DK:…`, `FI:…`.
    #[serde(default)]
    pub settles_for_recipient_handles: Vec<String>,
}

impl Ledger {
    /// The ledger as people know it, since its id is shown nowhere in the portal.
    pub fn name(&self) -> String {
        let handles = self.settles_for_recipient_handles.join(", ");
        format!("{} ({handles})", self.ledger_id)
    }
}

/// One page of the ledgers.
#[derive(Debug, Deserialize)]
pub struct Ledgers {
    /// The ledgers.
    pub items: Vec<Ledger>,
    /// Where the next page is; absent or empty if there is none.
    #[serde(default)]
    pub cursor: Option<String>,
}

impl Ledgers {
    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// As [`Page::read`].
    pub fn read(body: &[u8]) -> Result<Ledgers, Unreadable> {
        serde_json::from_slice(body).map_err(|error| Unreadable::of(&error))
    }
}

/// The answer of both token calls.
#[derive(Deserialize)]
pub struct Grant {
    /// The token.
    pub access_token: String,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<i64>,
    #[serde(default, deserialize_with = "seconds")]
    expires_on: Option<i64>,
}

impl Grant {
    /// Reads an answer. The error quotes nothing of it.
    ///
    /// # Errors
    ///
    /// A text that says what is missing.
    pub fn read(body: &[u8]) -> Result<Grant, &'static str> {
        let grant: Grant =
            serde_json::from_slice(body).map_err(|_| "is not JSON with a token and its expiry")?;
        if grant.token_type.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err("is of another kind than Bearer");
        }
        if grant.expires_in.is_none() && grant.expires_on.is_none() {
            return Err("does not say when it expires");
        }
        Ok(grant)
    }

    /// For how many seconds from `now` (of the epoch) on it may be used: its life less a margin of a minute, or half
    /// a minute of the quarter of an hour that accounting keys get.
    pub fn seconds_of_use(&self, now: i64) -> i64 {
        let by_clock = |at: i64| at.saturating_sub(now);
        let life = self.expires_in.or(self.expires_on.map(by_clock)).unwrap_or_default();
        life - (life / 30).clamp(0, 60)
    }
}

/// Seconds, as a number or as a text of digits: the two token calls differ.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let no_number = || serde::de::Error::custom("no number of seconds");
    match Option::<serde_json::Value>::deserialize(deserializer)? {
        None => Ok(None),
        Some(serde_json::Value::Number(number)) => number.as_i64().map(Some).ok_or_else(no_number),
        Some(serde_json::Value::String(text)) => text.trim().parse().map(Some).map_err(|_| no_number()),
        Some(_) => Err(no_number()),
    }
}

/// What the several shapes of refusals say, as far as it is there.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// The Report API's own number of the fault.
    #[serde(default)]
    pub error_code: Option<serde_json::Value>,
    #[serde(default)]
    error_message: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    /// The word of a refused token call, such as `invalid_client`.
    #[serde(default)]
    pub error: Option<String>,
    #[serde(default)]
    context_id: Option<String>,
    #[serde(default)]
    trace_id: Option<String>,
}

impl Refused {
    /// Reads the body of an answer that is no success; one of unknown shape says nothing.
    pub fn read(body: &[u8]) -> Refused {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// The number of the fault: told as a number, and read as a text too.
    pub fn code(&self) -> Option<i64> {
        match self.error_code.as_ref()? {
            serde_json::Value::Number(number) => number.as_i64(),
            serde_json::Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// What the provider says, without any of `secrets`, and the ids by which its support finds the call.
    pub fn text(&self, secrets: &[&str]) -> String {
        let said = [&self.error_message, &self.message, &self.detail, &self.title, &self.error];
        let mut text = said.into_iter().flatten().next().cloned().unwrap_or_default();
        for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
            text = text.replace(secret, "…");
        }
        let mut shown: String = text.chars().filter(|c| !c.is_control()).take(160).collect();
        for (name, id) in [("contextId", &self.context_id), ("traceId", &self.trace_id)] {
            if let Some(id) = id {
                let id: String = id.chars().filter(char::is_ascii_graphic).take(64).collect();
                shown.push_str(&format!(" [{name} {id}]"));
            }
        }
        shown.trim_start().to_owned()
    }
}
