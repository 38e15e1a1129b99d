//! Where bilag meets the outside: the clock, the AWS clients, the configuration, logs. Everything comes in through
//! one [`World`], so that a Lambda function, the command line and the tests run the same code.

pub mod cloud;
pub mod config;
mod error;
pub mod http;
pub mod secret;
pub mod vault;
mod world;

pub use error::{Error, Kind};
pub use world::{Clients, Clock, Invoke, Places, Purse, SystemClock, World, clients};

/// Sets up logs on standard error: JSON lines when `json`, else text. The level is `BILAG_LOG`, default `warn` for
/// people and `info` for JSON.
pub fn start_logs(json: bool) {
    let default = if json { "info" } else { "warn" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("BILAG_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call (tests) keeps the first set-up.
    let _ = if json { logs.json().try_init() } else { logs.with_target(false).try_init() };
}
