//! CSV reports: columns found by name, any common separator, UTF-8 with or without a byte-order mark.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use crate::ReadError;

/// The longest record that is read; a longer one is a file of another kind or an unclosed quote.
const RECORD_BYTES_MAX: u64 = 1 << 20;

/// The separator of a header line: the one of comma, semicolon and tab that occurs most often outside quotes.
pub fn separator(header: &str) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in header.bytes() {
        quoted ^= byte == b'"';
        if let Some((_, count)) = counts
            .iter_mut()
            .find(|(separator, _)| *separator == byte && !quoted)
        {
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
    let end = head
        .iter()
        .position(|byte| matches!(byte, b'\n' | b'\r'))
        .unwrap_or(head.len());
    let Ok(line) = std::str::from_utf8(&head[..end]) else {
        return Vec::new();
    };
    let separator = char::from(separator(line));
    line.split(separator)
        .map(|name| name.trim().trim_matches('"').to_owned())
        .collect()
}

/// Reads a CSV file record by record into one reused buffer.
pub struct Records {
    reader: csv::Reader<BufReader<File>>,
    record: csv::StringRecord,
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
        let failed =
            |error: std::io::Error| ReadError::new("file", format!("cannot be read: {error}"));
        let mut head = Vec::new();
        file.by_ref()
            .take(64 * 1024)
            .read_to_end(&mut head)
            .map_err(failed)?;
        if head.is_empty() {
            return Err(ReadError::new(
                "file",
                "the file is empty; download the report again",
            ));
        }
        let marked = head.starts_with(b"\xef\xbb\xbf");
        let columns = header(&head);
        if columns.iter().all(String::is_empty) {
            return Err(ReadError::new(
                "line 1",
                "the header is not UTF-8 text; export the report as UTF-8",
            ));
        }
        for (index, column) in columns.iter().enumerate() {
            if !column.is_empty() && columns[..index].contains(column) {
                return Err(ReadError::new(
                    "line 1",
                    format!("the column \"{column}\" stands twice"),
                ));
            }
        }
        let first_line = String::from_utf8_lossy(
            &head[..head.iter().position(|b| *b == b'\n').unwrap_or(head.len())],
        )
        .into_owned();
        file.seek(SeekFrom::Start(if marked { 3 } else { 0 }))
            .map_err(failed)?;
        let reader = csv::ReaderBuilder::new()
            .delimiter(separator(&first_line))
            .has_headers(true)
            .flexible(true)
            .from_reader(BufReader::with_capacity(256 * 1024, file));
        Ok(Records {
            reader,
            record: csv::StringRecord::new(),
            columns,
            number: 1,
        })
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
    /// A record that is not UTF-8, has fewer or more fields than the header, or is longer than 1 MB.
    pub fn read(&mut self) -> Result<bool, ReadError> {
        let start = self.reader.position().byte();
        let more = self.reader.read_record(&mut self.record).map_err(|error| {
            let at = format!("row {}", self.number + 1);
            match error.kind() {
                csv::ErrorKind::Utf8 { .. } => {
                    ReadError::new(at, "the text is not UTF-8; export the report as UTF-8")
                }
                _ => ReadError::new(at, format!("cannot be read: {error}")),
            }
        })?;
        if !more {
            return Ok(false);
        }
        self.number += 1;
        if self.reader.position().byte() - start > RECORD_BYTES_MAX {
            return Err(ReadError::new(
                self.at(),
                "the record is longer than 1 MB; a quote is probably not closed",
            ));
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

    /// The current record.
    pub fn record(&self) -> &csv::StringRecord {
        &self.record
    }

    /// Where the current record stands: `row 2` is the first after the header.
    pub fn at(&self) -> String {
        format!("row {}", self.number)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write as _;

    use super::*;

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
        let expected = vec![
            vec!["1".to_owned(), "two\nlines".to_owned()],
            vec!["2".to_owned(), "x".to_owned()],
        ];
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
        assert_eq!(
            read(b"\xef\xbb\xbfa,b\n1,2\n").unwrap(),
            vec![vec!["1", "2"]]
        );
        assert_eq!(read(b"a,b\n1,\xe6\n").unwrap_err().at, "row 2");
        assert_eq!(read(b"\xff\xfea\x00,\x00b\x00").unwrap_err().at, "line 1");
    }

    #[test]
    fn rows_that_are_cut_off_are_refused() {
        let error = read(b"a,b,c\n1,2,3\n4,5").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("row 3: 2 fields where the header has 3"),
            "{error}"
        );
        assert!(
            read(b"a,a\n1,2\n")
                .unwrap_err()
                .to_string()
                .contains("stands twice")
        );
        assert!(read(b"").unwrap_err().to_string().contains("empty"));
    }
}
