#![doc = include_str!("../README.md")]

mod control;
mod encoding;
mod faults;
mod home;
mod huge;
mod notices;
mod random;
mod serve;
mod simulator;
pub mod stripe;
mod systems;
pub mod tripletex;
mod truth;
pub mod vipps_mobilepay;
mod wire;

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};

pub use faults::{Fault, Faults};
pub use home::{COMPANY, Home, home, home_from};
pub use notices::{Notice, stripe_notice, vipps_mobilepay_notice};
pub use serve::{BODY_MAX, serve};
pub use wire::{Ending, Reply};

use systems::Systems;
use wire::Request;

/// What kind of world is simulated.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides every choice; the same seed and the same requests give the same answers.
    pub seed: u64,
    /// Sound payouts of each provider. Six are one of each shape.
    pub payouts: usize,
    /// The shape of each provider's first sound payout, 0 to 5; the others follow in turn.
    pub first_shape: usize,
    /// Sound payouts before the base day, which a connection that starts on the base day leaves alone.
    pub before: usize,
    /// Leaves out payouts that must be held or that wait.
    pub sound_only: bool,
    /// Day of the first payout. `None`: at least 30 days before the first request, and early enough for all
    /// payouts to lie in the past.
    pub base_on: Option<NaiveDate>,
    /// One more settlement of very many rows, which are worked out when asked for.
    pub huge: Option<Huge>,
    /// Entries of one page of Vipps MobilePay's reports.
    pub vipps_page: usize,
    /// Vipps MobilePay invoices its fees instead of retaining them.
    pub vipps_gross: bool,
    /// An accounting partner's keys reach a second Vipps MobilePay ledger.
    pub vipps_second_ledger: bool,
    /// How long Tripletex' searches do not find a new voucher.
    pub visible_after: Duration,
    /// The most requests per second and system; `None` for no limit.
    pub requests_per_second: Option<u32>,
    /// Faults from the beginning.
    pub faults: Option<Faults>,
}

impl Options {
    /// The rows of the huge settlement, if it is this provider's.
    pub(crate) fn huge_rows(&self, provider: &str) -> Option<u64> {
        self.huge.filter(|huge| huge.provider == provider).map(|huge| huge.rows)
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            seed: 1,
            payouts: 6,
            first_shape: 0,
            before: 0,
            sound_only: false,
            base_on: None,
            huge: None,
            vipps_page: 1000,
            vipps_gross: false,
            vipps_second_ledger: false,
            visible_after: Duration::ZERO,
            requests_per_second: None,
            faults: None,
        }
    }
}

/// A settlement of very many rows.
#[derive(Clone, Copy, Debug)]
pub struct Huge {
    /// The configured name of the provider that has it.
    pub provider: &'static str,
    /// Its sales.
    pub rows: u64,
}

/// The simulated providers and accounting systems, with their state.
///
/// It has no clock, sockets or randomness of its own.
pub struct Sandbox {
    options: Options,
    /// Made at the first request, whose time the world stands by.
    systems: Option<Systems>,
    faults: faults::Injector,
}

impl Sandbox {
    /// A sandbox that nobody has called yet.
    pub fn new(options: Options) -> Sandbox {
        let faults = faults::Injector::new(options.faults.clone());
        Sandbox { options, systems: None, faults }
    }

    /// Answers one request that is made at `now`.
    ///
    /// The first segment of the path names the system, for example `/stripe`, or is `/sandbox` for the control.
    pub fn handle(&mut self, now: DateTime<Utc>, request: &http::Request<Vec<u8>>) -> Reply {
        let systems = self.systems.get_or_insert_with(|| Systems::new(&self.options, now));
        let Some(mut request) = Request::new(request) else {
            return Reply::whole(wire::page(400, "Bad Request"));
        };
        let first = if request.path.is_empty() { String::new() } else { request.path.remove(0) };
        if first == "sandbox" {
            return Reply::whole(control::handle(systems, &mut self.faults, now, &request));
        }
        let Some(system) = systems.of_prefix(&first) else {
            return Reply::whole(wire::page(404, "Not Found"));
        };
        if let Some(path) = request.raw_path.trim_start_matches('/').strip_prefix(first.as_str()) {
            request.raw_path = path.to_owned();
        }
        systems.count(system, &request);
        self.faults.handle(systems, system, now, request)
    }
}
