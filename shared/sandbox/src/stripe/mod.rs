#![doc = include_str!("README.md")]

mod list;
mod rows;
mod shapes;
mod source;
mod world;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use http::{Method, Response};
use serde_json::{Value, json};

use crate::Options;
use crate::random::Random;
use crate::simulator::{Part, Registered, Simulator};
use crate::truth::{Soundness, Truth};
use crate::wire::{self, Request};
use world::World;

/// The key with all rights.
pub const KEY: &str = "sk_test_sandbox";
/// A restricted key with the rights to read the balance and payouts.
pub const RESTRICTED_KEY: &str = "rk_test_sandbox";
/// A restricted key without the right to read payouts.
pub const RESTRICTED_KEY_WITHOUT_PAYOUTS: &str = "rk_test_nopayouts";
/// A key that was revoked.
pub const REVOKED_KEY: &str = "sk_test_revoked";
/// A key whose time is over.
pub const EXPIRED_KEY: &str = "sk_test_expired";
/// A publishable key, which may read nothing.
pub const PUBLISHABLE_KEY: &str = "pk_test_sandbox";
/// The secret that notices are signed with.
pub const WEBHOOK_SECRET: &str = "whsec_sandbox";

pub(crate) const REGISTERED: Registered = Registered {
    name: "stripe",
    prefix: "stripe",
    make: |options, base_on| Box::new(Stripe::new(options, base_on)),
    home,
};

fn home(base: &str, start_on: NaiveDate) -> Part {
    let config = format!(
        r#"[connections.webshop]
provider = "stripe"
secret = "stripe"
start_on = {start_on}
base_url = "{base}/stripe"
"#
    );
    let secret = format!("api_key = \"{KEY}\"\nwebhook_secrets = [\"{WEBHOOK_SECRET}\"]\n");
    Part { config, secret }
}

/// The simulated account.
pub(crate) struct Stripe {
    world: World,
    random: Random,
}

impl Stripe {
    fn new(options: &Options, base_on: NaiveDate) -> Stripe {
        // The last one may be made shortly before midnight.
        let first_on = base_on - chrono::Days::new(options.before as u64 + 1);
        let mut world = World::new(options.seed, first_on);
        world.add_sound(options.before, 0, Soundness::Before);
        world.start_at(base_on);
        world.add_sound(options.payouts, options.first_shape, Soundness::Sound);
        if !options.sound_only {
            world.add_unsound();
        }
        if let Some(rows) = options.huge_rows("stripe") {
            world.add_huge(options.seed, rows);
        }
        if !options.sound_only {
            world.add_waiting();
        }
        Stripe { world, random: Random::new(options.seed, "stripe requests") }
    }
}

