//! Whole-path tests: files in, vouchers in the journal, whatever goes wrong in between.

#![allow(clippy::unwrap_used)]

mod companies;
mod demo;
mod files;
mod money;
