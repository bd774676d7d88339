//! The signature algorithms (RFC 7518 §3.1, RFC 8037 §3.1) and their names.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::JoseError;
use crate::b64url;

/// A signature algorithm with a publishable key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037), the default.
    #[default]
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
}

impl Algorithm {
    /// Every algorithm, in the order discovery lists them.
    pub const ALL: [Self; 10] = [
        Self::EdDsa,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
    ];

    /// The value of the `alg` header and key member. Ed25519 is written `EdDSA`, the only name every verifier knows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
        }
    }

    /// Reads an `alg` value exactly as the standards spell it: header and key members are case-sensitive
    /// (RFC 7515 §4.1.1). `Ed25519` (RFC 9864) means [`Algorithm::EdDsa`].
    ///
    /// # Errors
    /// [`JoseError::NoneAlgorithm`], [`JoseError::SymmetricAlgorithm`] or [`JoseError::UnknownAlgorithm`].
    pub fn from_header(name: &str) -> Result<Self, JoseError> {
        match name.parse::<Self>() {
            Ok(algorithm) if algorithm.as_str() == name || name == "Ed25519" => Ok(algorithm),
            Ok(_) => Err(JoseError::UnknownAlgorithm),
            Err(error) => Err(error),
        }
    }

    /// True for the RSA algorithms.
    #[must_use]
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512)
    }

    /// The `at_hash` / `c_hash` of a token or code: the left half of its digest under this algorithm's hash, in
    /// base64url (OpenID Connect Core §3.1.3.6; Ed25519 hashes with SHA-512).
    #[must_use]
    pub fn half_hash(self, value: &str) -> String {
        let hash = match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 => &digest::SHA256,
            Self::Rs384 | Self::Ps384 | Self::Es384 => &digest::SHA384,
            Self::EdDsa | Self::Rs512 | Self::Ps512 | Self::Es512 => &digest::SHA512,
        };
        let full = digest::digest(hash, value.as_bytes());
        let (left, _) = full.as_ref().split_at(full.as_ref().len() / 2);
        b64url::encode(left)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads a configured name without regard to case, `Ed25519` included. Use [`Algorithm::from_header`] for tokens.
impl FromStr for Algorithm {
    type Err = JoseError;

    fn from_str(name: &str) -> Result<Self, JoseError> {
        if let Some(found) = Self::ALL.into_iter().find(|a| a.as_str().eq_ignore_ascii_case(name)) {
            return Ok(found);
        }
        if name.eq_ignore_ascii_case("Ed25519") {
            return Ok(Self::EdDsa);
        }
        if name.eq_ignore_ascii_case("none") {
            return Err(JoseError::NoneAlgorithm);
        }
        if ["HS256", "HS384", "HS512"].iter().any(|hs| hs.eq_ignore_ascii_case(name)) {
            return Err(JoseError::SymmetricAlgorithm);
        }
        Err(JoseError::UnknownAlgorithm)
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_survives_text_and_json() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().to_lowercase().parse(), Ok(algorithm));
            assert_eq!(Algorithm::from_header(&algorithm.to_string()), Ok(algorithm));
            let json = serde_json::to_string(&algorithm).unwrap();
            assert_eq!(serde_json::from_str::<Algorithm>(&json).unwrap(), algorithm);
        }
        assert_eq!("ed25519".parse(), Ok(Algorithm::EdDsa));
        assert_eq!(Algorithm::from_header("Ed25519"), Ok(Algorithm::EdDsa));
        assert_eq!(Algorithm::default().as_str(), "EdDSA");
    }

    #[test]
    fn header_names_are_case_sensitive() {
        for name in ["eddsa", "EDDSA", "rs256", "ed25519", "Es256"] {
            assert_eq!(Algorithm::from_header(name), Err(JoseError::UnknownAlgorithm), "{name}");
        }
    }

    #[test]
    fn none_and_symmetric_names_have_their_own_errors() {
        for name in ["none", "None", "NONE", "nOnE"] {
            assert_eq!(Algorithm::from_header(name), Err(JoseError::NoneAlgorithm));
        }
        for name in ["HS256", "hs384", "HS512"] {
            assert_eq!(name.parse::<Algorithm>(), Err(JoseError::SymmetricAlgorithm));
        }
        assert_eq!("RS1".parse::<Algorithm>(), Err(JoseError::UnknownAlgorithm));
        assert!(serde_json::from_str::<Algorithm>("\"HS256\"").is_err());
        assert!(serde_json::from_str::<Algorithm>("256").is_err());
    }

    #[test]
    fn half_hash_is_half_of_the_digest_of_the_algorithm() {
        assert_eq!(Algorithm::Rs256.half_hash("abc"), b64url::encode(crate::sha256(b"abc").split_at(16).0));
        assert_eq!(Algorithm::Es384.half_hash("abc").len(), b64url::encoded_len(24));
        assert_eq!(Algorithm::EdDsa.half_hash("abc").len(), b64url::encoded_len(32));
        assert!(Algorithm::Ps512.is_rsa() && !Algorithm::Es256.is_rsa());
    }
}
