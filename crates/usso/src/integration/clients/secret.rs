//! The secrets of clients: 256 random bits, kept as digests that can't be guessed back.

use protocol::{b64url, sha256};
use secrecy::SecretString;

/// What a client's secret begins with (contract 1.1).
const SECRET: &str = "secret_";

/// What the token begins with that a client manages itself with.
pub const REGISTRATION: &str = "reg_";

/// The digest a secret is kept as.
pub type Digest = [u8; 32];

/// A client's secret of 32 random bytes.
pub fn secret(random: [u8; 32]) -> SecretString {
    format!("{SECRET}{}", b64url::encode(random)).into()
}

/// A registration access token of 32 random bytes (RFC 7592 §3).
pub fn registration_token(random: [u8; 32]) -> SecretString {
    format!("{REGISTRATION}{}", b64url::encode(random)).into()
}

/// The digest of a secret.
pub fn digest(secret: &str) -> Digest {
    sha256(secret.as_bytes())
}
