//! Queries, forms and bodies as values, taken apart without bilag's own code.

use std::collections::BTreeMap;

use http::HeaderMap;
use serde_json::{Map, Value};

/// A text of an address; in queries and forms a plus is a blank.
pub fn decoded(text: &str, form: bool) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match (*first, code.and_then(|code| u8::from_str_radix(code, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) if form => {
                bytes.push(b' ');
                rest = tail;
            }
            (byte, _) => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name, true), decoded(value, true))
    })
}

/// A query's parameters: `a[]=1` is an array and `a[b]=1` an object, as Stripe writes them. All values are texts.
pub fn query(text: &str) -> BTreeMap<String, Value> {
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in pairs(text) {
        match name.split_once('[').map(|(name, inner)| (name, inner.trim_end_matches(']'))) {
            None => {
                found.insert(name, value.into());
            }
            Some((name, "")) => {
                let list = found.entry(name.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
                list.as_array_mut().into_iter().for_each(|list| list.push(value.clone().into()));
            }
            Some((name, inner)) => {
                let object = found.entry(name.to_owned()).or_insert_with(|| Value::Object(Map::new()));
                object.as_object_mut().into_iter().for_each(|object| {
                    object.insert(inner.to_owned(), value.clone().into());
                });
            }
        }
    }
    found
}

/// What a parameter may mean: itself as text, or with all texts that are numbers or truth values as such.
pub fn readings(value: &Value) -> [Value; 2] {
    [value.clone(), typed(value)]
}

fn typed(value: &Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str(text) {
            Ok(typed @ (Value::Number(_) | Value::Bool(_))) => typed,
            _ => value.clone(),
        },
        Value::Array(items) => Value::Array(items.iter().map(typed).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, member)| (name.clone(), typed(member))).collect())
        }
        other => other.clone(),
    }
}

/// A content type without its parameters.
pub fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A body as a value: JSON, or the fields of a form, whose values are texts.
///
/// # Errors
///
/// With what cannot be read.
pub fn body(headers: &HeaderMap, bytes: &[u8]) -> Result<Value, String> {
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match essence(kind).as_str() {
        "application/x-www-form-urlencoded" => {
            let text = String::from_utf8_lossy(bytes);
            Ok(Value::Object(pairs(&text).map(|(name, value)| (name, value.into())).collect()))
        }
        "multipart/form-data" => {
            let boundary = kind.split_once("boundary=").map(|(_, boundary)| boundary.trim_matches('"'));
            let boundary = boundary.ok_or("the form names no boundary")?;
            form(boundary, &String::from_utf8_lossy(bytes)).ok_or_else(|| "the form is malformed".to_owned())
        }
        "application/json" | "application/problem+json" => {
            serde_json::from_slice(bytes).map_err(|error| format!("no JSON: {error}"))
        }
        other => Err(format!("a body of the type {other:?} cannot be judged")),
    }
}

fn form(boundary: &str, text: &str) -> Option<Value> {
    let inner = text.strip_prefix(&format!("--{boundary}\r\n"))?;
    let inner = inner.strip_suffix(&format!("\r\n--{boundary}--\r\n"))?;
    let mut fields = Map::new();
    for part in inner.split(&format!("\r\n--{boundary}\r\n")) {
        let (headers, content) = part.split_once("\r\n\r\n")?;
        let disposition =
            headers.lines().find_map(|line| line.strip_prefix("Content-Disposition: form-data; "))?;
        let name = disposition.split("; ").find_map(|item| item.strip_prefix("name=\""))?;
        fields.insert(name.trim_end_matches('"').to_owned(), content.into());
    }
    Some(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn queries_are_read_as_stripe_and_others_write_them() {
        let read = query("limit=100&created%5Bgte%5D=1&created[lt]=2&expand%5B%5D=a.b&text=a+b%3E");
        assert_eq!(
            Value::Object(read.clone().into_iter().collect()),
            json!({
                "limit": "100", "created": { "gte": "1", "lt": "2" }, "expand": ["a.b"], "text": "a b>",
            })
        );
        assert_eq!(readings(&read["created"])[1], json!({ "gte": 1, "lt": 2 }));
        assert_eq!(readings(&json!("null"))[1], json!("null"));
    }

    #[test]
    fn forms_are_taken_apart() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "multipart/form-data; boundary=b".parse().unwrap());
        let text = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\
                    Content-Type: application/pdf\r\n\r\n%PDF\r\n\r\nx\r\n--b--\r\n";
        assert_eq!(body(&headers, text.as_bytes()).unwrap(), json!({ "file": "%PDF\r\n\r\nx" }));
        assert!(body(&headers, b"--b\r\n").is_err());
        headers.insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
        assert_eq!(
            body(&headers, b"grant_type=client_credentials").unwrap()["grant_type"],
            "client_credentials"
        );
    }
}
