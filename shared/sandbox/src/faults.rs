//! Faults on request: what goes wrong between a client and a system that does its work.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::{Method, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::random::Random;
use crate::simulator::Simulator;
use crate::systems::{Systems, retry_after};
use crate::wire::{self, Ending, Reply, Request};

/// Bytes that [`Fault::HugeBody`] adds.
const HUGE_BYTES: usize = 64 << 20;
/// Bytes that [`Fault::Bomb`] inflates to.
const BOMB_BYTES: usize = 256 << 20;

/// How long [`Fault::Hang`] holds an answer back.
const HANG: Duration = Duration::from_secs(120);

/// One kind of fault. Those before the effect leave the system as it was; the others happen to an answer
/// whose request did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Fault {
    /// The connection closes; nothing was done.
    #[serde(rename = "drop-before")]
    DropBefore,
    /// It was done, but the connection closes without an answer.
    #[serde(rename = "drop-after")]
    DropAfter,
    /// Too many requests, without a time to wait; nothing was done.
    #[serde(rename = "429")]
    TooMany,
    /// Too many requests, try again in a second; nothing was done.
    #[serde(rename = "429-retry-after")]
    TooManyRetryAfter,
    /// The system's own error 500; nothing was done.
    #[serde(rename = "500")]
    ServerError,
    /// It was done, and then an HTML page with status 500 came.
    #[serde(rename = "500-after")]
    ServerErrorAfter,
    /// A gateway's 502 without a body; nothing was done.
    #[serde(rename = "502-empty")]
    BadGateway,
    /// A gateway's 503 with an HTML page; nothing was done.
    #[serde(rename = "503-html")]
    Unavailable,
    /// An HTML page with status 200, as captive portals give; nothing was done.
    #[serde(rename = "html-200")]
    Portal,
    /// It was done; the connection closes in the middle of the answer.
    #[serde(rename = "cut-body")]
    CutBody,
    /// It was done; the answer comes at one byte per second.
    #[serde(rename = "slow-body")]
    SlowBody,
    /// It was done; the answer is held back for two minutes.
    #[serde(rename = "hang")]
    Hang,
    /// It was done; searches find the voucher only seconds later. Tripletex.
    #[serde(rename = "delay-visible")]
    DelayVisible,
    /// A row of the page stands in it twice.
    #[serde(rename = "duplicate-rows")]
    DuplicateRows,
    /// A further page ends where the one before it ended (Stripe), names the cursor that it was asked for
    /// (Vipps MobilePay), or is the first page again (Tripletex).
    #[serde(rename = "repeated-cursor")]
    RepeatedCursor,
    /// A redirect elsewhere; nothing was done.
    #[serde(rename = "redirect")]
    Redirect,
    /// It was done; the answer is followed by 64 MB of blanks.
    #[serde(rename = "huge-body")]
    HugeBody,
    /// It was done; the answer is compressed and inflates to 256 MB.
    #[serde(rename = "bomb")]
    Bomb,
    /// Every token has expired before the request. Not Stripe, which has none.
    #[serde(rename = "token-expired")]
    TokenExpired,
    /// It was done; the answer says that it is plain text.
    #[serde(rename = "wrong-content-type")]
    WrongContentType,
}

impl Fault {
    /// All of them, with their names.
    pub const ALL: [(Fault, &'static str); 20] = [
        (Fault::DropBefore, "drop-before"),
        (Fault::DropAfter, "drop-after"),
        (Fault::TooMany, "429"),
        (Fault::TooManyRetryAfter, "429-retry-after"),
        (Fault::ServerError, "500"),
        (Fault::ServerErrorAfter, "500-after"),
        (Fault::BadGateway, "502-empty"),
        (Fault::Unavailable, "503-html"),
        (Fault::Portal, "html-200"),
        (Fault::CutBody, "cut-body"),
        (Fault::SlowBody, "slow-body"),
        (Fault::Hang, "hang"),
        (Fault::DelayVisible, "delay-visible"),
        (Fault::DuplicateRows, "duplicate-rows"),
        (Fault::RepeatedCursor, "repeated-cursor"),
        (Fault::Redirect, "redirect"),
        (Fault::HugeBody, "huge-body"),
        (Fault::Bomb, "bomb"),
        (Fault::TokenExpired, "token-expired"),
        (Fault::WrongContentType, "wrong-content-type"),
    ];

    /// Its name in requests.
    pub fn name(self) -> &'static str {
        Fault::ALL.iter().find(|(fault, _)| *fault == self).map_or("", |(_, name)| name)
    }

