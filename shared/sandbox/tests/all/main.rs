//! The simulators' own tests: what they answer, what they refuse, and that their worlds add up.
#![allow(clippy::unwrap_used)]

mod client;
mod control;
mod faults;
mod socket;
mod stripe;
mod tripletex;
mod vipps_mobilepay;
mod worlds;
