//! Keys of clients, and signatures checked, by the cryptography library alone: nothing of the product's own JOSE, so that a
//! mistake there can't cancel itself out here.

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    self as s, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// base64url without padding (RFC 7515 §2).
pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// What base64url without padding stands for.
pub fn unb64(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url without padding")
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

/// SHA-512.
pub fn sha512(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA512, bytes).as_ref().to_vec()
}

/// Random text of so many bytes.
pub fn random(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    aws_lc_rs::rand::fill(&mut buffer).expect("randomness");
    b64(buffer)
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(&'static RsaKeyPair),
}

/// Making one takes long; who signs with it matters to no test.
static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"));

/// A client's key.
pub struct Key {
    /// The algorithm it signs with.
    pub alg: &'static str,
    /// Its id.
    pub kid: String,
    pair: Pair,
}

impl Key {
    /// A new one for `EdDSA`, `ES256`, `PS256` or `RS256`.
    pub fn new(alg: &'static str) -> Self {
        let pair = match alg {
            "EdDSA" => Pair::Ed25519(Ed25519KeyPair::generate().expect("a key")),
            "ES256" => {
                Pair::P256(EcdsaKeyPair::generate(&s::ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
            }
            _ => Pair::Rsa(&RSA),
        };
        Self { alg, kid: format!("kid-{}", random(6)), pair }
    }

    /// The members that make its public half (RFC 7518 §6, RFC 8037 §2), in the order of RFC 7638.
    fn members(&self) -> Vec<(&'static str, String)> {
        match &self.pair {
            Pair::Ed25519(pair) => {
                vec![("crv", "Ed25519".into()), ("kty", "OKP".into()), ("x", b64(pair.public_key().as_ref()))]
            }
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (b64(&point[1..33]), b64(&point[33..]));
                vec![("crv", "P-256".into()), ("kty", "EC".into()), ("x", x), ("y", y)]
            }
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                let (e, n) = (public.exponent(), public.modulus());
                let (e, n) = (e.big_endian_without_leading_zero(), n.big_endian_without_leading_zero());
                vec![("e", b64(e)), ("kty", "RSA".into()), ("n", b64(n))]
            }
        }
    }

    /// Its public half as a bare JSON key.
    pub fn public(&self) -> Value {
        self.members().into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
    }

    /// The same for a key set.
    pub fn published(&self) -> Value {
        let mut jwk = self.public();
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.alg);
        jwk
    }

    /// Its thumbprint (RFC 7638 §3).
    pub fn thumbprint(&self) -> String {
        let members: Vec<String> =
            self.members().iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        b64(sha256(format!("{{{}}}", members.join(",")).as_bytes()))
    }

    /// Signs claims under any header (RFC 7515 §5.1).
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = match &self.pair {
            Pair::Ed25519(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
            Pair::P256(pair) => {
                pair.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature").as_ref().to_vec()
            }
            Pair::Rsa(pair) => {
                let encoding: &dyn s::RsaEncoding =
                    if self.alg == "PS256" { &s::RSA_PSS_SHA256 } else { &s::RSA_PKCS1_SHA256 };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message.as_bytes(), &mut signature)
                    .expect("a signature");
                signature
            }
        };
        format!("{message}.{}", b64(signature))
    }
}

/// A token's header and claims, unchecked.
pub fn decode(token: &str) -> (Value, Value) {
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "not a compact signed token");
    let part = |n: usize| serde_json::from_slice(&unb64(parts[n])).expect("JSON");
    (part(0), part(1))
}

/// A token's header and claims, once its signature fits the key of a set that its header names (RFC 7515 §5.2).
pub fn verify(token: &str, set: &Value) -> (Value, Value) {
    let (header, claims) = decode(token);
    let kid = header["kid"].as_str().expect("a kid");
    let keys: Vec<&Value> =
        set["keys"].as_array().expect("keys").iter().filter(|key| key["kid"] == json!(kid)).collect();
    assert_eq!(keys.len(), 1, "the set has one key of the name {kid}: {set}");
    let key = keys[0];
    assert!(key["alg"].is_null() || key["alg"] == header["alg"], "{key} {header}");
    assert!(key["use"].is_null() || key["use"] == "sig", "{key}");
    for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
        assert!(key[private].is_null(), "a private member is published: {private}");
    }
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let (message, signature) = (message.as_bytes(), unb64(signature));
    let member = |name: &str| unb64(key[name].as_str().unwrap_or_else(|| panic!("{name} of {key}")));
    let fits = match header["alg"].as_str().expect("an algorithm") {
        "EdDSA" => UnparsedPublicKey::new(&s::ED25519, member("x")).verify(message, &signature),
        "ES256" => {
            let point = [vec![4], member("x"), member("y")].concat();
            UnparsedPublicKey::new(&s::ECDSA_P256_SHA256_FIXED, point).verify(message, &signature)
        }
        alg @ ("RS256" | "PS256") => {
            let parameters =
                if alg == "RS256" { &s::RSA_PKCS1_2048_8192_SHA256 } else { &s::RSA_PSS_2048_8192_SHA256 };
            RsaPublicKeyComponents { n: member("n"), e: member("e") }.verify(parameters, message, &signature)
        }
        other => panic!("no algorithm to sign with: {other}"),
    };
    fits.expect("the signature fits");
    (header, claims)
}
