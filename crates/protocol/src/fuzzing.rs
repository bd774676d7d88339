//! The bodies of the fuzz targets, one per format read from strangers. Each asserts what must hold for every input,
//! so an ordinary test can replay the committed corpus without a fuzzer.

use crate::jose::{JwkSet, Untrusted, VerifyingKey, strict_json};
use crate::scope::{self, Scope};

/// A token either is refused or gives back its three segments.
pub fn jws_parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(token) = Untrusted::parse(text) {
        assert_eq!(text.matches('.').count(), 2);
        let first = text.split('.').next().unwrap_or_default();
        assert_eq!(crate::b64url::encode(token.header_json()), first, "decoding must be canonical");
        // Result ignored: any claims are acceptable here, a crash is not.
        drop(token.unverified_claims::<serde_json::Value>());
    }
}

/// A key set that is accepted survives being written and read again, and its keys either parse or are refused.
pub fn jwks_parse(data: &[u8]) {
    drop(JwkSet::from_slice_skipping_unsupported(data));
    let Ok(set) = JwkSet::from_slice(data) else { return };
    for key in set.keys() {
        drop(VerifyingKey::from_jwk(key));
        assert_eq!(key.thumbprint().len(), 43);
    }
    let written = serde_json::to_vec(&set).unwrap_or_default();
    let read = JwkSet::from_slice(&written);
    assert!(read.is_ok_and(|read| read.keys().len() == set.keys().len()), "a written set must be readable");
}

/// The strict reader accepts only what the ordinary one does, and the value survives being written and read again.
pub fn strict_json(data: &[u8]) {
    let strict = strict_json::from_slice::<serde_json::Value>(data, strict_json::DEFAULT_MAX_DEPTH);
    let Ok(value) = strict else { return };
    assert_eq!(serde_json::from_slice::<serde_json::Value>(data).ok().as_ref(), Some(&value));
    let written = value.to_string();
    assert!(
        strict_json::from_slice::<serde_json::Value>(written.as_bytes(), strict_json::DEFAULT_MAX_DEPTH)
            .is_ok()
    );
}

/// Every scope is narrower than itself and, short of `superadmin`, than everything; a scope that may be created
/// reads the same as one that is held.
pub fn scope_parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let held = Scope::parse(text);
    assert!(scope::is_narrower(&held, &held));
    assert!(scope::is_narrower(&held, &Scope::parse("superadmin:*")));
    if let Ok(new) = Scope::validate_new(text) {
        assert_eq!(new, held);
    }
    let path = held.path().replace(['*', '/'], "x");
    // The answer is free, a crash is not.
    let _answer = scope::satisfies(&held, held.verb(), &path, &[("user_id", text)]);
}
