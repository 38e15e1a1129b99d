//! The journal file: look-up by reference, atomic append. The only file with I/O.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use async_trait::async_trait;
use chrono::Duration;
use edge::Error;
use ledger::{Cause, Hold, Voucher};
use store::posting::{Answer, Doubt, Found, Outbox};

use super::render::{render, transaction};

/// What is known of the file so far.
#[derive(Debug, Default)]
struct Known {
    /// Bytes that were read, all in whole blocks.
    length: u64,
    /// The transactions of each reference; more than one is a double that somebody made.
    transactions: HashMap<String, Vec<String>>,
    /// `account` and `commodity` lines.
    declared: BTreeSet<String>,
}

/// One company's journal.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    known: Mutex<Known>,
}

impl Client {
    /// The journal at `path`; it and its folder are made when the first voucher comes.
    pub fn new(path: PathBuf) -> Client {
        Client { path, known: Mutex::new(Known::default()) }
    }

    /// Reads what has been added since the last look. Returns how many bytes at the end are no whole block.
    fn catch_up(&self, known: &mut Known) -> std::io::Result<u64> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                *known = Known::default();
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        if length < known.length {
            // Somebody cut the file or put another in its place.
            *known = Known::default();
        }
        file.seek(SeekFrom::Start(known.length))?;
        let mut added = Vec::new();
        file.read_to_end(&mut added)?;
        let whole = whole(&added);
        let text = String::from_utf8_lossy(&added[..whole]);
        for block in blocks(&text) {
            for line in
                block.lines().filter(|line| line.starts_with("account ") || line.starts_with("commodity "))
            {
                known.declared.insert(line.to_owned());
            }
            if let Some((reference, transaction)) = reference(block) {
                known.transactions.entry(reference.to_owned()).or_default().push(transaction);
            }
        }
        known.length += whole as u64;
        Ok(added.len() as u64 - whole as u64)
    }

    fn append(&self, known: &mut Known, voucher: &Voucher) -> std::io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let torn = self.catch_up(known)?;
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&self.path)?;
        if torn > 0 {
            self.cut(&mut file, known.length)?;
        }
        let block = render(voucher, &known.declared);
        file.write_all(block.as_bytes())?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        self.catch_up(known)?;
        Ok(())
    }

    /// Moves an unfinished end of the file aside. A person's own last lines without an empty line behind them are
    /// completed instead: only a beginning of ours is cut.
    fn cut(&self, file: &mut File, length: u64) -> std::io::Result<()> {
        file.seek(SeekFrom::Start(length))?;
        let mut rest = Vec::new();
        file.read_to_end(&mut rest)?;
        if !ours(&rest) {
            return file.write_all(if rest.ends_with(b"\n") { b"\n" } else { b"\n\n" });
        }
        let aside = self.path.with_extension("hledger.torn");
        let mut torn = OpenOptions::new().create(true).append(true).open(aside)?;
        torn.write_all(&rest)?;
        torn.write_all(b"\n")?;
        torn.sync_all()?;
        file.set_len(length)?;
        file.sync_all()
    }
}

#[async_trait]
impl Outbox for Client {
    fn doubt(&self) -> Doubt {
        Doubt::Lookup { visible_after: Duration::zero() }
    }

    async fn send(&self, voucher: &Voucher) -> Answer {
        let Ok(mut known) = self.known.lock() else {
            return Answer::Unknown;
        };
        match self.append(&mut known, voucher) {
            Ok(()) => Answer::Accepted { id: voucher.reference.to_string() },
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Answer::NotWritten(Hold::new(
                    Cause::Permission,
                    format!("{} cannot be written: {error}", self.path.display()),
                    "give this user the right to write there, then release",
                ))
            }
            Err(_) => Answer::Unknown,
        }
    }

    async fn find(&self, voucher: &Voucher) -> Result<Found, Error> {
        let mut known = self.known.lock().map_err(|_| Error::bug("the journal's state is lost"))?;
        self.catch_up(&mut known).map_err(|error| Error::file("cannot read", &self.path, error))?;
        let reference = voucher.reference.to_string();
        Ok(match known.transactions.get(&reference).map(Vec::as_slice) {
            None | Some([]) => Found::Nothing,
            Some([one]) if *one == transaction(voucher) => Found::Ours { id: reference },
            Some(more) if more.len() > 1 && more.iter().all(|one| *one == transaction(voucher)) => {
                let ids = (1..=more.len()).map(|nth| format!("({reference}) number {nth} from the top"));
                Found::Twice { ids: ids.collect() }
            }
            Some([_]) => {
                Found::Differs(format!("{} has other lines under ({reference})", self.path.display()))
            }
            Some(more) => {
                Found::Differs(format!("{} has ({reference}) {} times", self.path.display(), more.len()))
            }
        })
    }
}

/// How many bytes at the beginning are whole blocks: up to and with the last empty line.
fn whole(bytes: &[u8]) -> usize {
    bytes.windows(2).rposition(|pair| pair == b"\n\n").map_or(0, |at| at + 2)
}

/// Whether bytes at the end of a journal can be the beginning of something that bilag writes.
fn ours(rest: &[u8]) -> bool {
    let text = String::from_utf8_lossy(rest);
    let starts = |line: &str, with: &str| line.starts_with(with) || with.starts_with(line);
    text.lines().all(|line| {
        ["account ", "commodity ", "    "].into_iter().any(|with| starts(line, with)) || is_header_start(line)
    })
}

