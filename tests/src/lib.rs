//! What the whole-path tests stand on: homes in temporary folders, reports made row by row, a transport that loses
//! answers, the journal read back, and everything else asked of the store itself.
//!
//! Nothing here pretends to be a part of bilag. Tests run the handlers that the command line and the cloud run, over
//! the embedded store; only the clock and the transport can be replaced.

// Whatever fails in here fails the test that called it.
#![allow(clippy::unwrap_used)]

pub mod home;
pub mod journal;
pub mod reports;
pub mod sandboxed;
pub mod simulated;
pub mod simulation;
pub mod tripletex;

pub use home::{Pass, TestHome, mapping, pass};
pub use journal::Journal;
pub use reports::{Stripe, Vipps};
pub use sandboxed::Sandboxed;

use rust_decimal::Decimal;

/// An amount in major units.
pub fn amount(text: &str) -> Decimal {
    text.parse().unwrap()
}
