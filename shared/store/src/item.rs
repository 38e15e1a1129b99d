//! What the table holds: settlements, vouchers, dropped files, positions and configuration pointers.

use chrono::{DateTime, NaiveDate, Utc};
use ledger::{Head, Hold, Name, Purpose, Reference, Totals};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::table::Due;

/// What the keys of items begin with that workers claim: settlements, vouchers, connections, tokens.
pub const CLAIMED: &[&str] = &["s#", "v#", "n#", "k#token#"];

/// The key of an item: the company, and the item within it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The company's id.
    pub company: String,
    /// The kind of item and what names it, joined by `#`.
    pub item: String,
}

impl Key {
    /// A settlement's key. Connections do not occur in it: renaming one changes nothing.
    pub fn settlement(company: &str, name: &Name) -> Key {
        Key::new(company, format!("s#{}#{}#{}", name.provider, name.scope, name.id))
    }

    /// A voucher's key.
    pub fn voucher(company: &str, reference: &Reference) -> Key {
        let Reference { settlement: Name { provider, scope, id }, purpose, revision, part, .. } = reference;
        Key::new(company, format!("v#{provider}#{scope}#{id}#{revision:04}#{purpose}#{part:04}"))
    }

    /// What the keys of all vouchers of a settlement begin with.
    pub fn vouchers_of(name: &Name) -> String {
        format!("v#{}#{}#{}#", name.provider, name.scope, name.id)
    }

    /// A dropped file's key: its place under the company's inbox.
    pub fn file(company: &str, connection: &str, file: &str) -> Key {
        Key::new(company, format!("f#{connection}#{file}"))
    }

    /// The key of the rows that no payout holds yet.
    pub fn position(company: &str, connection: &str, scope: &str, currency: &str) -> Key {
        Key::new(company, format!("o#{connection}#{scope}#{currency}"))
    }

    /// The pointer to the configuration in force.
    pub fn config(company: &str) -> Key {
        Key::new(company, "c".to_owned())
    }

    /// The key of a connection's discovery.
    pub fn connection(company: &str, connection: &str) -> Key {
        Key::new(company, format!("n#{connection}"))
    }

    /// The key of a sealed token: of a connection or of the accounting system.
    pub fn token(company: &str, user: &str) -> Key {
        Key::new(company, format!("k#token#{user}"))
    }

    /// The key of something that can be asked for again, kept to save calls.
    pub fn cached(company: &str, what: &str) -> Key {
        Key::new(company, format!("k#cache#{what}"))
    }

    /// The key of the calls that a credential may make at a host, over all companies that use it.
    pub fn pace(host: &str, credential: &str) -> Key {
        Key::new(&format!("bucket#{host}#{credential}"), "bucket".to_owned())
    }

    fn new(company: &str, item: String) -> Key {
        Key { company: company.to_owned(), item }
    }

    /// Reads what [`Key`] prints.
    pub fn parse(text: &str) -> Option<Key> {
        let (company, item) = text.split_once(' ')?;
        Some(Key { company: company.to_owned(), item: item.to_owned() })
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.company, self.item)
    }
}

/// Where a settlement's rows lie in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The manifest's key in the archive bucket.
    pub manifest: String,
    /// SHA-256 of all rows in order.
    pub rows_hash: String,
    /// How many rows.
    pub rows: u64,
    /// The dropped file, `<connection>/<file>`, or the API.
    pub from: String,
    /// The format, for example `stripe-payout-reconciliation`.
    pub format: String,
}

impl Source {
    /// Whether two sources hold the same rows: as read, or since they come from the same bytes of a dropped file,
    /// perhaps read in different ways.
    pub fn is_same(&self, other: &Source) -> bool {
        let rows = self.rows_hash == other.rows_hash && self.format == other.format;
        rows || self.is_same_file(other)
    }

    /// Whether the rows were fetched by API, not dropped as a file.
    pub fn is_fetched(&self) -> bool {
        self.manifest.split('/').nth(1) == Some("fetched")
    }

    /// Whether two sources come from the same bytes, under whatever name they were dropped.
    pub fn is_same_file(&self, other: &Source) -> bool {
        self.bytes().is_some() && self.bytes() == other.bytes()
    }

