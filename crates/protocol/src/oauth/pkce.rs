//! Proof Key for Code Exchange (RFC 7636). Only `S256`: with `plain` the challenge is the verifier (RFC 9700 §2.1.1).

use crate::{b64url, sha256};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde::{Deserialize, Serialize};

/// Characters of a challenge: a SHA-256 digest in base64url.
const CHALLENGE: usize = 43;

/// Characters of a verifier (RFC 7636 §4.1).
const VERIFIER: std::ops::RangeInclusive<usize> = 43..=128;

/// What is wrong with a proof key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PkceError {
    /// Another method than `S256`, or none, which means `plain`.
    #[error("code_challenge_method must be S256")]
    Method,
    /// A challenge that is no digest.
    #[error("code_challenge must be 43 characters of base64url")]
    Challenge,
    /// A verifier of the wrong length or of other characters.
    #[error("code_verifier must be 43 to 128 unreserved characters")]
    Verifier,
    /// A verifier of another challenge.
    #[error("code_verifier does not match the challenge")]
    Mismatch,
}

/// The challenge of an authorization request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Challenge(String);

impl Challenge {
    /// Reads `code_challenge` and `code_challenge_method`.
    ///
    /// # Errors
    /// [`PkceError::Method`], [`PkceError::Challenge`].
    pub fn parse(challenge: &str, method: Option<&str>) -> Result<Self, PkceError> {
        if method != Some("S256") {
            return Err(PkceError::Method);
        }
        let is_digest =
            challenge.len() == CHALLENGE && b64url::decode(challenge).is_ok_and(|d| d.len() == 32);
        if is_digest { Ok(Self(challenge.to_owned())) } else { Err(PkceError::Challenge) }
    }

    /// Checks the verifier (RFC 7636 §4.6).
    ///
    /// # Errors
    /// [`PkceError::Verifier`], [`PkceError::Mismatch`].
    pub fn check(&self, verifier: &str) -> Result<(), PkceError> {
        let is_unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        if !VERIFIER.contains(&verifier.len()) || !verifier.bytes().all(is_unreserved) {
            return Err(PkceError::Verifier);
        }
        let own = b64url::encode(sha256(verifier.as_bytes()));
        verify_slices_are_equal(own.as_bytes(), self.0.as_bytes()).map_err(|_| PkceError::Mismatch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_standard() {
        let challenge = Challenge::parse(CHALLENGE, Some("S256")).unwrap();
        assert_eq!(challenge.check(VERIFIER), Ok(()));
        assert_eq!(challenge.check(&VERIFIER.replace('d', "e")), Err(PkceError::Mismatch));
    }

    #[test]
    fn only_s256_is_a_method() {
        for method in [None, Some("plain"), Some("s256"), Some("S512"), Some("")] {
            assert_eq!(Challenge::parse(CHALLENGE, method), Err(PkceError::Method), "{method:?}");
        }
    }

    #[test]
    fn a_challenge_is_a_digest() {
        let (short, long) = (&CHALLENGE[1..], format!("{CHALLENGE}A"));
        let padded = format!("{}=", &CHALLENGE[..42]);
        for wrong in [short, &long, &padded, &CHALLENGE.replace('E', "+"), &CHALLENGE.replace('E', "\u{e9}")]
        {
            assert_eq!(Challenge::parse(wrong, Some("S256")), Err(PkceError::Challenge), "{wrong}");
        }
    }

    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters() {
        for (length, fits) in [(0, false), (42, false), (43, true), (128, true), (129, false)] {
            let verifier = "a".repeat(length);
            let challenge = Challenge(b64url::encode(sha256(verifier.as_bytes())));
            assert_eq!(challenge.check(&verifier).is_ok(), fits, "{length}");
        }
        let challenge = Challenge(CHALLENGE.to_owned());
        for wrong in ["+", " ", "/", "=", "%", "\u{e9}"] {
            let verifier = format!("{}{wrong}", "a".repeat(43));
            assert_eq!(challenge.check(&verifier), Err(PkceError::Verifier), "{wrong}");
        }
    }
}
