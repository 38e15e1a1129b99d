//! CSV reports: columns found by name, any common separator, UTF-8 with or without a byte-order mark.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use crate::ReadError;

/// The longest record that is read; a longer one is a file of another kind or an unclosed quote.
const RECORD_BYTES_MAX: u64 = 1 << 20;

/// What is read from the file at a time.
const BUFFER_BYTES: usize = 256 * 1024;

const TOO_LONG: &str = "the record is longer than 1 MB; a quote is probably not closed";

/// The separator of a header line: the one of comma, semicolon and tab that occurs most often outside quotes.
pub fn separator(header: &str) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in header.bytes() {
        quoted ^= byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(separator, _)| *separator == byte && !quoted) {
            *count += 1;
        }
    }
    counts
        .iter()
        .max_by_key(|(separator, count)| (*count, *separator == b','))
        .map_or(b',', |(separator, _)| *separator)
}

/// The column names of a file that begins with `head`; empty if the first line is not UTF-8.
pub fn header(head: &[u8]) -> Vec<String> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let end = head.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(head.len());
    let Ok(line) = std::str::from_utf8(&head[..end]) else {
        return Vec::new();
    };
    let separator = char::from(separator(line));
    line.split(separator).map(|name| name.trim().trim_matches('"').to_owned()).collect()
}

/// One record: its fields as text, unquoted.
#[derive(Debug, Default)]
pub struct Record {
    text: String,
    /// Where each field ends in `text`; the next begins `gap` bytes later.
    ends: Vec<usize>,
    gap: usize,
}

impl Record {
    /// The number of fields.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The field of a column.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] + self.gap };
        self.text.get(start..end)
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

/// Reads a CSV file record by record into one reused buffer.
///
/// Lines without quotes, which are nearly all, are split at their separators as they stand; any other record is
/// parsed by `csv_core`. A test holds both against the `csv` crate.
pub struct Records {
    file: File,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    separator: u8,
    parser: csv_core::Reader,
    unquoted: Vec<u8>,
    record: Record,
    columns: Vec<String>,
    number: u64,
}

impl Records {
    /// Opens a file whose first line names the columns.
    ///
    /// # Errors
    ///
    /// An empty file, a header that is not UTF-8 or that names a column twice.
    pub fn open(mut file: File) -> Result<Records, ReadError> {
        let failed = |error: std::io::Error| ReadError::new("file", format!("cannot be read: {error}"));
        let mut head = Vec::new();
        file.by_ref().take(64 * 1024).read_to_end(&mut head).map_err(failed)?;
        if head.is_empty() {
            return Err(ReadError::new("file", "the file is empty; download the report again"));
        }
        let marked = head.starts_with(b"\xef\xbb\xbf");
        if header(&head).iter().all(String::is_empty) {
            return Err(ReadError::new("line 1", "the header is not UTF-8 text; export the report as UTF-8"));
        }
        let first_line = head.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        let separator = separator(&String::from_utf8_lossy(first_line));
        file.seek(SeekFrom::Start(if marked { 3 } else { 0 })).map_err(failed)?;
        let mut records = Records {
            file,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            at_end: false,
            separator,
            parser: csv_core::ReaderBuilder::new().delimiter(separator).build(),
            unquoted: vec![0; 4096],
            record: Record::default(),
            columns: Vec::new(),
            number: 0,
        };
        records.next_record()?;
        records.columns = records.record.iter().map(|name| name.trim().to_owned()).collect();
        for (index, column) in records.columns.iter().enumerate() {
            if !column.is_empty() && records.columns[..index].contains(column) {
                return Err(ReadError::new("line 1", format!("the column \"{column}\" stands twice")));
            }
        }
        Ok(records)
    }

    /// The column names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Where a column stands, by name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// Reads the next record into [`Records::record`]; `false` at the end. Blank lines are passed over.
    ///
    /// # Errors
    ///
    /// A record that is not UTF-8, has fewer or more fields than the header, is longer than 1 MB, or has a quote
    /// that is not closed.
    pub fn read(&mut self) -> Result<bool, ReadError> {
        if !self.next_record()? {
            return Ok(false);
        }
        if self.record.len() != self.columns.len() {
            return Err(ReadError::new(
                self.at(),
                format!(
                    "{} fields where the header has {}; the file is cut off or was changed, download it again",
                    self.record.len(),
                    self.columns.len()
                ),
            ));
        }
        Ok(true)
    }

