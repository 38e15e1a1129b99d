//! The old workbook: its sheet and its texts.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bilag_fuzz::workbook(bytes));
