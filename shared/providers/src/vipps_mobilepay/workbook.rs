//! A workbook (XLSX) from outside: a bounded ZIP archive, and the rows of its sheets as texts.
//!
//! Numbers are kept digit by digit as the file writes them; nothing is read as a float.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom, Take};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::safe_xml::{Token, XmlReader};
use super::settle::short;
use crate::ReadError;

/// How many entries the archive may have; the report has ten.
const ENTRIES_MAX: u64 = 200;
/// How much all entries may inflate to.
const INFLATED_MAX: u64 = 256 << 20;
/// How much more an entry may be than its compressed form.
const RATIO_MAX: u64 = 200;
/// How much the texts shared by the sheets may inflate to.
const STRINGS_MAX: u64 = 64 << 20;
/// How much the list of sheets and the list of relations may inflate to.
const LIST_MAX: u64 = 1 << 20;
/// How many cells a row may have.
const CELLS_MAX: usize = 1000;
/// How many sheets a workbook may have.
const SHEETS_MAX: usize = 20;

/// The relations between sheets and entries, and the sheets' names, in the entries of these names.
const WORKBOOK: &str = "xl/workbook.xml";
const RELATIONS: &str = "xl/_rels/workbook.xml.rels";
const STRINGS: &str = "xl/sharedStrings.xml";

/// An opened workbook.
pub struct Workbook {
    archive: ZipArchive<File>,
    strings: Strings,
    sheets: Vec<(String, String)>,
}

/// One cell with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The column, counted from 0.
    pub column: usize,
    /// The value as text.
    pub text: String,
    /// The value is stored as a number.
    pub number: bool,
}

impl Workbook {
    /// Opens a workbook.
    ///
    /// # Errors
    ///
    /// A file that is no workbook, or an archive with too many, too large, encrypted or doubly named
    /// entries, or names that lead out of it.
    pub fn open(mut file: File) -> Result<Workbook, ReadError> {
        check_directory(&mut file)?;
        let mut archive =
            ZipArchive::new(file).map_err(|error| refused(&format!("cannot be opened: {error}")))?;
        check_entries(&mut archive)?;
        let targets = relations(&mut archive)?;
        let sheets = sheets(&mut archive, &targets)?;
        let strings = strings(&mut archive)?;
        Ok(Workbook { archive, strings, sheets })
    }

    /// The names of the sheets, in their order.
    pub fn names(&self) -> Vec<String> {
        self.sheets.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The rows of one sheet.
    ///
    /// # Errors
    ///
    /// A sheet that the archive does not hold.
    pub fn sheet(&mut self, index: usize) -> Result<Sheet<'_>, ReadError> {
        let Some((name, path)) = self.sheets.get(index) else {
            return Err(refused("a sheet is missing"));
        };
        let xml = entry(&mut self.archive, path, INFLATED_MAX)?;
        Ok(Sheet { name: name.clone(), xml, strings: &self.strings, row: 0, cells: Vec::new() })
    }
}

/// Texts that cells refer to by number, in one buffer.
#[derive(Default)]
struct Strings {
    text: String,
    ends: Vec<u32>,
}

impl Strings {
    fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start as usize..end as usize)
    }
}

type Entry<'a> = XmlReader<Take<ZipFile<'a, File>>>;

/// The rows of a sheet, one at a time.
pub struct Sheet<'a> {
    name: String,
    xml: Entry<'a>,
    strings: &'a Strings,
    row: u64,
    cells: Vec<Cell>,
}

