//! Reads one table of a document key by key, noting what cannot be used.

use toml::de::{DeTable, DeValue};

use super::problem::{Notes, element, join};
use super::values::{clean, kind_of, nearest};

/// Keys that name a secret's value; such values never belong in this file.
const SECRETS: &[&str] = &["api_key", "password", "token", "client_secret", "webhook_secret", "private"];

/// A table of the document. Methods that read a key return `None` both if it is absent and if its value
/// cannot be used; the latter is noted.
pub(super) struct Section<'a> {
    pub(super) notes: &'a Notes<'a>,
    table: &'a DeTable<'a>,
    /// The table's dotted key.
    path: String,
    /// What kind of table this is, for listing the keys that the reader knows.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests list the keys"))]
    shape: &'static str,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) fn new(
        notes: &'a Notes<'a>,
        table: &'a DeTable<'a>,
        path: impl Into<String>,
        shape: &'static str,
    ) -> Section<'a> {
        Section { notes, table, path: path.into(), shape, known: Vec::new() }
    }

    /// The dotted key of `key` in this table.
    pub(super) fn at(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// The table's own dotted key.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Notes an error at a key of this table.
    pub(super) fn error(&self, key: &str, what: impl Into<String>) {
        self.notes.error(&self.at(key), what);
    }

    /// Notes that a key is missing, unless it is there with a value that was already refused.
    pub(super) fn missing(&self, key: &str, remedy: &str) {
        if !self.has(key) {
            self.error(key, format!("is missing; {remedy}"));
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The value of a key, which counts as known from here on.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'a DeValue<'a>> {
        self.known.push(key);
        let value = self.table.get(key).map(|value| value.get_ref());
        #[cfg(test)]
        {
            let name = if self.shape.is_empty() { key.to_owned() } else { format!("{}.{key}", self.shape) };
            if value.is_some() {
                self.notes.seen.borrow_mut().insert(name.clone());
            }
            self.notes.asked.borrow_mut().insert(name);
        }
        value
    }

    /// A table of this table, whose kind is its key.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Section<'a>> {
        self.table_as(key, key)
    }

    /// A table of this table.
    pub(super) fn table_as(&mut self, key: &'static str, shape: &'static str) -> Option<Section<'a>> {
        let value = self.value(key)?;
        let path = self.at(key);
        match value.as_table() {
            Some(table) => Some(Section::new(self.notes, table, path, shape)),
            None => {
                let what = format!("is {}, not a table; write it as [{path}]", kind_of(value));
                self.notes.error(&path, what);
                None
            }
        }
    }

    /// The tables of an array, as written with `[[key]]`.
    pub(super) fn tables(&mut self, key: &'static str, shape: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let path = self.at(key);
        let Some(values) = value.as_array() else {
            self.error(key, format!("is {}, not a list of tables; write [[{path}]]", kind_of(value)));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let path = element(&path, index);
            match value.get_ref().as_table() {
                Some(table) => sections.push(Section::new(self.notes, table, path, shape)),
                None => self
                    .notes
                    .error(&path, format!("is {}, not a table; write [[{key}]]", kind_of(value.get_ref()))),
            }
        }
        sections
    }

    /// A value that is either a code or a table that has one.
    pub(super) fn code_or_table(
        &mut self,
        key: &'static str,
        shape: &'static str,
    ) -> Option<Result<String, Section<'a>>> {
        if self.value(key)?.is_table() { self.table_as(key, shape).map(Err) } else { self.code(key).map(Ok) }
    }

    /// The tables in this table, each with its name.
    pub(super) fn entries(&self, shape: &'static str) -> Vec<(&'a str, Section<'a>)> {
        let mut entries = Vec::new();
        for (key, value) in self.table {
            let path = self.at(key.get_ref());
            match value.get_ref().as_table() {
                Some(table) => {
                    entries.push((key.get_ref().as_ref(), Section::new(self.notes, table, path, shape)));
                }
                None => {
                    let what = format!("is {}, not a table; write it as [{path}]", kind_of(value.get_ref()));
                    self.notes.error(&path, what);
                }
            }
        }
        entries
    }

    /// The texts in this table, each with its name.
    pub(super) fn text_entries(&self) -> Vec<(&'a str, String)> {
        let mut entries = Vec::new();
        for (key, value) in self.table {
            match clean(value.get_ref(), 200) {
                Ok(text) => entries.push((key.get_ref().as_ref(), text.to_owned())),
                Err(why) => self.error(key.get_ref(), why),
            }
        }
        entries
    }

    /// Makes a key known that a later version will read, and refuses it.
    pub(super) fn later(&mut self, key: &'static str, remedy: &str) {
        if self.has(key) {
            self.error(key, format!("is not in this version; {remedy}"));
        }
        self.known.push(key);
    }

    /// Refuses every key that was not asked for.
    pub(super) fn finish(mut self) {
        self.known.sort_unstable();
        self.known.dedup();
        for key in self.table.keys() {
            let key: &str = key.get_ref();
            if self.known.contains(&key) {
                continue;
            }
            let lower = key.to_ascii_lowercase();
            let remedy = if SECRETS.iter().any(|secret| lower.contains(secret)) {
                "secrets are never written here: put the value in the secrets bundle and give the name of \
                 its entry with  secret = \"…\""
                    .to_owned()
            } else if let Some(near) = nearest(key, &self.known) {
                format!("did you mean {near}?")
            } else {
                format!("known here: {}", self.known.join(", "))
            };
            self.error(key, format!("is not a known key; {remedy}"));
        }
    }
}
