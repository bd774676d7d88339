//! DPoP: a proof, made for one request, that its sender holds a key (RFC 9449).
//!
//! [`single`] finds the proof in the request's headers, [`Proof::verify`] makes the checks of section 4.3. What comes out
//! names the key by its thumbprint, to be compared with the `cnf.jkt` of a token, and the `jti` that must not come again.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{CLOCK_SKEW, is_jti, uri};
use crate::jose::{Algorithm, Jwk, Untrusted, VerifyingKey, strict_json};
use crate::{b64url, sha256};

/// The media type of a proof (RFC 9449 §4.2).
pub const TYPE: &str = "dpop+jwt";

/// The algorithms a proof may be signed with.
pub const ALGORITHMS: [Algorithm; 10] = Algorithm::ALL;

/// Depth of a header with its `jwk`.
const HEADER_DEPTH: usize = 2;

/// Why a proof is refused. The texts are for its sender and hold no key material.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DpopError {
    /// Several `DPoP` headers, or one that is no text.
    #[error("there must be one DPoP header")]
    NotOne,
    /// Not a signed token in compact form with an asymmetric algorithm.
    #[error("the DPoP proof is malformed")]
    Malformed,
    /// `typ` is not `dpop+jwt`.
    #[error("the DPoP proof has the wrong type")]
    WrongType,
    /// An algorithm that is not accepted here.
    #[error("the algorithm of the DPoP proof is not accepted")]
    Algorithm,
    /// The header has no `jwk`, or not a public signature key of the header's algorithm.
    #[error("the DPoP proof has no usable public key")]
    Key,
    /// The signature is not the key's.
    #[error("the signature of the DPoP proof is invalid")]
    Signature,
    /// A claim is missing or has the wrong shape.
    #[error("the DPoP proof lacks a claim")]
    Claims,
    /// `htm` is not the request's method.
    #[error("the DPoP proof is for another method")]
    Method,
    /// `htu` is not the request's address.
    #[error("the DPoP proof is for another address")]
    Address,
    /// `iat`, `nbf` or `exp` are too far from now.
    #[error("the DPoP proof is not current")]
    Time,
    /// `ath` is missing or not the digest of the access token sent along.
    #[error("the DPoP proof is for another access token")]
    AccessToken,
}

/// What a proof must be for.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The request's method.
    pub method: &'a str,
    /// The request's address as the client knows it; its query and fragment don't count.
    pub url: &'a str,
    /// Now, in seconds.
    pub now: i64,
    /// The access token that comes with it, at a protected resource.
    pub access_token: Option<&'a str>,
    /// The algorithms accepted.
    pub algorithms: &'a [Algorithm],
}

/// A proof whose every check passed, but for its being the first with its `jti`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The thumbprint of the key (RFC 7638), as in `cnf.jkt`.
    pub jkt: String,
    /// What it was signed with.
    pub algorithm: Algorithm,
    /// The id, unique for the key.
    pub jti: String,
    /// When the proof stops being acceptable, in seconds: until then its `jti` is remembered.
    pub until: i64,
    /// The nonce it answers.
    pub nonce: Option<String>,
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    jwk: &'a RawValue,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    #[serde(default)]
    exp: Option<i64>,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    ath: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
}

/// The one proof among the values of the `DPoP` header; none if the header is absent.
///
/// # Errors
/// [`DpopError::NotOne`] (RFC 9449 §4.3 check 1).
pub fn single<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<Option<&'a str>, DpopError> {
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            std::str::from_utf8(value).map(|text| Some(text.trim())).map_err(|_| DpopError::NotOne)
        }
        (Some(_), Some(_)) => Err(DpopError::NotOne),
    }
}

impl Proof {
    /// Checks a proof (RFC 9449 §4.3, checks 2 to 11).
    ///
    /// # Errors
    /// One [`DpopError`] for each check.
    pub fn verify(proof: &str, expected: &Expected<'_>) -> Result<Self, DpopError> {
        let untrusted = Untrusted::parse(proof).map_err(|_| DpopError::Malformed)?;
        if !untrusted.header().typ.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case(TYPE)) {
            return Err(DpopError::WrongType);
        }
        let algorithm = untrusted.header().algorithm;
        if !expected.algorithms.contains(&algorithm) {
            return Err(DpopError::Algorithm);
        }
        let jwk = embedded_key(untrusted.header_json())?;
        let key = VerifyingKey::from_jwk_as(&jwk, algorithm).map_err(|_| DpopError::Key)?;
        let verified = untrusted.verify(&key).map_err(|_| DpopError::Signature)?;
        let claims: Claims = verified.claims().map_err(|_| DpopError::Claims)?;
        claims.check(expected)?;
        let until = claims.iat.saturating_add(CLOCK_SKEW);
        Ok(Self { jkt: jwk.thumbprint(), algorithm, jti: claims.jti, until, nonce: claims.nonce })
    }
}

/// The key a proof carries. A private one is refused: somebody published it just now.
fn embedded_key(header_json: &[u8]) -> Result<Jwk, DpopError> {
    let header: Header<'_> =
        strict_json::from_slice(header_json, HEADER_DEPTH).map_err(|_| DpopError::Key)?;
    Jwk::from_slice(header.jwk.get().as_bytes()).map_err(|_| DpopError::Key)
}

impl Claims {
    fn check(&self, expected: &Expected<'_>) -> Result<(), DpopError> {
        if !is_jti(&self.jti) {
            return Err(DpopError::Claims);
        }
        if self.htm != expected.method {
            return Err(DpopError::Method);
        }
        if !is_same_address(&self.htu, expected.url) {
            return Err(DpopError::Address);
        }
        if !self.is_current(expected.now) {
            return Err(DpopError::Time);
        }
        match expected.access_token {
            Some(token) if self.ath.as_deref() != Some(&*ath(token)) => Err(DpopError::AccessToken),
            _ => Ok(()),
        }
    }

    /// `iat` lies near now. `nbf` and `exp` aren't asked for, but count where they stand (RFC 7519 §4.1).
    fn is_current(&self, now: i64) -> bool {
        let (earliest, latest) = (now.saturating_sub(CLOCK_SKEW), now.saturating_add(CLOCK_SKEW));
        (earliest..=latest).contains(&self.iat)
            && self.nbf.is_none_or(|nbf| nbf <= latest)
            && self.exp.is_none_or(|exp| exp > earliest)
    }
}

/// The `ath` of an access token: its digest (RFC 9449 §4.2).
#[must_use]
pub fn ath(access_token: &str) -> String {
    b64url::encode(sha256(access_token.as_bytes()))
}

/// Whether two addresses are the same but for query and fragment, in the normal form of RFC 3986 §6.2.2 and §6.2.3.
fn is_same_address(htu: &str, url: &str) -> bool {
    match (uri::normalised(htu), uri::normalised(url)) {
        (Some(claimed), Some(real)) => claimed == real,
        _ => false,
    }
}
