//! The bodies of the fuzz targets, one per format read from strangers. Each asserts what must hold for every input,
//! so an ordinary test can replay the committed corpus without a fuzzer.

use crate::jose::{JwkSet, Untrusted, VerifyingKey, strict_json};
use crate::oauth::CLOCK_SKEW;
use crate::oauth::client_assertion::{self, Assertion};
use crate::oauth::dpop::{self, Proof};
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

/// The address and the time for which the proofs and assertions of the corpus were made.
const URL: &str = "https://server.example.com/token";
const ISSUER: &str = "https://server.example.com";
const NOW: i64 = 1_562_262_616;

/// A proof that is accepted is so for one method, one address and one minute only.
pub fn dpop_proof(data: &[u8]) {
    let Ok(Some(text)) = dpop::single(std::iter::once(data)) else { return };
    let accepted = |method, url, now| {
        let expected = dpop::Expected { method, url, now, access_token: None, algorithms: &dpop::ALGORITHMS };
        Proof::verify(text, &expected)
    };
    let Ok(proof) = accepted("POST", URL, NOW) else { return };
    assert_eq!(proof.jkt.len(), 43);
    assert!(!proof.jti.is_empty() && proof.until >= NOW);
    assert!(accepted("GET", URL, NOW).is_err(), "another method");
    assert!(accepted("POST", "https://server.example.com/other", NOW).is_err(), "another address");
    assert!(accepted("POST", URL, proof.until + 2 * CLOCK_SKEW).is_err(), "another time");
}

/// The key of RFC 8037 §A.2, under which assertions of the corpus are signed.
const CLIENT_KEYS: &[u8] =
    br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// An assertion that is accepted is so for one client and one server only, and what FAPI 2.0 accepts others do, too.
pub fn client_assertion(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(keys) = JwkSet::from_slice(CLIENT_KEYS) else { return };
    let endpoints = [URL.to_owned()];
    let accepted = |client_id, issuer, is_fapi2| {
        let expected = client_assertion::Expected {
            client_id,
            issuer,
            endpoints: if issuer == ISSUER { &endpoints } else { &[] },
            algorithm: None,
            is_fapi2,
            now: NOW,
        };
        Assertion::verify(text, &keys, &expected)
    };
    let is_fapi2 = accepted("client_1", ISSUER, true).is_ok();
    let Ok(assertion) = accepted("client_1", ISSUER, false) else {
        assert!(!is_fapi2, "FAPI 2.0 narrows");
        return;
    };
    assert_eq!(client_assertion::claimed_client(text).as_deref(), Some("client_1"));
    assert!(!assertion.jti.is_empty() && assertion.until > NOW);
    assert!(accepted("client_2", ISSUER, false).is_err(), "another client");
    assert!(accepted("client_1", "https://other.example.com", false).is_err(), "another server");
}
