//! What is wrong with a file, and the notes that a reader takes on its way through.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use toml::de::{DeTable, DeValue};

/// The most problems that are listed one by one.
const PROBLEMS_MAX: usize = 200;

/// Whether a problem stops the file from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but something in it will surprise.
    Warning,
}

/// One problem of a configuration file. Displayed as `nordlys.toml:14: accounts.provider_fee: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file's name.
    pub file: String,
    /// The line, counted from 1; for a missing key that of the table that lacks it.
    pub line: usize,
    /// The dotted key, empty for the file as a whole. Rules are counted from 1: `rules[2].when.kind`.
    pub key: String,
    /// What is wrong and what to do.
    pub what: String,
    /// Whether the file can be used all the same.
    pub severity: Severity,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}

/// Problems found so far, and the line of every key of the document.
pub(super) struct Notes<'a> {
    pub(super) file: &'a str,
    /// Where each line begins, in bytes.
    starts: Vec<usize>,
    /// The line of each dotted key.
    lines: BTreeMap<String, usize>,
    problems: RefCell<Vec<Problem>>,
    /// Every dotted key that has an error at it or below it.
    blamed: RefCell<BTreeSet<String>>,
    /// Every key that the reader asked for, as `<table>.<key>`.
    #[cfg(test)]
    pub(super) asked: RefCell<BTreeSet<String>>,
    /// Those of them that the document has.
    #[cfg(test)]
    pub(super) seen: RefCell<BTreeSet<String>>,
}

impl<'a> Notes<'a> {
    pub(super) fn new(file: &'a str, text: &str, document: &DeTable<'_>) -> Notes<'a> {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect();
        let mut notes = Notes {
            file,
            starts,
            lines: BTreeMap::new(),
            problems: RefCell::default(),
            blamed: RefCell::default(),
            #[cfg(test)]
            asked: RefCell::default(),
            #[cfg(test)]
            seen: RefCell::default(),
        };
        notes.record(document, "");
        notes
    }

    /// Notes the line of every key below `path`. The parser's limit on nesting bounds the recursion.
    fn record(&mut self, table: &DeTable<'_>, path: &str) {
        for (key, value) in table {
            let path = join(path, key.get_ref());
            let line = self.line_at(key.span().start);
            self.lines.entry(path.clone()).or_insert(line);
            self.record_value(value.get_ref(), &path);
        }
    }

    fn record_value(&mut self, value: &DeValue<'_>, path: &str) {
        match value {
            DeValue::Table(table) => self.record(table, path),
            DeValue::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    let path = element(path, index);
                    let line = self.line_at(value.span().start);
                    self.lines.entry(path.clone()).or_insert(line);
                    self.record_value(value.get_ref(), &path);
                }
            }
            _ => {}
        }
    }

    /// The line of a byte, counted from 1.
    pub(super) fn line_at(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }

    /// The line of a dotted key, or of the nearest table around it that the document has.
    pub(super) fn line_of(&self, path: &str) -> usize {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return *line;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return 1,
            }
        }
    }

    /// Whether the document has the key.
    pub(super) fn has(&self, path: &str) -> bool {
        self.lines.contains_key(path)
    }

    pub(super) fn error(&self, path: &str, what: impl Into<String>) {
        self.add(self.line_of(path), path, what.into(), Severity::Error);
    }

    pub(super) fn warning(&self, path: &str, what: impl Into<String>) {
        self.add(self.line_of(path), path, what.into(), Severity::Warning);
    }

    /// An error at a line of the text rather than at a key.
    pub(super) fn error_at(&self, line: usize, what: String) {
        self.add(line, "", what, Severity::Error);
    }

    fn add(&self, line: usize, path: &str, what: String, severity: Severity) {
        if severity == Severity::Error {
            let mut blamed = self.blamed.borrow_mut();
            let ends = path.match_indices(['.', '[']).map(|(end, _)| end);
            blamed.extend(ends.chain([path.len()]).map(|end| path[..end].to_owned()));
        }
        let problem = Problem { file: self.file.to_owned(), line, key: path.to_owned(), what, severity };
        self.problems.borrow_mut().push(problem);
    }

    /// Whether an error was noted at this key or below it: its value is then a stand-in.
    pub(super) fn blamed(&self, path: &str) -> bool {
        self.blamed.borrow().contains(path)
    }

    /// Whether any error was noted.
    pub(super) fn failed(&self) -> bool {
        !self.blamed.borrow().is_empty()
    }

    /// The problems in the order of their lines, each once. Of very many the last are only counted, warnings
    /// first.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by(|a, b| (a.line, &a.key, &a.what).cmp(&(b.line, &b.key, &b.what)));
        problems.dedup();
        if problems.len() > PROBLEMS_MAX {
            problems.sort_by_key(|problem| problem.severity);
            let left_out = problems.split_off(PROBLEMS_MAX);
            problems.sort_by_key(|problem| problem.line);
            let first = &left_out[0];
            problems.push(Problem {
                key: String::new(),
                what: format!("and {} more problems; correct those above first", left_out.len()),
                ..first.clone()
            });
        }
        problems
    }
}

/// The dotted key of `key` in the table at `path`.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let key = if bare && key.len() <= 60 { key.to_owned() } else { shown(key) };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// The key of an element of the array at `path`, counted from 1.
pub(super) fn element(path: &str, index: usize) -> String {
    format!("{path}[{}]", index + 1)
}

/// A configured text as shown in messages: quoted, escaped and cut.
pub(super) fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(40).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("{cut:?}")
}
