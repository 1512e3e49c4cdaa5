#![no_main]

#[path = "../../crates/config/tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::reading(data, b"ProxyPass / http://10.0.0.1/\n"));
