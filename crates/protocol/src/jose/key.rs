//! Parsed keys. Parsing costs more than signing with a small key, so each is parsed once and shared between threads.

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RsaEncoding,
    RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};
use zeroize::Zeroizing;

use super::jwk::{Curve, Jwk, PublicKey};
use super::{Algorithm, JoseError};

/// A private key with its algorithm, ready to sign. Its `Debug` shows the algorithm only.
pub struct SigningKey {
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    Ec { pair: EcdsaKeyPair, curve: Curve },
    Rsa { pair: RsaKeyPair, encoding: &'static dyn RsaEncoding },
}

/// What an algorithm means to the cryptographic library.
enum Scheme {
    Ed25519,
    Ec {
        curve: Curve,
        signing: &'static EcdsaSigningAlgorithm,
        verifying: &'static dyn VerificationAlgorithm,
    },
    Rsa {
        signing: &'static dyn RsaEncoding,
        verifying: &'static RsaParameters,
    },
}

fn scheme(algorithm: Algorithm) -> Scheme {
    use signature as s;
    let rsa = |signing, verifying| Scheme::Rsa { signing, verifying };
    match algorithm {
        Algorithm::EdDsa => Scheme::Ed25519,
        Algorithm::Rs256 => rsa(&s::RSA_PKCS1_SHA256, &s::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => rsa(&s::RSA_PKCS1_SHA384, &s::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => rsa(&s::RSA_PKCS1_SHA512, &s::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => rsa(&s::RSA_PSS_SHA256, &s::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => rsa(&s::RSA_PSS_SHA384, &s::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => rsa(&s::RSA_PSS_SHA512, &s::RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 => Scheme::Ec {
            curve: Curve::P256,
            signing: &s::ECDSA_P256_SHA256_FIXED_SIGNING,
            verifying: &s::ECDSA_P256_SHA256_FIXED,
        },
        Algorithm::Es384 => Scheme::Ec {
            curve: Curve::P384,
            signing: &s::ECDSA_P384_SHA384_FIXED_SIGNING,
            verifying: &s::ECDSA_P384_SHA384_FIXED,
        },
        Algorithm::Es512 => Scheme::Ec {
            curve: Curve::P521,
            signing: &s::ECDSA_P521_SHA512_FIXED_SIGNING,
            verifying: &s::ECDSA_P521_SHA512_FIXED,
        },
    }
}

impl SigningKey {
    /// Makes a key from the system's randomness; RSA keys have 2048 bits and take a noticeable fraction of a second.
    ///
    /// # Errors
    /// [`JoseError::Crypto`] if the library fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, JoseError> {
        let pair = match scheme(algorithm) {
            Scheme::Ed25519 => Ed25519KeyPair::generate().map(Pair::Ed25519),
            Scheme::Ec { curve, signing, .. } => {
                EcdsaKeyPair::generate(signing).map(|pair| Pair::Ec { pair, curve })
            }
            Scheme::Rsa { signing, .. } => {
                RsaKeyPair::generate(KeySize::Rsa2048).map(|pair| Pair::Rsa { pair, encoding: signing })
            }
        };
        Ok(Self { algorithm, pair: pair.map_err(|_| JoseError::Crypto)? })
    }

    /// Reads a private key in PKCS#8 DER (RFC 5958).
    ///
    /// # Errors
    /// [`JoseError::KeyRejected`] if it is no key of this algorithm's type and curve; [`JoseError::KeySize`].
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, JoseError> {
        let rejected = |_| JoseError::KeyRejected;
        let pair = match scheme(algorithm) {
            Scheme::Ed25519 => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(der).map_err(rejected)?),
            Scheme::Ec { curve, signing, .. } => {
                Pair::Ec { pair: EcdsaKeyPair::from_pkcs8(signing, der).map_err(rejected)?, curve }
            }
            Scheme::Rsa { signing, .. } => {
                let pair = RsaKeyPair::from_pkcs8(der).map_err(rejected)?;
                if !(256..=1024).contains(&pair.public_modulus_len()) {
                    return Err(JoseError::KeySize);
                }
                Pair::Rsa { pair, encoding: signing }
            }
        };
        Ok(Self { algorithm, pair })
    }

    /// Writes the private key in PKCS#8 version 1 DER, to be sealed before it is stored. Erased when dropped.
    ///
    /// # Errors
    /// [`JoseError::Crypto`] if the library fails.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, JoseError> {
        let der = match &self.pair {
            Pair::Ed25519(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Pair::Ec { pair, .. } => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Pair::Rsa { pair, .. } => pair.as_der().map(|der| der.as_ref().to_vec()),
        };
        der.map(Zeroizing::new).map_err(|_| JoseError::Crypto)
    }

    /// The algorithm this key signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public half as a JSON key.
    ///
    /// # Errors
    /// [`JoseError::InvalidKeyId`] for a `kid` our tokens may not carry.
    pub fn public_jwk(&self, kid: &str) -> Result<Jwk, JoseError> {
        if !super::jws::is_key_id(kid) {
            return Err(JoseError::InvalidKeyId);
        }
        Jwk::new(kid, self.algorithm, self.public_key()?)
    }

    /// The public half.
    ///
    /// # Errors
    /// [`JoseError::Crypto`] if the library hands out a key of an impossible form.
    pub fn public_key(&self) -> Result<PublicKey, JoseError> {
        match &self.pair {
            Pair::Ed25519(pair) => {
                let x = pair.public_key().as_ref().try_into().map_err(|_| JoseError::Crypto)?;
                Ok(PublicKey::Ed25519 { x })
            }
            Pair::Rsa { pair, .. } => {
                let public = pair.public_key();
                let n = public.modulus().big_endian_without_leading_zero().to_vec();
                let e = public.exponent().big_endian_without_leading_zero().to_vec();
                Ok(PublicKey::Rsa { n, e })
            }
            Pair::Ec { pair, curve } => {
                // The uncompressed form of SEC 1 §2.3.3: 0x04, x, y.
                let [4, point @ ..] = pair.public_key().as_ref() else { return Err(JoseError::Crypto) };
                let (x, y) = point.split_at_checked(curve.coordinate_bytes()).ok_or(JoseError::Crypto)?;
                Ok(PublicKey::Ec { curve: *curve, x: x.to_vec(), y: y.to_vec() })
            }
        }
    }

    /// Signs a message; the signature has the form JWS wants (r‖s of fixed size for ES*, RFC 7518 §3.4).
    ///
    /// # Errors
    /// [`JoseError::Crypto`] if the library fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JoseError> {
        let signature = match &self.pair {
            Pair::Ed25519(pair) => pair.try_sign(message).map(|signature| signature.as_ref().to_vec()),
            Pair::Ec { pair, .. } => {
                pair.sign(&SystemRandom::new(), message).map(|signature| signature.as_ref().to_vec())
            }
            Pair::Rsa { pair, encoding } => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &SystemRandom::new(), message, &mut signature).map(|()| signature)
            }
        };
        signature.map_err(|_| JoseError::Crypto)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A public key bound to one algorithm, ready to verify.
pub struct VerifyingKey {
    algorithm: Algorithm,
    kid: Option<String>,
    key: ParsedPublicKey,
}

impl VerifyingKey {
    /// Parses a key whose algorithm is known: its `alg`, or the only one its type allows.
    ///
    /// # Errors
    /// [`JoseError::InvalidMember`] for an RSA key without `alg`; [`JoseError::KeyRejected`] for key material that
    /// is no key, for instance a point off its curve.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, JoseError> {
        Self::from_jwk_as(jwk, jwk.algorithm().ok_or(JoseError::InvalidMember("alg"))?)
    }

    /// Parses a key for an algorithm agreed elsewhere (client registration, provider settings); a contradicting
    /// `alg` in the key is refused.
    ///
    /// # Errors
    /// As [`VerifyingKey::from_jwk`], and [`JoseError::AlgorithmMismatch`].
    pub fn from_jwk_as(jwk: &Jwk, algorithm: Algorithm) -> Result<Self, JoseError> {
        if jwk.algorithm().is_some_and(|own| own != algorithm) {
            return Err(JoseError::AlgorithmMismatch);
        }
        let key = match (scheme(algorithm), jwk.key()) {
            (Scheme::Ed25519, PublicKey::Ed25519 { x }) => ParsedPublicKey::new(&signature::ED25519, x),
            (Scheme::Ec { verifying, .. }, PublicKey::Ec { x, y, .. }) => {
                ParsedPublicKey::new(verifying, [&[4], x.as_slice(), y.as_slice()].concat())
            }
            (Scheme::Rsa { verifying, .. }, PublicKey::Rsa { n, e }) => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(verifying)
            }
            _ => return Err(JoseError::AlgorithmMismatch),
        };
        let key = key.map_err(|_| JoseError::KeyRejected)?;
        Ok(Self { algorithm, kid: jwk.kid().map(str::to_owned), key })
    }

    /// The algorithm this key verifies with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The id of the key, if it has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Checks a signature over a message.
    ///
    /// # Errors
    /// [`JoseError::SignatureInvalid`], for a signature of the wrong size too.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), JoseError> {
        self.key.verify_sig(message, signature).map_err(|_| JoseError::SignatureInvalid)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
