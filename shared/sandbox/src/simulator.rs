//! What the sandbox knows of a simulated system: one folder each, found by the first segment of its addresses.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use http::Response;
use serde_json::Value;

use crate::truth::Truth;
use crate::wire::Request;
use crate::{Options, stripe, tripletex, vipps_mobilepay};

/// Every simulated system. Adding one is one folder, its `mod` line and one line here.
pub(crate) static REGISTRY: &[Registered] =
    &[stripe::REGISTERED, vipps_mobilepay::REGISTERED, tripletex::REGISTERED];

/// A simulated system before anybody called it.
pub(crate) struct Registered {
    /// The configured name of its connector.
    pub name: &'static str,
    /// The first segment of its addresses.
    pub prefix: &'static str,
    /// Makes its world, whose first payout is made on a day.
    pub make: fn(&Options, NaiveDate) -> Box<dyn Simulator>,
    /// Its part of a home, for a sandbox at an address, with connections that start on a day.
    pub home: fn(&str, NaiveDate) -> Part,
}

/// What a home has of one system.
pub(crate) struct Part {
    /// `[accounting]`, or a connection.
    pub config: String,
    /// The entry of the secrets, without its heading.
    pub secret: String,
}

/// The simulated system of a configured name.
pub(crate) fn find(name: &str) -> Option<&'static Registered> {
    REGISTRY.iter().find(|registered| registered.name == name)
}

/// A payment provider or an accounting system.
pub(crate) trait Simulator: Send {
    /// The endpoint that a request is for; `(unknown)` if it is for none.
    fn template(&self, request: &Request) -> &'static str;

    /// What a call is for: `session` for tokens, `catalogue` for what a client keeps, `search`, `send`, `attach`,
    /// `reverse`, and `data` for what is read of payouts and vouchers.
    fn kind(&self, method: &str, template: &str) -> &'static str;

    /// Answers a request. `hidden` keeps a voucher that it posts from searches for so long.
    fn handle(&mut self, now: DateTime<Utc>, request: &Request, hidden: TimeDelta) -> Response<Vec<u8>>;

    /// Its own refusal of too many requests.
    fn too_many(&self) -> Response<Vec<u8>>;

    /// Its own error of the server.
    fn server_error(&self) -> Response<Vec<u8>>;

    /// Shows in an answer how many requests are left.
    fn show_rate(&self, _response: &mut Response<Vec<u8>>, _limit: u32, _left: u32) {}

    /// Whether it gives tokens that expire.
    fn has_tokens(&self) -> bool {
        true
    }

    /// Ends every token.
    fn expire_tokens(&mut self) {}

    /// Whether a request saves a voucher.
    fn saves(&self, _request: &Request) -> bool {
        false
    }

    /// Whether a request is for a further page.
    fn has_cursor(&self, request: &Request) -> bool;

    /// Makes a request for a further page one for the first.
    fn rewind(&self, _request: &mut Request) {}

    /// Makes the answer to a request for a further page point to itself. False if there is nothing to change.
    fn repeat_cursor(&self, _now: DateTime<Utc>, _request: &Request, _body: &mut Value) -> bool {
        true
    }

    /// What the payouts made until `now` really are.
    fn truths(&self, _now: DateTime<Utc>) -> Vec<Truth> {
        Vec::new()
    }

    /// Finishes what waits: one payout, or all. False if nothing waited.
    fn settle(&mut self, _id: Option<&str>) -> bool {
        false
    }

    /// Lets a payout come back. False if there is no such payout.
    fn fail(&mut self, _id: &str, _now: DateTime<Utc>) -> bool {
        false
    }

    /// Lets a payout's first plain sale and its fee be greater by one krone. False if there is no such payout.
    fn amend(&mut self, _id: &str) -> bool {
        false
    }

    /// Every voucher: `reference`, `attachments` and `postings` with `account` and `amount`, debit positive.
    fn vouchers(&self) -> Vec<Value> {
        Vec::new()
    }

    /// Closes the month of a day. False if it keeps no books.
    fn close_period(&mut self, _day: NaiveDate) -> bool {
        false
    }

    /// Changes what an account takes. False if there is no such account or VAT code.
    fn lock(&mut self, _lock: &Lock) -> bool {
        false
    }
}

/// What the account of a number is locked to.
pub(crate) struct Lock {
    pub account: i64,
    pub vat: Option<String>,
    pub inactive: Option<bool>,
    pub department: Option<bool>,
    pub project: Option<bool>,
}