impl Sheet<'_> {
    /// Reads the next row that has cells with values, and gives its number; `None` at the end.
    ///
    /// # Errors
    ///
    /// XML that cannot be read, a cell with a formula or an unknown text.
    pub fn next_row(&mut self) -> Result<Option<(u64, &[Cell])>, ReadError> {
        let mut open = OpenCell::default();
        let mut ignored = 0u32;
        loop {
            let token = self.xml.next().map_err(|error| error_in(&self.name, self.row, &error.what))?;
            let failed = |what: &str| error_in(&self.name, self.row, what);
            match (token, self.xml.name()) {
                (Token::End, _) => return Ok(None),
                // Phonetic readings stand beside a text and are no part of it.
                (Token::Open, "rPh") => ignored += 1,
                (Token::Close, "rPh") => ignored -= 1,
                _ if ignored > 0 => {}
                (Token::Open, "row") => {
                    self.cells.clear();
                    let told = self.xml.attribute("r").and_then(|number| number.parse().ok());
                    self.row = told.unwrap_or(self.row + 1);
                }
                (Token::Open, "c") => {
                    let next = self.cells.last().map_or(0, |cell| cell.column + 1).max(open.next);
                    let column = match self.xml.attribute("r") {
                        Some(place) => column_of(place).ok_or_else(|| failed("a cell has no place"))?,
                        None => next,
                    };
                    let kind = self.xml.attribute("t").unwrap_or("n").to_owned();
                    open = OpenCell { column, kind, text: None, next: column + 1 };
                }
                (Token::Close, "f") => {
                    return Err(failed(
                        "a cell holds a formula; \
                    the workbook was changed by a spreadsheet program, download it again",
                    ));
                }
                (Token::Close, "v") => open.text = Some(self.xml.text().to_owned()),
                (Token::Close, "t") => open.text.get_or_insert_default().push_str(self.xml.text()),
                (Token::Close, "c") => {
                    let Some(text) = open.text.take() else {
                        continue;
                    };
                    let text = match open.kind.as_str() {
                        "s" => {
                            let shared = text.parse().ok().and_then(|index| self.strings.get(index));
                            shared
                                .ok_or_else(|| failed("a cell refers to a text that is not there"))?
                                .to_owned()
                        }
                        "e" => {
                            return Err(failed("a cell holds an error value; download the report again"));
                        }
                        _ => text,
                    };
                    if self.cells.len() >= CELLS_MAX {
                        return Err(failed("the row has more than 1000 cells; this is no settlement report"));
                    }
                    if !text.trim().is_empty() {
                        self.cells.push(Cell { column: open.column, text, number: open.kind == "n" });
                    }
                }
                (Token::Close, "row") if !self.cells.is_empty() => {
                    return Ok(Some((self.row, &self.cells)));
                }
                _ => {}
            }
        }
    }
}

#[derive(Default)]
struct OpenCell {
    column: usize,
    kind: String,
    text: Option<String>,
    next: usize,
}

/// `G9` is column 6.
fn column_of(place: &str) -> Option<usize> {
    let letters: Vec<usize> = place
        .bytes()
        .take_while(u8::is_ascii_uppercase)
        .map(|letter| usize::from(letter - b'A') + 1)
        .collect();
    if letters.is_empty() || letters.len() > 3 {
        return None;
    }
    Some(letters.iter().fold(0, |sum, letter| sum * 26 + letter) - 1)
}

/// An error at a row of a sheet.
pub fn error_in(sheet: &str, row: u64, what: &str) -> ReadError {
    ReadError::new(format!("sheet {}, row {row}", short(sheet)), what)
}

fn refused(what: &str) -> ReadError {
    ReadError::new("file", format!("the workbook {what}; download the report again"))
}

/// What locates the directory of an archive with very many entries, before the archive's last record.
const LOCATOR: usize = 20;
/// Where the archive's last record stands: 22 bytes and a comment of up to 64 KB.
const TAIL: usize = LOCATOR + 22 + 64 * 1024;

