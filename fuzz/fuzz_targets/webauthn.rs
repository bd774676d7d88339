#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| usso::identity::passkeys::fuzzing::webauthn(data));
