//! Mapping files.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bilag_fuzz::config(bytes));
