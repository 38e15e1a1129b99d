//! Requests, tokens and paging: the only file of this connector with I/O.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{Duration, NaiveDate};
use edge::config::Keys;
use edge::{Error, Kind};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use store::pace::Rate;
use store::remote::{Remote, usual_again};
use store::token::{Fresh, Token, Tokens};

use super::entry::{Grant, Ledger, Ledgers, Refused, Unreadable};
use crate::Access;

/// The one host of the API, for all countries.
const BASE: &str = "https://api.vipps.no";

/// Calls per second and at once. The provider tells no limit; it asks for hourly looks and for patience.
const RATE: Rate = Rate { per_second: 4, burst: 8 };

/// The most pages of ledgers: an accounting partner reaches thousands of ledgers at most.
const LEDGER_PAGES_MAX: u64 = 1_000;

/// What may be done to have access, for messages.
const GRANT: &str = "keys of a sales unit reach that unit's ledgers only; an accounting partner's keys reach the \
                     ledgers that the merchant grants in the portal under Reports, Accounting partners";

/// The Report API under one connection's keys.
pub struct Client<'a> {
    access: &'a Access<'a>,
    remote: Remote<'a>,
    tokens: Tokens<'a>,
}

impl<'a> Client<'a> {
    /// A client of a connection.
    ///
    /// # Errors
    ///
    /// [`Kind::Config`] if the connection's `base_url` is not allowed here.
    pub fn new(access: &'a Access<'a>) -> Result<Client<'a>, Error> {
        let credential = access.secret.fingerprint();
        let bases = (BASE, access.base_url);
        let remote = Remote::new(access.world, "Vipps MobilePay", bases, &credential, RATE)?.repeating(again);
        let tokens = Tokens::new(access.world, access.company, access.connection, &credential);
        Ok(Client { access, remote, tokens })
    }

    /// All ledgers that the keys reach, by id.
    ///
    /// # Errors
    ///
    /// As [`crate::Api::discover`].
    pub async fn ledgers(&self) -> Result<Vec<Ledger>, Error> {
        let mut ledgers: Vec<Ledger> = Vec::new();
        let mut laps = super::walk::Laps::default();
        let mut path = "/settlement/v1/ledgers".to_owned();
        for _ in 0..LEDGER_PAGES_MAX {
            let body = self.success("the ledgers", &path).await?;
            let page = Ledgers::read(&body).map_err(|error| unreadable("the ledgers", error))?;
            ledgers.extend(page.items);
            match page.cursor.filter(|cursor| !cursor.is_empty()) {
                Some(cursor) if laps.is_new(&cursor) => {
                    path = format!("/settlement/v1/ledgers?cursor={}", encoded(&cursor));
                }
                Some(_) => break,
                None => {
                    ledgers.sort_by(|one, other| one.ledger_id.cmp(&other.ledger_id));
                    ledgers.dedup_by(|one, other| one.ledger_id == other.ledger_id);
                    return Ok(ledgers);
                }
            }
        }
        Err(Error::new(Kind::Rejected, "Vipps MobilePay: the pages of the ledgers repeat or do not end"))
    }

    /// One page of a date of the topic `funds`; `None` if the date is the newest there can be and is not there yet.
    ///
    /// # Errors
    ///
    /// As [`crate::Api::discover`].
    pub async fn date(
        &self,
        ledger: &str,
        on: NaiveDate,
        cursor: Option<&str>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let what = format!("ledger {ledger}, {on}");
        let mut path = format!("/report/v2/ledgers/{}/funds/dates/{on}", encoded(ledger));
        if let Some(cursor) = cursor {
            path.push_str("?cursor=");
            path.push_str(&encoded(cursor));
        }
        let answer = self.get(&path).await?;
        // Until 2023 a date that was not closed yet was answered like this.
        if answer.status() == StatusCode::NOT_FOUND && on >= newest(self.access) {
            return Ok(None);
        }
        self.taken(&what, answer).map(Some)
    }

    async fn success(&self, what: &str, path: &str) -> Result<Vec<u8>, Error> {
        let answer = self.get(path).await?;
        self.taken(what, answer)
    }

    fn taken(&self, what: &str, answer: Response<Vec<u8>>) -> Result<Vec<u8>, Error> {
        if !answer.status().is_success() {
            let error = classify(what, &answer, &self.secrets());
            let wait = edge::http::retry_after(answer.headers(), self.access.world.clock.now());
            return Err(match wait {
                Some(wait) if error.kind == Kind::Retry => error.after(wait),
                _ => error,
            });
        }
        let body = answer.into_body();
        // A page for people (maintenance, a proxy's log-in) passes; a shape that is not known does not.
        match (body.trim_ascii_start().first(), body.trim_ascii_end().last()) {
            (Some(b'{'), Some(b'}')) => Ok(body),
            (Some(b'{'), _) | (None, _) => {
                Err(Error::retry(format!("Vipps MobilePay: {what}: the answer is cut off")))
            }
            _ => Err(Error::retry(format!("Vipps MobilePay: {what}: the answer is no JSON"))),
        }
    }

    /// Asks with a token; one that is refused is renewed once.
    async fn get(&self, path: &str) -> Result<Response<Vec<u8>>, Error> {
        let make = || self.fresh();
        let token = self.tokens.get(make).await?;
        let answer = self.remote.read(self.signed(path, &token)?).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let token = self.tokens.renew(&token, make).await?;
        self.remote.read(self.signed(path, &token)?).await
    }

    fn signed(&self, path: &str, token: &Token) -> Result<Request<Vec<u8>>, Error> {
        let mut request = self.request(Method::GET, path, Vec::new())?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, secret("the token", &format!("Bearer {}", token.text))?);
        if self.access.keys.is_none() {
            self.unit_headers(headers)?;
        }
        Ok(request)
    }

    fn request(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Request<Vec<u8>>, Error> {
        self.remote
            .request(method, path)
            .header(header::ACCEPT, "application/json")
            .header("vipps-system-name", "bilag")
            .header("vipps-system-version", env!("CARGO_PKG_VERSION"))
            .header("vipps-system-plugin-name", "bilag")
            .header("vipps-system-plugin-version", env!("CARGO_PKG_VERSION"))
            .body(body)
            .map_err(|error| Error::bug("Vipps MobilePay: the request cannot be made").because(error))
    }

    /// What every call with a sales unit's own keys carries.
    fn unit_headers(&self, headers: &mut http::HeaderMap) -> Result<(), Error> {
        let key = self.access.secret.get("subscription_key")?;
        headers
            .insert(HeaderName::from_static("ocp-apim-subscription-key"), secret("subscription_key", key)?);
        if let [number] = self.access.secret.list("merchant_serial_number").as_slice() {
            let number = secret("merchant_serial_number", number)?;
            headers.insert(HeaderName::from_static("merchant-serial-number"), number);
        }
        Ok(())
    }

    /// A new token, by the kind of keys.
    async fn fresh(&self) -> Result<Fresh, Error> {
        let (id, password) = (self.access.secret.get("client_id")?, self.access.secret.get("client_secret")?);
        let request = match self.access.keys {
            None => {
                let mut request = self.request(Method::POST, "/accesstoken/get", Vec::new())?;
                let headers = request.headers_mut();
                headers.insert(HeaderName::from_static("client_id"), secret("client_id", id)?);
                headers.insert(HeaderName::from_static("client_secret"), secret("client_secret", password)?);
                self.unit_headers(headers)?;
                request
            }
            Some(Keys::Accounting) => {
                let body = b"grant_type=client_credentials".to_vec();
                let mut request = self.request(Method::POST, "/miami/v1/token", body)?;
                let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{password}")));
                let headers = request.headers_mut();
                headers.insert(header::AUTHORIZATION, secret("client_secret", &basic)?);
                let form = HeaderValue::from_static("application/x-www-form-urlencoded");
                headers.insert(header::CONTENT_TYPE, form);
                request
            }
        };
        let asked_at = self.access.world.clock.now();
        let answer = self.remote.read(request).await?;
        if answer.status().is_client_error() && !matches!(answer.status().as_u16(), 408 | 429) {
            let said = Refused::read(answer.body()).text(&self.secrets());
            return Err(Error::auth(format!(
                "Vipps MobilePay: no token for these keys ({}): {said}; check client_id, client_secret and \
                 subscription_key in the secret bundle; accounting keys need keys = \"accounting\"",
                answer.status().as_u16(),
            )));
        }
        let body = self.taken("the token", answer)?;
        let grant = Grant::read(&body)
            .map_err(|why| Error::new(Kind::Rejected, format!("Vipps MobilePay: the token {why}")))?;
        let seconds = grant.seconds_of_use(asked_at.timestamp());
        if seconds <= 0 {
            return Err(Error::retry("Vipps MobilePay: the token has expired before it came"));
        }
        let until = asked_at + Duration::seconds(seconds.min(30 * 86_400));
        Ok(Fresh { text: grant.access_token, until })
    }

    /// The values that must not be repeated in a message.
    fn secrets(&self) -> Vec<&str> {
        ["client_id", "client_secret", "subscription_key"]
            .into_iter()
            .flat_map(|field| self.access.secret.list(field))
            .collect()
    }
}

