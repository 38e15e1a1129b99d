//! Secrets: one bundle per company, read when needed, never shown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};

use crate::Error;

/// One entry of a company's bundle: the credentials of one provider account or accounting system.
///
/// Its `Debug` shows the fields' names only.
#[derive(Clone)]
pub struct Entry {
    place: String,
    fields: BTreeMap<String, Vec<SecretString>>,
}

impl Entry {
    /// An entry of fields; `place` names it in messages, for example `nordlys.stripe`.
    pub fn new(place: impl Into<String>, fields: impl IntoIterator<Item = (String, Vec<String>)>) -> Entry {
        let sealed = |values: Vec<String>| values.into_iter().map(SecretString::from).collect();
        Entry {
            place: place.into(),
            fields: fields.into_iter().map(|(name, values)| (name, sealed(values))).collect(),
        }
    }

    /// The one value of a field.
    ///
    /// # Errors
    ///
    /// [`crate::Kind::Auth`] naming the field if it is missing, empty, or a list.
    pub fn get(&self, field: &str) -> Result<&str, Error> {
        let missing = |what: &str| {
            Error::auth(format!(
                "secret {}: the field {field} {what}; add it to the company's secret bundle",
                self.place
            ))
        };
        match self.fields.get(field).map(Vec::as_slice) {
            None => Err(missing("is missing")),
            Some([value]) if !value.expose_secret().trim().is_empty() => Ok(value.expose_secret()),
            Some([] | [_]) => Err(missing("is empty")),
            Some(_) => Err(missing("is a list, one value is needed")),
        }
    }

    /// All values of a field that may be a list; empty if it is missing.
    pub fn list(&self, field: &str) -> Vec<&str> {
        let values = self.fields.get(field).map(Vec::as_slice).unwrap_or_default();
        values.iter().map(|value| value.expose_secret()).filter(|value| !value.is_empty()).collect()
    }

    /// A short hash that tells one credential from another, and changes when the bundle is rotated. It reveals
    /// nothing.
    pub fn fingerprint(&self) -> String {
        use sha2::{Digest as _, Sha256};
        let mut hash = Sha256::new();
        for (name, values) in &self.fields {
            for value in values {
                hash.update(name.as_bytes());
                hash.update([0]);
                hash.update(value.expose_secret().as_bytes());
                hash.update([0]);
            }
        }
        ledger::voucher::hex(&hash.finalize())[..16].to_owned()
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.fields.keys().map(String::as_str).collect();
        f.debug_struct("Entry").field("place", &self.place).field("fields", &names).finish()
    }
}

/// Where secrets come from.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// One entry of a company's bundle.
    ///
    /// # Errors
    ///
    /// [`crate::Kind::Auth`] if the bundle or entry is missing or unreadable, with the place to put it.
    async fn entry(&self, company: &str, entry: &str) -> Result<Entry, Error>;
}

/// No secrets at all.
#[derive(Debug)]
pub struct NoSecrets;

#[async_trait]
impl Secrets for NoSecrets {
    async fn entry(&self, company: &str, entry: &str) -> Result<Entry, Error> {
        Err(Error::auth(format!("secret {company}.{entry} is not there: this place holds no secrets")))
    }
}

/// `HOME/secrets.toml` on one machine: a table `[<company>.<entry>]` each. Read anew each time, so that a rotated
/// secret counts at once.
#[derive(Debug)]
pub struct SecretsFile(pub PathBuf);

