//! CSV reports: columns found by name, any common separator, UTF-8 with or without a byte-order mark.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;

use wide::u8x16;

use crate::ReadError;
use crate::text_file::TextFile;

/// The longest record that is read; a longer one is a file of another kind or an unclosed quote.
const RECORD_BYTES_MAX: u64 = 1 << 20;

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
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    text: &'a str,
    /// Where each field begins in `text`, and where one more would: a field ends `gap` bytes before the next.
    starts: &'a [usize],
    gap: usize,
}

impl<'a> Record<'a> {
    /// The number of fields.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The field of a column.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a str> {
        let [start, next] = self.starts.get(index..)?.first_chunk::<2>()?;
        self.text.get(*start..*next - self.gap)
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> {
        let record = *self;
        (0..self.len()).filter_map(move |index| record.get(index))
    }
}

/// Reads a CSV file record by record.
///
/// Lines without quotes, which are nearly all, are split at their separators where they lie; any other record is
/// parsed by `csv_core` and copied. A test holds both against the `csv` crate.
pub struct Records {
    file: TextFile,
    /// Where the next record begins in the text at hand.
    start: usize,
    /// Where the next quote or carriage return stands, if not before `start`: lines before it are plain.
    special: usize,
    separator: u8,
    parser: csv_core::Reader,
    /// What the parser writes, and the same as text.
    unquoted: Vec<u8>,
    unquoted_text: String,
    /// Whether the record at hand lies in the text as it is.
    in_place: bool,
    /// As [`Record`] has them; only the first `fields + 1` are of the record at hand.
    starts: Vec<usize>,
    fields: usize,
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
            file: TextFile::new(file),
            start: 0,
            special: 0,
            separator,
            parser: csv_core::ReaderBuilder::new().delimiter(separator).build(),
            unquoted: vec![0; 4096],
            unquoted_text: String::new(),
            in_place: false,
            starts: vec![0; 64],
            fields: 0,
            columns: Vec::new(),
            number: 0,
        };
        records.next_record()?;
        records.columns = records.record().iter().map(|name| name.trim().to_owned()).collect();
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
    #[inline]
    pub fn read(&mut self) -> Result<bool, ReadError> {
        if !self.next_record()? {
            return Ok(false);
        }
        if self.fields != self.columns.len() {
            return Err(self.wrong_width());
        }
        Ok(true)
    }

    #[cold]
    fn wrong_width(&self) -> ReadError {
        let (fields, columns) = (self.fields, self.columns.len());
        ReadError::new(
            self.at(),
            format!(
                "{fields} fields where the header has {columns}; the file is cut off or was changed, download it again"
            ),
        )
    }

    fn next_record(&mut self) -> Result<bool, ReadError> {
        if !self.skip_line_breaks()? {
            return Ok(false);
        }
        self.number += 1;
        loop {
            let text = self.file.text().as_bytes();
            let end = match memchr::memchr(b'\n', &text[self.start..]) {
                Some(length) => self.start + length,
                None if self.file.is_last() => text.len(),
                None => {
                    self.grow()?;
                    continue;
                }
            };
            if self.special < self.start {
                self.special = special(text, self.start);
            }
            let line_end = if self.special >= end {
                end
            } else if self.special + 1 == end && text[self.special] == b'\r' {
                self.special
            } else {
                return self.parse_quoted();
            };
            self.fields = split(text, self.start..line_end, self.separator, &mut self.starts);
            self.in_place = true;
            self.start = end;
            return Ok(true);
        }
    }

    /// Passes over line breaks before a record: the rest of CRLF, and blank lines. `false` at the end.
    #[inline]
    fn skip_line_breaks(&mut self) -> Result<bool, ReadError> {
        loop {
            let waiting = &self.file.text().as_bytes()[self.start..];
            let breaks = waiting.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
            self.start += breaks;
            if breaks < waiting.len() {
                return Ok(true);
            }
            if self.file.is_last() {
                return Ok(false);
            }
            if self.file.is_broken() {
                return Err(not_utf8(self.number + 1));
            }
            self.fill()?;
        }
    }

    /// A record with quotes, by the full parser. Its fields may span lines.
    fn parse_quoted(&mut self) -> Result<bool, ReadError> {
        let mut ends = vec![0; self.columns.len().max(64) + 1];
        loop {
            let waiting = &self.file.text().as_bytes()[self.start..];
            self.parser.reset();
            let needed = waiting.len().min(usize::try_from(RECORD_BYTES_MAX).unwrap_or(usize::MAX));
            if self.unquoted.len() < needed {
                self.unquoted.resize(needed, 0);
            }
            let (mut result, mut read, mut written, mut fields) =
                self.parser.read_record(waiting, &mut self.unquoted, &mut ends);
            if matches!(result, csv_core::ReadRecordResult::InputEmpty) && self.file.is_last() {
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
                    self.unquoted_text.clear();
                    self.unquoted_text.push_str(text);
                    self.starts.clear();
                    self.starts.push(0);
                    self.starts.extend_from_slice(&ends[..fields]);
                    self.fields = fields;
                    self.in_place = false;
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

    /// Gets more of the file behind what waits; a record that would not fit, or goes on as no text, is refused.
    fn grow(&mut self) -> Result<(), ReadError> {
        if (self.file.text().len() - self.start) as u64 > RECORD_BYTES_MAX {
            return Err(ReadError::new(self.at(), TOO_LONG));
        }
        if self.file.is_broken() {
            return Err(not_utf8(self.number));
        }
        self.fill()
    }

    /// Moves what waits to the front and reads more behind it.
    fn fill(&mut self) -> Result<(), ReadError> {
        self.file
            .advance(self.start)
            .map_err(|error| ReadError::new(self.at(), format!("cannot be read: {error}")))?;
        self.start = 0;
        self.special = special(self.file.text().as_bytes(), 0);
        Ok(())
    }

    /// The current record.
    #[inline]
    pub fn record(&self) -> Record<'_> {
        let starts = &self.starts[..=self.fields];
        if self.in_place {
            Record { text: self.file.text(), starts, gap: 1 }
        } else {
            Record { text: &self.unquoted_text, starts, gap: 0 }
        }
    }

    /// Where the current record stands: `row 2` is the first after the header.
    pub fn at(&self) -> String {
        format!("row {}", self.number)
    }
}

/// Where the next quote or carriage return stands, from `start` on; the end of the text if there is none.
fn special(text: &[u8], start: usize) -> usize {
    memchr::memchr2(b'"', b'\r', &text[start..]).map_or(text.len(), |length| start + length)
}

/// Finds where each field of a line without quotes begins, and where one more would behind its end; returns the
/// number of fields.
fn split(text: &[u8], line: Range<usize>, separator: u8, starts: &mut Vec<usize>) -> usize {
    loop {
        let fields = mark(&text[line.clone()], line.start, separator, starts);
        if let Some(next) = starts.get_mut(fields) {
            *next = line.end + 1;
            return fields;
        }
        // More fields than any line had before.
        starts.resize(fields + 1, 0);
    }
}

/// Writes where the fields of a line begin, as far as there is room, and counts them. Fields are short, so sixteen
/// bytes are looked at together.
#[inline]
fn mark(line: &[u8], offset: usize, separator: u8, starts: &mut [usize]) -> usize {
    let mut fields = 0;
    let mut begin = |start: usize| {
        if let Some(slot) = starts.get_mut(fields) {
            *slot = start;
        }
        fields += 1;
    };
    begin(offset);
    let mut next = offset + 1;
    let (chunks, rest) = line.as_chunks::<16>();
    for chunk in chunks {
        // One bit per byte, the lowest for the first.
        let mut found = u8x16::new(*chunk).simd_eq(u8x16::splat(separator)).to_bitmask();
        while found != 0 {
            begin(next + found.trailing_zeros() as usize);
            found &= found - 1;
        }
        next += 16;
    }
    for (start, byte) in (next..).zip(rest) {
        if *byte == separator {
            begin(start);
        }
    }
    fields
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
    fn records_across_blocks_are_read_whole_and_a_fault_in_a_later_block_is_placed() {
        let row = |number: usize, tail: &str| format!("{number},æøå €{tail}\n");
        let tails = ["", "\r", " \"in quotes\"", "\n"];
        let mut text: Vec<u8> = b"a,b\n".to_vec();
        for number in 0..40_000 {
            text.extend(row(number, tails[number % 4]).as_bytes());
        }
        let rows = read(&text).unwrap();
        assert_eq!(rows.len(), 40_000);
        for (number, fields) in rows.iter().enumerate() {
            let tail = if number % 4 == 2 { tails[2] } else { "" };
            assert_eq!(*fields, vec![number.to_string(), format!("æøå €{tail}")]);
        }
        text.extend(b"40000,\xe6\n40001,x\n");
        assert_eq!(read(&text).unwrap_err().at, "row 40002");
    }

    #[test]
    fn rows_that_are_cut_off_are_refused() {
        let error = read(b"a,b,c\n1,2,3\n4,5").unwrap_err();
        assert!(error.to_string().contains("row 3: 2 fields where the header has 3"), "{error}");
        assert!(read(b"a,a\n1,2\n").unwrap_err().to_string().contains("stands twice"));
        assert!(read(b"").unwrap_err().to_string().contains("empty"));
    }
}