    /// Whether it can happen to a request at all.
    fn fits(self, system: &dyn Simulator, request: &Request) -> bool {
        let is_token = system.template(request).contains("token");
        match self {
            Fault::DelayVisible => system.saves(request),
            Fault::TokenExpired => system.has_tokens() && !is_token,
            Fault::DuplicateRows => *request.method == Method::GET && !is_token,
            Fault::RepeatedCursor => system.has_cursor(request),
            _ => true,
        }
    }
}

/// Which faults happen, and how often.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// Requests of a hundred that one happens to, 0 to 100.
    pub percent: u64,
    /// Decides which.
    #[serde(default)]
    pub seed: u64,
    /// The kinds to choose from.
    pub kinds: Vec<Fault>,
    /// Only requests to the system of this configured name.
    #[serde(default)]
    pub only: Option<String>,
    /// Only requests whose endpoint contains this text.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The most faults; `None` for no end.
    #[serde(default)]
    pub limit: Option<u64>,
}

/// Draws faults and lets them happen.
pub(crate) struct Injector {
    faults: Option<Faults>,
    random: Random,
    happened: BTreeMap<Fault, u64>,
}

impl Injector {
    pub fn new(faults: Option<Faults>) -> Injector {
        let mut injector =
            Injector { faults: None, random: Random::new(0, "faults"), happened: BTreeMap::new() };
        injector.set(faults);
        injector
    }

    /// Other faults from now on; the counts begin anew.
    pub fn set(&mut self, faults: Option<Faults>) {
        self.random = Random::new(faults.as_ref().map_or(0, |faults| faults.seed), "faults");
        self.faults = faults.filter(|faults| faults.percent > 0 && !faults.kinds.is_empty());
        self.happened.clear();
    }

    /// How often each kind happened.
    pub fn happened_json(&self) -> Value {
        let happened: BTreeMap<&str, u64> =
            self.happened.iter().map(|(fault, count)| (fault.name(), *count)).collect();
        json!({ "happened": happened, "total": self.happened.values().sum::<u64>() })
    }

    fn draw(&mut self, name: &str, system: &dyn Simulator, request: &Request) -> Option<Fault> {
        let faults = self.faults.as_ref()?;
        let is_spent = faults.limit.is_some_and(|limit| self.happened.values().sum::<u64>() >= limit);
        let is_meant = faults.only.as_ref().is_none_or(|only| only == name)
            && faults.endpoint.as_ref().is_none_or(|part| system.template(request).contains(part.as_str()));
        let kinds: Vec<Fault> =
            faults.kinds.iter().copied().filter(|fault| fault.fits(system, request)).collect();
        if is_spent || !is_meant || kinds.is_empty() || !self.random.chance(faults.percent) {
            return None;
        }
        let index = usize::try_from(self.random.below(kinds.len() as u64)).unwrap_or(0);
        kinds.get(index).copied()
    }

    /// Lets a system answer a request, with a fault or without.
    pub fn handle(
        &mut self,
        systems: &mut Systems,
        system: usize,
        now: DateTime<Utc>,
        request: Request,
    ) -> Reply {
        let called = &systems.all[system];
        let Some(fault) = self.draw(called.registered.name, &*called.simulator, &request) else {
            return Reply::whole(systems.handle(system, now, &request, TimeDelta::zero()));
        };
        if let Some(reply) = before(fault, &*called.simulator) {
            self.count(fault);
            return reply;
        }
        let mut request = request;
        let mut hidden = TimeDelta::zero();
        match fault {
            Fault::TokenExpired => systems.all[system].simulator.expire_tokens(),
            Fault::DelayVisible => hidden = TimeDelta::seconds(self.random.amount(3, 20)),
            Fault::RepeatedCursor => systems.all[system].simulator.rewind(&mut request),
            _ => {}
        }
        let response = systems.handle(system, now, &request, hidden);
        let called = &*systems.all[system].simulator;
        let (reply, has_happened) = after(fault, called, now, &request, response);
        if has_happened {
            self.count(fault);
        }
        reply
    }

    fn count(&mut self, fault: Fault) {
        *self.happened.entry(fault).or_default() += 1;
    }
}

/// What comes instead of the system's answer.
fn before(fault: Fault, system: &dyn Simulator) -> Option<Reply> {
    let response = match fault {
        Fault::DropBefore => {
            return Some(Reply {
                ending: Ending::Drop,
                ..Reply::whole(wire::answer(500, "text/plain", Vec::new()))
            });
        }
        Fault::TooMany => system.too_many(),
        Fault::TooManyRetryAfter => retry_after(system.too_many(), 1),
        Fault::ServerError => system.server_error(),
        Fault::BadGateway => {
            let mut response = Response::new(Vec::new());
            *response.status_mut() = http::StatusCode::BAD_GATEWAY;
            response
        }
        Fault::Unavailable => wire::page(503, "Service Unavailable"),
        Fault::Portal => wire::page(200, "Welcome to the guest network"),
        Fault::Redirect => {
            let mut response = wire::page(307, "Temporary Redirect");
            wire::header(&mut response, "location", "/sandbox/redirected");
            response
        }
        _ => return None,
    };
    Some(Reply::whole(response))
}

