//! Whole-path tests: files in, vouchers in the journal, whatever goes wrong in between.

#![allow(clippy::unwrap_used)]

mod demo;
