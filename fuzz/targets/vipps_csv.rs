//! The portal's settlement report.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bilag_fuzz::report(None, bytes));
