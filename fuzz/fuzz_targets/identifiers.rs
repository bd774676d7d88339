#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| usso::identity::identifiers::fuzzing::fuzz_identifier(data));
