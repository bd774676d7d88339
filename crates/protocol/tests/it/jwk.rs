use protocol::b64url;
use protocol::jose::{Algorithm, JoseError, Jwk, JwkSet, PublicKey, SigningKey, VerifyingKey};
use serde_json::{Value, json};

use crate::support::{RFC7515_A2_N, RFC7638_N, RSA_PKCS8, rfc7515_a3_jwk, rfc8037_jwk, signing_key};

fn parse(value: &Value) -> Result<Jwk, JoseError> {
    Jwk::from_slice(value.to_string().as_bytes())
}

fn with(mut key: Value, name: &str, value: Value) -> Value {
    key.as_object_mut().unwrap().insert(name.to_owned(), value);
    key
}

fn without(mut key: Value, name: &str) -> Value {
    key.as_object_mut().unwrap().remove(name);
    key
}

fn rsa(n: &str, e: &str) -> Value {
    json!({"kty": "RSA", "alg": "RS256", "n": n, "e": e})
}

/// RFC 7638 §3.1 and RFC 8037 §A.3.
#[test]
fn thumbprints_are_the_published_ones() {
    let key = parse(&with(rsa(RFC7638_N, "AQAB"), "kid", json!("2011-04-29"))).unwrap();
    assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(parse(&rfc8037_jwk()).unwrap().thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(parse(&rfc7515_a3_jwk()).unwrap().thumbprint().len(), 43);
}

#[test]
fn published_key_has_exactly_the_members_verifiers_need() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap().public_jwk("key_abc123").unwrap();
    let PublicKey::Ed25519 { x } = key.key() else { unreachable!("an Ed25519 key was made") };
    let expected = format!(
        r#"{{"keys":[{{"kty":"OKP","use":"sig","kid":"key_abc123","alg":"EdDSA","crv":"Ed25519","x":"{}"}}]}}"#,
        b64url::encode(x)
    );
    let set = JwkSet::new(vec![key]).unwrap();
    assert_eq!(serde_json::to_string(&set).unwrap(), expected);
    assert_eq!(JwkSet::from_slice(expected.as_bytes()), Ok(set));
}

#[test]
fn every_algorithm_survives_publication_and_storage() {
    for algorithm in Algorithm::ALL {
        let key = signing_key(algorithm);
        let jwk = key.public_jwk("k.1_-").unwrap();
        let json = serde_json::to_vec(&jwk).unwrap();
        assert_eq!(Jwk::from_slice(&json), Ok(jwk.clone()));
        assert_eq!(serde_json::from_slice::<Jwk>(&json).unwrap(), jwk);
        let members: Value = serde_json::from_slice(&json).unwrap();
        assert!(members.get("d").is_none() && members.get("p").is_none());
        assert_eq!(members.get("alg"), Some(&json!(algorithm.as_str())));

        let stored = key.to_pkcs8().unwrap();
        let loaded = SigningKey::from_pkcs8(algorithm, &stored).unwrap();
        assert_eq!(loaded.algorithm(), algorithm);
        assert_eq!(loaded.public_jwk("k.1_-"), Ok(jwk));
    }
}

#[test]
fn coordinates_are_padded_on_the_left() {
    for (algorithm, characters) in [(Algorithm::Es256, 43), (Algorithm::Es384, 64), (Algorithm::Es512, 88)] {
        for _ in 0..20 {
            let jwk = serde_json::to_value(signing_key(algorithm).public_jwk("k").unwrap()).unwrap();
            for name in ["x", "y"] {
                assert_eq!(
                    jwk.get(name).and_then(Value::as_str).unwrap().len(),
                    characters,
                    "{algorithm} {name}"
                );
            }
        }
    }
}

#[test]
fn private_member_is_rejected() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        for value in [json!("AA"), json!(null), json!([])] {
            let key = with(rsa(RFC7515_A2_N, "AQAB"), name, value);
            assert_eq!(parse(&key), Err(JoseError::PrivateMember(name)));
        }
    }
    let set = json!({"keys": [with(with(rfc8037_jwk(), "d", json!("AA")), "use", json!("enc"))]}).to_string();
    assert_eq!(JwkSet::from_slice_skipping_unsupported(set.as_bytes()), Err(JoseError::PrivateMember("d")));
}

#[test]
fn symmetric_key_is_rejected() {
    assert_eq!(parse(&json!({"kty": "oct", "k": "AAAA"})), Err(JoseError::SymmetricAlgorithm));
    assert_eq!(parse(&with(rfc8037_jwk(), "k", json!("AA"))), Err(JoseError::SymmetricAlgorithm));
    assert_eq!(parse(&with(rfc8037_jwk(), "alg", json!("HS256"))), Err(JoseError::SymmetricAlgorithm));
}

