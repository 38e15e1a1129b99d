//! Stripe's API: the only place of this connector that asks anything over the network. Nothing is ever sent but reads.

use std::collections::HashSet;
use std::fmt::Write as _;

use edge::http::retry_after;
use edge::{Error, Kind};
use http::{HeaderValue, Method, Response};
use ledger::Currency;
use serde::Deserialize;
use store::pace::Rate;
use store::remote::Remote;

use super::payout::{Cursor, PayoutPage, WindowCursor, announce_window, is_whole, seconds_of};
use crate::{Access, Announced, Discovered};

/// Stripe's own base.
const BASE: &str = "https://api.stripe.com";

/// The version that answers are asked for in; without it the account's own default would decide.
const API_VERSION: &str = "2026-07-29.dahlia";

/// Below Stripe's limit of 25 per second for each endpoint, which is also a sandbox's for all.
const RATE: Rate = Rate { per_second: 20, burst: 20 };

/// How many pages of payouts one step reads.
const PAGES_PER_STEP: usize = 10;

/// How many questions about days one step asks.
const QUESTIONS_PER_STEP: usize = 30;

/// Stripe as one connection reaches it.
struct Client<'w> {
    remote: Remote<'w>,
    authorization: HeaderValue,
    live: bool,
}

impl<'w> Client<'w> {
    fn new(access: &Access<'w>) -> Result<Client<'w>, Error> {
        let key = access.secret.get("api_key")?.trim();
        if key.starts_with("pk_") || key.starts_with("whsec_") {
            return Err(Error::auth(
                "stripe: api_key is a publishable key or a webhook secret; give a restricted key (rk_live_…) that may \
                 read balance, payouts, charges, refunds and disputes",
            ));
        }
        let mut authorization = HeaderValue::from_str(&format!("Bearer {key}"))
            .map_err(|_| Error::auth("stripe: api_key has characters that no key has; copy it again"))?;
        authorization.set_sensitive(true);
        let credential = access.secret.fingerprint();
        let remote = Remote::new(access.world, "stripe", (BASE, access.base_url), &credential, RATE)?
            .repeating(worth_another_try);
        Ok(Client { remote, authorization, live: key.starts_with("sk_live_") || key.starts_with("rk_live_") })
    }

    /// Reads a path with its query, which is encoded already.
    async fn get(&self, path: &str) -> Result<Answer, Error> {
        let request = self
            .remote
            .request(Method::GET, path)
            .header(http::header::AUTHORIZATION, self.authorization.clone())
            .header("stripe-version", API_VERSION)
            .header(http::header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|error| Error::bug("stripe: the request cannot be made").because(error))?;
        let response = self.remote.read(request).await?;
        let what = path.split('?').next().unwrap_or_default();
        if !response.status().is_success() {
            return Err(classify(&response, what, self.remote.world().clock.now()));
        }
        let id = request_id(&response);
        let body = response.into_body();
        if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            // A page for people, of a proxy or of maintenance: it says nothing about the account.
            return Err(Error::retry(format!("stripe: {what} gave something else than JSON ({id})")));
        }
        Ok(Answer { what: what.to_owned(), id, body })
    }
}

/// A successful answer.
struct Answer {
    what: String,
    id: String,
    body: Vec<u8>,
}

impl Answer {
    fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        // The parser's message names fields, lines and columns, never values of more than a word.
        serde_json::from_slice(&self.body).map_err(|error| self.unknown_shape(&error.to_string()))
    }

    fn unknown_shape(&self, what: &str) -> Error {
        Error::new(
            Kind::Rejected,
            format!("stripe: {} gave an answer of unknown shape ({}): {what}", self.what, self.id),
        )
    }

    /// The same error, with what was asked and answered.
    fn told(&self, error: Error) -> Error {
        error.within(format!("{} ({})", self.what, self.id))
    }
}

/// Which answers to a read are worth another try: Stripe says so itself, else conflicts, too many calls, and faults
/// of the server.
fn worth_another_try(answer: &Response<Vec<u8>>) -> bool {
    match answer.headers().get("stripe-should-retry").map(HeaderValue::as_bytes) {
        Some(b"true") => true,
        Some(b"false") => false,
        _ => matches!(answer.status().as_u16(), 409 | 429 | 500..),
    }
}

fn request_id(response: &Response<Vec<u8>>) -> String {
    let id = response.headers().get("request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let id: String = id.chars().filter(char::is_ascii_graphic).take(60).collect();
    if id.is_empty() { "no request id".to_owned() } else { id }
}

/// What Stripe says about an error.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: Said,
}