/// The newest date that can be closed: yesterday in the company's time zone.
pub fn newest(access: &Access<'_>) -> NaiveDate {
    let today = access.world.clock.now().with_timezone(&access.terms.time_zone).date_naive();
    today.pred_opt().unwrap_or(today)
}

/// What an answer that is no success means. Messages carry the provider's ids of the call.
pub fn classify(what: &str, answer: &Response<Vec<u8>>, secrets: &[&str]) -> Error {
    let refused = Refused::read(answer.body());
    let status = answer.status().as_u16();
    let (kind, remedy) = match status {
        401 => (Kind::Auth, "; check the keys in the secret bundle".to_owned()),
        403 => (Kind::Auth, format!("; the keys lack the right to read reports: {GRANT}")),
        404 => (Kind::Config, format!("; the ledger is unknown or not granted: {GRANT}")),
        429 => (Kind::Retry, String::new()),
        500 if refused.code() == Some(INVALID_INPUT) => (Kind::Rejected, String::new()),
        408 | 500.. => (Kind::Retry, String::new()),
        _ => (Kind::Rejected, String::new()),
    };
    let said = refused.text(secrets);
    Error::new(kind, format!("Vipps MobilePay: {what}: answer {status} {said}{remedy}"))
}

/// The error of an answer that is no such page.
pub fn unreadable(what: &str, error: Unreadable) -> Error {
    let message = format!("Vipps MobilePay: {what}: {}", error.what);
    if error.cut_off { Error::retry(message) } else { Error::new(Kind::Rejected, message) }
}

/// The Report API's number for input that it does not accept.
const INVALID_INPUT: i64 = 10_002;

/// Answers that another try may better: as usual, but not input that is refused with status 500.
fn again(answer: &Response<Vec<u8>>) -> bool {
    usual_again(answer)
        && !(answer.status() == StatusCode::INTERNAL_SERVER_ERROR
            && Refused::read(answer.body()).code() == Some(INVALID_INPUT))
}

/// A header that logs never show.
fn secret(field: &str, value: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| {
        Error::auth(format!("Vipps MobilePay: {field} holds characters that no header can carry; correct it"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// A text as one part of an address.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