    /// The beginning of the hash of the dropped file's bytes, as the rows' place in the archive has it:
    /// `<company>/rows/<hash of the bytes>-<way of reading>/…`.
    fn bytes(&self) -> Option<&str> {
        let mut parts = self.manifest.split('/').skip(1);
        // Fetched rows lie elsewhere.
        let (bytes, _) = (parts.next()? == "rows").then(|| parts.next()?.split_once('-'))??;
        (bytes.len() == 32 && bytes.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(bytes)
    }
}

/// The state of a settlement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettlementState {
    /// The provider has it; rows are not here yet.
    Announced,
    /// All rows are here and proved.
    Fetched,
    /// At least one voucher is on its way.
    Posting,
    /// All vouchers are booked.
    Posted,
    /// Something has to come first; the text says what.
    Waiting(String),
    /// A person has to act.
    Held(Hold),
}

impl SettlementState {
    /// The state's name.
    pub fn name(&self) -> &'static str {
        match self {
            SettlementState::Announced => "announced",
            SettlementState::Fetched => "fetched",
            SettlementState::Posting => "posting",
            SettlementState::Posted => "posted",
            SettlementState::Waiting(_) => "waiting",
            SettlementState::Held(_) => "held",
        }
    }

    /// Which function has to work on it from then on, if any has.
    pub fn due(&self, at: DateTime<Utc>) -> Option<Due> {
        let function = match self {
            SettlementState::Announced => "fetch-settlement",
            SettlementState::Fetched | SettlementState::Posting => "post-voucher",
            SettlementState::Posted | SettlementState::Waiting(_) | SettlementState::Held(_) => return None,
        };
        Some(Due { function, at })
    }
}

impl std::fmt::Display for SettlementState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SettlementState::Waiting(reason) => write!(f, "waiting({reason})"),
            SettlementState::Held(hold) => write!(f, "held({})", hold.cause),
            other => f.write_str(other.name()),
        }
    }
}

/// One settlement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementItem {
    /// Which settlement.
    pub name: Name,
    /// The connection that brought it.
    pub connection: String,
    /// What it says.
    pub head: Head,
    /// Its sums.
    pub totals: Totals,
    /// Where its rows are.
    pub source: Source,
    /// The state.
    pub state: SettlementState,
    /// 1, and one more when the source changed after posting or the settlement is booked anew.
    pub revision: u32,
    /// What the vouchers of the next posting are for: the settlement, or its correction.
    pub purpose: Purpose,
    /// What was booked before, when a correction is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<Source>,
    /// A second source that says something else; decided by `release`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rival: Option<Box<Rival>>,
    /// Second sources that a person has decided against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decided: Vec<Source>,
    /// The configuration version that the vouchers under way are planned by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// What the connection is called in that version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_as: Option<String>,
    /// The windows' rows may go on in another file.
    #[serde(default)]
    pub open: bool,
    /// The first revision whose vouchers are live; earlier ones were taken back.
    pub live_from: u32,
    /// What earlier revisions were booked from, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<Past>,
    /// The id of the settlement whose closing balance must be this one's opening balance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// What the provider's API announced, as `providers::Announced` in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<serde_json::Value>,
    /// Tries in a row on which the accounting system did not answer.
    #[serde(default)]
    pub failures: u32,
    /// How far the rows have been fetched, while they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetch: Option<Fetch>,
}

/// How far a settlement's rows have been fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// Which fetch of this settlement it is: names the place in the archive.
    pub number: u32,
    /// The object in the archive that says how far it has come; empty before the first page.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub progress: String,
    /// SHA-256 of that object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Rows so far, for people.
    pub rows: u64,
    /// How often it began anew because an answer could not be read, since rows were last read to their end.
    #[serde(default)]
    pub unreadable: u32,
    /// How often it began anew because rows that were read to their end did not add up.
    #[serde(default)]
    pub unproved: u32,
}

impl Fetch {
    /// A fetch from the first page on.
    pub fn new(number: u32) -> Fetch {
        Fetch { number, progress: String::new(), sha256: String::new(), rows: 0, unreadable: 0, unproved: 0 }
    }

