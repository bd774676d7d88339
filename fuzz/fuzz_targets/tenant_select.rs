#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| usso::http::fuzzing::tenant_select(data));