/// Looks at the archive's own count before its directory is read into memory.
fn check_directory(file: &mut File) -> Result<(), ReadError> {
    let failed = |error: std::io::Error| ReadError::new("file", format!("cannot be read: {error}"));
    let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
    let tail_length = length.min(TAIL as u64);
    file.seek(SeekFrom::Start(length - tail_length)).map_err(failed)?;
    let mut tail = Vec::new();
    file.by_ref().take(tail_length).read_to_end(&mut tail).map_err(failed)?;
    let mut found = false;
    for (start, end) in tail.windows(12).enumerate() {
        if !end.starts_with(b"PK\x05\x06") {
            continue;
        }
        found = true;
        let locator = start.checked_sub(LOCATOR).map(|at| &tail[at..start]);
        let large = locator.is_some_and(|locator| locator.starts_with(b"PK\x06\x07"));
        if large || u64::from(u16::from_le_bytes([end[10], end[11]])) > ENTRIES_MAX {
            return Err(refused(&format!("has more than {ENTRIES_MAX} entries")));
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    if found { Ok(()) } else { Err(refused("is cut off or no ZIP archive")) }
}

fn check_entries(archive: &mut ZipArchive<File>) -> Result<(), ReadError> {
    if archive.len() as u64 > ENTRIES_MAX {
        return Err(refused(&format!("has more than {ENTRIES_MAX} entries")));
    }
    if archive.has_duplicate_names() {
        return Err(refused("has two entries of one name"));
    }
    let mut inflated = 0u64;
    for index in 0..archive.len() {
        let entry =
            archive.by_index_raw(index).map_err(|error| refused(&format!("cannot be read: {error}")))?;
        let name = entry.name().map_err(|_| refused("has an entry without a readable name"))?;
        let shown = short(&name).escape_default().to_string();
        let outside = name.starts_with('/')
            || name.contains(['\\', ':', '\0'])
            || name.split('/').any(|part| part == "..");
        if outside || entry.enclosed_name().is_none() || entry.is_symlink() {
            return Err(refused(&format!("has an entry whose name leads out of it, {shown}")));
        }
        if entry.encrypted() {
            return Err(refused(&format!("is encrypted ({shown})")));
        }
        if entry.size() / RATIO_MAX > entry.compressed_size() {
            return Err(refused(&format!("has an entry that inflates more than {RATIO_MAX} times, {shown}")));
        }
        inflated = inflated.saturating_add(entry.size());
    }
    if inflated > INFLATED_MAX {
        return Err(refused("inflates to more than 256 MB; export a shorter period"));
    }
    Ok(())
}

/// Reads one entry, never more than it says it holds.
fn entry<'a>(archive: &'a mut ZipArchive<File>, name: &str, limit: u64) -> Result<Entry<'a>, ReadError> {
    let file =
        archive.by_name(name).map_err(|_| refused(&format!("has no readable entry {}", short(name))))?;
    if file.size() > limit {
        return Err(refused(&format!("has too large an entry {}", short(name))));
    }
    let size = file.size();
    Ok(XmlReader::new(file.take(size)).with_attributes())
}

fn relations(archive: &mut ZipArchive<File>) -> Result<Vec<(String, String)>, ReadError> {
    let mut xml = entry(archive, RELATIONS, LIST_MAX)?;
    let mut targets = Vec::new();
    loop {
        match xml.next()? {
            Token::Open if xml.name() == "Relationship" => {
                if let (Some(id), Some(target)) = (xml.attribute("Id"), xml.attribute("Target")) {
                    let path = target.strip_prefix('/').map_or_else(|| format!("xl/{target}"), str::to_owned);
                    targets.push((id.to_owned(), path));
                }
            }
            Token::End => return Ok(targets),
            _ => {}
        }
    }
}

fn sheets(
    archive: &mut ZipArchive<File>,
    targets: &[(String, String)],
) -> Result<Vec<(String, String)>, ReadError> {
    let mut xml = entry(archive, WORKBOOK, LIST_MAX)?;
    let mut sheets = Vec::new();
    loop {
        match xml.next()? {
            Token::Open if xml.name() == "sheet" => {
                let id = xml.attribute("id").unwrap_or_default();
                let path = targets.iter().find(|(known, _)| known == id).map(|(_, path)| path.clone());
                let path = path.ok_or_else(|| refused("names a sheet that it does not hold"))?;
                sheets.push((xml.attribute("name").unwrap_or_default().to_owned(), path));
                if sheets.len() > SHEETS_MAX {
                    return Err(refused("has more than 20 sheets"));
                }
            }
            Token::End => return Ok(sheets),
            _ => {}
        }
    }
}

fn strings(archive: &mut ZipArchive<File>) -> Result<Strings, ReadError> {
    let mut strings = Strings::default();
    if archive.index_for_name(STRINGS).is_none() {
        return Ok(strings);
    }
    let mut xml = entry(archive, STRINGS, STRINGS_MAX)?;
    let mut ignored = 0u32;
    loop {
        match (xml.next()?, xml.name()) {
            (Token::End, _) => return Ok(strings),
            (Token::Open, "rPh") => ignored += 1,
            (Token::Close, "rPh") => ignored -= 1,
            (Token::Close, "t") if ignored == 0 => strings.text.push_str(xml.text()),
            (Token::Close, "si") => {
                let end = u32::try_from(strings.text.len());
                strings.ends.push(end.map_err(|_| refused("has too many texts"))?);
            }
            _ => {}
        }
    }
}
