//! Replays every committed fuzz input without a fuzzer, so that what was found once stays fixed.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::fs;
use std::path::Path;

use protocol::fuzzing;

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        body(&fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    println!("{target}: {count} inputs");
    assert!(count >= 20, "{} has only {count} inputs", folder.display());
}

#[test]
fn jws_parse_corpus_holds() {
    replay("jws_parse", fuzzing::jws_parse);
}

#[test]
fn jwks_parse_corpus_holds() {
    replay("jwks_parse", fuzzing::jwks_parse);
}

#[test]
fn strict_json_corpus_holds() {
    replay("strict_json", fuzzing::strict_json);
}

#[test]
fn scope_parse_corpus_holds() {
    replay("scope_parse", fuzzing::scope_parse);
}

#[test]
fn dpop_proof_corpus_holds() {
    replay("dpop_proof", fuzzing::dpop_proof);
}

#[test]
fn client_assertion_corpus_holds() {
    replay("client_assertion", fuzzing::client_assertion);
}
