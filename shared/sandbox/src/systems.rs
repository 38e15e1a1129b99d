//! The simulated systems together: who answers what, how often each was called, how fast it may be.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use http::{Method, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Options;
use crate::refusals;
use crate::stripe::{self, Stripe};
use crate::tripletex::Tripletex;
use crate::truth::Truth;
use crate::vipps_mobilepay::{self, VippsMobilePay};
use crate::wire::{self, Request};

/// A simulated system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// Payment provider.
    Stripe,
    /// Payment provider.
    VippsMobilepay,
    /// Accounting system.
    Tripletex,
}

impl System {
    /// All of them.
    pub const ALL: [System; 3] = [System::Stripe, System::VippsMobilepay, System::Tripletex];

    /// Its name, as configuration has it.
    pub fn name(self) -> &'static str {
        match self {
            System::Stripe => "stripe",
            System::VippsMobilepay => "vipps-mobilepay",
            System::Tripletex => "tripletex",
        }
    }

    /// The system whose addresses begin with a segment.
    pub(crate) fn of_prefix(prefix: &str) -> Option<System> {
        match prefix {
            "stripe" => Some(System::Stripe),
            "vipps" => Some(System::VippsMobilepay),
            "tripletex" => Some(System::Tripletex),
            _ => None,
        }
    }
}

/// The systems' state.
pub(crate) struct Systems {
    pub base_on: NaiveDate,
    pub stripe: Stripe,
    pub vipps: VippsMobilePay,
    pub tripletex: Tripletex,
    /// By system, method and endpoint.
    calls: BTreeMap<(System, String, &'static str), u64>,
    /// Requests of the current second.
    window: BTreeMap<System, (i64, u32)>,
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
        let huge_of = |system| options.huge.filter(|huge| huge.system == system).map(|huge| huge.rows);
        Systems {
            base_on,
            stripe: Stripe::new(&stripe::Plan {
                seed: options.seed,
                base_on,
                payouts: options.payouts,
                first_shape: options.first_shape,
                before: options.before,
                sound_only: options.sound_only,
                huge_rows: huge_of(System::Stripe),
            }),
            vipps: VippsMobilePay::new(&vipps_mobilepay::Plan {
                seed: options.seed,
                base_on,
                payouts: options.payouts,
                first_shape: options.first_shape,
                before: options.before,
                sound_only: options.sound_only,
                huge_rows: huge_of(System::VippsMobilepay),
                page: options.vipps_page,
                gross: options.vipps_gross,
                second_ledger: options.vipps_second_ledger,
            }),
            tripletex: Tripletex::new(
                options.seed,
                TimeDelta::from_std(options.visible_after).unwrap_or(TimeDelta::zero()),
            ),
            calls: BTreeMap::new(),
            window: BTreeMap::new(),
            rate: options.requests_per_second,
            redirects_followed: 0,
        }
    }

    /// Answers a request. `hidden` keeps a voucher that it posts from searches for so long.
    pub fn handle(
        &mut self,
        system: System,
        now: DateTime<Utc>,
        request: &Request,
        hidden: TimeDelta,
    ) -> Response<Vec<u8>> {
        let left = self.left(system, now);
        let mut response = match (left, system) {
            (None, _) => refusals::too_many(system, None),
            (_, System::Stripe) => self.stripe.handle(now, request),
            (_, System::VippsMobilepay) => self.vipps.handle(now, request),
            (_, System::Tripletex) => self.tripletex.handle(now, request, hidden),
        };
        if system == System::Tripletex {
            let limit = self.rate.unwrap_or(refusals::RATE_SHOWN);
            wire::header(&mut response, "x-rate-limit-limit", &limit.to_string());
            wire::header(&mut response, "x-rate-limit-remaining", &left.unwrap_or(0).to_string());
            wire::header(&mut response, "x-rate-limit-reset", "1");
        }
        response
    }

    /// Takes one request of this second; how many are left, or `None` if none was.
    fn left(&mut self, system: System, now: DateTime<Utc>) -> Option<u32> {
        let window = self.window.entry(system).or_default();
        if window.0 != now.timestamp() {
            *window = (now.timestamp(), 0);
        }
        window.1 = window.1.saturating_add(1);
        match self.rate {
            Some(rate) => rate.checked_sub(window.1),
            None => Some(refusals::RATE_SHOWN.saturating_sub(window.1)),
        }
    }

    pub fn expire_tokens(&mut self, only: Option<System>) {
        if only.is_none_or(|only| only == System::VippsMobilepay) {
            self.vipps.expire_tokens();
        }
        if only.is_none_or(|only| only == System::Tripletex) {
            self.tripletex.expire_tokens();
        }
    }

    pub fn truths(&self, now: DateTime<Utc>) -> Vec<Truth> {
        let mut truths = self.stripe.truths(now);
        truths.extend(self.vipps.truths(now));
        truths
    }

    pub fn count(&mut self, system: System, request: &Request) {
        let key = (system, request.method.to_string(), template(system, request));
        *self.calls.entry(key).or_default() += 1;
    }

    /// Counts anew.
    pub fn forget_calls(&mut self) {
        self.calls.clear();
        self.redirects_followed = 0;
    }

    /// How often each endpoint was called.
    pub fn calls_json(&self) -> Value {
        let calls: Vec<Value> = self
            .calls
            .iter()
            .map(|((system, method, template), count)| {
                json!({
                    "system": system.name(),
                    "method": method,
                    "endpoint": template,
                    "kind": kind(*system, method, template),
                    "count": count,
                })
            })
            .collect();
        let mut kinds: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for ((system, method, template), count) in &self.calls {
            let kind = kind(*system, method, template);
            *kinds.entry(system.name()).or_default().entry(kind).or_default() += count;
        }
        json!({
            "calls": calls,
            "kinds": kinds,
            "total": self.calls.values().sum::<u64>(),
            "redirects_followed": self.redirects_followed,
        })
    }
}

/// The endpoint that a request is for.
pub(crate) fn template(system: System, request: &Request) -> &'static str {
    match system {
        System::Stripe => Stripe::template(request),
        System::VippsMobilepay => VippsMobilePay::template(request),
        System::Tripletex => Tripletex::template(request),
    }
}

/// What a call is for: `session` for tokens, `catalogue` for what a client keeps, `search`, `send`, `attach`,
/// `reverse`, and `data` for what is read of payouts and vouchers.
fn kind(system: System, method: &str, template: &str) -> &'static str {
    match (system, template) {
        (_, "(unknown)") => "unknown",
        (System::Stripe, _) => "data",
        (System::VippsMobilepay, "/accesstoken/get" | "/miami/v1/token") => "session",
        (System::VippsMobilepay, "/settlement/v1/ledgers") => "catalogue",
        (System::VippsMobilepay, _) => "data",
        (_, path) if path.starts_with("/token/") => "session",
        (_, "/ledger/voucher") if method == Method::POST.as_str() => "send",
        (_, path) if path.ends_with("/attachment") => "attach",
        (_, path) if path.ends_with("/:reverse") => "reverse",
        (_, "/ledger/voucher" | "/ledger/voucher/>externalVoucherNumber" | "/ledger/voucher/>nonPosted") => {
            "search"
        }
        (_, "/ledger/voucher/{id}") => "data",
        _ => "catalogue",
    }
}
