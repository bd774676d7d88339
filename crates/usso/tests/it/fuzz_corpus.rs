//! Replays every committed fuzz input without a fuzzer, so that what was found once stays fixed.

use std::path::Path;

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus") {
        body(&std::fs::read(entry.expect("a file").path()).expect("a file"));
        count += 1;
    }
    println!("{target}: {count} inputs");
    assert!(count >= 20, "{} has only {count} inputs", folder.display());
}

#[test]
fn tenant_select_corpus_holds() {
    replay("tenant_select", usso::http::fuzzing::tenant_select);
}

#[test]
fn identifiers_corpus_holds() {
    replay("identifiers", usso::identity::identifiers::fuzzing::fuzz_identifier);
}

#[test]
fn webauthn_corpus_holds() {
    replay("webauthn", usso::identity::passkeys::fuzzing::webauthn);
}

proptest::proptest! {
    #[test]
    fn no_answer_of_an_authenticator_is_too_odd(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        usso::identity::passkeys::fuzzing::webauthn(&bytes);
    }

    #[test]
    fn tenant_selection_holds_for_anything(
        flags in 0u8..4,
        path in "/(t/)?[a-z_/%.?5F]{0,40}",
        host in "[A-Za-z0-9.:\\[\\]@ -]{0,40}",
        forwarded in "[a-z0-9.,: -]{0,40}",
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..120),
    ) {
        let lines = format!("{path}\n{host}\norg_{host}\n{forwarded}\n{forwarded}\n{forwarded}");
        usso::http::fuzzing::tenant_select(&[&[flags], lines.as_bytes()].concat());
        usso::http::fuzzing::tenant_select(&bytes);
    }
}
