//! What can be wrong with a key or a token.

use super::strict_json::JsonError;

/// A refused algorithm, key or token. The texts are safe to show to the sender: they never hold key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoseError {
    /// `alg` is `none` in any spelling: an unsigned token (RFC 8725 §2.1).
    #[error("unsigned tokens are not accepted")]
    NoneAlgorithm,
    /// `alg` is one of HS256, HS384, HS512, or a key is symmetric: such keys cannot be published.
    #[error("symmetric algorithms and keys are not accepted")]
    SymmetricAlgorithm,
    /// `alg` is not an algorithm of this server.
    #[error("unknown signature algorithm")]
    UnknownAlgorithm,
    /// The header's algorithm is not that of the key, or the key's type does not fit its algorithm.
    #[error("the algorithm does not belong to the key")]
    AlgorithmMismatch,
    /// The token is longer than [`super::MAX_TOKEN_BYTES`].
    #[error("the token is too large")]
    TooLarge,
    /// The token is not three segments; says what was found instead.
    #[error("malformed token: {0}")]
    Malformed(&'static str),
    /// The token has five segments: an encrypted token (RFC 7516), which is not supported.
    #[error("encrypted tokens are not supported")]
    Encrypted,
    /// A segment or key member is not canonical base64url; names it.
    #[error("{0} is not canonical base64url")]
    InvalidBase64(&'static str),
    /// The protected header is not acceptable JSON.
    #[error("invalid token header: {0}")]
    Header(#[source] JsonError),
    /// The header has a `crit` member; no extension is understood here (RFC 7515 §4.1.11).
    #[error("critical header extensions are not supported")]
    CriticalHeader,
    /// The header has no `kid` though one is required.
    #[error("the token header has no kid")]
    MissingKeyId,
    /// The header names another key than the one used to verify.
    #[error("the token names another key")]
    KeyIdMismatch,
    /// A `kid` for our own tokens has characters outside `[A-Za-z0-9_.-]`, or is empty or over 128 characters.
    #[error("a kid consists of 1 to 128 characters A-Z a-z 0-9 _ . -")]
    InvalidKeyId,
    /// A `typ` for our own tokens is not a plain media type name.
    #[error("a typ consists of 1 to 64 characters A-Z a-z 0-9 + . -")]
    InvalidType,
    /// The signature does not verify.
    #[error("the signature is invalid")]
    SignatureInvalid,
    /// The payload is not acceptable JSON for the expected claims.
    #[error("invalid token claims: {0}")]
    Claims(#[source] JsonError),
    /// The claims could not be serialised.
    #[error("the claims cannot be serialised")]
    Serialize,
    /// A key or key set is not acceptable JSON.
    #[error("invalid key: {0}")]
    KeyJson(#[source] JsonError),
    /// A key or key set has a private member; names it.
    #[error("the key contains the private member {0}")]
    PrivateMember(&'static str),
    /// A key lacks a member or has a wrong value; names the member.
    #[error("the key member {0} is missing or invalid")]
    InvalidMember(&'static str),
    /// The key's type, curve, use or operations are not supported; names the member.
    #[error("the key member {0} has an unsupported value")]
    Unsupported(&'static str),
    /// An RSA modulus below 2048 bits, or above 8192.
    #[error("RSA keys have 2048 to 8192 bits")]
    KeySize,
    /// Two keys of a set have the same `kid`.
    #[error("two keys have the same kid")]
    DuplicateKeyId,
    /// The key material itself is not a valid key (for instance a point off its curve).
    #[error("the key is not valid")]
    KeyRejected,
    /// The cryptographic library failed, which with a parsed key means exhausted resources.
    #[error("the cryptographic operation failed")]
    Crypto,
}