/// What an answer that is no success means.
fn classify(response: &Response<Vec<u8>>, what: &str, now: chrono::DateTime<chrono::Utc>) -> Error {
    let said =
        serde_json::from_slice::<ErrorBody>(response.body()).map(|body| body.error).unwrap_or_default();
    let code = plain(said.code.as_deref().unwrap_or_default());
    let message = plain(said.message.as_deref().unwrap_or_default());
    let id = request_id(response);
    let status = response.status().as_u16();
    let told = if code.is_empty() { String::new() } else { format!(", {code}") };
    let head = format!("stripe: {what} gave {status}{told} ({id})");
    match status {
        401 if code == "api_key_expired" => Error::auth(format!(
            "{head}: the key has expired; make a new one and put it into the secret as api_key"
        )),
        401 => Error::auth(format!(
            "{head}: the key is wrong or was revoked; put a valid one into the secret as api_key"
        )),
        403 => {
            let rights = rights(&message);
            let named = if rights.is_empty() { format!("\"{message}\"") } else { rights.join(", ") };
            Error::new(
                Kind::Permission,
                format!("{head}: permission missing: {named}; give the restricted key this right to read"),
            )
        }
        404 => Error::config(format!("{head}: {message}; check account and base_url of the connection")),
        409 | 429 | 500.. => {
            let error = Error::retry(format!("{head}: {message}"));
            match retry_after(response.headers(), now) {
                Some(wait) => error.after(wait),
                None => error,
            }
        }
        _ => Error::new(Kind::Rejected, format!("{head}: {message}")),
    }
}

/// A remote text as it may stand in a message: short, on one line, without anything that looks like a key.
fn plain(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    let secret = |word: &str| ["sk_", "rk_", "whsec_"].iter().any(|prefix| word.contains(prefix));
    let words: Vec<&str> = clean.split(' ').map(|word| if secret(word) { "(key)" } else { word }).collect();
    words.join(" ")
}

/// The rights that Stripe names in a refusal, such as `rak_payout_read`.
fn rights(message: &str) -> Vec<&str> {
    let names = message.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    names.filter(|name| name.starts_with("rak_")).collect()
}