/// Whether a line is, or begins as, `YYYY-MM-DD * (`.
fn is_header_start(line: &str) -> bool {
    line.bytes().zip(*b"dddd-dd-dd * (").all(|(byte, shape)| match shape {
        b'd' => byte.is_ascii_digit(),
        other => byte == other,
    })
}

/// The blocks of a journal, divided by empty lines.
pub fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").filter(|block| !block.trim().is_empty())
}

/// The reference and the transaction (without declarations) of a block, if it holds one of ours.
fn reference(block: &str) -> Option<(&str, String)> {
    let mut start = 0;
    for line in block.split_inclusive('\n') {
        let code = line.get(13..).filter(|_| is_header_start(line)).and_then(|rest| rest.strip_prefix('('));
        if let Some((reference, _)) = code.and_then(|rest| rest.split_once(')')) {
            let mut transaction = block[start..].to_owned();
            if !transaction.ends_with('\n') {
                transaction.push('\n');
            }
            return Some((reference, transaction));
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ledger::{Currency, Kind, Name, Posting, Purpose, Reference, Role, Side};
    use rust_decimal::Decimal;

    use super::*;

    fn voucher(id: &str, minor: i64) -> Voucher {
        let posting = |side, account: &str, role| Posting {
            side,
            amount: Decimal::new(minor, 2),
            account: account.to_owned(),
            vat: "none".to_owned(),
            department: None,
            project: None,
            text: "Stripe; payout, odd | text".to_owned(),
            role,
            kind: Kind::Payout,
            fee_type: None,
            rule: None,
            rows: 1,
        };
        Voucher {
            company: "shop".to_owned(),
            reference: Reference {
                settlement: Name { provider: "stripe".to_owned(), scope: String::new(), id: id.to_owned() },
                purpose: Purpose::Settlement,
                revision: 1,
                part: 1,
                parts: 1,
            },
            on: "2026-01-05".parse().unwrap(),
            currency: Currency::parse("NOK").unwrap(),
            text: format!("Stripe payout {id}"),
            corrects: None,
            postings: vec![
                posting(Side::Debit, "1909", Role::InTransit),
                posting(Side::Credit, "1579", Role::SalesClearing),
            ],
        }
    }

    fn journal() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop/journal.hledger");
        (folder, path)
    }

    #[tokio::test]
    async fn a_voucher_is_found_again_by_its_reference_line_by_line() {
        let (_folder, path) = journal();
        let client = Client::new(path.clone());
        assert_eq!(client.find(&voucher("po_1", 100)).await.unwrap(), Found::Nothing);
        client.send(&voucher("po_1", 100)).await;
        client.send(&voucher("po_2", 200)).await;
        let fresh = Client::new(path);
        assert!(matches!(fresh.find(&voucher("po_1", 100)).await.unwrap(), Found::Ours { .. }));
        assert!(matches!(fresh.find(&voucher("po_2", 200)).await.unwrap(), Found::Ours { .. }));
        assert!(matches!(fresh.find(&voucher("po_1", 101)).await.unwrap(), Found::Differs(_)));
    }

    #[tokio::test]
    async fn a_transaction_torn_at_any_byte_is_cut_off_before_appending() {
        let (_folder, path) = journal();
        Client::new(path.clone()).send(&voucher("po_1", 100)).await;
        let first = std::fs::read(&path).unwrap();
        Client::new(path.clone()).send(&voucher("po_2", 200)).await;
        let both = std::fs::read(&path).unwrap();
        for length in first.len() + 1..both.len() {
            std::fs::write(&path, &both[..length]).unwrap();
            let client = Client::new(path.clone());
            assert_eq!(client.find(&voucher("po_2", 200)).await.unwrap(), Found::Nothing, "{length}");
            assert!(matches!(client.send(&voucher("po_2", 200)).await, Answer::Accepted { .. }));
            assert_eq!(std::fs::read(&path).unwrap(), both, "{length}");
        }
    }

    #[tokio::test]
    async fn lines_that_a_person_wrote_are_never_cut() {
        let (_folder, path) = journal();
        Client::new(path.clone()).send(&voucher("po_1", 100)).await;
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("; checked by the accountant\nP 2026-01-05 EUR 11.73 NOK");
        std::fs::write(&path, &text).unwrap();
        Client::new(path.clone()).send(&voucher("po_2", 200)).await;
        let now = std::fs::read_to_string(&path).unwrap();
        assert!(now.starts_with(&text) && now.contains("(stripe:po_2)"), "{now}");
    }

    #[tokio::test]
    async fn fault_112_a_voucher_that_a_person_changed_is_reported_and_not_fought() {
        let (_folder, path) = journal();
        Client::new(path.clone()).send(&voucher("po_1", 100)).await;
        let text = std::fs::read_to_string(&path).unwrap().replace("1579", "3000");
        std::fs::write(&path, &text).unwrap();
        let client = Client::new(path.clone());
        assert!(matches!(client.find(&voucher("po_1", 100)).await.unwrap(), Found::Differs(_)));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn fault_074_separators_in_texts_cannot_end_a_comment_or_start_a_tag() {
        let mut voucher = voucher("po_1", 100);
        voucher.postings[0].text = "a;b,c\nd\u{0}e: f".to_owned();
        let text = transaction(&voucher);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("; a b c d e"), "{text}");
    }
}
