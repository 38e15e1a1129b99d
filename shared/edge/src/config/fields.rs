//! The single values that a table can have: texts, words, days, amounts.

use chrono::{Datelike, NaiveDate};
use chrono_tz::Tz;
use ledger::Currency;
use rust_decimal::Decimal;
use toml::de::DeValue;

use super::problem::{element, shown};
use super::section::Section;
use super::values::{address, clean, code, either, is_name, kind_of};

/// As in [`Section`]: `None` is both a key that is absent and a value that was refused.
impl Section<'_> {
    /// A text as written: not empty, without control characters or blanks at its ends, at most `length_max`
    /// characters.
    pub(super) fn text(&mut self, key: &'static str, length_max: usize) -> Option<String> {
        let value = self.value(key)?;
        match clean(value, length_max) {
            Ok(text) => Some(text.to_owned()),
            Err(why) => {
                self.error(key, why);
                None
            }
        }
    }

    /// An account number, VAT code or dimension: a text of up to 40 characters that can stand in a journal.
    pub(super) fn code(&mut self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        match code(value) {
            Ok(text) => Some(text.to_owned()),
            Err(why) => {
                self.error(key, why);
                None
            }
        }
    }

    /// The name of a company or of an entry of the secrets bundle. What was written is not shown, since it
    /// may be the secret itself.
    pub(super) fn name(&mut self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        match value.as_str() {
            Some(name) if is_name(name) => Some(name.to_owned()),
            _ => {
                self.error(
                    key,
                    "is not a name; use 1 to 40 of the characters a-z, 0-9 and -, in quotes, as in \
                     \"shop-2\"",
                );
                None
            }
        }
    }

    /// One of a list of words. `later` are words that exist but not in this version.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        all: &[T],
        name: fn(T) -> &'static str,
        later: &[&str],
    ) -> Option<T> {
        let value = self.value(key)?;
        let word = value.as_str();
        if let Some(found) = all.iter().copied().find(|value| Some(name(*value)) == word) {
            return Some(found);
        }
        let names: Vec<String> = all.iter().map(|value| format!("\"{}\"", name(*value))).collect();
        let choose = format!("choose {}", either(&names));
        let what = match word {
            Some(word) if later.contains(&word) => {
                format!("\"{word}\" is not in this version; {choose}")
            }
            Some(word) => format!("{} is not known; {choose}", shown(word)),
            None => format!("is {}, not a word in quotes; {choose}", kind_of(value)),
        };
        self.error(key, what);
        None
    }

    /// A day, written as a TOML date.
    pub(super) fn date(&mut self, key: &'static str) -> Option<NaiveDate> {
        let value = self.value(key)?;
        let what = match value {
            DeValue::Datetime(at) => match (at.date, at.time, at.offset) {
                (Some(date), None, None) => {
                    let day = NaiveDate::from_ymd_opt(
                        i32::from(date.year),
                        u32::from(date.month),
                        u32::from(date.day),
                    );
                    match day {
                        Some(day) if (2000..2100).contains(&day.year()) => return Some(day),
                        _ => format!("{date} is not a day of the years 2000 to 2099; correct the date"),
                    }
                }
                _ => format!("{at} is not a day; write only year, month and day, as in {key} = 2026-01-31"),
            },
            DeValue::String(text) => {
                let day = text.trim().parse::<NaiveDate>();
                let day = day.map_or_else(|_| "2026-01-31".to_owned(), |day| day.to_string());
                format!("is a text; write the date without quotes: {key} = {day}")
            }
            other => format!("is {}, not a date; write it as in {key} = 2026-01-31", kind_of(other)),
        };
        self.error(key, what);
        None
    }

    /// An IANA time zone.
    pub(super) fn zone(&mut self, key: &'static str) -> Option<Tz> {
        let name = self.text(key, 60)?;
        match name.parse() {
            Ok(zone) => Some(zone),
            Err(_) => {
                self.error(
                    key,
                    format!("{} is not an IANA time zone; write it as in \"Europe/Oslo\"", shown(&name)),
                );
                None
            }
        }
    }

    /// An ISO 4217 currency in capitals.
    pub(super) fn currency(&mut self, key: &'static str) -> Option<Currency> {
        let code = self.text(key, 40)?;
        match Currency::parse(&code) {
            Ok(currency) if currency.code() == code => Some(currency),
            Ok(currency) => {
                self.error(key, format!("{} has to be in capitals: \"{currency}\"", shown(&code)));
                None
            }
            Err(_) => {
                self.error(
                    key,
                    format!(
                        "{} is not a known currency; give its ISO 4217 code, as in \"NOK\"",
                        shown(&code)
                    ),
                );
                None
            }
        }
    }

    /// An ISO 3166 country, two capitals.
    pub(super) fn country(&mut self, key: &'static str) -> Option<String> {
        let code = self.text(key, 40)?;
        if code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Some(code);
        }
        self.error(key, format!("{} is not a country code; give two capitals, as in \"NO\"", shown(&code)));
        None
    }

    /// An address of the web: https, or http to this machine. What was written is not shown, since it may
    /// hold a password.
    pub(super) fn url(&mut self, key: &'static str) -> Option<String> {
        let text = self.text(key, 300)?;
        match address(&text) {
            Ok(()) => Some(text),
            Err(why) => {
                self.error(key, why);
                None
            }
        }
    }

    /// An amount of 0 or more with at most two decimals: a text, or a whole number.
    pub(super) fn amount(&mut self, key: &'static str) -> Option<Decimal> {
        let value = self.value(key)?;
        let what = match value {
            DeValue::Integer(_) | DeValue::String(_) => {
                let text = match value {
                    DeValue::Integer(number) if number.radix() != 10 => number.to_string(),
                    DeValue::Integer(number) => number.as_str().trim_start_matches('+').to_owned(),
                    other => other.as_str().unwrap_or_default().to_owned(),
                };
                match ledger::money::parse_amount(&text, 2) {
                    Ok(amount) if amount >= Decimal::ZERO => return Some(amount),
                    Ok(_) => format!("{text} is below 0; give 0 or more"),
                    Err(_) => format!(
                        "{} is not an amount; give digits with at most two decimals after a dot, as in \
                         {key} = \"50.00\"",
                        shown(&text)
                    ),
                }
            }
            DeValue::Float(number) => {
                let number = number.as_str();
                format!("{number} is not exact; write the amount in quotes: {key} = \"{number}\"")
            }
            other => format!("is {}, not an amount; write it as in {key} = \"50.00\"", kind_of(other)),
        };
        self.error(key, what);
        None
    }

    /// A list of texts, none twice, at most `count_max`.
    pub(super) fn texts(&mut self, key: &'static str, count_max: usize) -> Option<Vec<String>> {
        let value = self.value(key)?;
        let Some(values) = value.as_array() else {
            self.error(key, format!("is {}, not a list; write it as in {key} = [\"plan\"]", kind_of(value)));
            return None;
        };
        if values.len() > count_max {
            self.error(key, format!("has {} elements; keep at most {count_max}", values.len()));
            return None;
        }
        let mut texts = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let path = element(&self.at(key), index);
            match clean(value.get_ref(), 100) {
                Ok(text) if texts.iter().any(|other| other == text) => {
                    self.notes.error(&path, format!("{} is there twice; remove one", shown(text)));
                }
                Ok(text) => texts.push(text.to_owned()),
                Err(why) => self.notes.error(&path, why),
            }
        }
        Some(texts)
    }
}
