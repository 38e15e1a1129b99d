#![doc = include_str!("README.md")]

mod ledger;
mod report;
mod token;
mod world;

use chrono::{DateTime, Days, NaiveDate, Utc};
use http::{Method, Response};
use serde_json::{Value, json};

use crate::random::Random;
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

/// What kind of world the ledgers get.
pub(crate) struct Plan {
    pub seed: u64,
    pub base_on: NaiveDate,
    pub payouts: usize,
    pub first_shape: usize,
    pub before: usize,
    pub sound_only: bool,
    pub huge_rows: Option<u64>,
    /// Entries of one page.
    pub page: usize,
    /// Fees of the sales unit's ledger are invoiced.
    pub gross: bool,
    /// The accounting partner reaches a second ledger, whose fees are invoiced.
    pub second_ledger: bool,
}

/// The simulated provider.
pub(crate) struct VippsMobilePay {
    makers: Vec<Maker>,
    tokens: Tokens,
    random: Random,
    page: usize,
}

impl VippsMobilePay {
    pub fn new(plan: &Plan) -> VippsMobilePay {
        // An earlier payout can span three dates.
        let first_on = plan.base_on - Days::new(3 * plan.before as u64);
        let mut maker = Maker::new(plan.seed, MERCHANT_SERIAL_NUMBER, plan.gross, first_on);
        maker.add_sound(plan.before, 0, Soundness::Before);
        maker.start_at(plan.base_on);
        maker.add_sound(plan.payouts, plan.first_shape, Soundness::Sound);
        if !plan.sound_only {
            maker.add_unsound();
        }
        if let Some(rows) = plan.huge_rows {
            maker.add_huge(plan.seed, rows);
        }
        if !plan.sound_only {
            maker.add_waiting();
        }
        let mut makers = vec![maker];
        if plan.second_ledger {
            let mut second = Maker::new(plan.seed, "7654321", true, plan.base_on);
            second.add_sound(plan.payouts.min(6), 0, Soundness::Sound);
            makers.push(second);
        }
        VippsMobilePay {
            makers,
            tokens: Tokens::new(plan.seed),
            random: Random::new(plan.seed, "vipps requests"),
            page: plan.page.max(1),
        }
    }

    /// The endpoint's template.
    pub fn template(request: &Request) -> &'static str {
        match request.segments().as_slice() {
            ["accesstoken", "get"] => "/accesstoken/get",
            ["miami", "v1", "token"] => "/miami/v1/token",
            ["settlement", "v1", "ledgers"] => "/settlement/v1/ledgers",
            ["report", "v2", "ledgers", _, _, "dates", _] => "/report/v2/ledgers/{id}/{topic}/dates/{date}",
            ["report", "v2", "ledgers", _, _, "feed"] => "/report/v2/ledgers/{id}/{topic}/feed",
            _ => "(unknown)",
        }
    }

    pub fn handle(&mut self, now: DateTime<Utc>, request: &Request) -> Response<Vec<u8>> {
        if let Some(refusal) = self.refused_system_headers(request) {
            return refusal;
        }
        if token::is_token_path(request) {
            return match request.path.first().map(String::as_str) {
                Some("miami") => self.tokens.specialized(now, request),
                _ => self.tokens.standard(now, request),
            };
        }
        if VippsMobilePay::template(request) == "(unknown)" || request.method != Method::GET {
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

    /// Ends every access token.
    pub fn expire_tokens(&mut self) {
        self.tokens.expire();
    }

    pub fn truths(&self, now: DateTime<Utc>) -> Vec<Truth> {
        let mut truths: Vec<Truth> = Vec::new();
        for maker in &self.makers {
            truths.extend(maker.ledger.truths(now));
        }
        truths
    }

    /// Closes the date that is open.
    pub fn settle(&mut self) -> bool {
        let mut has_closed = false;
        for maker in &mut self.makers {
            has_closed |= maker.ledger.close();
        }
        has_closed
    }

    /// Aborts a payout.
    pub fn fail(&mut self, id: &str, today: NaiveDate) -> bool {
        self.makers.iter_mut().any(|maker| maker.abort(id, today))
    }

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

/// The same cursor again, with the promise of more.
pub(crate) fn repeat_cursor(request: &Request, body: &mut Value) -> bool {
    let Some(cursor) = request.param("cursor") else {
        return false;
    };
    body["cursor"] = Value::from(cursor);
    if body.get("hasMore").is_some() {
        body["hasMore"] = Value::from(true);
    }
    true
}
