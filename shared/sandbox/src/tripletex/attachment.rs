//! Uploads: one part `file` of a multipart form, a PDF.

use super::error::{Refusal, refuse, refuse_fields};
use crate::wire::Request;

/// A file that was uploaded.
pub(super) struct Upload {
    pub name: String,
    pub size: usize,
}

/// Reads the form of a request.
pub(super) fn read(request: &Request) -> Result<Upload, Refusal> {
    let kind = request.header("content-type").unwrap_or("");
    let boundary = kind.strip_prefix("multipart/form-data").and_then(|rest| {
        let (_, value) = rest.split_once("boundary=")?;
        Some(value.split(';').next().unwrap_or(value).trim().trim_matches('"').to_owned())
    });
    let Some(boundary) = boundary.filter(|boundary| !boundary.is_empty()) else {
        return Err(refuse(415, 4000, "HTTP 415 Unsupported Media Type"));
    };
    let malformed = || refuse(400, 4000, "Bad request: the multipart form is malformed");
    let (headers, content) = part(request.body, &boundary, "file").ok_or_else(malformed)?;
    let name = attribute(&headers, "filename").unwrap_or_default();
    if name.is_empty() {
        return Err(refuse_fields(18_000, &[("file", "Filnavn mangler.")]));
    }
    let whole = content.starts_with(b"%PDF-") && content.windows(5).any(|window| window == b"%%EOF");
    if !whole {
        return Err(refuse_fields(18_000, &[("file", "Filtypen støttes ikke.")]));
    }
    Ok(Upload { name, size: content.len() })
}

/// The headers and the content of the part with a name.
fn part<'b>(body: &'b [u8], boundary: &str, name: &str) -> Option<(String, &'b [u8])> {
    let dashes = format!("--{boundary}");
    let end = find(body, format!("{dashes}--").as_bytes())?;
    let mut rest = body.get(..end)?;
    loop {
        rest = rest.get(find(rest, dashes.as_bytes())? + dashes.len()..)?.strip_prefix(b"\r\n")?;
        let blank = find(rest, b"\r\n\r\n")?;
        let headers = String::from_utf8(rest.get(..blank)?.to_vec()).ok()?;
        let after = rest.get(blank + 4..)?;
        let stop = find(after, format!("\r\n{dashes}").as_bytes()).unwrap_or(after.len());
        let content = after.get(..stop)?;
        let content = content.strip_suffix(b"\r\n").filter(|_| stop == after.len()).unwrap_or(content);
        if attribute(&headers, "name").as_deref() == Some(name) {
            return Some((headers, content));
        }
        rest = after;
    }
}

/// An attribute of the part's disposition, in quotes or without.
fn attribute(headers: &str, name: &str) -> Option<String> {
    let line = headers.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    line.split(';').skip(1).find_map(|attribute| {
        let (key, value) = attribute.trim().split_once('=')?;
        (key == name).then(|| value.trim_matches('"').to_owned())
    })
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