#[async_trait]
impl Secrets for SecretsFile {
    async fn entry(&self, company: &str, entry: &str) -> Result<Entry, Error> {
        let place = format!("{company}.{entry}");
        let text = match std::fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::auth(format!(
                    "{} does not exist; make it with mode 0600 and a table [{place}]",
                    self.0.display()
                )));
            }
            Err(error) => {
                return Err(Error::auth(format!("{} cannot be read", self.0.display())).because(error));
            }
        };
        self.refuse_open_file()?;
        // The parser's message may quote the line, which holds a secret.
        let document: toml::Table = toml::from_str(&text).map_err(|error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = 1 + text[..at.min(text.len())].matches('\n').count();
            Error::auth(format!("{} is not valid TOML at line {line}", self.0.display()))
        })?;
        let found = document
            .get(company)
            .and_then(|bundle| bundle.get(entry))
            .and_then(toml::Value::as_table)
            .ok_or_else(|| Error::auth(format!("{} has no table [{place}]; add it", self.0.display())))?;
        let mut fields = Vec::new();
        for (name, value) in found {
            let values = match value {
                toml::Value::String(text) => vec![text.clone()],
                toml::Value::Array(list) => {
                    list.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect()
                }
                toml::Value::Integer(number) => vec![number.to_string()],
                _ => return Err(Error::auth(format!("{}: [{place}] {name} is no text", self.0.display()))),
            };
            fields.push((name.clone(), values));
        }
        Ok(Entry::new(place, fields))
    }
}

impl SecretsFile {
    /// Others on the machine must not read the file.
    fn refuse_open_file(&self) -> Result<(), Error> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&self.0)
                .map_err(|error| Error::auth(format!("{} cannot be read", self.0.display())).because(error))?
                .permissions()
                .mode();
            if mode & 0o077 != 0 {
                return Err(Error::auth(format!(
                    "{} can be read by others (mode {:04o}); run: chmod 600 {0}",
                    self.0.display(),
                    mode & 0o7777,
                )));
            }
        }
        Ok(())
    }
}

/// A bundle as Secrets Manager keeps it: a JSON object of entries, each an object of texts or lists of texts.
///
/// # Errors
///
/// [`crate::Kind::Auth`] if it is not of that shape or has no such entry. Messages quote nothing of it.
pub fn entry_of_bundle(company: &str, entry: &str, bundle: &str) -> Result<Entry, Error> {
    let place = format!("{company}.{entry}");
    let shape = || Error::auth(format!("the secret bundle bilag/{company} is not a JSON object of entries"));
    let bundle: serde_json::Value = serde_json::from_str(bundle).map_err(|_| shape())?;
    let found = bundle.as_object().ok_or_else(shape)?.get(entry).ok_or_else(|| {
        Error::auth(format!("the secret bundle bilag/{company} has no entry {entry}; add it"))
    })?;
    let mut fields = Vec::new();
    for (name, value) in found.as_object().ok_or_else(shape)? {
        let values = match value {
            serde_json::Value::String(text) => vec![text.clone()],
            serde_json::Value::Number(number) => vec![number.to_string()],
            serde_json::Value::Array(list) => {
                list.iter().filter_map(serde_json::Value::as_str).map(str::to_owned).collect()
            }
            _ => {
                return Err(Error::auth(format!(
                    "the secret bundle bilag/{company}: {entry}.{name} is no text"
                )));
            }
        };
        fields.push((name.clone(), values));
    }
    Ok(Entry::new(place, fields))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_entry_shows_names_and_never_values() {
        let entry = Entry::new("nordlys.stripe", [("api_key".to_owned(), vec!["sk_live_x".to_owned()])]);
        assert_eq!(entry.get("api_key").unwrap(), "sk_live_x");
        let shown = format!("{entry:?} {}", entry.get("webhook").unwrap_err());
        assert!(shown.contains("api_key") && !shown.contains("sk_live"), "{shown}");
    }

    #[test]
    fn a_bundle_of_the_wrong_shape_is_refused_without_quoting_it() {
        for bundle in
            ["", "[]", "{\"stripe\": \"sk_live_x\"}", "{\"stripe\": {\"api_key\": {\"sk_live_x\": 1}}}"]
        {
            let error = entry_of_bundle("nordlys", "stripe", bundle).unwrap_err().to_string();
            assert!(!error.contains("sk_live"), "{error}");
        }
        let entry =
            entry_of_bundle("a", "b", r#"{"b": {"webhook_secrets": ["one", "two"], "n": 1}}"#).unwrap();
        assert_eq!(entry.list("webhook_secrets"), ["one", "two"]);
        assert_eq!(entry.get("n").unwrap(), "1");
    }
}
