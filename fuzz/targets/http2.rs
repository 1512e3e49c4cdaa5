#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evenkeel_http2::exercise(data));
