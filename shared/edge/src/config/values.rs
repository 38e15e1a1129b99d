//! What single values have to look like, and how messages speak of them.

use toml::de::DeValue;

use super::problem::shown;

/// A text that is not empty, has no control characters or blanks at its ends, and at most `length_max`
/// characters.
pub(super) fn clean<'v>(value: &'v DeValue<'_>, length_max: usize) -> Result<&'v str, String> {
    let Some(text) = value.as_str() else {
        return Err(match literal(value) {
            Some(literal) => {
                format!("is {}, not a text; put it in quotes: \"{literal}\"", kind_of(value))
            }
            None => format!("is {}, not a text; write it in quotes", kind_of(value)),
        });
    };
    if text.is_empty() {
        return Err("is empty; give a text or remove the key".to_owned());
    }
    if text.chars().count() > length_max {
        return Err(format!("is too long; use at most {length_max} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{} has control characters; remove them", shown(text)));
    }
    if text.trim() != text {
        return Err(format!("{} begins or ends with a blank; remove it", shown(text)));
    }
    Ok(text)
}

/// A clean text of up to 40 characters that can stand as an account's name in a journal, where two blanks end
/// the name and a semicolon begins a comment.
pub(super) fn code<'v>(value: &'v DeValue<'_>) -> Result<&'v str, String> {
    let text = clean(value, 40)?;
    if text.contains("  ") {
        return Err(format!("{} has two blanks in a row; keep one", shown(text)));
    }
    if text.contains(';') {
        return Err(format!("{} has a semicolon; remove it", shown(text)));
    }
    Ok(text)
}

/// Whether a text is 1 to 40 of a-z, 0-9 and -.
pub(super) fn is_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Whether a text is an address that may be asked: https, or http to this machine. The reason does not show
/// the text.
pub(super) fn address(text: &str) -> Result<(), &'static str> {
    let Ok(uri) = text.parse::<http::Uri>() else {
        return Err("is not a web address; write it as in \"https://bilag.example.com\"");
    };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("is not a whole web address; write it as in \"https://bilag.example.com\"");
    };
    if authority.as_str().contains('@') {
        return Err("holds a user or password; remove the part before the @ and use secret instead");
    }
    if text.contains(['?', '#']) {
        return Err("has a query or fragment; end the address before the ? or #");
    }
    let host = authority.host().trim_matches(['[', ']']);
    let here =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match scheme {
        "https" => Ok(()),
        "http" if here => Ok(()),
        "http" => Err("is not encrypted; begin it with https:// (http is only for this machine)"),
        _ => Err("is not a web address; begin it with https://"),
    }
}

/// Words as a choice: `a, b or c`.
pub(super) fn either(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// What kind of value this is, with its article.
pub(super) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A number or date as written.
fn literal(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Datetime(at) => Some(at.to_string()),
        _ => None,
    }
    .filter(|literal| literal.len() <= 40)
}

/// The known word that is most like `word`, if one is near enough to be meant.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_lowercase().replace('-', "_");
    if word.len() > 60 {
        return None;
    }
    let slack = |candidate: &str| (candidate.len() / 3).max(1);
    known
        .iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= slack(candidate))
        .map(|candidate| (distance(&word, &candidate.replace('-', "_")), *candidate))
        .filter(|(distance, candidate)| *distance <= slack(candidate))
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many characters have to be added, removed, changed or swapped with the next to make `b` out of `a`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let changed = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                changed.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1)
            };
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                table[i][j] = table[i][j].min(table[i - 2][j - 2] + 1);
            }
        }
    }
    table[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_mistake_finds_the_word_that_was_meant() {
        let known = ["start_on", "settle_by", "secret", "sales", "sales_clearing"];
        for (word, meant) in [
            ("star_on", Some("start_on")),
            ("Start-On", Some("start_on")),
            ("secrets", Some("secret")),
            ("sale", Some("sales")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), meant, "{word}");
        }
    }

    #[test]
    fn addresses_are_https_or_of_this_machine_and_hold_no_password() {
        for good in [
            "https://api.example.com",
            "https://api.example.com:8443/v2/",
            "http://localhost:4010",
            "http://127.0.0.1:4010/x",
            "http://[::1]:80",
        ] {
            assert_eq!(address(good), Ok(()), "{good}");
        }
        for bad in [
            "api.example.com",
            "/v1",
            "http://api.example.com",
            "http://localhost.example.com",
            "ftp://localhost",
            "https://user:pw@api.example.com",
            "https://api.example.com?key=1",
            "https://api.example.com/#a",
            "https://",
            "https://a b",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
