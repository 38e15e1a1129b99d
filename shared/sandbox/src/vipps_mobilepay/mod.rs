#![doc = include_str!("README.md")]

mod ledger;
mod report;
mod token;
mod world;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use http::{Method, Response};
use serde_json::{Value, json};

use crate::Options;
use crate::random::Random;
use crate::simulator::{Part, Registered, Simulator};
use crate::truth::{Soundness, Truth};
use crate::wire::{self, Request};
use token::{Keys, Tokens};
use world::Maker;

/// The sales unit's own client id.
pub const CLIENT_ID: &str = "sandbox-client";
/// The sales unit's own client secret.
pub const CLIENT_SECRET: &str = "sandbox-client-secret";
/// The sales unit's primary subscription key.
pub const SUBSCRIPTION_KEY: &str = "sandbox-subscription-key";
/// Its secondary subscription key, which works alike.
pub const SECOND_SUBSCRIPTION_KEY: &str = "sandbox-subscription-key-2";
/// The sales unit's number.
pub const MERCHANT_SERIAL_NUMBER: &str = "123456";
/// An accounting partner's client id.
pub const ACCOUNTING_CLIENT_ID: &str = "sandbox-accounting";
/// The accounting partner's client secret, and that of the partner without reports.
pub const ACCOUNTING_CLIENT_SECRET: &str = "sandbox-accounting-secret";
/// The client id of a partner who may not read reports.
pub const PARTNER_CLIENT_ID: &str = "sandbox-partner";
/// The secret that notices are signed with.
pub const WEBHOOK_SECRET: &str = "c2FuZGJveC13ZWJob29rLXNlY3JldA==";

pub(crate) const REGISTERED: Registered = Registered {
    name: "vipps-mobilepay",
    prefix: "vipps",
    make: |options, base_on| Box::new(VippsMobilePay::new(options, base_on)),
    home,
};

fn home(base: &str, start_on: NaiveDate) -> Part {
    let config = format!(
        r#"[connections.counter]
provider = "vipps-mobilepay"
secret = "vipps-mobilepay"
start_on = {start_on}
base_url = "{base}/vipps"

[connections.counter.accounts]
sales_clearing = "1578"
provider_balance = "1571"
"#
    );
    let secret = format!(
        r#"client_id = "{CLIENT_ID}"
client_secret = "{CLIENT_SECRET}"
subscription_key = "{SUBSCRIPTION_KEY}"
merchant_serial_number = "{MERCHANT_SERIAL_NUMBER}"
webhook_secrets = ["{WEBHOOK_SECRET}"]
"#
    );
    Part { config, secret }
}

/// The simulated provider.
pub(crate) struct VippsMobilePay {
    makers: Vec<Maker>,
    tokens: Tokens,
    random: Random,
    page: usize,
}

impl VippsMobilePay {
    fn new(options: &Options, base_on: NaiveDate) -> VippsMobilePay {
        // An earlier payout can span three dates.
        let first_on = base_on - Days::new(3 * options.before as u64);
        let mut maker = Maker::new(options.seed, MERCHANT_SERIAL_NUMBER, options.vipps_gross, first_on);
        maker.add_sound(options.before, 0, Soundness::Before);
        maker.start_at(base_on);
        maker.add_sound(options.payouts, options.first_shape, Soundness::Sound);
        if !options.sound_only {
            maker.add_unsound();
        }
        if let Some(rows) = options.huge_rows("vipps-mobilepay") {
            maker.add_huge(options.seed, rows);
        }
        if !options.sound_only {
            maker.add_waiting();
        }
        let mut makers = vec![maker];
        if options.vipps_second_ledger {
            let mut second = Maker::new(options.seed, "7654321", true, base_on);
            second.add_sound(options.payouts.min(6), 0, Soundness::Sound);
            makers.push(second);
        }
        VippsMobilePay {
            makers,
            tokens: Tokens::new(options.seed),
            random: Random::new(options.seed, "vipps requests"),
            page: options.vipps_page.max(1),
        }
    }
}

