#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fairwind::app::markdown::testing::markdown(bytes));