    fn next_record(&mut self) -> Result<bool, ReadError> {
        loop {
            // Line breaks before a record: the rest of CRLF, and blank lines.
            while self.start < self.end && matches!(self.buffer[self.start], b'\n' | b'\r') {
                self.start += 1;
            }
            if self.start < self.end {
                break;
            }
            if !self.fill()? {
                return Ok(false);
            }
        }
        self.number += 1;
        loop {
            let waiting = &self.buffer[self.start..self.end];
            let line = match memchr::memchr(b'\n', waiting) {
                Some(length) => Some(&waiting[..length]),
                None if self.at_end => Some(waiting),
                None => None,
            };
            if let Some(line) = line {
                let length = line.len();
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if memchr::memchr2(b'"', b'\r', line).is_some() {
                    return self.parse_quoted();
                }
                let text = std::str::from_utf8(line).map_err(|_| not_utf8(self.number))?;
                self.record.text.clear();
                self.record.text.push_str(text);
                self.record.ends.clear();
                self.record.gap = 1;
                split(line, self.separator, &mut self.record.ends);
                self.start += length;
                return Ok(true);
            }
            self.grow()?;
        }
    }

    /// A record with quotes, by the full parser. Its fields may span lines.
    fn parse_quoted(&mut self) -> Result<bool, ReadError> {
        let mut ends = vec![0; self.columns.len().max(64) + 1];
        loop {
            let waiting = &self.buffer[self.start..self.end];
            self.parser.reset();
            let needed = waiting.len().min(usize::try_from(RECORD_BYTES_MAX).unwrap_or(usize::MAX));
            if self.unquoted.len() < needed {
                self.unquoted.resize(needed, 0);
            }
            let (mut result, mut read, mut written, mut fields) =
                self.parser.read_record(waiting, &mut self.unquoted, &mut ends);
            if matches!(result, csv_core::ReadRecordResult::InputEmpty) && self.at_end {
                // An empty input tells the parser that nothing follows.
                let (last, _, more, more_fields) =
                    self.parser.read_record(&[], &mut self.unquoted[written..], &mut ends[fields..]);
                (result, read) = (last, waiting.len());
                written += more;
                fields += more_fields;
            }
            match result {
                csv_core::ReadRecordResult::Record => {
                    let raw = &waiting[..read];
                    if memchr::memchr_iter(b'"', raw).count() % 2 == 1 {
                        return Err(ReadError::new(
                            self.at(),
                            "a quote is not closed; the file is cut off or was changed, download it again",
                        ));
                    }
                    let text =
                        std::str::from_utf8(&self.unquoted[..written]).map_err(|_| not_utf8(self.number))?;
                    self.record.text.clear();
                    self.record.text.push_str(text);
                    self.record.ends.clear();
                    self.record.ends.extend_from_slice(&ends[..fields]);
                    self.record.gap = 0;
                    self.start += read;
                    return Ok(true);
                }
                csv_core::ReadRecordResult::OutputEndsFull => {
                    if ends.len() > 10_000 {
                        return Err(ReadError::new(self.at(), "more than 10,000 fields; this is no report"));
                    }
                    ends.resize(ends.len() * 2, 0);
                }
                csv_core::ReadRecordResult::OutputFull => {
                    return Err(ReadError::new(self.at(), TOO_LONG));
                }
                csv_core::ReadRecordResult::InputEmpty | csv_core::ReadRecordResult::End => self.grow()?,
            }
        }
    }

    /// Gets more of the file behind what waits; a record that would not fit is refused.
    fn grow(&mut self) -> Result<(), ReadError> {
        if (self.end - self.start) as u64 > RECORD_BYTES_MAX {
            return Err(ReadError::new(self.at(), TOO_LONG));
        }
        self.fill().map(|_| ())
    }

    /// Moves what waits to the front and reads more; `false` if nothing waits and nothing follows.
    fn fill(&mut self) -> Result<bool, ReadError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let read = self
            .file
            .read(&mut self.buffer[self.end..])
            .map_err(|error| ReadError::new(self.at(), format!("cannot be read: {error}")))?;
        self.end += read;
        self.at_end = read == 0;
        Ok(self.end > 0)
    }

    /// The current record.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Where the current record stands: `row 2` is the first after the header.
    pub fn at(&self) -> String {
        format!("row {}", self.number)
    }
}

