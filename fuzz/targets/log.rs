#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fairwind::hub::log::disk::testing::file(bytes));
