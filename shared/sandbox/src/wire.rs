//! What every simulator reads of a request and gives as an answer.

use std::time::Duration;

use http::{HeaderMap, Method, Response, StatusCode};
use serde_json::Value;

use crate::encoding::{from_base64, from_percent};

/// What the network does with one request.
#[derive(Debug)]
pub struct Reply {
    /// The answer, as the server meant it.
    pub response: Response<Vec<u8>>,
    /// How long the answer is held back.
    pub delay: Duration,
    /// How much of it arrives.
    pub ending: Ending,
}

/// How an answer ends on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It arrives whole.
    Whole,
    /// The connection is closed after so many bytes of the body.
    Cut(usize),
    /// The connection is closed without an answer.
    Drop,
    /// The body arrives at one byte per second.
    Slow,
}

impl Reply {
    /// An answer that arrives whole and at once.
    pub(crate) fn whole(response: Response<Vec<u8>>) -> Reply {
        Reply { response, delay: Duration::ZERO, ending: Ending::Whole }
    }
}

/// A request taken apart: the path below the system's prefix in segments, and the query in order.
pub(crate) struct Request<'r> {
    pub method: &'r Method,
    /// Decoded segments, for example `["v1", "payouts"]`.
    pub path: Vec<String>,
    /// The path as it came, below the prefix, for messages.
    pub raw_path: String,
    pub query: Vec<(String, String)>,
    pub headers: &'r HeaderMap,
    pub body: &'r [u8],
}

impl<'r> Request<'r> {
    /// Takes `request` apart; `None` if its path or query is not encoded properly.
    pub fn new(request: &'r http::Request<Vec<u8>>) -> Option<Request<'r>> {
        let path: Option<Vec<String>> = request
            .uri()
            .path()
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| from_percent(segment, false))
            .collect();
        Some(Request {
            method: request.method(),
            path: path?,
            raw_path: request.uri().path().to_owned(),
            query: pairs(request.uri().query().unwrap_or(""))?,
            headers: request.headers(),
            body: request.body(),
        })
    }

    /// The segments as texts, to match on.
    pub fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// The first value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// User name and password of HTTP Basic.
    pub fn basic(&self) -> Option<(String, String)> {
        let encoded = self.header("authorization")?.strip_prefix("Basic ")?;
        let text = String::from_utf8(from_base64(encoded.trim())?).ok()?;
        let (user, password) = text.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    /// The token of a Bearer authorisation.
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// Whether the body is said to be JSON.
    pub fn is_json(&self) -> bool {
        self.header("content-type").is_some_and(|kind| {
            kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        })
    }
}

/// The pairs of a query or a form.
pub(crate) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((from_percent(key, true)?, from_percent(value, true)?))
        })
        .collect()
}

/// An answer with a body of the given type.
pub(crate) fn answer(status: u16, kind: &str, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    header(&mut response, "content-type", kind);
    response
}

/// An answer in JSON.
pub(crate) fn json(status: u16, body: &Value) -> Response<Vec<u8>> {
    answer(status, "application/json", body.to_string().into_bytes())
}

/// An answer that is a web page, as gateways and portals give.
pub(crate) fn page(status: u16, title: &str) -> Response<Vec<u8>> {
    let text = format!(
        "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    );
    answer(status, "text/html; charset=utf-8", text.into_bytes())
}

/// Sets a header; a value that cannot be one is left out.
pub(crate) fn header(response: &mut Response<Vec<u8>>, name: &'static str, value: &str) {
    if let Ok(value) = http::HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
