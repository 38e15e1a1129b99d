//! The simulated systems together: who answers what, how often each was called, how fast it may be.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use http::Response;
use serde_json::{Value, json};

use crate::Options;
use crate::simulator::{REGISTRY, Registered, Simulator};
use crate::truth::Truth;
use crate::wire::{self, Request};

/// The limit that headers show while there is none.
const RATE_SHOWN: u32 = 1_000_000;

/// One system with what is counted of it.
pub(crate) struct System {
    pub registered: &'static Registered,
    pub simulator: Box<dyn Simulator>,
    /// By method and endpoint.
    calls: BTreeMap<(String, &'static str), u64>,
    /// The second at hand, and the requests in it.
    window: (i64, u32),
}

/// The systems' state.
pub(crate) struct Systems {
    pub base_on: NaiveDate,
    pub all: Vec<System>,
    rate: Option<u32>,
    /// Requests to the address that the fault of that name redirects to.
    pub redirects_followed: u64,
}

impl Systems {
    pub fn new(options: &Options, now: DateTime<Utc>) -> Systems {
        let today = now.with_timezone(&chrono_tz::Europe::Oslo).date_naive();
        // Three of four payouts take one day, and some days go to those that are unsound.
        let span = (options.payouts * 4 / 3 + 12).max(30) as u64;
        let base_on = options.base_on.unwrap_or(today - Days::new(span));
        let made = |registered: &'static Registered| System {
            registered,
            simulator: (registered.make)(options, base_on),
            calls: BTreeMap::new(),
            window: (0, 0),
        };
        let all = REGISTRY.iter().map(made).collect();
        Systems { base_on, all, rate: options.requests_per_second, redirects_followed: 0 }
    }

    /// Where the system is whose addresses begin with a segment.
    pub fn of_prefix(&self, prefix: &str) -> Option<usize> {
        self.all.iter().position(|system| system.registered.prefix == prefix)
    }

    /// Answers a request. `hidden` keeps a voucher that it posts from searches for so long.
    pub fn handle(
        &mut self,
        system: usize,
        now: DateTime<Utc>,
        request: &Request,
        hidden: TimeDelta,
    ) -> Response<Vec<u8>> {
        let rate = self.rate;
        let system = &mut self.all[system];
        let left = system.left(rate, now);
        let mut response = match left {
            None => system.simulator.too_many(),
            Some(_) => system.simulator.handle(now, request, hidden),
        };
        system.simulator.show_rate(&mut response, rate.unwrap_or(RATE_SHOWN), left.unwrap_or(0));
        response
    }

    /// Asks one system, or all, to do something. True if one did it.
    pub fn each(&mut self, only: Option<&str>, mut act: impl FnMut(&mut dyn Simulator) -> bool) -> bool {
        let mut has_done = false;
        for system in &mut self.all {
            if only.is_none_or(|only| only == system.registered.name) {
                has_done |= act(&mut *system.simulator);
            }
        }
        has_done
    }

    pub fn truths(&self, now: DateTime<Utc>) -> Vec<Truth> {
        self.all.iter().flat_map(|system| system.simulator.truths(now)).collect()
    }

    pub fn count(&mut self, system: usize, request: &Request) {
        let system = &mut self.all[system];
        let key = (request.method.to_string(), system.simulator.template(request));
        *system.calls.entry(key).or_default() += 1;
    }

    /// Counts anew.
    pub fn forget_calls(&mut self) {
        for system in &mut self.all {
            system.calls.clear();
        }
        self.redirects_followed = 0;
    }

    /// How often each endpoint was called.
    pub fn calls_json(&self) -> Value {
        let mut calls = Vec::new();
        let mut kinds: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        let mut total = 0;
        for system in &self.all {
            for ((method, template), count) in &system.calls {
                let kind = match *template {
                    "(unknown)" => "unknown",
                    template => system.simulator.kind(method, template),
                };
                calls.push(json!({
                    "system": system.registered.name,
                    "method": method,
                    "endpoint": template,
                    "kind": kind,
                    "count": count,
                }));
                *kinds.entry(system.registered.name).or_default().entry(kind).or_default() += count;
                total += count;
            }
        }
        json!({
            "calls": calls,
            "kinds": kinds,
            "total": total,
            "redirects_followed": self.redirects_followed,
        })
    }
}

impl System {
    /// Takes one request of this second; how many are left, or `None` if none was.
    fn left(&mut self, rate: Option<u32>, now: DateTime<Utc>) -> Option<u32> {
        if self.window.0 != now.timestamp() {
            self.window = (now.timestamp(), 0);
        }
        self.window.1 = self.window.1.saturating_add(1);
        match rate {
            Some(rate) => rate.checked_sub(self.window.1),
            None => Some(RATE_SHOWN.saturating_sub(self.window.1)),
        }
    }
}

/// A refusal with a time to wait, in seconds.
pub(crate) fn retry_after(mut response: Response<Vec<u8>>, seconds: u64) -> Response<Vec<u8>> {
    wire::header(&mut response, "retry-after", &seconds.to_string());
    response
}
