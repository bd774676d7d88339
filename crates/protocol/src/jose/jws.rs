//! Compact signed tokens (RFC 7515 §3.1, RFC 7519).
//!
//! Writing: the header is encoded once per key, so a token costs one JSON serialisation, one base64 pass and one
//! signature. Reading: [`Untrusted`] holds a token whose form is right and about which nothing else is known.

use std::borrow::Cow;
use std::fmt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::strict_json::{self, present};
use super::{Algorithm, JoseError, SigningKey, VerifyingKey};
use crate::b64url;

/// The longest token read, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// The header is an object whose members may be objects or arrays of scalars (an embedded `jwk`, `x5c`).
const MAX_HEADER_DEPTH: usize = 2;
const MAX_CLAIMS_DEPTH: usize = 16;
const MAX_KEY_ID_BYTES: usize = 128;
const MAX_TYPE_BYTES: usize = 64;
/// A first guess at the size of claims, to spare the buffer's early growth.
const CLAIMS_CAPACITY: usize = 512;

/// An encoded protected header: `alg`, `typ`, `kid` and nothing else, in that order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedHeader {
    algorithm: Algorithm,
    /// The base64url header and its dot.
    encoded: String,
}

impl PreparedHeader {
    /// Encodes a header. Some verifiers decode it with the standard base64 alphabet, so the result never contains
    /// `-` or `_`; the characters allowed in `typ` and `kid` guarantee that, and it is checked all the same.
    ///
    /// # Errors
    /// [`JoseError::InvalidKeyId`] or [`JoseError::InvalidType`] for characters outside the allowed ones.
    pub fn new(algorithm: Algorithm, typ: &str, kid: &str) -> Result<Self, JoseError> {
        let type_char = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'.' | b'-');
        if typ.is_empty() || typ.len() > MAX_TYPE_BYTES || !typ.bytes().all(type_char) {
            return Err(JoseError::InvalidType);
        }
        if !is_key_id(kid) {
            return Err(JoseError::InvalidKeyId);
        }
        // None of the three values has a character that JSON would escape.
        let mut encoded = b64url::encode(format!(r#"{{"alg":"{algorithm}","typ":"{typ}","kid":"{kid}"}}"#));
        if encoded.contains(['-', '_']) {
            return Err(JoseError::InvalidKeyId);
        }
        encoded.push('.');
        Ok(Self { algorithm, encoded })
    }

    /// The algorithm named in the header.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// True if our own tokens may carry this `kid`.
pub(super) fn is_key_id(kid: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-');
    !kid.is_empty() && kid.len() <= MAX_KEY_ID_BYTES && kid.bytes().all(allowed)
}

/// Serialises and signs claims: a compact token.
///
/// # Errors
/// [`JoseError::AlgorithmMismatch`] if the header was prepared for another algorithm than the key's;
/// [`JoseError::Serialize`]; [`JoseError::Crypto`].
pub fn sign_compact(
    header: &PreparedHeader,
    claims: &impl Serialize,
    key: &SigningKey,
) -> Result<String, JoseError> {
    let mut payload = Vec::with_capacity(CLAIMS_CAPACITY);
    serde_json::to_writer(&mut payload, claims).map_err(|_| JoseError::Serialize)?;
    sign_payload(header, &payload, key)
}

/// Signs a payload that is already serialised: a compact token.
///
/// # Errors
/// [`JoseError::AlgorithmMismatch`] or [`JoseError::Crypto`].
pub fn sign_payload(header: &PreparedHeader, payload: &[u8], key: &SigningKey) -> Result<String, JoseError> {
    if header.algorithm != key.algorithm() {
        return Err(JoseError::AlgorithmMismatch);
    }
    let signature_len = if header.algorithm.is_rsa() { 512 } else { 132 };
    let capacity =
        header.encoded.len() + b64url::encoded_len(payload.len()) + 1 + b64url::encoded_len(signature_len);
    let mut token = String::with_capacity(capacity);
    token.push_str(&header.encoded);
    b64url::encode_into(payload, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    b64url::encode_into(&signature, &mut token);
    Ok(token)
}

/// The members of a protected header that this server reads. `jku`, `x5u`, `x5c` and `jwk` are ignored: a key never
/// comes from the token it verifies (RFC 8725 §3.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The algorithm the sender claims; believed only if it is the key's.
    pub algorithm: Algorithm,
    /// The key the sender claims.
    pub kid: Option<String>,
    /// The media type of the token.
    pub typ: Option<String>,
}

#[derive(Deserialize)]
struct RawHeader<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(default, deserialize_with = "present")]
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    typ: Option<String>,
    // `null` counts as present: there is no extension to agree on.
    #[serde(default, deserialize_with = "present")]
    crit: Option<IgnoredAny>,
}

