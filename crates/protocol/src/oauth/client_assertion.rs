//! Client assertions: a client shows who it is by a JWT under a key it registered (RFC 7523 §2.2 and §3, OpenID Connect
//! Core §9, `private_key_jwt`).
//!
//! The audience must be this server and nobody else: an assertion that names others, too, could be carried on by them.
//! FAPI 2.0 (§5.3.3.4) narrows that to the issuer as a plain text, and the algorithms to three.

use serde::Deserialize;

use super::{CLOCK_SKEW, is_jti};
use crate::jose::{Algorithm, Jwk, JwkSet, Untrusted, VerifyingKey};

/// The `client_assertion_type` (RFC 7523 §2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The algorithms of FAPI 2.0 (§5.4.1); Ed25519 is written `EdDSA`.
pub const FAPI2_ALGORITHMS: [Algorithm; 3] = [Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa];

/// Seconds an assertion may be valid from now on.
const MAX_AGE: i64 = 300;

/// Keys that are tried when the assertion names none.
const MAX_CANDIDATES: usize = 8;

/// Why an assertion is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// Not a signed token in compact form with an asymmetric algorithm.
    #[error("the client assertion is malformed")]
    Malformed,
    /// A token of another kind, by its `typ`.
    #[error("the client assertion has the wrong type")]
    WrongType,
    /// An algorithm that is not accepted from this client.
    #[error("the algorithm of the client assertion is not accepted")]
    Algorithm,
    /// No registered key has the named id and algorithm. The set may be outdated.
    #[error("the key of the client assertion is not registered")]
    UnknownKey,
    /// The signature is not that of the registered key.
    #[error("the signature of the client assertion is invalid")]
    Signature,
    /// A claim is missing or has the wrong shape.
    #[error("the client assertion lacks a claim")]
    Claims,
    /// `iss` and `sub` are not both the client.
    #[error("the client assertion is about another client")]
    Client,
    /// `aud` is not this server alone.
    #[error("the client assertion is for another audience")]
    Audience,
    /// Expired, valid for too long, or not yet.
    #[error("the client assertion is not current")]
    Time,
}

/// What an assertion must say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The client.
    pub client_id: &'a str,
    /// The issuer identifier of this server.
    pub issuer: &'a str,
    /// Other names of it: the addresses of its endpoints. Not for FAPI 2.0.
    pub endpoints: &'a [String],
    /// The algorithm the client registered, if any (`token_endpoint_auth_signing_alg`).
    pub algorithm: Option<Algorithm>,
    /// Whether the rules of FAPI 2.0 apply.
    pub is_fapi2: bool,
    /// Now, in seconds.
    pub now: i64,
}

/// An assertion whose every check passed, but for its being the first with its `jti`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// The id, unique for the client.
    pub jti: String,
    /// When it stops being acceptable, in seconds: until then its `jti` is remembered.
    pub until: i64,
}

/// One audience or several (RFC 7519 §4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    jti: String,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    iat: Option<i64>,
}

#[derive(Deserialize)]
struct Subject {
    sub: String,
}

/// The client an assertion claims to come from, to find its keys. Nothing else may be decided by it.
#[must_use]
pub fn claimed_client(assertion: &str) -> Option<String> {
    let untrusted = Untrusted::parse(assertion).ok()?;
    untrusted.unverified_claims::<Subject>().ok().map(|claims| claims.sub)
}

impl Assertion {
    /// Checks an assertion under the keys its client registered.
    ///
    /// # Errors
    /// One [`AssertionError`] for each check.
    pub fn verify(assertion: &str, keys: &JwkSet, expected: &Expected<'_>) -> Result<Self, AssertionError> {
        let claims = signed_claims(assertion, keys, expected)?;
        if claims.iss != expected.client_id || claims.sub != expected.client_id {
            return Err(AssertionError::Client);
        }
        if !claims.aud.is_us(expected) {
            return Err(AssertionError::Audience);
        }
        if !claims.is_current(expected.now) {
            return Err(AssertionError::Time);
        }
        if !is_jti(&claims.jti) {
            return Err(AssertionError::Claims);
        }
        Ok(Self { jti: claims.jti, until: claims.exp.saturating_add(CLOCK_SKEW) })
    }
}

fn signed_claims(assertion: &str, keys: &JwkSet, expected: &Expected<'_>) -> Result<Claims, AssertionError> {
    let untrusted = Untrusted::parse(assertion).map_err(|_| AssertionError::Malformed)?;
    let header = untrusted.header().clone();
    if !is_type(header.typ.as_deref()) {
        return Err(AssertionError::WrongType);
    }
    let algorithm = header.algorithm;
    let is_accepted = expected.algorithm.is_none_or(|registered| registered == algorithm)
        && (!expected.is_fapi2 || FAPI2_ALGORITHMS.contains(&algorithm));
    if !is_accepted {
        return Err(AssertionError::Algorithm);
    }
    let is_named = |jwk: &&Jwk| header.kid.as_deref().is_none_or(|kid| jwk.kid() == Some(kid));
    let candidates = keys.keys().iter().filter(is_named);
    let candidates: Vec<VerifyingKey> = candidates
        .filter_map(|jwk| VerifyingKey::from_jwk_as(jwk, algorithm).ok())
        .take(MAX_CANDIDATES)
        .collect();
    if candidates.is_empty() {
        return Err(AssertionError::UnknownKey);
    }
    for key in &candidates {
        // Verifying consumes what was parsed, so that nothing unverified is left over.
        let untrusted = Untrusted::parse(assertion).map_err(|_| AssertionError::Malformed)?;
        if let Ok(verified) = untrusted.verify(key) {
            return verified.claims().map_err(|_| AssertionError::Claims);
        }
    }
    Err(AssertionError::Signature)
}

/// Whether a `typ` may stand on a client assertion: most libraries write `JWT` or nothing.
fn is_type(typ: Option<&str>) -> bool {
    typ.is_none_or(|typ| {
        typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("client-authentication+jwt")
    })
}

impl Audience {
    fn is_us(&self, expected: &Expected<'_>) -> bool {
        let is_ours = |name: &String| {
            name == expected.issuer || (!expected.is_fapi2 && expected.endpoints.contains(name))
        };
        match self {
            Self::One(name) => is_ours(name),
            Self::Several(names) => !expected.is_fapi2 && !names.is_empty() && names.iter().all(is_ours),
        }
    }
}

impl Claims {
    fn is_current(&self, now: i64) -> bool {
        let latest = now.saturating_add(CLOCK_SKEW);
        let is_begun = |at: Option<i64>| at.is_none_or(|at| at <= latest);
        self.exp > now.saturating_sub(CLOCK_SKEW)
            && self.exp <= latest.saturating_add(MAX_AGE)
            && is_begun(self.nbf)
            && is_begun(self.iat)
    }
}
