//! The one way out: HTTP exchanges with providers and accounting systems.
//!
//! A [`Transport`] makes one exchange and nothing more: no retries, no redirects, a deadline over everything, caps on
//! what is read. Pacing and retries of reads are `store::remote`'s.

use std::io::Read as _;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::Error;

/// What one exchange may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte sent to the last byte read.
    pub deadline: Duration,
    /// The most bytes of an answer, after inflating.
    pub body_max: usize,
    /// On a connection of its own: what a send needs, since a connection that was kept open may be dead, and nobody
    /// could tell whether the request arrived.
    pub fresh: bool,
}

impl Limits {
    /// For reads: 30 seconds, 16 MB.
    pub const READ: Limits = Limits { deadline: Duration::from_secs(30), body_max: 16 << 20, fresh: false };

    /// For sends: 45 seconds, within `store::posting::SEND`; 4 MB.
    pub const SEND: Limits = Limits { deadline: Duration::from_secs(45), body_max: 4 << 20, fresh: true };
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Nothing left this machine: no address, no connection, a certificate that is not valid for the host.
    #[error("no connection: {0}")]
    NotSent(String),
    /// The request may have arrived: time ran out, or the connection broke.
    #[error("no answer: {0}")]
    Lost(String),
    /// The answer is not one that may be read: too large, or inflates without end.
    #[error("the answer is unusable: {0}")]
    Unusable(String),
}

/// Makes exchanges. The seam at which tests and the simulation stand.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends one request and reads the whole answer. A redirect is an answer like any other.
    ///
    /// # Errors
    ///
    /// [`Broken`] if there is no whole answer within the limits.
    async fn exchange(
        &self,
        request: http::Request<Vec<u8>>,
        limits: Limits,
    ) -> Result<http::Response<Vec<u8>>, Broken>;
}

/// A transport for places that reach nobody.
#[derive(Debug)]
pub struct Unreachable;

#[async_trait]
impl Transport for Unreachable {
    async fn exchange(
        &self,
        _: http::Request<Vec<u8>>,
        _: Limits,
    ) -> Result<http::Response<Vec<u8>>, Broken> {
        Err(Broken::NotSent("this run reaches no network".to_owned()))
    }
}

/// The transport over sockets.
#[derive(Clone, Debug)]
pub struct Sockets {
    pooled: reqwest::Client,
    fresh: reqwest::Client,
}

impl Sockets {
    /// Sockets with the built-in roots of trust and those of `extra_roots` (PEM), such as a company's own proxy.
    ///
    /// # Errors
    ///
    /// If the TLS set-up is refused or a certificate cannot be read.
    pub fn new(extra_roots: Option<&[u8]>) -> Result<Sockets, Error> {
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| Error::bug("the HTTP client cannot be built").because(error))
        };
        let fresh = crate::cloud::client_builder(extra_roots)?
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0);
        Ok(Sockets { pooled: build(crate::cloud::client_builder(extra_roots)?)?, fresh: build(fresh)? })
    }
}

#[async_trait]
impl Transport for Sockets {
    async fn exchange(
        &self,
        mut request: http::Request<Vec<u8>>,
        limits: Limits,
    ) -> Result<http::Response<Vec<u8>>, Broken> {
        request
            .headers_mut()
            .entry(http::header::ACCEPT_ENCODING)
            .or_insert(http::HeaderValue::from_static("gzip"));
        let request =
            reqwest::Request::try_from(request).map_err(|error| Broken::NotSent(error.to_string()))?;
        let client = if limits.fresh { &self.fresh } else { &self.pooled };
        match tokio::time::timeout(limits.deadline, read_whole(client, request, limits.body_max)).await {
            Ok(answer) => answer,
            Err(_) => Err(Broken::Lost(format!("not complete after {} s", limits.deadline.as_secs()))),
        }
    }
}

async fn read_whole(
    client: &reqwest::Client,
    request: reqwest::Request,
    body_max: usize,
) -> Result<http::Response<Vec<u8>>, Broken> {
    let mut response = client.execute(request).await.map_err(broken)?;
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(broken)? {
        if body.len() + part.len() > body_max {
            return Err(Broken::Unusable(format!("more than {body_max} bytes")));
        }
        body.extend_from_slice(&part);
    }
    let mut answer = http::Response::new(Vec::new());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    *answer.body_mut() = inflated(answer.headers(), body, body_max)?;
    Ok(answer)
}

/// What an error of the client means, with all its causes and without the address, which may hold parameters.
fn broken(error: reqwest::Error) -> Broken {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    if error.is_connect() { Broken::NotSent(text) } else { Broken::Lost(text) }
}

