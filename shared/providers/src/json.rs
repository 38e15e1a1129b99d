//! JSON as an API sends it, read in place and once: the fields that are wanted, everything else passed over.
//!
//! Texts without escapes are slices of the answer, so that a page of rows is read without allocating per row, and in
//! well under the time that a general parser needs. All of an answer is checked to be JSON, what is passed over too,
//! with one exception: what is passed over may hold the same key twice, and text escapes that nobody decodes.
//! Nesting is counted, never recursed into.

use std::borrow::Cow;

use wide::u8x16;

use crate::ReadError;

/// The deepest nesting in a value that is passed over.
const DEPTH_MAX: u32 = 120;

/// Where and why a text is not the JSON that is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad {
    /// The byte, counted from 0.
    pub at: usize,
    /// The field that is concerned; may be empty.
    pub field: &'static str,
    /// What is wrong.
    pub what: &'static str,
}

impl From<Bad> for ReadError {
    fn from(bad: Bad) -> ReadError {
        let blank = if bad.field.is_empty() { "" } else { " " };
        ReadError::new(format!("byte {}", bad.at), format!("{}{blank}{}", bad.field, bad.what))
    }
}

/// Which of an object's fields were seen: each may come once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen(u32);

impl Seen {
    /// Whether a field was there.
    pub fn has(self, bit: u32) -> bool {
        self.0 & (1 << bit) != 0
    }
}

/// A reader at some place of a JSON text.
///
/// Objects are read by [`Json::object`] and then [`Json::key`] until it gives `None`, each key followed by reading
/// its value; arrays by [`Json::array`] and [`Json::item`].
#[derive(Debug)]
pub struct Json<'a> {
    text: &'a str,
    at: usize,
    /// An object or array was just opened.
    opened: bool,
}

impl<'a> Json<'a> {
    /// A reader at the beginning of a text.
    ///
    /// # Errors
    ///
    /// If the bytes are not UTF-8.
    pub fn new(body: &'a [u8]) -> Result<Json<'a>, Bad> {
        let bad =
            |error: std::str::Utf8Error| Bad { at: error.valid_up_to(), field: "", what: "is not UTF-8" };
        Ok(Json { text: std::str::from_utf8(body).map_err(bad)?, at: 0, opened: false })
    }

    /// A reader of a part of an answer that was read before.
    pub fn part(text: &'a str) -> Json<'a> {
        Json { text, at: 0, opened: false }
    }

    /// An error at this place.
    #[cold]
    pub fn bad(&self, field: &'static str, what: &'static str) -> Bad {
        let what = if self.at >= self.text.len() { "the answer is cut off" } else { what };
        Bad { at: self.at.min(self.text.len()), field, what }
    }

    /// Notes that a field is here.
    ///
    /// # Errors
    ///
    /// If it was here before: which of the two counts is nobody's guess.
    #[inline]
    pub fn once(&self, seen: &mut Seen, bit: u32, field: &'static str) -> Result<(), Bad> {
        if seen.has(bit) {
            return Err(Bad { at: self.at, field, what: "stands twice" });
        }
        seen.0 |= 1 << bit;
        Ok(())
    }

    /// The next byte that is no blank; 0 at the end.
    #[inline]
    pub fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        match bytes.get(self.at) {
            Some(&byte) if byte > b' ' => return byte,
            // A value stands one space behind its key.
            Some(b' ') => {
                if let Some(&byte) = bytes.get(self.at + 1)
                    && byte > b' '
                {
                    self.at += 1;
                    return byte;
                }
            }
            _ => {}
        }
        self.after_blanks()
    }

    /// As [`Json::peek`], where blanks are: answers are indented, so sixteen bytes are looked at together.
    fn after_blanks(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(&byte) => return byte,
                None => return 0,
            }
            while let Some(chunk) = bytes.get(self.at..).and_then(<[u8]>::first_chunk::<16>) {
                let other = !u8x16::new(*chunk).simd_eq(u8x16::splat(b' ')).to_bitmask() & 0xffff;
                if other != 0 {
                    self.at += other.trailing_zeros() as usize;
                    break;
                }
                self.at += 16;
            }
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Bad> {
        if self.peek() != byte {
            return Err(self.bad("", what));
        }
        self.at += 1;
        Ok(())
    }

    /// Opens an object.
    ///
    /// # Errors
    ///
    /// If none is here.
    #[inline]
    pub fn object(&mut self) -> Result<(), Bad> {
        self.expect(b'{', "an object is expected")?;
        self.opened = true;
        Ok(())
    }

    /// Opens an array.
    ///
    /// # Errors
    ///
    /// If none is here.
    #[inline]
    pub fn array(&mut self) -> Result<(), Bad> {
        self.expect(b'[', "a list is expected")?;
        self.opened = true;
        Ok(())
    }

    /// Whether there is one more item in the array at hand; closes it if not.
    ///
    /// # Errors
    ///
    /// If it is not well formed.
    #[inline]
    pub fn item(&mut self) -> Result<bool, Bad> {
        let first = std::mem::take(&mut self.opened);
        match self.peek() {
            b']' => {
                self.at += 1;
                Ok(false)
            }
            _ if first => Ok(true),
            b',' => {
                self.at += 1;
                if self.peek() == b']' { Err(self.bad("", "a list ends with a comma")) } else { Ok(true) }
            }
            _ => Err(self.bad("", "a comma is missing")),
        }
    }

    /// The next key of the object at hand; closes it if there is none. A key with escapes comes as it is written,
    /// and so is none of the names that are looked for.
    ///
    /// # Errors
    ///
    /// If it is not well formed, or hides a plain name behind escapes.
    #[inline]
    pub fn key(&mut self) -> Result<Option<&'a str>, Bad> {
        let Some(start) = self.next_key()? else { return Ok(None) };
        let escaped = self.pass_text()?;
        let key = &self.text[start..self.at - 1];
        if escaped {
            self.refuse_hidden(start)?;
        }
        self.expect(b':', "a colon is missing")?;
        Ok(Some(key))
    }