/// A well-formed token nobody has vouched for. Its header may choose the key; its claims stay out of reach until
/// [`Untrusted::verify`].
pub struct Untrusted<'a> {
    header: Header,
    header_json: Vec<u8>,
    signing_input: &'a [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Untrusted<'a> {
    /// Reads a compact token: at most [`MAX_TOKEN_BYTES`], three segments of canonical base64url, a flat header
    /// object without duplicate members or `crit`, an asymmetric algorithm. Nothing around it is tolerated.
    ///
    /// # Errors
    /// One [`JoseError`] variant per rule.
    pub fn parse(token: &'a str) -> Result<Self, JoseError> {
        Self::parse_naming(token, Algorithm::from_header)
    }

    /// As [`Untrusted::parse`], with the algorithm named in any case: agents' libraries write `ED25519` and `EDDSA`.
    ///
    /// # Errors
    /// As [`Untrusted::parse`].
    pub fn parse_any_case(token: &'a str) -> Result<Self, JoseError> {
        Self::parse_naming(token, str::parse)
    }

    fn parse_naming(
        token: &'a str,
        algorithm: impl Fn(&str) -> Result<Algorithm, JoseError>,
    ) -> Result<Self, JoseError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(JoseError::TooLarge);
        }
        let mut segments = token.split('.');
        let (header, payload, signature) =
            match (segments.next(), segments.next(), segments.next(), segments.count()) {
                (Some(header), Some(payload), Some(signature), 0) => (header, payload, signature),
                (_, _, _, 2) => return Err(JoseError::Encrypted),
                _ => return Err(JoseError::Malformed("not three segments")),
            };
        let header_json = b64url::decode(header).map_err(|_| JoseError::InvalidBase64("the header"))?;
        let header = parse_header(&header_json, algorithm)?;
        if signature.is_empty() {
            return Err(JoseError::Malformed("the signature is empty"));
        }
        let payload = b64url::decode(payload).map_err(|_| JoseError::InvalidBase64("the payload"))?;
        let signature_len = signature.len() + 1;
        let signature = b64url::decode(signature).map_err(|_| JoseError::InvalidBase64("the signature"))?;
        let signing_input = token.as_bytes().get(..token.len() - signature_len).unwrap_or_default();
        Ok(Self { header, header_json, signing_input, payload, signature })
    }

    /// The header as the sender wrote it.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The header's JSON, for profiles that define further members (the `jwk` of a DPoP proof, RFC 9449 §4.2).
    #[must_use]
    pub fn header_json(&self) -> &[u8] {
        &self.header_json
    }

    /// The key to look up.
    ///
    /// # Errors
    /// [`JoseError::MissingKeyId`] if the header names none, or an empty one.
    pub fn require_kid(&self) -> Result<&str, JoseError> {
        self.header.kid.as_deref().filter(|kid| !kid.is_empty()).ok_or(JoseError::MissingKeyId)
    }

    /// Claims nobody has vouched for, to find out whose key to ask (the `iss` of a client assertion). Never decide
    /// anything else by them.
    ///
    /// # Errors
    /// [`JoseError::Claims`].
    pub fn unverified_claims<'p, T: Deserialize<'p>>(&'p self) -> Result<T, JoseError> {
        parse_claims(&self.payload)
    }

    /// Checks the signature with a key chosen by the caller. The algorithm is the key's; a header that asks for
    /// another, or names another key, is refused before any cryptography.
    ///
    /// # Errors
    /// [`JoseError::AlgorithmMismatch`], [`JoseError::KeyIdMismatch`] or [`JoseError::SignatureInvalid`].
    pub fn verify(self, key: &VerifyingKey) -> Result<Verified, JoseError> {
        if self.header.algorithm != key.algorithm() {
            return Err(JoseError::AlgorithmMismatch);
        }
        if let (Some(named), Some(own)) = (self.header.kid.as_deref(), key.kid())
            && named != own
        {
            return Err(JoseError::KeyIdMismatch);
        }
        key.verify(self.signing_input, &self.signature)?;
        Ok(Verified { header: self.header, payload: self.payload })
    }
}

/// Shows the header only: the payload is personal data and the signature makes it a credential.
impl fmt::Debug for Untrusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Untrusted").field("header", &self.header).finish_non_exhaustive()
    }
}

fn parse_header(
    json: &[u8],
    algorithm: impl Fn(&str) -> Result<Algorithm, JoseError>,
) -> Result<Header, JoseError> {
    let raw: RawHeader<'_> = strict_json::from_slice(json, MAX_HEADER_DEPTH).map_err(JoseError::Header)?;
    let algorithm = algorithm(&raw.alg)?;
    if raw.crit.is_some() {
        return Err(JoseError::CriticalHeader);
    }
    Ok(Header { algorithm, kid: raw.kid, typ: raw.typ })
}

fn parse_claims<'p, T: Deserialize<'p>>(payload: &'p [u8]) -> Result<T, JoseError> {
    strict_json::from_slice(payload, MAX_CLAIMS_DEPTH).map_err(JoseError::Claims)
}

/// A token whose signature was checked. Expiry, issuer, audience and type are still the caller's to judge.
#[derive(Clone, PartialEq, Eq)]
pub struct Verified {
    header: Header,
    payload: Vec<u8>,
}

impl Verified {
    /// The header, now vouched for.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The signed bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signed claims, refusing duplicate members anywhere in them.
    ///
    /// # Errors
    /// [`JoseError::Claims`].
    pub fn claims<'p, T: Deserialize<'p>>(&'p self) -> Result<T, JoseError> {
        parse_claims(&self.payload)
    }
}

/// Shows the header only, since claims are personal data.
impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("header", &self.header).finish_non_exhaustive()
    }
}
