//! Pages of Stripe's balance transactions.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bilag_fuzz::pages(&bilag_fuzz::stripe(), bytes));
