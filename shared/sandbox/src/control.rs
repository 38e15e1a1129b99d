//! The control below `/sandbox`: what was called, what was booked, what the truth is, and what happens next.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::{Faults, Injector};
use crate::simulator::{Lock, find};
use crate::systems::Systems;
use crate::wire::{self, Request};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Close {
    /// Any day of the month, or the month as `2026-10`.
    month: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockAccount {
    account: i64,
    #[serde(default)]
    vat: Option<String>,
    #[serde(default)]
    inactive: Option<bool>,
    #[serde(default)]
    requires_department: Option<bool>,
    #[serde(default)]
    requires_project: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(default)]
    id: Option<String>,
    /// The configured name of a connector.
    #[serde(default)]
    system: Option<String>,
}

/// Answers a request to the control; faults never happen to it.
pub(crate) fn handle(
    systems: &mut Systems,
    faults: &mut Injector,
    now: DateTime<Utc>,
    request: &Request,
) -> Response<Vec<u8>> {
    let segments = request.segments();
    if segments == ["redirected"] {
        systems.redirects_followed += 1;
        return wire::json(200, &json!({}));
    }
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["calls"]) => wire::json(200, &systems.calls_json()),
        ("DELETE", ["calls"]) => {
            systems.forget_calls();
            done(true)
        }
        ("GET", ["vouchers"]) => wire::json(200, &vouchers(systems)),
        ("GET", ["payouts"]) => {
            let payouts: Vec<Value> = systems.truths(now).iter().map(|truth| truth.json()).collect();
            wire::json(200, &json!({ "base_on": systems.base_on.to_string(), "payouts": payouts }))
        }
        ("GET", ["faults"]) => wire::json(200, &faults.happened_json()),
        ("PUT", ["faults"]) => with(request, |spec: Faults| {
            let is_known = spec.only.as_deref().is_none_or(|name| find(name).is_some());
            if is_known {
                faults.set(Some(spec));
            }
            is_known
        }),
        ("DELETE", ["faults"]) => {
            faults.set(None);
            done(true)
        }
        ("POST", ["close-period"]) => with(request, |close: Close| {
            let day = close.month.parse::<NaiveDate>().or_else(|_| format!("{}-01", close.month).parse());
            day.is_ok_and(|day| systems.each(None, |system| system.close_period(day)))
        }),
        ("POST", ["lock-account"]) => with(request, |lock: LockAccount| {
            let lock = Lock {
                account: lock.account,
                vat: lock.vat,
                inactive: lock.inactive,
                department: lock.requires_department,
                project: lock.requires_project,
            };
            systems.each(None, |system| system.lock(&lock))
        }),
        ("POST", ["expire-tokens"]) => with(request, |which: Which| {
            systems.each(which.system.as_deref(), |system| {
                system.expire_tokens();
                true
            })
        }),
        ("POST", ["settle"]) => with(request, |which: Which| {
            systems.each(which.system.as_deref(), |system| system.settle(which.id.as_deref()))
        }),
        ("POST", ["fail-payout"]) => with(request, |which: Which| {
            which.id.is_some_and(|id| systems.each(None, |system| system.fail(&id, now)))
        }),
        ("POST", ["amend-payout"]) => with(request, |which: Which| {
            which.id.is_some_and(|id| systems.each(None, |system| system.amend(&id)))
        }),
        _ => wire::json(404, &json!({ "error": "no such control" })),
    }
}

/// Every voucher, and how many there are of each reference.
fn vouchers(systems: &Systems) -> Value {
    let vouchers: Vec<Value> = systems.all.iter().flat_map(|system| system.simulator.vouchers()).collect();
    let mut references: BTreeMap<String, u64> = BTreeMap::new();
    for voucher in &vouchers {
        if let Some(reference) = voucher.get("reference").and_then(Value::as_str) {
            *references.entry(reference.to_owned()).or_default() += 1;
        }
    }
    let twice: Vec<&String> =
        references.iter().filter(|(_, count)| **count > 1).map(|(name, _)| name).collect();
    json!({ "vouchers": vouchers, "twice": twice, "references": references })
}

/// Does something with the body, where an empty one stands for an empty object.
fn with<T: for<'d> Deserialize<'d>>(request: &Request, act: impl FnOnce(T) -> bool) -> Response<Vec<u8>> {
    let body = if request.body.is_empty() { b"{}" } else { request.body };
    match serde_json::from_slice(body) {
        Ok(read) => done(act(read)),
        Err(error) => wire::json(400, &json!({ "error": error.to_string() })),
    }
}

fn done(done: bool) -> Response<Vec<u8>> {
    if done { wire::json(200, &json!({ "done": true })) } else { wire::json(409, &json!({ "done": false })) }
}