impl Simulator for Stripe {
    fn template(&self, request: &Request) -> &'static str {
        match request.segments().as_slice() {
            ["v1", "payouts"] => "/v1/payouts",
            ["v1", "payouts", _] => "/v1/payouts/{id}",
            ["v1", "balance_transactions"] => "/v1/balance_transactions",
            ["v1", "balance_transactions", _] => "/v1/balance_transactions/{id}",
            ["v1", "balance"] => "/v1/balance",
            _ => "(unknown)",
        }
    }

    fn kind(&self, _: &str, _: &str) -> &'static str {
        "data"
    }

    fn handle(&mut self, now: DateTime<Utc>, request: &Request, _: TimeDelta) -> Response<Vec<u8>> {
        let id = format!("req_{}", self.random.text(14));
        let mut response = match self.answer(now.timestamp(), request) {
            Ok(body) => wire::json(200, &body),
            Err(error) => wire::json(error.0, &error.1),
        };
        wire::header(&mut response, "request-id", &id);
        if let Some(version) = request.header("stripe-version") {
            wire::header(&mut response, "stripe-version", version);
        }
        response
    }

    fn too_many(&self) -> Response<Vec<u8>> {
        let text = "Request rate limit exceeded. You can learn more about rate limits here \
                    https://stripe.com/docs/rate-limits.";
        let error = json!({ "code": "rate_limit", "message": text, "type": "invalid_request_error" });
        let mut response = wire::json(429, &json!({ "error": error }));
        wire::header(&mut response, "stripe-rate-limited-reason", "global-rate");
        response
    }

    fn server_error(&self) -> Response<Vec<u8>> {
        let error = json!({ "message": "An unknown error occurred", "type": "api_error" });
        wire::json(500, &json!({ "error": error }))
    }

    fn has_tokens(&self) -> bool {
        false
    }

    fn has_cursor(&self, request: &Request) -> bool {
        request.param("starting_after").is_some()
    }

    fn truths(&self, now: DateTime<Utc>) -> Vec<Truth> {
        self.world.truths(now.timestamp())
    }

    /// Makes a further page end where the one before it ended, with the promise of more. False if the page
    /// has no row.
    fn repeat_cursor(&self, now: DateTime<Utc>, request: &Request, body: &mut Value) -> bool {
        let now = now.timestamp();
        let Some(cursor) = request.param("starting_after") else {
            return false;
        };
        let row = match self.world.find_row(cursor) {
            Some((index, place)) => self.row_json(index, place, now, list::expands(request, "source")),
            None => self.world.find(cursor).and_then(|index| self.world.payout_json(index, now)),
        };
        let (Some(row), true) = (row, body.get("data").is_some()) else {
            return false;
        };
        body["data"] = Value::from(vec![row]);
        body["has_more"] = Value::from(true);
        true
    }

    /// Finishes the list of a waiting payout; without an id, of all of them.
    fn settle(&mut self, id: Option<&str>) -> bool {
        match id {
            Some(id) => self.world.find(id).is_some_and(|index| self.world.settle(index)),
            None => (0..self.world.payouts.len()).filter(|index| self.world.settle(*index)).count() > 0,
        }
    }

    /// Lets a payout's first plain charge and its fee be greater by one krone.
    fn amend(&mut self, id: &str) -> bool {
        self.world.find(id).is_some_and(|index| self.world.amend(index))
    }

    /// Lets a payout come back.
    fn fail(&mut self, id: &str, now: DateTime<Utc>) -> bool {
        self.world.find(id).is_some_and(|index| self.world.fail(index, now.timestamp()))
    }
}

impl Stripe {
    fn answer(&self, now: i64, request: &Request) -> Result<Value, Error> {
        let segments = request.segments();
        let known = self.template(request) != "(unknown)" && request.method == Method::GET;
        if !known {
            let text = format!(
                "Unrecognized request URL ({}: {}). Please see https://stripe.com/docs or we can help at \
                 https://support.stripe.com/.",
                request.method, request.raw_path
            );
            return Err(error(404, None, &text, None));
        }
        let right = match segments.get(1) {
            Some(&"payouts") => "rak_payout_read",
            _ => "rak_balance_read",
        };
        authorise(request, right)?;
        check_version(request)?;
        match segments.as_slice() {
            ["v1", "payouts"] => self.payouts(now, request),
            ["v1", "payouts", id] => {
                list::only_expand(request)?;
                let index = self.world.find(id).filter(|index| self.world.payouts[*index].created <= now);
                index
                    .and_then(|index| self.world.payout_json(index, now))
                    .ok_or_else(|| missing("payout", id, "payout", 404))
            }
            ["v1", "balance_transactions"] => self.balance_transactions(now, request),
            ["v1", "balance_transactions", id] => {
                list::only_expand(request)?;
                let found = self.world.find_row(id).filter(|(index, row)| {
                    self.world.payouts[*index].created <= now && self.world.payouts[*index].len() > *row
                });
                found
                    .and_then(|(index, row)| self.row_json(index, row, now, list::expands(request, "source")))
                    .ok_or_else(|| missing("balance transaction", id, "id", 404))
            }
            _ => Ok(self.balance(now)),
        }
    }