impl Simulator for VippsMobilePay {
    fn template(&self, request: &Request) -> &'static str {
        match request.segments().as_slice() {
            ["accesstoken", "get"] => "/accesstoken/get",
            ["miami", "v1", "token"] => "/miami/v1/token",
            ["settlement", "v1", "ledgers"] => "/settlement/v1/ledgers",
            ["report", "v2", "ledgers", _, _, "dates", _] => "/report/v2/ledgers/{id}/{topic}/dates/{date}",
            ["report", "v2", "ledgers", _, _, "feed"] => "/report/v2/ledgers/{id}/{topic}/feed",
            _ => "(unknown)",
        }
    }

    fn kind(&self, _: &str, template: &str) -> &'static str {
        match template {
            "/accesstoken/get" | "/miami/v1/token" => "session",
            "/settlement/v1/ledgers" => "catalogue",
            _ => "data",
        }
    }

    fn handle(&mut self, now: DateTime<Utc>, request: &Request, _: TimeDelta) -> Response<Vec<u8>> {
        if let Some(refusal) = self.refused_system_headers(request) {
            return refusal;
        }
        if token::is_token_path(request) {
            return match request.path.first().map(String::as_str) {
                Some("miami") => self.tokens.specialized(now, request),
                _ => self.tokens.standard(now, request),
            };
        }
        if self.template(request) == "(unknown)" || request.method != Method::GET {
            return wire::json(404, &json!({ "statusCode": 404, "message": "Resource not found" }));
        }
        let keys = match self.tokens.keys(now, request) {
            Ok(keys) => keys,
            Err(refusal) => return *refusal,
        };
        if keys == Keys::Partner {
            let detail = "These keys do not give access to reports.";
            return problem(403, "Forbidden", detail, &request.raw_path);
        }
        self.report(now, keys, request)
    }

    fn too_many(&self) -> Response<Vec<u8>> {
        wire::json(429, &json!({ "statusCode": 429, "message": "Rate limit is exceeded. Try again later." }))
    }

    fn server_error(&self) -> Response<Vec<u8>> {
        let body = json!({
            "errorCode": 10_001,
            "errorMessage": "An unknown error occurred",
            "contextId": "123e4567-e89b-42d3-a456-426655440000",
        });
        wire::json(500, &body)
    }

    fn expire_tokens(&mut self) {
        self.tokens.expire();
    }

    fn has_cursor(&self, request: &Request) -> bool {
        request.param("cursor").is_some()
    }

    /// The same cursor again, with the promise of more.
    fn repeat_cursor(&self, _: DateTime<Utc>, request: &Request, body: &mut Value) -> bool {
        let Some(cursor) = request.param("cursor") else {
            return false;
        };
        body["cursor"] = Value::from(cursor);
        if body.get("hasMore").is_some() {
            body["hasMore"] = Value::from(true);
        }
        true
    }

    fn truths(&self, now: DateTime<Utc>) -> Vec<Truth> {
        let mut truths: Vec<Truth> = Vec::new();
        for maker in &self.makers {
            truths.extend(maker.ledger.truths(now));
        }
        truths
    }

    /// Closes the date that is open: of the ledger of a payout, or of all.
    fn settle(&mut self, id: Option<&str>) -> bool {
        let is_meant =
            |ledger: &str| id.is_none_or(|id| id.split_once('-').is_some_and(|(of, _)| of == ledger));
        let mut has_closed = false;
        for maker in self.makers.iter_mut().filter(|maker| is_meant(&maker.ledger.id)) {
            has_closed |= maker.ledger.close();
        }
        has_closed
    }

    /// Aborts a payout.
    fn fail(&mut self, id: &str, now: DateTime<Utc>) -> bool {
        let today = now.with_timezone(&chrono_tz::Europe::Oslo).date_naive();
        self.makers.iter_mut().any(|maker| maker.abort(id, today))
    }
}

impl VippsMobilePay {
    /// Texts of the system headers have at most 30 characters.
    fn refused_system_headers(&mut self, request: &Request) -> Option<Response<Vec<u8>>> {
        let names = [
            "vipps-system-name",
            "vipps-system-version",
            "vipps-system-plugin-name",
            "vipps-system-plugin-version",
        ];
        let long = names.iter().find(|name| request.header(name).is_some_and(|value| value.len() > 30))?;
        Some(self.invalid(&format!("{long} is longer than 30 characters")))
    }

    /// The refusal of a request whose parameters are wrong: a 500, which the code tells from an error of the server.
    fn invalid(&mut self, message: &str) -> Response<Vec<u8>> {
        let body = json!({ "errorCode": 10_002, "errorMessage": message, "contextId": self.random.uuid() });
        wire::json(500, &body)
    }
}

fn problem(status: u16, title: &str, detail: &str, instance: &str) -> Response<Vec<u8>> {
    let mut response = wire::json(
        status,
        &json!({
            "type": format!("https://example.com/problem/{}", title.to_lowercase().replace(' ', "-")),
            "title": title,
            "status": status,
            "detail": detail,
            "instance": instance,
        }),
    );
    wire::header(&mut response, "content-type", "application/problem+json");
    response
}