#[test]
fn weak_or_oversized_rsa_modulus_is_rejected() {
    let modulus = |first: u8, bytes: usize| {
        let mut n = vec![first; bytes];
        *n.last_mut().unwrap() = 1;
        b64url::encode(n)
    };
    for n in [modulus(0xff, 128), modulus(0xff, 255), modulus(0x7f, 256), modulus(0xff, 1025)] {
        assert_eq!(parse(&rsa(&n, "AQAB")), Err(JoseError::KeySize));
    }
    assert!(parse(&rsa(&modulus(0x80, 256), "AQAB")).is_ok());
}

#[test]
fn malformed_rsa_members_are_rejected() {
    let padded = b64url::encode([&[0], b64url::decode(RFC7515_A2_N).unwrap().as_slice()].concat());
    assert_eq!(parse(&rsa(&padded, "AQAB")), Err(JoseError::InvalidMember("n")));
    assert_eq!(parse(&rsa("", "AQAB")), Err(JoseError::InvalidMember("n")));
    for exponent in ["", "AQ", "AAEAAQ", "AgAC", "AQAAAAAAAAAB"] {
        assert_eq!(parse(&rsa(RFC7515_A2_N, exponent)), Err(JoseError::InvalidMember("e")), "{exponent}");
    }
    assert_eq!(parse(&rsa(RFC7515_A2_N, "AQAB=")), Err(JoseError::InvalidBase64("e")));
}

#[test]
fn missing_or_misshapen_members_are_rejected() {
    assert_eq!(parse(&without(rfc8037_jwk(), "x")), Err(JoseError::InvalidMember("x")));
    assert_eq!(parse(&with(rfc8037_jwk(), "x", json!("AAAA"))), Err(JoseError::InvalidMember("x")));
    assert_eq!(parse(&without(rfc8037_jwk(), "crv")), Err(JoseError::InvalidMember("crv")));
    assert_eq!(parse(&without(rfc7515_a3_jwk(), "y")), Err(JoseError::InvalidMember("y")));
    let short = b64url::encode([1; 31]);
    assert_eq!(parse(&with(rfc7515_a3_jwk(), "y", json!(short))), Err(JoseError::InvalidMember("y")));
    assert!(matches!(parse(&without(rfc8037_jwk(), "kty")), Err(JoseError::KeyJson(_))));
}

