//! Access tokens: a sales unit's own keys, and an accounting partner's.

use chrono::{DateTime, TimeDelta, Utc};
use http::{Method, Response};
use serde_json::json;

use super::{
    ACCOUNTING_CLIENT_ID, ACCOUNTING_CLIENT_SECRET, CLIENT_ID, CLIENT_SECRET, MERCHANT_SERIAL_NUMBER,
    PARTNER_CLIENT_ID, SECOND_SUBSCRIPTION_KEY, SUBSCRIPTION_KEY,
};
use crate::random::Random;
use crate::wire::{self, Request};

/// Whose keys a token was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// A sales unit's own.
    Standard,
    /// An accounting partner's.
    Accounting,
    /// A partner's of another kind, who may not read reports.
    Partner,
}

/// The tokens that were given out.
pub(super) struct Tokens {
    random: Random,
    live: Vec<(String, DateTime<Utc>, Keys)>,
}

impl Tokens {
    pub fn new(seed: u64) -> Tokens {
        Tokens { random: Random::new(seed, "vipps tokens"), live: Vec::new() }
    }

    /// Ends every token.
    pub fn expire(&mut self) {
        self.live.clear();
    }

    fn give(&mut self, now: DateTime<Utc>, life: i64, keys: Keys) -> String {
        self.live.retain(|(_, until, _)| *until > now);
        let token = format!("eyJ{}.{}.{}", self.random.text(20), self.random.text(60), self.random.text(43));
        self.live.push((token.clone(), now + TimeDelta::seconds(life), keys));
        token
    }

    /// `POST /accesstoken/get`: all numbers of the answer are texts.
    pub fn standard(&mut self, now: DateTime<Utc>, request: &Request) -> Response<Vec<u8>> {
        if let Some(refusal) = refused_subscription_key(request) {
            return refusal;
        }
        let known = request.header("client_id") == Some(CLIENT_ID)
            && request.header("client_secret") == Some(CLIENT_SECRET)
            && request.header("merchant-serial-number") == Some(MERCHANT_SERIAL_NUMBER);
        if !known {
            return wire::json(
                401,
                &json!({
                    "error": "unauthorized_client",
                    "error_description": "client_id, client_secret or Merchant-Serial-Number is missing or wrong",
                    "error_codes": [700_016],
                    "timestamp": now.format("%Y-%m-%d %H:%M:%SZ").to_string(),
                    "trace_id": self.random.uuid(),
                    "correlation_id": self.random.uuid(),
                }),
            );
        }
        let life = 86_400;
        let token = self.give(now, life, Keys::Standard);
        wire::json(
            200,
            &json!({
                "token_type": "Bearer",
                "expires_in": life.to_string(),
                "ext_expires_in": life.to_string(),
                "expires_on": (now.timestamp() + life).to_string(),
                "not_before": (now.timestamp() - 300).to_string(),
                "resource": "00000002-0000-0000-c000-000000000000",
                "access_token": token,
            }),
        )
    }

    /// `POST /miami/v1/token`: the life is a number, 900 seconds.
    pub fn specialized(&mut self, now: DateTime<Utc>, request: &Request) -> Response<Vec<u8>> {
        let refuse = |error: &str| {
            wire::json(if error == "invalid_client" { 401 } else { 400 }, &json!({ "error": error }))
        };
        let form = request.header("content-type").is_some_and(|kind| {
            kind.split(';').next().is_some_and(|kind| kind.trim() == "application/x-www-form-urlencoded")
        });
        let fields = std::str::from_utf8(request.body).ok().and_then(wire::pairs).unwrap_or_default();
        let grant = fields.iter().find(|(name, _)| name == "grant_type").map(|(_, value)| value.as_str());
        if !form || grant.is_none() {
            return refuse("invalid_request");
        }
        if grant != Some("client_credentials") {
            return refuse("unsupported_grant_type");
        }
        let keys = match request.basic() {
            Some((id, secret)) if id == ACCOUNTING_CLIENT_ID && secret == ACCOUNTING_CLIENT_SECRET => {
                Keys::Accounting
            }
            Some((id, secret)) if id == PARTNER_CLIENT_ID && secret == ACCOUNTING_CLIENT_SECRET => {
                Keys::Partner
            }
            _ => return refuse("invalid_client"),
        };
        // A subscription key of any kind spoils it.
        if request.header("ocp-apim-subscription-key").is_some() {
            return refuse("invalid_client");
        }
        let token = self.give(now, 900, keys);
        wire::json(200, &json!({ "access_token": token, "token_type": "Bearer", "expires_in": 900 }))
    }

    /// Whose token a request carries, or the refusal.
    pub fn keys(&self, now: DateTime<Utc>, request: &Request) -> Result<Keys, Box<Response<Vec<u8>>>> {
        let given = request.bearer().and_then(|token| self.live.iter().find(|(known, ..)| known == token));
        let Some((_, _, keys)) = given.filter(|(_, until, _)| *until > now) else {
            return Err(Box::new(unauthorized("The access token is missing, wrong or no longer valid")));
        };
        match keys {
            Keys::Standard => {
                if let Some(refusal) = refused_subscription_key(request) {
                    return Err(Box::new(refusal));
                }
                if request.header("merchant-serial-number") != Some(MERCHANT_SERIAL_NUMBER) {
                    return Err(Box::new(unauthorized(
                        "Merchant-Serial-Number is missing or is not that of the keys",
                    )));
                }
            }
            Keys::Accounting | Keys::Partner => {
                if request.header("ocp-apim-subscription-key").is_some() {
                    return Err(Box::new(unauthorized(
                        "Ocp-Apim-Subscription-Key does not belong to these keys",
                    )));
                }
            }
        }
        Ok(*keys)
    }
}

/// Whether the request is one for a token.
pub(super) fn is_token_path(request: &Request) -> bool {
    request.method == Method::POST
        && matches!(request.segments().as_slice(), ["accesstoken", "get"] | ["miami", "v1", "token"])
}

fn unauthorized(message: &str) -> Response<Vec<u8>> {
    wire::json(401, &json!({ "code": "Unauthorized", "message": message }))
}

/// The gateway's own refusal, which comes before anything else.
fn refused_subscription_key(request: &Request) -> Option<Response<Vec<u8>>> {
    let message = match request.header("ocp-apim-subscription-key") {
        Some(SUBSCRIPTION_KEY | SECOND_SUBSCRIPTION_KEY) => return None,
        Some(_) => "Access denied due to invalid subscription key.",
        None => "Access denied due to missing subscription key.",
    };
    Some(wire::json(401, &json!({ "statusCode": 401, "message": message })))
}