    /// The next key of an object whose keys are anybody's, such as metadata.
    ///
    /// # Errors
    ///
    /// If it is not well formed.
    pub fn any_key(&mut self) -> Result<Option<Cow<'a, str>>, Bad> {
        let Some(start) = self.next_key()? else { return Ok(None) };
        let key = if self.pass_text()? {
            self.decoded(start)?
        } else {
            Cow::Borrowed(&self.text[start..self.at - 1])
        };
        self.expect(b':', "a colon is missing")?;
        Ok(Some(key))
    }

    /// Goes to where the next key's text begins.
    #[inline]
    fn next_key(&mut self) -> Result<Option<usize>, Bad> {
        let first = std::mem::take(&mut self.opened);
        let byte = self.peek();
        if byte == b'}' {
            self.at += 1;
            return Ok(None);
        }
        if !first {
            self.expect(b',', "a comma is missing")?;
        }
        self.expect(b'"', "a key is expected")?;
        Ok(Some(self.at))
    }

    #[cold]
    fn refuse_hidden(&self, start: usize) -> Result<(), Bad> {
        let key = self.decoded(start)?;
        if key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(Bad { at: start, field: "", what: "a key hides its name behind escapes" });
        }
        Ok(())
    }

    /// A word: a text without escapes, as ids and names of types are.
    ///
    /// # Errors
    ///
    /// If none is here.
    #[inline]
    pub fn word(&mut self) -> Result<&'a str, Bad> {
        self.expect(b'"', "a text is expected")?;
        let start = self.at;
        if self.pass_text()? {
            return Err(Bad { at: start, field: "", what: "has escapes where a plain word is expected" });
        }
        Ok(&self.text[start..self.at - 1])
    }

    /// A word; empty for null.
    ///
    /// # Errors
    ///
    /// If neither is here.
    #[inline]
    pub fn word_or_null(&mut self) -> Result<&'a str, Bad> {
        if self.null()? { Ok("") } else { self.word() }
    }

    /// A text.
    ///
    /// # Errors
    ///
    /// If none is here: a number is no text.
    #[inline]
    pub fn text(&mut self) -> Result<Cow<'a, str>, Bad> {
        self.expect(b'"', "a text is expected")?;
        let start = self.at;
        if self.pass_text()? {
            self.decoded(start)
        } else {
            Ok(Cow::Borrowed(&self.text[start..self.at - 1]))
        }
    }

    #[cold]
    fn decoded(&self, start: usize) -> Result<Cow<'a, str>, Bad> {
        serde_json::from_str(&self.text[start - 1..self.at]).map(Cow::Owned).map_err(|_| Bad {
            at: start,
            field: "",
            what: "the text has an escape that JSON does not know",
        })
    }

    /// A text; empty for null.
    ///
    /// # Errors
    ///
    /// If neither is here.
    #[inline]
    pub fn text_or_null(&mut self) -> Result<Cow<'a, str>, Bad> {
        if self.null()? { Ok(Cow::Borrowed("")) } else { self.text() }
    }

    /// Goes beyond the closing quote of a text that was opened, sixteen bytes at a time. Whether it has escapes.
    #[inline]
    fn pass_text(&mut self) -> Result<bool, Bad> {
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        let mut at = self.at;
        loop {
            if let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<16>) {
                let chunk = u8x16::new(*chunk);
                // One bit per quote, backslash or control character, the lowest for the first byte.
                let found = (chunk.simd_eq(u8x16::splat(b'"'))
                    | chunk.simd_eq(u8x16::splat(b'\\'))
                    | chunk.simd_eq(chunk.min(u8x16::splat(0x1f))))
                .to_bitmask();
                if found == 0 {
                    at += 16;
                    continue;
                }
                at += found.trailing_zeros() as usize;
            }
            match bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(0..b' ') => {
                    self.at = at;
                    return Err(self.bad("", "a text holds a control character"));
                }
                Some(_) => at += 1,
                None => {
                    self.at = at;
                    return Err(self.bad("", ""));
                }
            }
        }
    }

    /// A whole number.
    ///
    /// # Errors
    ///
    /// If none is here: a fraction, an exponent or a text is no whole number, and one of more than 18 digits is beyond
    /// any real one.
    #[inline]
    pub fn integer(&mut self, field: &'static str) -> Result<i64, Bad> {
        let negative = self.peek() == b'-';
        let bytes = self.text.as_bytes();
        let start = self.at + usize::from(negative);
        let mut at = start;
        let mut number: i64 = 0;
        while let Some(&byte) = bytes.get(at)
            && byte.is_ascii_digit()
        {
            // Wraps only where the length is refused below.
            number = number.wrapping_mul(10).wrapping_add(i64::from(byte - b'0'));
            at += 1;
        }
        let digits = at - start;
        if digits == 0
            || (digits > 1 && bytes[start] == b'0')
            || matches!(bytes.get(at), Some(b'.' | b'e' | b'E'))
        {
            return Err(self.bad(field, "is not a whole number"));
        }
        if digits > 18 {
            return Err(self.bad(field, "is beyond any real number"));
        }
        self.at = at;
        Ok(if negative { -number } else { number })
    }

    /// True or false.
    ///
    /// # Errors
    ///
    /// If neither is here.
    pub fn flag(&mut self, field: &'static str) -> Result<bool, Bad> {
        match self.peek() {
            b't' => self.literal("true").map(|()| true),
            b'f' => self.literal("false").map(|()| false),
            _ => Err(self.bad(field, "is neither true nor false")),
        }
    }

    /// Whether null is here; it is passed if so.
    ///
    /// # Errors
    ///
    /// If something is here that only begins like null.
    #[inline]
    pub fn null(&mut self) -> Result<bool, Bad> {
        if self.peek() == b'n' { self.literal("null").map(|()| true) } else { Ok(false) }
    }

    fn literal(&mut self, literal: &str) -> Result<(), Bad> {
        if !self.text.as_bytes()[self.at..].starts_with(literal.as_bytes()) {
            return Err(self.bad("", "is not JSON"));
        }
        self.at += literal.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), Bad> {
        let bytes = self.text.as_bytes();
        let digits = |from: usize| {
            bytes[from.min(bytes.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count()
        };
        let mut at = self.at + usize::from(bytes.get(self.at) == Some(&b'-'));
        let whole = digits(at);
        let leading_zero = whole > 1 && bytes[at] == b'0';
        let mut good = whole > 0 && !leading_zero;
        at += whole;
        if bytes.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            good &= fraction > 0;
            at += 1 + fraction;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at);
            good &= exponent > 0;
            at += exponent;
        }
        if !good {
            return Err(self.bad("", "is not JSON"));
        }
        self.at = at;
        Ok(())
    }

    /// Passes over a value that is neither an object nor an array.
    #[inline]
    fn skip_plain(&mut self) -> Result<(), Bad> {
        match self.peek() {
            b'"' => {
                self.at += 1;
                self.pass_text().map(|_| ())
            }
            b'n' => self.literal("null"),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(self.bad("", "is not JSON")),
        }
    }

    /// Passes over a value, whatever it is.
    ///
    /// # Errors
    ///
    /// If it is no JSON, or nested too deeply.
    #[inline]
    pub fn skip(&mut self) -> Result<(), Bad> {
        if matches!(self.peek(), b'{' | b'[') { self.skip_nested() } else { self.skip_plain() }
    }

    /// Passes over a value and returns its text.
    ///
    /// # Errors
    ///
    /// As [`Json::skip`].
    pub fn raw(&mut self) -> Result<&'a str, Bad> {
        let start = self.place();
        self.skip()?;
        Ok(self.since(start))
    }

    /// Where the next value begins.
    pub fn place(&mut self) -> usize {
        self.peek();
        self.at
    }

    /// The text from a [`Json::place`] up to here.
    pub fn since(&self, place: usize) -> &'a str {
        &self.text[place..self.at]
    }

    fn skip_nested(&mut self) -> Result<(), Bad> {
        // One bit for each open bracket, the innermost lowest: 1 for an object.
        let mut open: u128 = 0;
        let mut depth = 0;
        loop {
            let byte = self.peek();
            if byte == b'{' || byte == b'[' {
                if depth == DEPTH_MAX {
                    return Err(self.bad("", "is nested too deeply"));
                }
                depth += 1;
                open = open << 1 | u128::from(byte == b'{');
                self.at += 1;
                let next = self.peek();
                if byte == b'{' && next != b'}' {
                    self.skip_key()?;
                    continue;
                }
                if byte == b'[' && next != b']' {
                    continue;
                }
            } else {
                self.skip_plain()?;
            }
            // After a value, or before the closing bracket of an empty one.
            loop {
                let is_object = open & 1 == 1;
                match self.peek() {
                    b'}' if is_object => {}
                    b']' if !is_object => {}
                    b',' => {
                        self.at += 1;
                        if is_object {
                            self.skip_key()?;
                        }
                        break;
                    }
                    _ => return Err(self.bad("", "is not JSON")),
                }
                self.at += 1;
                open >>= 1;
                depth -= 1;
                if depth == 0 {
                    self.opened = false;
                    return Ok(());
                }
            }
        }
    }

    #[inline]
    fn skip_key(&mut self) -> Result<(), Bad> {
        self.expect(b'"', "a key is expected")?;
        self.pass_text()?;
        self.expect(b':', "a colon is missing")
    }

    /// Nothing but blanks may follow.
    ///
    /// # Errors
    ///
    /// If something does.
    pub fn end(mut self) -> Result<(), Bad> {
        if self.peek() == 0 && self.at >= self.text.len() {
            return Ok(());
        }
        Err(self.bad("", "something follows the answer"))
    }
}