#[test]
fn unsupported_kinds_are_rejected_or_skipped() {
    let keys = [
        ("use", with(rfc8037_jwk(), "use", json!("enc"))),
        ("key_ops", with(rfc8037_jwk(), "key_ops", json!(["sign"]))),
        ("crv", json!({"kty": "OKP", "crv": "X25519", "x": "AA"})),
        ("crv", json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"})),
        ("kty", json!({"kty": "AKP"})),
    ];
    for (member, key) in keys {
        assert_eq!(parse(&key), Err(JoseError::Unsupported(member)));
        let set = json!({"keys": [key, rfc8037_jwk()]}).to_string();
        assert_eq!(JwkSet::from_slice(set.as_bytes()), Err(JoseError::Unsupported(member)));
        assert!(serde_json::from_str::<JwkSet>(&set).is_err());
        assert_eq!(JwkSet::from_slice_skipping_unsupported(set.as_bytes()).unwrap().keys().len(), 1);
    }
    assert!(parse(&with(rfc8037_jwk(), "key_ops", json!(["verify"]))).is_ok());
    assert_eq!(parse(&with(rfc8037_jwk(), "alg", json!("XX"))), Err(JoseError::UnknownAlgorithm));
}

#[test]
fn algorithm_of_another_key_type_is_rejected() {
    for alg in ["RS256", "ES256"] {
        assert_eq!(parse(&with(rfc8037_jwk(), "alg", json!(alg))), Err(JoseError::AlgorithmMismatch));
    }
    assert_eq!(parse(&with(rfc7515_a3_jwk(), "alg", json!("ES384"))), Err(JoseError::AlgorithmMismatch));
    assert_eq!(
        parse(&with(rsa(RFC7515_A2_N, "AQAB"), "alg", json!("EdDSA"))),
        Err(JoseError::AlgorithmMismatch)
    );
    let key = PublicKey::Ed25519 { x: [1; 32] };
    assert_eq!(Jwk::new("k", Algorithm::Rs256, key), Err(JoseError::AlgorithmMismatch));
}

#[test]
fn duplicate_members_and_duplicate_kids_are_rejected() {
    let twice =
        br#"{"kty":"OKP","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    assert!(matches!(Jwk::from_slice(twice), Err(JoseError::KeyJson(_))));
    let key = with(rfc8037_jwk(), "kid", json!("a"));
    let set = json!({"keys": [key, key]}).to_string();
    assert_eq!(JwkSet::from_slice(set.as_bytes()), Err(JoseError::DuplicateKeyId));
    assert!(serde_json::from_str::<JwkSet>(&set).is_err());
    let other = with(rfc7515_a3_jwk(), "kid", json!("b"));
    let set = JwkSet::from_slice(json!({"keys": [key, other]}).to_string().as_bytes()).unwrap();
    assert_eq!(set.get("b").and_then(Jwk::algorithm), Some(Algorithm::Es256));
    assert_eq!(set.get("c"), None);
    assert!(serde_json::from_value::<JwkSet>(json!({"keys": [rfc8037_jwk()]})).is_ok());
}

#[test]
fn set_without_keys_is_rejected() {
    assert_eq!(JwkSet::from_slice(b"{}"), Err(JoseError::InvalidMember("keys")));
    assert!(matches!(JwkSet::from_slice(b"[]"), Err(JoseError::KeyJson(_))));
    assert!(matches!(JwkSet::from_slice(b"{\"keys\":[{\"kty\":{\"a\":{}}}]}"), Err(JoseError::KeyJson(_))));
    assert_eq!(JwkSet::from_slice(b"{\"keys\":[]}"), Ok(JwkSet::default()));
}

#[test]
fn point_off_its_curve_is_rejected() {
    let key = parse(&with(rfc7515_a3_jwk(), "y", json!(b64url::encode([1; 32])))).unwrap();
    assert_eq!(VerifyingKey::from_jwk(&key).err(), Some(JoseError::KeyRejected));
}

#[test]
fn rsa_key_without_algorithm_needs_one_from_elsewhere() {
    let key = parse(&without(rsa(RFC7515_A2_N, "AQAB"), "alg")).unwrap();
    assert_eq!((key.algorithm(), key.kid()), (None, None));
    assert_eq!(VerifyingKey::from_jwk(&key).err(), Some(JoseError::InvalidMember("alg")));
    assert_eq!(VerifyingKey::from_jwk_as(&key, Algorithm::Ps512).unwrap().algorithm(), Algorithm::Ps512);
    assert_eq!(VerifyingKey::from_jwk_as(&key, Algorithm::EdDsa).err(), Some(JoseError::AlgorithmMismatch));
    let bound = parse(&rsa(RFC7515_A2_N, "AQAB")).unwrap();
    assert_eq!(VerifyingKey::from_jwk_as(&bound, Algorithm::Ps256).err(), Some(JoseError::AlgorithmMismatch));
}

#[test]
fn private_key_of_another_type_is_rejected() {
    let ed25519 = SigningKey::generate(Algorithm::EdDsa).unwrap().to_pkcs8().unwrap();
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::EdDsa) {
        assert_eq!(SigningKey::from_pkcs8(algorithm, &ed25519).err(), Some(JoseError::KeyRejected));
    }
    assert_eq!(SigningKey::from_pkcs8(Algorithm::EdDsa, &RSA_PKCS8).err(), Some(JoseError::KeyRejected));
    let p256 = SigningKey::generate(Algorithm::Es256).unwrap().to_pkcs8().unwrap();
    assert_eq!(SigningKey::from_pkcs8(Algorithm::Es384, &p256).err(), Some(JoseError::KeyRejected));
}

#[test]
fn published_kid_is_restricted() {
    let key = signing_key(Algorithm::EdDsa);
    for kid in ["", "a b", "a:b", "ключ", &"k".repeat(129)] {
        assert_eq!(key.public_jwk(kid), Err(JoseError::InvalidKeyId));
    }
}

#[test]
fn debug_shows_no_key_material() {
    let key = signing_key(Algorithm::Es256);
    assert_eq!(format!("{key:?}"), "SigningKey { algorithm: Es256, .. }");
    let verifying = VerifyingKey::from_jwk(&key.public_jwk("k").unwrap()).unwrap();
    assert_eq!(format!("{verifying:?}"), "VerifyingKey { algorithm: Es256, kid: Some(\"k\"), .. }");
}
