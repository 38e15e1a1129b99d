//! XML from outside, element by element: no document types, no entities, bounded depth and text, UTF-8 only.

use std::io::{self, BufRead, BufReader, Read};

use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};

use crate::ReadError;

/// How deep elements may stand; the reports need seven.
const DEPTH_MAX: usize = 32;
/// How long one tag, comment or text may be, in bytes.
const TEXT_MAX: usize = 64 * 1024;

/// What the reader has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// An element begins.
    Open,
    /// An element ends; [`XmlReader::text`] is what stood in it, if it holds no elements.
    Close,
    /// The one root element has ended and so has the file.
    End,
}

/// Reads XML in constant memory.
pub struct XmlReader<R: Read> {
    reader: NsReader<Capped<BufReader<R>>>,
    buffer: Vec<u8>,
    name: String,
    namespace: String,
    text: String,
    attributes: Vec<(String, String)>,
    with_attributes: bool,
    depth: usize,
    rooted: bool,
    closed: bool,
}

impl<R: Read> XmlReader<R> {
    /// A reader at the beginning of a document.
    pub fn new(input: R) -> XmlReader<R> {
        let capped = Capped { inner: BufReader::with_capacity(TEXT_MAX, input), left: TEXT_MAX, line: 1 };
        let mut reader = NsReader::from_reader(capped);
        reader.config_mut().expand_empty_elements = true;
        XmlReader {
            reader,
            buffer: Vec::new(),
            name: String::new(),
            namespace: String::new(),
            text: String::new(),
            attributes: Vec::new(),
            with_attributes: false,
            depth: 0,
            rooted: false,
            closed: false,
        }
    }

    /// Also reads attributes, which [`XmlReader::attribute`] gives.
    pub fn with_attributes(mut self) -> XmlReader<R> {
        self.with_attributes = true;
        self
    }

    /// The local name of the element that begins or ends.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace of the element that begins or ends; empty for none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The text of the element that ends.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// An attribute of the element that begins, by its local name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Where the reader stands.
    pub fn at(&self) -> String {
        format!("line {}", self.reader.get_ref().line)
    }

    /// Goes on to the next beginning or end of an element.
    ///
    /// # Errors
    ///
    /// XML that is not well-formed or ends early, a document type, an entity of its own, an encoding
    /// other than UTF-8, elements deeper or texts longer than the limits.
    pub fn next(&mut self) -> Result<Token, ReadError> {
        if std::mem::take(&mut self.closed) {
            self.text.clear();
        }
        loop {
            self.buffer.clear();
            self.reader.get_mut().left = TEXT_MAX;
            let line = self.reader.get_ref().line;
            let failed = |what: &str| ReadError::new(format!("line {line}"), what);
            let (namespace, event) =
                self.reader.read_resolved_event_into(&mut self.buffer).map_err(|error| match error {
                    quick_xml::Error::Io(error) => failed(&error.to_string()),
                    error => failed(&format!("not well-formed XML: {error}; download the report again")),
                })?;
            match event {
                Event::Start(start) => {
                    self.depth += 1;
                    if self.depth > DEPTH_MAX {
                        return Err(failed(
                            "elements stand deeper than 32 in each other; this is no settlement report",
                        ));
                    }
                    if self.depth == 1 && std::mem::replace(&mut self.rooted, true) {
                        return Err(failed(
                            "a second root element begins; drop each report as a file of its own",
                        ));
                    }
                    self.text.clear();
                    keep(&mut self.name, start.local_name().as_ref()).map_err(failed)?;
                    keep_namespace(&mut self.namespace, &namespace).map_err(failed)?;
                    self.attributes.clear();
                    if self.with_attributes {
                        for attribute in start.attributes() {
                            let attribute =
                                attribute.map_err(|_| failed("an attribute is not well-formed"))?;
                            let value = attribute
                                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                                .map_err(|_| failed("an attribute has an entity or is not UTF-8"))?;
                            let mut name = String::new();
                            keep(&mut name, attribute.key.local_name().as_ref()).map_err(failed)?;
                            self.attributes.push((name, value.into_owned()));
                        }
                    }
                    return Ok(Token::Open);
                }
                Event::End(end) => {
                    self.depth -= 1;
                    keep(&mut self.name, end.local_name().as_ref()).map_err(failed)?;
                    keep_namespace(&mut self.namespace, &namespace).map_err(failed)?;
                    self.closed = true;
                    return Ok(Token::Close);
                }
                Event::Text(text) => {
                    let text = text.decode().map_err(|_| failed(NOT_UTF8))?;
                    if self.depth == 0 && !text.trim().is_empty() {
                        return Err(failed(
                            "text stands outside the root element; download the report again",
                        ));
                    }
                    self.text.push_str(&text);
                }
                Event::CData(text) => self.text.push_str(&text.decode().map_err(|_| failed(NOT_UTF8))?),
                Event::GeneralRef(reference) => {
                    let character = match &*reference {
                        b"amp" => '&',
                        b"lt" => '<',
                        b"gt" => '>',
                        b"quot" => '"',
                        b"apos" => '\'',
                        _ => match reference.resolve_char_ref() {
                            Ok(Some(character)) => character,
                            _ => {
                                return Err(failed(
                                    "the file has an entity of its own, which is not expanded; \
                                 download the report again",
                                ));
                            }
                        },
                    };
                    self.text.push(character);
                }
                Event::DocType(_) => {
                    return Err(failed(
                        "the file has a document type declaration, which no report of Vipps \
                        MobilePay has; download the report again",
                    ));
                }
                Event::Decl(declaration) => {
                    if let Some(encoding) = declaration.encoding()
                        && !encoding.is_ok_and(|name| name.eq_ignore_ascii_case(b"utf-8"))
                    {
                        return Err(failed("the file is declared to be in another encoding than UTF-8"));
                    }
                }
                Event::PI(_) | Event::Comment(_) | Event::Empty(_) => {}
                Event::Eof if self.depth > 0 => {
                    return Err(failed("the file ends within an element; it is cut off, download it again"));
                }
                Event::Eof if !self.rooted => return Err(failed("the file holds no XML element")),
                Event::Eof => return Ok(Token::End),
            }
            if self.text.len() > TEXT_MAX {
                return Err(failed(TOO_LONG));
            }
        }
    }
}

const NOT_UTF8: &str = "the text is not UTF-8; download the report again";
const TOO_LONG: &str = "a tag, comment or text is longer than 64 KB; this is no settlement report";

fn keep(into: &mut String, bytes: &[u8]) -> Result<(), &'static str> {
    into.clear();
    into.push_str(std::str::from_utf8(bytes).map_err(|_| NOT_UTF8)?);
    Ok(())
}

fn keep_namespace(into: &mut String, namespace: &ResolveResult<'_>) -> Result<(), &'static str> {
    match namespace {
        ResolveResult::Bound(Namespace(bytes)) => keep(into, bytes),
        ResolveResult::Unbound => keep(into, b""),
        ResolveResult::Unknown(_) => Err("a namespace prefix is not declared; download the report again"),
    }
}

/// Counts lines, and stops a read that would gather more than the limit in memory.
struct Capped<B> {
    inner: B,
    left: usize,
    line: u64,
}

impl<B: BufRead> Read for Capped<B> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(into.len());
        into[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<B: BufRead> BufRead for Capped<B> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::other(TOO_LONG));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Ok(available) = self.inner.fill_buf() {
            let lines = available.iter().take(amount).filter(|byte| **byte == b'\n').count();
            self.line += lines as u64;
        }
        self.left = self.left.saturating_sub(amount);
        self.inner.consume(amount);
    }
}
