//! Public keys as JSON (RFC 7517, RFC 7518 §6, RFC 8037 §2), strict in both directions: what is written is exactly
//! what every known verifier accepts, and what is read is a public signature key or refused.

use std::collections::HashSet;

use serde::de::{Error as _, IgnoredAny};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::strict_json::{self, JsonErrorKind, present};
use super::{Algorithm, JoseError};
use crate::{b64url, sha256};

/// Nesting accepted in a key set: the set, its array, a key, and an array in it (`x5c`, `key_ops`).
const MAX_SET_DEPTH: usize = 4;
const MIN_RSA_BYTES: usize = 256;
const MAX_RSA_BYTES: usize = 1024;
const MAX_EXPONENT_BYTES: usize = 8;

/// The elliptic curves of the ES algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Curve {
    /// P-256, ES256.
    P256,
    /// P-384, ES384.
    P384,
    /// P-521, ES512.
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// The `crv` value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// The length of a coordinate in bytes, to which both are padded on the left (RFC 7518 §6.2.1.2).
    #[must_use]
    pub const fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    const fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::Es256,
            Self::P384 => Algorithm::Es384,
            Self::P521 => Algorithm::Es512,
        }
    }
}

/// The key material of a [`Jwk`], as raw big-endian bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PublicKey {
    /// An Ed25519 key (`kty` OKP).
    Ed25519 {
        /// The encoded point.
        x: [u8; 32],
    },
    /// An RSA key without leading zero bytes.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The public exponent.
        e: Vec<u8>,
    },
    /// A point on a NIST curve, both coordinates of full length.
    Ec {
        /// The curve.
        curve: Curve,
        /// First coordinate.
        x: Vec<u8>,
        /// Second coordinate.
        y: Vec<u8>,
    },
}

impl PublicKey {
    /// The only algorithm this key can have, or none for RSA, which fits six.
    #[must_use]
    pub const fn implied_algorithm(&self) -> Option<Algorithm> {
        match self {
            Self::Ed25519 { .. } => Some(Algorithm::EdDsa),
            Self::Ec { curve, .. } => Some(curve.algorithm()),
            Self::Rsa { .. } => None,
        }
    }

    /// The RFC 7638 thumbprint with SHA-256, in base64url.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let canonical = match self {
            Self::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, b64url::encode(x)),
            Self::Rsa { n, e } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, b64url::encode(e), b64url::encode(n))
            }
            Self::Ec { curve, x, y } => format!(
                r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
                curve.as_str(),
                b64url::encode(x),
                b64url::encode(y)
            ),
        };
        b64url::encode(sha256(canonical.as_bytes()))
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.implied_algorithm().map_or(algorithm.is_rsa(), |implied| implied == algorithm)
    }
}

/// A public signature key (RFC 7517 §4). Written members: `kty use kid alg` and the key itself, nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    kid: Option<String>,
    algorithm: Option<Algorithm>,
    key: PublicKey,
}

impl Jwk {
    /// A key with its id and algorithm, both always present in what this server publishes.
    ///
    /// # Errors
    /// [`JoseError::AlgorithmMismatch`] if the key's type does not fit the algorithm.
    pub fn new(kid: &str, algorithm: Algorithm, key: PublicKey) -> Result<Self, JoseError> {
        if !key.fits(algorithm) {
            return Err(JoseError::AlgorithmMismatch);
        }
        Ok(Self { kid: Some(kid.to_owned()), algorithm: Some(algorithm), key })
    }

    /// Parses one key. Unknown members are ignored as RFC 7517 §4 demands; duplicate ones are refused. Whether the
    /// point lies on its curve is found when a [`super::VerifyingKey`] is made.
    ///
    /// # Errors
    /// A [`JoseError`] naming the offending member.
    pub fn from_slice(json: &[u8]) -> Result<Self, JoseError> {
        let raw: RawJwk = strict_json::from_slice(json, MAX_SET_DEPTH - 2).map_err(JoseError::KeyJson)?;
        raw.try_into()
    }

