//! Ed25519 keys as PEM (RFC 7468): public ones as SPKI, private ones as PKCS#8 (RFC 8410).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{JoseError, PublicKey, SigningKey};
use crate::sha256;

/// What precedes the 32 bytes of every Ed25519 key in its SPKI (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The longest text read; the longest sound one has some 120 characters.
const MAX_PEM: usize = 1_024;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// An Ed25519 public key that came, or goes, as PEM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ed25519Public([u8; 32]);

impl Ed25519Public {
    /// Reads one SPKI block, with whatever white space around and in it.
    ///
    /// # Errors
    /// [`JoseError::KeyRejected`] for anything else, keys of other algorithms too.
    pub fn from_pem(text: &str) -> Result<Self, JoseError> {
        let body = Some(text.trim())
            .filter(|text| text.len() <= MAX_PEM)
            .and_then(|text| text.strip_prefix(BEGIN)?.strip_suffix(END))
            .ok_or(JoseError::KeyRejected)?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| JoseError::KeyRejected)?;
        let raw = der.strip_prefix(&SPKI_PREFIX).ok_or(JoseError::KeyRejected)?;
        Ok(Self(raw.try_into().map_err(|_| JoseError::KeyRejected)?))
    }

    /// The public half of a pair.
    ///
    /// # Errors
    /// [`JoseError::AlgorithmMismatch`] for a pair of another algorithm.
    pub fn of(pair: &SigningKey) -> Result<Self, JoseError> {
        match pair.public_key()? {
            PublicKey::Ed25519 { x } => Ok(Self(x)),
            _ => Err(JoseError::AlgorithmMismatch),
        }
    }

    /// The SPKI in DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.0].concat()
    }

    /// The SPKI in PEM, written in the one canonical way.
    #[must_use]
    pub fn to_pem(&self) -> String {
        format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(self.to_der()))
    }

    /// The hexadecimal SHA-256 of the SPKI, by which agents name their keys.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        sha256(&self.to_der()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The key itself.
    #[must_use]
    pub const fn key(&self) -> PublicKey {
        PublicKey::Ed25519 { x: self.0 }
    }
}

/// A private key as PKCS#8 in PEM. Erased when dropped.
///
/// # Errors
/// [`JoseError::Crypto`] if the library fails.
pub fn private_pem(pair: &SigningKey) -> Result<Zeroizing<String>, JoseError> {
    let der = pair.to_pkcs8()?;
    let mut text = Zeroizing::new(String::with_capacity(256));
    text.push_str("-----BEGIN PRIVATE KEY-----\n");
    STANDARD.encode_string(&*der, &mut text);
    text.push_str("\n-----END PRIVATE KEY-----\n");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::Algorithm;
    use super::*;

    // RFC 8410 §10.1.
    const SAMPLE: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                          -----END PUBLIC KEY-----\n";

    #[test]
    fn the_sample_of_the_rfc_is_read_and_written_as_it_stands() {
        let key = Ed25519Public::from_pem(SAMPLE).unwrap();
        assert_eq!(key.to_pem(), SAMPLE);
        assert_eq!(Ed25519Public::from_pem(&SAMPLE.replace('\n', "\r\n")).unwrap(), key);
        assert_eq!(key.fingerprint().len(), 64);
        assert!(matches!(key.key(), PublicKey::Ed25519 { x } if x[..2] == [0x19, 0xbf]));
    }

    #[test]
    fn what_is_no_ed25519_key_is_refused() {
        let other_curve = SAMPLE.replace("K2Vw", "K2Vu");
        let short = SAMPLE.replace("ZuE=", "");
        let private = SAMPLE.replace("PUBLIC", "PRIVATE");
        let twice = SAMPLE.repeat(2);
        for text in ["", "x", &other_curve, &short, &private, &twice, &SAMPLE.replace("BZ9w", "B*9w")] {
            assert_eq!(Ed25519Public::from_pem(text), Err(JoseError::KeyRejected), "{text}");
        }
    }

    #[test]
    fn a_pair_is_written_in_both_halves() {
        let pair = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let public = Ed25519Public::of(&pair).unwrap();
        assert_eq!(Ed25519Public::from_pem(&public.to_pem()).unwrap(), public);
        let private = private_pem(&pair).unwrap();
        let body = private.lines().nth(1).unwrap();
        let again = SigningKey::from_pkcs8(Algorithm::EdDsa, &STANDARD.decode(body).unwrap()).unwrap();
        assert_eq!(Ed25519Public::of(&again).unwrap(), public);
        let ec = SigningKey::generate(Algorithm::Es256).unwrap();
        assert_eq!(Ed25519Public::of(&ec), Err(JoseError::AlgorithmMismatch));
    }
}
