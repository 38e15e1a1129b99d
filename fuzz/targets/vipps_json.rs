//! Pages of Vipps MobilePay's reports.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bilag_fuzz::pages(&bilag_fuzz::vipps(), bytes));