    /// The next fetch of the same settlement, from the first page on.
    pub fn anew(&self) -> Fetch {
        Fetch { unreadable: self.unreadable, unproved: self.unproved, ..Fetch::new(self.number + 1) }
    }
}

/// One connection's looking for payouts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionItem {
    /// Where the next look begins, in the connector's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<serde_json::Value>,
    /// When a look last came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<DateTime<Utc>>,
    /// Looks in a row that failed.
    #[serde(default)]
    pub failures: u32,
    /// Why looking is of no use until a person acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// What the last failed look said, where waiting may help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Days that an operator asked to look at again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<Backfill>,
}

/// Payout days that are looked at again: what is known is fetched once more and compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// The first payout day.
    pub from: NaiveDate,
    /// The last payout day.
    pub to: NaiveDate,
    /// How far it has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<serde_json::Value>,
}

/// What an earlier revision of a settlement was booked from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// The revision.
    pub revision: u32,
    /// What its vouchers were for.
    pub purpose: Purpose,
    /// What it said.
    pub head: Head,
    /// Where its rows are.
    pub source: Source,
    /// What it corrected.
    pub corrects: Option<Source>,
    /// What the connection was called in the configuration that it was planned by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_as: Option<String>,
}

impl SettlementItem {
    /// What works on it next, from `at` on. Rows that are fetched once more come before a booking that has not begun, and
    /// after one that has.
    pub fn due(&self, at: DateTime<Utc>) -> Option<Due> {
        match (&self.state, &self.fetch) {
            (SettlementState::Posting, _) | (_, None) => self.state.due(at),
            (_, Some(_)) => Some(Due { function: "fetch-settlement", at }),
        }
    }

    /// A settlement that is seen for the first time: nothing of it is planned or booked.
    pub fn new(
        connection: &str,
        head: Head,
        totals: Totals,
        source: Source,
        state: SettlementState,
    ) -> SettlementItem {
        SettlementItem {
            name: head.name.clone(),
            connection: connection.to_owned(),
            head,
            totals,
            source,
            state,
            revision: 1,
            purpose: Purpose::Settlement,
            corrects: None,
            rival: None,
            decided: Vec::new(),
            config: None,
            planned_as: None,
            open: false,
            live_from: 1,
            past: Vec::new(),
            follows: None,
            announced: None,
            failures: 0,
            fetch: None,
        }
    }

    /// The present revision, as it will be remembered.
    pub fn as_past(&self) -> Past {
        Past {
            revision: self.revision,
            purpose: self.purpose,
            head: self.head.clone(),
            source: self.source.clone(),
            corrects: self.corrects.clone(),
            planned_as: self.planned_as.clone(),
        }
    }

    /// The settlement as it stood at an earlier revision.
    pub fn at(&self, past: &Past) -> SettlementItem {
        SettlementItem {
            revision: past.revision,
            purpose: past.purpose,
            head: past.head.clone(),
            source: past.source.clone(),
            corrects: past.corrects.clone(),
            planned_as: past.planned_as.clone(),
            ..self.clone()
        }
    }
}

/// A second source of a settlement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rival {
    /// Where its rows are.
    pub source: Source,
    /// What it says.
    pub head: Head,
    /// Its sums.
    pub totals: Totals,
}

/// The state of a voucher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VoucherState {
    /// Made, nothing sent.
    Planned,
    /// The n-th sending has begun.
    Posting(u32),
    /// Booked.
    Posted,
    /// Saved as a draft.
    Drafted,
    /// Whether the n-th sending got through is not known.
    Unknown(u32),
    /// A person has to act.
    Held(Hold),
    /// Taken back by another voucher.
    Reversed,
    /// Never sent, and not part of the newer plan: nothing ever sends it.
    Superseded,
}

impl std::fmt::Display for VoucherState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            VoucherState::Planned => f.write_str("planned"),
            VoucherState::Posting(n) => write!(f, "posting({n})"),
            VoucherState::Posted => f.write_str("posted"),
            VoucherState::Drafted => f.write_str("drafted"),
            VoucherState::Unknown(n) => write!(f, "unknown({n})"),
            VoucherState::Held(hold) => write!(f, "held({})", hold.cause),
            VoucherState::Reversed => f.write_str("reversed"),
            VoucherState::Superseded => f.write_str("superseded"),
        }
    }
}