/// A value as part of a query.
fn encoded(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// One bounded step of the look for payouts, or for windows.
pub async fn discover(access: &Access<'_>, cursor: Option<&serde_json::Value>) -> Result<Discovered, Error> {
    let client = Client::new(access)?;
    match access.terms.window_from {
        Some(from) => windows(&client, access, cursor, from.max(access.start_on)).await,
        None => payouts(&client, access, cursor).await,
    }
}

async fn payouts(
    client: &Client<'_>,
    access: &Access<'_>,
    kept: Option<&serde_json::Value>,
) -> Result<Discovered, Error> {
    let (mut cursor, listing) = Cursor::open(kept, access.start_on, access.terms.time_zone)?;
    let mut listing = Some(listing);
    let (mut step, mut found) = (HashSet::new(), Vec::new());
    for _ in 0..PAGES_PER_STEP {
        let Some(at) = listing.take() else { break };
        let mut path = format!("/v1/payouts?limit=100&created%5Bgte%5D={}", at.from);
        if let Some(after) = &at.after {
            path.push_str("&starting_after=");
            path.push_str(&encoded(after));
        }
        let answer = client.get(&path).await?;
        let page: PayoutPage<'_> = answer.parse()?;
        cursor
            .take(at, &page, (access.terms, client.live), &mut step, &mut found)
            .map_err(|error| answer.told(error))?;
        listing.clone_from(&cursor.listing);
    }
    // Newest first as Stripe lists them; oldest first as they are wanted.
    found.reverse();
    found.sort_by_key(|(created, _)| *created);
    Ok(Discovered {
        settlements: found.into_iter().map(|(_, announced)| announced).collect(),
        more: cursor.listing.is_some(),
        cursor: to_value(&cursor)?,
    })
}

/// What is read of `GET /v1/balance`.
#[derive(Deserialize)]
struct Balance {
    available: Vec<Funds>,
    pending: Vec<Funds>,
    #[serde(default)]
    connect_reserved: Vec<Funds>,
}

#[derive(Deserialize)]
struct Funds {
    currency: String,
}

/// What is read of one row to see that there are rows.
#[derive(Deserialize)]
struct Glance {
    data: Vec<Funds>,
}

async fn windows(
    client: &Client<'_>,
    access: &Access<'_>,
    kept: Option<&serde_json::Value>,
    from: chrono::NaiveDate,
) -> Result<Discovered, Error> {
    let account = access.terms.account.as_deref().unwrap_or_default();
    if account.is_empty() {
        return Err(Error::config(
            "stripe: settle_by = \"window\" needs account, the id acct_… that windows are named by; the dashboard \
             shows it under Settings, Account details",
        ));
    }
    let zone = access.terms.time_zone;
    let now = access.world.clock.now();
    let mut cursor = WindowCursor::open(kept, from)?;
    let mut settlements = Vec::new();
    let mut questions = 0;
    if is_whole(cursor.day, zone, now) {
        let answer = client.get("/v1/balance").await?;
        let balance: Balance = answer.parse()?;
        for funds in balance.available.iter().chain(&balance.pending).chain(&balance.connect_reserved) {
            cursor.note(&funds.currency);
        }
        questions += 1;
    }
    while is_whole(cursor.day, zone, now) && questions < QUESTIONS_PER_STEP {
        let day = cursor.day;
        let (gte, lt) = seconds_of(day, zone);
        let range = format!("limit=1&created%5Bgte%5D={gte}&created%5Blt%5D={lt}");
        questions += 1;
        let answer = client.get(&format!("/v1/balance_transactions?{range}")).await?;
        let glance: Glance = answer.parse()?;
        if let Some(row) = glance.data.first() {
            // A currency that the balance does not show any more.
            cursor.note(&row.currency);
            for code in cursor.currencies.clone() {
                questions += 1;
                let path = format!("/v1/balance_transactions?{range}&currency={}", encoded(&code));
                let answer = client.get(&path).await?;
                let glance: Glance = answer.parse()?;
                if glance.data.is_empty() {
                    continue;
                }
                let currency =
                    Currency::parse(&code).map_err(|error| answer.unknown_shape(&error.to_string()))?;
                settlements.push(announce_window(day, currency, account, zone));
            }
        }
        cursor.day = day.succ_opt().ok_or_else(|| Error::bug("stripe: the calendar ends"))?;
    }
    let more = is_whole(cursor.day, zone, now);
    Ok(Discovered { settlements, cursor: to_value(&cursor)?, more })
}

fn to_value<T: serde::Serialize>(cursor: &T) -> Result<serde_json::Value, Error> {
    serde_json::to_value(cursor)
        .map_err(|error| Error::bug("stripe: the cursor has no JSON form").because(error))
}

/// One page of a settlement's rows.
pub async fn page(
    access: &Access<'_>,
    settlement: &Announced,
    cursor: Option<&str>,
) -> Result<Vec<u8>, Error> {
    let client = Client::new(access)?;
    let detail = &settlement.detail;
    let mut path = "/v1/balance_transactions?limit=100&expand%5B%5D=data.source".to_owned();
    let missing = || Error::bug(format!("{}: the announcement says no range", settlement.name));
    if settlement.window {
        let number = |name: &str| detail.get(name).and_then(serde_json::Value::as_i64).ok_or_else(missing);
        let code = detail.get("currency").and_then(serde_json::Value::as_str).ok_or_else(missing)?;
        let (gte, lt) = (number("gte")?, number("lt")?);
        // Writing to a text cannot fail.
        let _ = write!(path, "&created%5Bgte%5D={gte}&created%5Blt%5D={lt}&currency={}", encoded(code));
    } else {
        path.push_str("&payout=");
        path.push_str(&encoded(&settlement.name.id));
    }
    if let Some(after) = cursor {
        path.push_str("&starting_after=");
        path.push_str(&encoded(after));
    }
    Ok(client.get(&path).await?.body)
}

/// Whether the key may read what is needed, one right after the other.
pub async fn check(access: &Access<'_>) -> Result<(String, Vec<String>), Error> {
    let client = Client::new(access)?;
    let mut missing = Vec::new();
    for (right, path) in [
        ("balance", "/v1/balance"),
        ("payouts", "/v1/payouts?limit=1"),
        (
            "balance transactions, with their charges, refunds and disputes",
            "/v1/balance_transactions?limit=1&expand%5B%5D=data.source",
        ),
    ] {
        match client.get(path).await {
            Ok(_) => {}
            Err(error) if error.kind == Kind::Permission => {
                missing.push(format!("may not read {right}: {error}"));
            }
            Err(error) => return Err(error),
        }
    }
    if !missing.is_empty() {
        return Err(Error::new(Kind::Permission, format!("the key {}", missing.join("; the key "))));
    }
    let mode = if client.live { "live mode" } else { "test mode" };
    let text = format!("the key may read balance, payouts and balance transactions ({mode})");
    Ok((text, Vec::new()))
}
