//! Whole-path tests: files in, vouchers in the journal, whatever goes wrong in between.

#![allow(clippy::unwrap_used)]

mod api_books;
mod api_commands;
mod api_faults;
mod api_fetches;
mod api_files;
mod api_outages;
mod api_sends;
mod companies;
mod crash;
mod demo;
mod due;
mod files;
mod lock;
mod money;
mod plans;
mod simulation;
mod sockets;
mod stripe_api;
mod tidy;
mod tripletex_api;
mod vipps_api;
mod webhooks;