    /// The key id, absent only in keys of others.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithm: the key's `alg`, else the one its type implies; none for an RSA key without `alg`.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm.or_else(|| self.key.implied_algorithm())
    }

    /// The key material.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The RFC 7638 thumbprint with SHA-256, in base64url: as `kid` of last resort, and as `jkt` in DPoP (RFC 9449).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.key.thumbprint()
    }
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let kty = match self.key {
            PublicKey::Ed25519 { .. } => "OKP",
            PublicKey::Rsa { .. } => "RSA",
            PublicKey::Ec { .. } => "EC",
        };
        map.serialize_entry("kty", kty)?;
        map.serialize_entry("use", "sig")?;
        if let Some(kid) = &self.kid {
            map.serialize_entry("kid", kid)?;
        }
        if let Some(algorithm) = self.algorithm() {
            map.serialize_entry("alg", &algorithm)?;
        }
        match &self.key {
            PublicKey::Ed25519 { x } => {
                map.serialize_entry("crv", "Ed25519")?;
                map.serialize_entry("x", &b64url::encode(x))?;
            }
            PublicKey::Rsa { n, e } => {
                map.serialize_entry("n", &b64url::encode(n))?;
                map.serialize_entry("e", &b64url::encode(e))?;
            }
            PublicKey::Ec { curve, x, y } => {
                map.serialize_entry("crv", curve.as_str())?;
                map.serialize_entry("x", &b64url::encode(x))?;
                map.serialize_entry("y", &b64url::encode(y))?;
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RawJwk::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

/// A key as it stands in the document, before any judgement. Private members are only noticed (`null` too), never kept.
#[derive(Deserialize)]
struct RawJwk {
    kty: String,
    r#use: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    #[serde(default, deserialize_with = "present")]
    d: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    p: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    q: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    dp: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    dq: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    qi: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    oth: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    k: Option<IgnoredAny>,
}

impl RawJwk {
    fn refuse_secrets(&self) -> Result<(), JoseError> {
        if self.kty == "oct" || self.k.is_some() {
            return Err(JoseError::SymmetricAlgorithm);
        }
        let private = [
            ("d", self.d),
            ("p", self.p),
            ("q", self.q),
            ("dp", self.dp),
            ("dq", self.dq),
            ("qi", self.qi),
            ("oth", self.oth),
        ];
        match private.into_iter().find(|(_, member)| member.is_some()) {
            Some((name, _)) => Err(JoseError::PrivateMember(name)),
            None => Ok(()),
        }
    }

    fn key(&self) -> Result<PublicKey, JoseError> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => {
                let x = member("x", self.x.as_deref())?;
                Ok(PublicKey::Ed25519 { x: x.try_into().map_err(|_| JoseError::InvalidMember("x"))? })
            }
            ("EC", Some(name)) => {
                let curve = Curve::ALL.into_iter().find(|curve| curve.as_str() == name);
                let curve = curve.ok_or(JoseError::Unsupported("crv"))?;
                let coordinate = |name, text| match member(name, text) {
                    Ok(bytes) if bytes.len() == curve.coordinate_bytes() => Ok(bytes),
                    Ok(_) => Err(JoseError::InvalidMember(name)),
                    Err(error) => Err(error),
                };
                let (x, y) = (coordinate("x", self.x.as_deref())?, coordinate("y", self.y.as_deref())?);
                Ok(PublicKey::Ec { curve, x, y })
            }
            ("RSA", _) => rsa_key(member("n", self.n.as_deref())?, member("e", self.e.as_deref())?),
            ("OKP", Some(_)) => Err(JoseError::Unsupported("crv")),
            ("OKP" | "EC", None) => Err(JoseError::InvalidMember("crv")),
            _ => Err(JoseError::Unsupported("kty")),
        }
    }
}

impl TryFrom<RawJwk> for Jwk {
    type Error = JoseError;

    fn try_from(raw: RawJwk) -> Result<Self, JoseError> {
        raw.refuse_secrets()?;
        if raw.r#use.as_deref().is_some_and(|purpose| purpose != "sig") {
            return Err(JoseError::Unsupported("use"));
        }
        if raw.key_ops.as_ref().is_some_and(|ops| !ops.iter().any(|op| op == "verify")) {
            return Err(JoseError::Unsupported("key_ops"));
        }
        let algorithm = raw.alg.as_deref().map(Algorithm::from_header).transpose()?;
        let key = raw.key()?;
        if algorithm.is_some_and(|algorithm| !key.fits(algorithm)) {
            return Err(JoseError::AlgorithmMismatch);
        }
        Ok(Self { kid: raw.kid, algorithm, key })
    }
}