/// One voucher. Its lines lie in the archive under its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoucherItem {
    /// What makes it unique.
    pub reference: Reference,
    /// The reference as text.
    pub text: String,
    /// The accounting day.
    pub on: NaiveDate,
    /// The sum of one side.
    pub total: Decimal,
    /// The currency's code.
    pub currency: String,
    /// SHA-256 of the voucher's bytes; its key in the archive.
    pub hash: String,
    /// The state.
    pub state: VoucherState,
    /// The configuration version that it was planned by.
    pub config: String,
    /// When the last sending began that may have got through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<DateTime<Utc>>,
    /// Until when that sending may have gone on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_until: Option<DateTime<Utc>>,
    /// How many sendings may have got through; 0 if surely nothing was saved.
    #[serde(default)]
    pub sendings: u32,
    /// The accounting system's own id, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
    /// When it has to be looked for again, because more than one sending may have got through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<DateTime<Utc>>,
    /// What a person has to act on although the voucher is booked: it stands in the books more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Hold>,
    /// Its document; `None` where the system takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<Attachment>,
}

/// How far a voucher's document is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attachment {
    /// To be attached.
    Owed {
        /// From when on.
        at: DateTime<Utc>,
        /// Tries that failed.
        failures: u32,
    },
    /// A try has begun whose answer is not known: the system is asked before the next.
    Begun {
        /// From when on the next try may be made.
        at: DateTime<Utc>,
        /// Tries that failed.
        failures: u32,
    },
    /// Attached.
    Done {
        /// SHA-256 of the PDF.
        sha256: String,
    },
    /// The system does not take it; the voucher stays as it is.
    Refused {
        /// What it said.
        why: String,
    },
}

impl VoucherItem {
    /// When it has to be looked for again, or its document is due.
    pub fn due(&self) -> Option<Due> {
        let document = match &self.attachment {
            Some(Attachment::Owed { at, .. } | Attachment::Begun { at, .. }) => Some(at),
            _ => None,
        };
        self.looks.iter().chain(document).min().map(|at| Due { function: "post-voucher", at: *at })
    }

    /// When it has to be looked for again, if it has to.
    pub fn look_due(&self) -> Option<Due> {
        self.looks.iter().min().map(|at| Due { function: "post-voucher", at: *at })
    }

    /// Whether it stands, or may stand, in the books.
    pub fn may_be_booked(&self) -> bool {
        let booked =
            matches!(self.state, VoucherState::Posted | VoucherState::Drafted | VoucherState::Reversed);
        booked || self.sendings > 0
    }
}

/// What became of a dropped file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileItem {
    /// The connection's folder.
    pub connection: String,
    /// The file's place below it.
    pub file: String,
    /// The ETag of the bytes that were read.
    pub etag: String,
    /// What decided how they were read: configuration and version of the reader.
    pub read_as: String,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// The format.
    pub format: String,
    /// Where it cannot be read and why; `None` if it could.
    pub error: Option<FileError>,
    /// The settlements found.
    pub settlements: u64,
}

/// Why a dropped file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileError {
    /// Where in the file.
    pub at: String,
    /// What is wrong and what to do.
    pub cause: String,
}

/// Rows that no payout holds yet, by connection, scope and currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionItem {
    /// The connection.
    pub connection: String,
    /// The provider's name.
    pub provider: String,
    /// The sales unit or account; may be empty.
    pub scope: String,
    /// The currency's code.
    pub currency: String,
    /// The file that showed them last.
    pub file: String,
    /// Where all rows that it showed are, those as well that have been found in payouts since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The sums of those that are still open; no rows means that nothing is.
    pub totals: Totals,
    /// Why they cannot be placed, if that is not simply because their payout is yet to come.
    pub hold: Option<Hold>,
}

/// Which configuration is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigItem {
    /// SHA-256 of the file; its key in the archive.
    pub hash: String,
}
