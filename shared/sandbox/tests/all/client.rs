//! A client that calls the sandbox directly, at a time of its own.

use chrono::{DateTime, TimeDelta, Utc};
use sandbox::{Ending, Options, Reply, Sandbox, stripe, tripletex, vipps_mobilepay};
use serde_json::{Value, json};

pub struct Client {
    pub sandbox: Sandbox,
    pub now: DateTime<Utc>,
}

/// An answer taken apart.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
    /// How it ends on the wire.
    pub ending: Ending,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The body of an answer with this status.
    pub fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }
}

pub fn noon() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

pub fn basic(user: &str, password: &str) -> String {
    // The tests' own base64, so that a mistake in the sandbox's is seen.
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits: Vec<bool> = Vec::new();
    for byte in format!("{user}:{password}").bytes() {
        bits.extend((0..8).rev().map(|place| byte >> place & 1 == 1));
    }
    let mut text: String = bits
        .chunks(6)
        .map(|chunk| {
            let value =
                (0..6).fold(0, |value, at| value * 2 + usize::from(chunk.get(at).copied().unwrap_or(false)));
            char::from(LETTERS[value])
        })
        .collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    format!("Basic {text}")
}

impl Client {
    pub fn new(options: Options) -> Client {
        Client { sandbox: Sandbox::new(options), now: noon() }
    }

    pub fn seeded(seed: u64) -> Client {
        Client::new(Options { seed, ..Options::default() })
    }

    pub fn later(&mut self, delta: TimeDelta) {
        self.now += delta;
    }

    pub fn call(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_vec()).unwrap();
        let Reply { response, ending, .. } = self.sandbox.handle(self.now, &request);
        let (parts, body) = response.into_parts();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body, ending }
    }

    pub fn control(&mut self, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.call(method, &format!("/sandbox/{path}"), &[], &body)
    }

    /// The payouts as they really are.
    pub fn truth(&mut self) -> Vec<Value> {
        self.control("GET", "payouts", Value::Null).is(200)["payouts"].as_array().unwrap().clone()
    }

    pub fn stripe(&mut self, path: &str) -> Answer {
        let key = format!("Bearer {}", stripe::KEY);
        let headers = [("authorization", key.as_str()), ("stripe-version", "2026-07-29.dahlia")];
        self.call("GET", &format!("/stripe/v1/{path}"), &headers, b"")
    }

    /// All rows of a Stripe list, page by page.
    pub fn stripe_all(&mut self, path: &str, limit: usize) -> Vec<Value> {
        let mut rows: Vec<Value> = Vec::new();
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let after = rows.last().map(|row| format!("&starting_after={}", row["id"].as_str().unwrap()));
            let page =
                self.stripe(&format!("{path}{sign}limit={limit}{}", after.unwrap_or_default())).is(200);
            let found = page["data"].as_array().unwrap();
            assert!(found.len() <= limit);
            rows.extend(found.iter().cloned());
            if page["has_more"] == false {
                return rows;
            }
            assert_eq!(found.len(), limit);
        }
    }

    pub fn vipps_token(&mut self) -> String {
        let headers = [
            ("client_id", vipps_mobilepay::CLIENT_ID),
            ("client_secret", vipps_mobilepay::CLIENT_SECRET),
            ("Ocp-Apim-Subscription-Key", vipps_mobilepay::SUBSCRIPTION_KEY),
            ("Merchant-Serial-Number", vipps_mobilepay::MERCHANT_SERIAL_NUMBER),
        ];
        let body = self.call("POST", "/vipps/accesstoken/get", &headers, b"").is(200);
        assert_eq!(body["expires_in"], "86400");
        body["access_token"].as_str().unwrap().to_owned()
    }

    pub fn vipps(&mut self, token: &str, path: &str) -> Answer {
        let token = format!("Bearer {token}");
        let headers = [
            ("authorization", token.as_str()),
            ("Ocp-Apim-Subscription-Key", vipps_mobilepay::SUBSCRIPTION_KEY),
            ("Merchant-Serial-Number", vipps_mobilepay::MERCHANT_SERIAL_NUMBER),
            ("Vipps-System-Name", "bilag"),
        ];
        self.call("GET", &format!("/vipps/{path}"), &headers, b"")
    }

    /// The ledger of the sales unit's own keys.
    pub fn vipps_ledger(&mut self, token: &str) -> String {
        let body = self.vipps(token, "settlement/v1/ledgers").is(200);
        assert_eq!(body["items"].as_array().unwrap().len(), 1);
        body["items"][0]["ledgerId"].as_str().unwrap().to_owned()
    }

    /// The whole feed of a topic.
    pub fn vipps_feed(&mut self, token: &str, ledger: &str, topic: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let query =
                if cursor.is_empty() { String::new() } else { format!("?cursor={}", encode(&cursor)) };
            let body = self.vipps(token, &format!("report/v2/ledgers/{ledger}/{topic}/feed{query}")).is(200);
            assert!(body.get("hasMore").is_none());
            items.extend(body["items"].as_array().unwrap().iter().cloned());
            cursor = body["cursor"].as_str().unwrap().to_owned();
            assert!(!cursor.is_empty());
            if body["tryLater"] == true {
                return items;
            }
        }
    }

    pub fn tripletex_session(&mut self) -> String {
        self.tripletex_session_of(tripletex::EMPLOYEE_TOKEN)
    }

    pub fn tripletex_session_of(&mut self, employee: &str) -> String {
        let until = (self.now + TimeDelta::days(2)).format("%Y-%m-%d").to_string();
        let body = json!({
            "consumerToken": tripletex::CONSUMER_TOKEN, "employeeToken": employee, "expirationDate": until,
        });
        let headers = [("content-type", "application/json")];
        let answer = self
            .call("POST", "/tripletex/v2/token/session/:create", &headers, body.to_string().as_bytes())
            .is(201);
        answer["value"]["token"].as_str().unwrap().to_owned()
    }

    pub fn tripletex(&mut self, session: &str, method: &str, path: &str, body: Value) -> Answer {
        let authorization = basic("0", session);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json; charset=utf-8"),
            ("user-agent", "bilag"),
        ];
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.call(method, &format!("/tripletex/v2/{path}"), &headers, &body)
    }

    /// The id of an account.
    pub fn account(&mut self, session: &str, number: i64) -> i64 {
        let path = format!("ledger/account?number={number}&fields=id,number");
        let body = self.tripletex(session, "GET", &path, Value::Null).is(200);
        assert_eq!(body["fullResultSize"], 1, "{number}");
        body["values"][0]["id"].as_i64().unwrap()
    }
}

/// A value in a query.
pub fn encode(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