fn member(name: &'static str, text: Option<&str>) -> Result<Vec<u8>, JoseError> {
    b64url::decode(text.ok_or(JoseError::InvalidMember(name))?).map_err(|_| JoseError::InvalidBase64(name))
}

/// Checks size, parity and the canonical form without leading zeros (RFC 7518 §6.3.1.1).
fn rsa_key(n: Vec<u8>, e: Vec<u8>) -> Result<PublicKey, JoseError> {
    match n.as_slice() {
        [0, ..] | [] => return Err(JoseError::InvalidMember("n")),
        [first, ..] if n.len() < MIN_RSA_BYTES || (n.len() == MIN_RSA_BYTES && *first < 0x80) => {
            return Err(JoseError::KeySize);
        }
        _ if n.len() > MAX_RSA_BYTES => return Err(JoseError::KeySize),
        _ => {}
    }
    let odd = e.last().is_some_and(|last| last % 2 == 1);
    if e.first() == Some(&0) || !odd || e == [1] || e.len() > MAX_EXPONENT_BYTES {
        return Err(JoseError::InvalidMember("e"));
    }
    Ok(PublicKey::Rsa { n, e })
}

/// A set of public keys (RFC 7517 §5) with distinct ids.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

/// The keys still unread, so that a tolerant reader can judge each by itself.
#[derive(Deserialize)]
struct RawSet {
    keys: Vec<RawJwk>,
}

impl JwkSet {
    /// A set of these keys.
    ///
    /// # Errors
    /// [`JoseError::DuplicateKeyId`].
    pub fn new(keys: Vec<Jwk>) -> Result<Self, JoseError> {
        let mut seen = HashSet::new();
        if keys.iter().filter_map(Jwk::kid).all(|kid| seen.insert(kid)) {
            Ok(Self { keys })
        } else {
            Err(JoseError::DuplicateKeyId)
        }
    }

    /// Parses a set in which every key must be usable: our own, and those registered with a client.
    ///
    /// # Errors
    /// The first fault of the document or of any key.
    pub fn from_slice(json: &[u8]) -> Result<Self, JoseError> {
        let keys = parse_set(json)?.into_iter().map(Jwk::try_from).collect::<Result<_, _>>()?;
        Self::new(keys)
    }

    /// Parses another server's set, leaving out keys for other purposes or of unknown kinds (RFC 7517 §5), but
    /// refusing malformed, weak, private or ambiguous ones.
    ///
    /// # Errors
    /// The first fault that is not merely an unsupported key.
    pub fn from_slice_skipping_unsupported(json: &[u8]) -> Result<Self, JoseError> {
        let mut keys = Vec::new();
        for raw in parse_set(json)? {
            match Jwk::try_from(raw) {
                Ok(key) => keys.push(key),
                Err(JoseError::Unsupported(_) | JoseError::UnknownAlgorithm) => {}
                Err(error) => return Err(error),
            }
        }
        Self::new(keys)
    }

    /// The keys in their order.
    #[must_use]
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// The key with this id.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&Jwk> {
        self.keys.iter().find(|key| key.kid() == Some(kid))
    }
}

/// For sets inside a larger document, which its reader must have parsed strictly.
impl<'de> Deserialize<'de> for JwkSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawSet::deserialize(deserializer)?;
        let keys: Result<Vec<_>, _> = raw.keys.into_iter().map(Jwk::try_from).collect();
        keys.and_then(Self::new).map_err(D::Error::custom)
    }
}

fn parse_set(json: &[u8]) -> Result<Vec<RawJwk>, JoseError> {
    match strict_json::from_slice::<RawSet>(json, MAX_SET_DEPTH) {
        Ok(set) => Ok(set.keys),
        Err(error) if error.kind == JsonErrorKind::Data && error.message.contains("`keys`") => {
            Err(JoseError::InvalidMember("keys"))
        }
        Err(error) => Err(JoseError::KeyJson(error)),
    }
}