/// What becomes of the system's answer, and whether the fault could happen to it.
fn after(
    fault: Fault,
    system: &dyn Simulator,
    now: DateTime<Utc>,
    request: &Request,
    mut response: Response<Vec<u8>>,
) -> (Reply, bool) {
    let mut ending = Ending::Whole;
    let mut delay = Duration::ZERO;
    let mut has_happened = true;
    match fault {
        Fault::DropAfter => ending = Ending::Drop,
        Fault::CutBody => ending = Ending::Cut(response.body().len() / 2),
        Fault::SlowBody => ending = Ending::Slow,
        Fault::Hang => delay = HANG,
        Fault::ServerErrorAfter => response = wire::page(500, "Feilsituasjon"),
        Fault::DuplicateRows => has_happened = change(&mut response, duplicate),
        Fault::RepeatedCursor => {
            has_happened = change(&mut response, |body| system.repeat_cursor(now, request, body));
        }
        Fault::HugeBody => {
            let length = response.body().len() + HUGE_BYTES;
            response.body_mut().resize(length, b' ');
        }
        Fault::Bomb => {
            *response.body_mut() = bomb(BOMB_BYTES);
            wire::header(&mut response, "content-encoding", "gzip");
        }
        Fault::WrongContentType => wire::header(&mut response, "content-type", "text/plain; charset=utf-8"),
        // These happened before.
        _ => {}
    }
    (Reply { response, delay, ending }, has_happened)
}

/// Changes an answer in JSON; false if it is none or there is nothing to change.
fn change(response: &mut Response<Vec<u8>>, how: impl FnOnce(&mut Value) -> bool) -> bool {
    let body: Option<Value> =
        serde_json::from_slice(response.body()).ok().filter(|_| response.status().is_success());
    let Some(mut body) = body else {
        return false;
    };
    let has_changed = how(&mut body);
    if has_changed {
        *response.body_mut() = body.to_string().into_bytes();
    }
    has_changed
}

/// Writes the last row of a list twice.
fn duplicate(body: &mut Value) -> bool {
    for name in ["data", "items", "values"] {
        if let Some(rows) = body.get_mut(name).and_then(Value::as_array_mut)
            && let Some(row) = rows.last().cloned()
        {
            rows.push(row);
            return true;
        }
    }
    false
}

/// A gzip stream of about `size` blanks: one literal and its repetition, in fixed Huffman codes (RFC 1951,
/// 3.2.6).
fn bomb(size: usize) -> Vec<u8> {
    struct Bits {
        bytes: Vec<u8>,
        used: u32,
    }
    impl Bits {
        /// Codes are written from their highest bit on.
        fn code(&mut self, code: u32, length: u32) {
            for place in (0..length).rev() {
                if self.used == 0 {
                    self.bytes.push(0);
                }
                if let Some(last) = self.bytes.last_mut() {
                    *last |= u8::from(code >> place & 1 == 1) << (self.used % 8);
                }
                self.used = (self.used + 1) % 8;
            }
        }
    }
    let mut bits = Bits { bytes: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], used: 0 };
    // The last block, fixed codes; numbers are written from their lowest bit on.
    bits.code(0b1, 1);
    bits.code(0b10, 2);
    bits.code(0x30 + u32::from(b' '), 8);
    for _ in 0..size / 258 {
        // Length 258, distance 1.
        bits.code(0b1100_0101, 8);
        bits.code(0, 5);
    }
    bits.code(0, 7);
    // The checksum is wrong; whoever comes so far has read everything.
    bits.bytes.extend([0; 8]);
    bits.bytes
}

#[cfg(test)]
mod tests {
    use super::{BOMB_BYTES, Fault, bomb};

    #[test]
    fn a_bomb_is_small_until_it_is_read() {
        assert!(bomb(BOMB_BYTES).len() < 2 << 20);
    }

    #[test]
    fn every_fault_is_read_by_its_name() {
        for (fault, name) in Fault::ALL {
            let read: Result<Fault, _> = serde_json::from_value(serde_json::Value::from(name));
            assert_eq!(read.ok(), Some(fault), "{name}");
            assert_eq!(fault.name(), name);
        }
    }
}
