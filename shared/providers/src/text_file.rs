//! A file as UTF-8 text, block by block. A block is checked once and as a whole; its lines then are text where they
//! lie, without a check or a copy of their own.

use std::fs::File;
use std::io::Read as _;

/// What is read from the file at a time: small enough to stay in the processor's cache until it is used.
const BLOCK_BYTES: usize = 128 * 1024;

/// The part of a file that is at hand.
pub struct TextFile {
    file: File,
    text: String,
    /// What was read behind `text`: the first bytes of a character that goes on in the next block, or bytes that
    /// are no UTF-8.
    rest: Vec<u8>,
    broken: bool,
    at_end: bool,
}

impl TextFile {
    /// Nothing is read yet.
    pub fn new(file: File) -> TextFile {
        TextFile { file, text: String::new(), rest: Vec::new(), broken: false, at_end: false }
    }

    /// The text at hand.
    #[inline]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the file ends with the text at hand.
    #[inline]
    pub fn is_last(&self) -> bool {
        self.at_end && self.rest.is_empty()
    }

    /// Whether the bytes behind the text at hand are no UTF-8.
    #[inline]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Drops the first `used` bytes of the text and reads more behind the rest of it.
    ///
    /// # Errors
    ///
    /// Whatever the operating system says of the file.
    pub fn advance(&mut self, used: usize) -> std::io::Result<()> {
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        bytes.drain(..used);
        bytes.append(&mut self.rest);
        let waiting = bytes.len();
        bytes.resize(waiting + BLOCK_BYTES, 0);
        let read = self.file.read(&mut bytes[waiting..])?;
        bytes.truncate(waiting + read);
        self.at_end = read == 0;
        self.text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => self.up_to_fault(error),
        };
        Ok(())
    }

    /// The text before the first byte that is no UTF-8, or not yet; the bytes from there on are kept apart.
    fn up_to_fault(&mut self, error: std::string::FromUtf8Error) -> String {
        let fault = error.utf8_error();
        self.broken = self.at_end || fault.error_len().is_some();
        let mut bytes = error.into_bytes();
        self.rest = bytes.split_off(fault.valid_up_to());
        String::from_utf8(bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{Seek as _, SeekFrom, Write as _};

    use super::*;

    fn file(bytes: &[u8]) -> TextFile {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        TextFile::new(file)
    }

    #[test]
    fn characters_across_blocks_are_read_whole() {
        // Three bytes each, so that blocks end within characters.
        let expected = "€".repeat(BLOCK_BYTES);
        let mut file = file(expected.as_bytes());
        let mut found = String::new();
        while !file.is_last() {
            found.push_str(file.text());
            file.advance(file.text().len()).unwrap();
            assert!(!file.is_broken());
        }
        found.push_str(file.text());
        assert!(found == expected);
    }

    #[test]
    fn what_is_not_used_stays_in_front() {
        let mut file = file(b"one two");
        file.advance(0).unwrap();
        file.advance(4).unwrap();
        assert_eq!(file.text(), "two");
        assert!(file.is_last());
    }

    #[test]
    fn text_before_a_fault_is_given_and_the_fault_is_told() {
        for (bytes, text) in [(&b"good\xe6bad"[..], "good"), (b"cut off \xe2\x82", "cut off "), (b"\xff", "")]
        {
            let mut file = file(bytes);
            while !file.is_broken() {
                assert!(!file.is_last());
                file.advance(0).unwrap();
            }
            assert_eq!(file.text(), text);
            assert!(!file.is_last());
        }
    }
}