    fn balance(&self, now: i64) -> Value {
        // Everything that was paid out is gone; what a waiting payout holds is on its way too.
        let held: i64 = self
            .truths(DateTime::from_timestamp(now, 0).unwrap_or_default())
            .iter()
            .filter(|truth| truth.soundness == Soundness::Waiting)
            .map(|truth| truth.amount)
            .sum();
        let amount = |amount: i64| json!([{ "amount": amount, "currency": "nok", "source_types": { "card": amount } }]);
        json!({ "object": "balance", "available": amount(0), "livemode": false, "pending": amount(held) })
    }

    fn row_json(&self, index: usize, place: u64, now: i64, expand: bool) -> Option<Value> {
        let payout = self.world.payouts.get(index)?;
        let row = payout.row(place)?;
        let id = self.world.row_id(index, place);
        let source = self.world.source_id(index, place, &row);
        let created = payout.row_created(place);
        let mut shown = row.json(&id, source.as_deref(), created, payout.created, now);
        if let Some(source) = source.filter(|_| expand) {
            let object = match self.world.find(&source) {
                Some(payout) => self.world.payout_json(payout, now)?,
                None => row.source_json(&source, &id, self.world.original_id(&row).as_deref(), created),
            };
            shown["source"] = object;
        }
        Some(shown)
    }
}

/// A refusal: status and body.
struct Error(u16, Value);

fn error(status: u16, code: Option<&str>, message: &str, param: Option<&str>) -> Error {
    let mut body = json!({ "error": { "message": message, "type": "invalid_request_error" } });
    if let Some(code) = code {
        body["error"]["code"] = Value::from(code);
        body["error"]["doc_url"] =
            Value::from(format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")));
    }
    if let Some(param) = param {
        body["error"]["param"] = Value::from(param);
    }
    Error(status, body)
}

fn missing(what: &str, id: &str, param: &str, status: u16) -> Error {
    error(status, Some("resource_missing"), &format!("No such {what}: '{id}'"), Some(param))
}

/// Checks the key, given as Bearer or as the user name of Basic, and its rights.
fn authorise(request: &Request, right: &str) -> Result<(), Error> {
    let basic = request.basic().map(|(user, _)| user);
    let Some(key) = request.bearer().map(str::to_owned).or(basic) else {
        let text = "You did not provide an API key. You need to provide your API key in the Authorization header, \
                    using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').";
        return Err(error(401, None, text, None));
    };
    match key.as_str() {
        KEY | RESTRICTED_KEY => Ok(()),
        RESTRICTED_KEY_WITHOUT_PAYOUTS if right != "rak_payout_read" => Ok(()),
        RESTRICTED_KEY_WITHOUT_PAYOUTS => {
            let text = format!(
                "The provided key 'rk_test_******outs' does not have the required permissions for this endpoint on \
                 account 'acct_1Sandbox'. Having the '{right}' permission would allow this request to continue."
            );
            Err(error(403, None, &text, None))
        }
        EXPIRED_KEY => {
            Err(error(401, Some("api_key_expired"), "Expired API Key provided: sk_test_*******ired", None))
        }
        PUBLISHABLE_KEY => {
            let text =
                "This API call cannot be made with a publishable API key. Please use a secret API key.";
            Err(error(401, Some("secret_key_required"), text, None))
        }
        other => {
            let end: String = other.chars().rev().take(4).collect::<Vec<char>>().into_iter().rev().collect();
            Err(error(401, None, &format!("Invalid API Key provided: ************{end}"), None))
        }
    }
}

/// The real API falls back to the account's version; here a request without one is a mistake of the client.
fn check_version(request: &Request) -> Result<(), Error> {
    let Some(version) = request.header("stripe-version") else {
        let text =
            "The sandbox refuses requests without Stripe-Version: send the version you were written for.";
        return Err(error(400, None, text, None));
    };
    let (day, name) = version.split_once('.').unwrap_or((version, ""));
    if day.parse::<NaiveDate>().is_ok() && name.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Ok(());
    }
    Err(error(400, None, &format!("Invalid Stripe API version: {version}"), None))
}