/// Adds where each field of a line without quotes ends. Fields are short, so eight bytes are looked at together:
/// a byte of `zeros` has its high bit set exactly where the line has a separator.
fn split(line: &[u8], separator: u8, ends: &mut Vec<usize>) {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let pattern = u64::from_le_bytes([separator; 8]);
    let (words, rest) = line.as_chunks::<8>();
    let mut start = 0;
    for word in words {
        let different = u64::from_le_bytes(*word) ^ pattern;
        let mut zeros = !(((different & LOW) + LOW) | different | LOW);
        while zeros != 0 {
            ends.push(start + (zeros.trailing_zeros() >> 3) as usize);
            zeros &= zeros - 1;
        }
        start += 8;
    }
    ends.extend((start..).zip(rest).filter(|(_, byte)| **byte == separator).map(|(at, _)| at));
    ends.push(line.len());
}

fn not_utf8(number: u64) -> ReadError {
    let at = if number == 1 { "line 1".to_owned() } else { format!("row {number}") };
    ReadError::new(at, "the text is not UTF-8; export the report as UTF-8")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write as _;

    use super::*;

    /// Texts that try every turn: quotes, doubled quotes, line breaks within and without, empty fields, no end.
    fn awkward(seed: u64) -> String {
        let parts =
            ["a", "", "\"", "\"\"", ",", ",", "\n", "\r\n", "\"x,y\"", "\"l1\nl2\"", "æ", " ", "1.50"];
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut text = "h1,h2,h3\n".to_owned();
        for _ in 0..40 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.push_str(parts[usize::try_from(state % 13).unwrap()]);
        }
        text
    }

    #[test]
    fn records_are_those_of_the_csv_crate() {
        for seed in 0..5_000 {
            let text = awkward(seed);
            let mut reader =
                csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text.as_bytes());
            let expected: Vec<Vec<String>> =
                reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.seek(SeekFrom::Start(0)).unwrap();
            let mut records = Records::open(file).unwrap();
            let mut found = vec![records.columns().to_vec()];
            let unclosed = loop {
                match records.next_record() {
                    Ok(true) => found.push(records.record().iter().map(str::to_owned).collect()),
                    Ok(false) => break false,
                    Err(error) => {
                        assert!(error.what.contains("not closed"), "{error}");
                        break true;
                    }
                }
            };
            if unclosed {
                assert_eq!(found[..], expected[..found.len()], "{text:?}");
            } else {
                assert_eq!(found, expected, "{text:?}");
            }
        }
    }

    #[test]
    fn a_quote_that_is_not_closed_is_refused_rather_than_swallowing_rows() {
        let error = read(b"a,b\n1,2\n3,\"4\n5,6\n7,8\n").unwrap_err();
        assert!(error.to_string().contains("row 3: a quote is not closed"), "{error}");
        let mut long = b"a,b\n1,\"".to_vec();
        long.resize(3 << 20, b'x');
        assert!(read(&long).unwrap_err().to_string().contains("longer than 1 MB"));
    }

    fn read(bytes: &[u8]) -> Result<Vec<Vec<String>>, ReadError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut records = Records::open(file)?;
        let mut rows = Vec::new();
        while records.read()? {
            rows.push(records.record().iter().map(str::to_owned).collect());
        }
        Ok(rows)
    }

    #[test]
    fn fault_078_separators_quotes_line_ends_and_a_missing_last_newline_are_read() {
        let expected =
            vec![vec!["1".to_owned(), "two\nlines".to_owned()], vec!["2".to_owned(), "x".to_owned()]];
        for text in [
            "a,b\n1,\"two\nlines\"\n2,x\n",
            "a;b\r\n1;\"two\nlines\"\r\n2;x",
            "a\tb\n1\t\"two\nlines\"\n\n2\tx\n",
        ] {
            assert_eq!(read(text.as_bytes()).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn fault_073_a_byte_order_mark_is_tolerated_and_other_encodings_are_refused() {
        assert_eq!(read(b"\xef\xbb\xbfa,b\n1,2\n").unwrap(), vec![vec!["1", "2"]]);
        assert_eq!(read(b"a,b\n1,\xe6\n").unwrap_err().at, "row 2");
        assert_eq!(read(b"\xff\xfea\x00,\x00b\x00").unwrap_err().at, "line 1");
    }

    #[test]
    fn rows_that_are_cut_off_are_refused() {
        let error = read(b"a,b,c\n1,2,3\n4,5").unwrap_err();
        assert!(error.to_string().contains("row 3: 2 fields where the header has 3"), "{error}");
        assert!(read(b"a,a\n1,2\n").unwrap_err().to_string().contains("stands twice"));
        assert!(read(b"").unwrap_err().to_string().contains("empty"));
    }
}