/// Appends a text as JSON.
pub fn push_text(out: &mut Vec<u8>, text: &str) {
    let plain = text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
    if plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing a text to memory cannot fail.
        out.extend_from_slice(&serde_json::to_vec(text).unwrap_or_default());
    }
}

/// Appends a text that a [`Json::word`] gave, and so has nothing to escape.
#[inline]
pub fn push_word(out: &mut Vec<u8>, word: &str) {
    out.push(b'"');
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

/// Appends a whole number.
pub fn push_integer(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b"0123456789"[usize::try_from(rest % 10).unwrap_or_default()];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn skips(text: &str) -> Result<(), Bad> {
        let mut json = Json::new(text.as_bytes())?;
        json.skip()?;
        json.end()
    }

    #[test]
    fn what_is_passed_over_is_json_as_a_general_parser_sees_it() {
        let good = [
            "{}",
            "[]",
            " [ ] ",
            "[[],{}]",
            "null",
            "-0",
            "0.5",
            "1e400",
            "-12.5E-3",
            r#"{"a":[1,2,{"b":null}],"c":"x\"y\\"}"#,
            "{\n        \"long enough to be more than eight\": \"blåbær, also long \u{1f600}\"\n}",
            r#"["\u00e5\ud83d\ude00"]"#,
            "[true,false,null]",
        ];
        let broken = [
            "",
            " ",
            "{",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "[1 2]",
            "]",
            "}",
            "[}",
            "{]",
            "nul",
            "nulll",
            "tru",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "NaN",
            "Infinity",
            "\"",
            "\"\\",
            "\"a\nb\"",
            "\"12345678\u{1}\"",
            "{\"a\":1}{",
            "[1]]",
            "{\"a\":1 \"b\":2}",
            "<html>",
            "'a'",
            "[,1]",
        ];
        for text in good {
            assert_eq!(skips(text), Ok(()), "{text}");
            serde_json::from_str::<serde_json::Value>(text).unwrap();
        }
        for text in broken {
            assert!(skips(text).is_err(), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_looked_at_sixteen_bytes_together_is_found_at_every_place() {
        for before in 0..40 {
            for after in [0, 1, 15, 16, 17, 33] {
                for special in
                    ["\\\"", "\\\\", "\\n", "\u{1}", "\u{1f}", "\n", " ", "å", "\u{7f}", "\u{80}", "€"]
                {
                    let text = format!("\"{}{special}{}\"", "x".repeat(before), "y".repeat(after));
                    let general = serde_json::from_str::<String>(&text).ok();
                    assert_eq!(skips(&text).is_ok(), general.is_some(), "{text}");
                    assert_eq!(Json::part(&text).text().ok().as_deref(), general.as_deref(), "{text}");
                }
                for blank in [" ", "\n", "\t", "\r\n", "\u{b}", "\u{a0}"] {
                    let blanks = format!("{}{blank}{}", " ".repeat(before), " ".repeat(after));
                    let text = format!("[{blanks}1{blanks},{blanks}{{{blanks}\"a\"{blanks}:{blanks}2}}]");
                    let general = serde_json::from_str::<serde_json::Value>(&text).is_ok();
                    assert_eq!(skips(&text).is_ok(), general, "{text}");
                }
            }
        }
    }

    #[test]
    fn cut_anywhere_it_is_refused() {
        let whole = r#"{"a":[1,2.5,{"b":null,"ø":"x\"y"}],"c":[true,false],"d":"12345678901234567890"}"#;
        assert_eq!(skips(whole), Ok(()));
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            let bad = skips(&whole[..end]).unwrap_err();
            assert!(bad.at <= end, "{end}: {bad:?}");
        }
    }

    #[test]
    fn fault_072_deep_nesting_and_long_lists_neither_overflow_nor_stall() {
        for open in ["[", "{\"a\":", "[{\"a\":"] {
            let deep = open.repeat(100_000);
            assert_eq!(skips(&deep).unwrap_err().what, "is nested too deeply");
        }
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(skips(&nested(120)), Ok(()));
        assert!(skips(&nested(121)).is_err());
        assert_eq!(skips(&format!("[{}0]", "0,".repeat(1_000_000))), Ok(()));
    }

    #[test]
    fn numbers_are_whole_and_within_reason() {
        let integer = |text: &str| Json::part(text).integer("amount").map_err(|bad| bad.what);
        assert_eq!(integer(" -12345,"), Ok(-12345));
        assert_eq!(integer("0"), Ok(0));
        assert_eq!(integer("-0"), Ok(0));
        assert_eq!(integer("999999999999999999"), Ok(999_999_999_999_999_999));
        for text in ["1.0", "1e3", "1E400", "01", "-", "\"1\"", "x", "NaN", "null", "{}"] {
            assert_eq!(integer(text), Err("is not a whole number"), "{text}");
        }
        assert_eq!(integer("9223372036854775808"), Err("is beyond any real number"));
        assert_eq!(integer(""), Err("the answer is cut off"));
    }

    #[test]
    fn texts_are_decoded_and_written_as_they_were() {
        for text in
            ["", "plain", "a \"quote\" and \\ and \n", "blåbær €", "\u{1f600}", "12345678\\", "\u{7f}"]
        {
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(Json::part(&json).text().unwrap(), text);
            let mut out = Vec::new();
            push_text(&mut out, text);
            assert_eq!(out, json.as_bytes());
        }
        assert_eq!(Json::part(r#""\u00e5\ud83d\ude00""#).text().unwrap(), "å😀");
        for bad in [r#""\x""#, r#""\ud83d""#, r#""\u12""#] {
            assert!(Json::part(bad).text().is_err(), "{bad}");
        }
        for number in [0, 7, -7, 100, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            push_integer(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }
}