/// The body as it was before it was packed. What inflates beyond the cap is refused.
fn inflated(headers: &http::HeaderMap, body: Vec<u8>, body_max: usize) -> Result<Vec<u8>, Broken> {
    let packed = headers.get(http::header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes);
    match packed {
        None | Some(b"identity") => Ok(body),
        Some(b"gzip") => {
            let mut plain = Vec::new();
            let most = u64::try_from(body_max).unwrap_or(u64::MAX).saturating_add(1);
            flate2::read::GzDecoder::new(body.as_slice())
                .take(most)
                .read_to_end(&mut plain)
                .map_err(|error| Broken::Lost(format!("the packed answer is damaged: {error}")))?;
            if plain.len() > body_max {
                return Err(Broken::Unusable(format!("inflates to more than {body_max} bytes")));
            }
            Ok(plain)
        }
        Some(_) => Err(Broken::Unusable("packed in a way that was not asked for".to_owned())),
    }
}

/// What an answer asks to wait, by `Retry-After`: seconds or a date, clamped to 1 second to 1 hour. `None` if it says
/// nothing that can be understood.
pub fn retry_after(headers: &http::HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.with_timezone(&Utc) - now).num_seconds(),
    };
    Some(Duration::from_secs(seconds.clamp(1, 3600).unsigned_abs()))
}

/// Which hosts `base_url` may name in place of a connector's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// One machine: this machine itself, by any loopback name or address.
    Loopback,
    /// The cloud: the deployment's own list.
    Listed(Vec<String>),
}

impl Hosts {
    /// The base of a connector's addresses: its own, or `base_url` if that is allowed here. Without a slash at the end.
    ///
    /// # Errors
    ///
    /// [`crate::Kind::Config`] if `base_url` is not allowed.
    pub fn base(&self, own: &str, base_url: Option<&str>) -> Result<String, Error> {
        let Some(wanted) = base_url else { return Ok(own.to_owned()) };
        let refused = |why: &str| Error::config(format!("base_url {wanted} {why}"));
        let uri: http::Uri = wanted.parse().map_err(|_| refused("is not an address"))?;
        let host = uri.host().unwrap_or_default();
        let plain = host.trim_start_matches('[').trim_end_matches(']');
        let loopback = plain == "localhost"
            || plain.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        let allowed = match self {
            Hosts::Loopback => loopback,
            Hosts::Listed(hosts) => hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)),
        };
        if !allowed {
            return Err(refused(match self {
                Hosts::Loopback => "is not on this machine; only loopback hosts may replace a system's own",
                Hosts::Listed(_) => {
                    "is not in the deployment's list of allowed hosts; remove it or extend the list"
                }
            }));
        }
        if uri.scheme_str() != Some("https") && !loopback {
            return Err(refused("is not https"));
        }
        Ok(wanted.trim_end_matches('/').to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write as _;

    use super::*;

    #[test]
    fn base_url_reaches_only_what_the_place_allows() {
        let own = "https://api.stripe.com";
        assert_eq!(Hosts::Loopback.base(own, None).unwrap(), own);
        for here in ["http://127.0.0.1:4010/stripe/", "http://localhost:1", "http://[::1]:9/x"] {
            assert_eq!(Hosts::Loopback.base(own, Some(here)).unwrap(), here.trim_end_matches('/'));
        }
        for elsewhere in ["https://api.stripe.com.evil.example", "http://10.0.0.1/", "http://localhost.evil/"]
        {
            assert!(Hosts::Loopback.base(own, Some(elsewhere)).is_err(), "{elsewhere}");
        }
        let listed = Hosts::Listed(vec!["proxy.example".to_owned()]);
        assert!(listed.base(own, Some("https://proxy.example/x")).is_ok());
        assert!(listed.base(own, Some("http://proxy.example/x")).is_err());
        assert!(listed.base(own, Some("http://127.0.0.1/")).is_err());
    }

    #[test]
    fn fault_008_retry_after_is_clamped_and_nonsense_is_ignored() {
        let now = "2026-03-02T10:00:00Z".parse().unwrap();
        for (text, seconds) in [
            ("7", Some(7)),
            ("0", Some(1)),
            ("-5", Some(1)),
            ("999999999", Some(3600)),
            ("Mon, 02 Mar 2026 10:00:30 GMT", Some(30)),
            ("Mon, 02 Mar 2025 10:00:30 GMT", None),
            ("Sun, 02 Mar 2025 10:00:30 GMT", Some(1)),
            ("soon", None),
            ("", None),
        ] {
            let mut headers = http::HeaderMap::new();
            headers.insert("retry-after", text.parse().unwrap());
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn fault_026_what_inflates_beyond_the_cap_is_refused() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(&vec![b'x'; 10 << 20]).unwrap();
        let mut headers = http::HeaderMap::new();
        headers.insert("content-encoding", "gzip".parse().unwrap());
        let packed = packed.finish().unwrap();
        assert!(matches!(inflated(&headers, packed.clone(), 1 << 20), Err(Broken::Unusable(_))));
        assert_eq!(inflated(&headers, packed, 10 << 20).unwrap().len(), 10 << 20);
        headers.insert("content-encoding", "br".parse().unwrap());
        assert!(matches!(inflated(&headers, vec![1], 10), Err(Broken::Unusable(_))));
    }
}
