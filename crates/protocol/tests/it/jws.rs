use std::sync::Arc;
use std::thread;

use aws_lc_rs::hmac;
use proptest::prelude::*;
use protocol::b64url;
use protocol::jose::{
    Algorithm, JoseError, Jwk, MAX_TOKEN_BYTES, PreparedHeader, PublicKey, SigningKey, Untrusted,
    VerifyingKey, sign_compact, sign_payload,
};
use serde_json::{Value, json};

use crate::support::{
    Pair, RFC7515_A2_N, RFC7515_A2_TOKEN, RFC7515_A3_TOKEN, RFC8037_TOKEN, rfc7515_a3_jwk, rfc8037_jwk,
    signing_key,
};

fn verify(token: &str, key: &Value, algorithm: Algorithm) -> Vec<u8> {
    let jwk = Jwk::from_slice(key.to_string().as_bytes()).unwrap();
    let key = VerifyingKey::from_jwk_as(&jwk, algorithm).unwrap();
    Untrusted::parse(token).unwrap().verify(&key).unwrap().payload().to_vec()
}

fn refused(token: &str) -> JoseError {
    Untrusted::parse(token).map(|token| token.header().clone()).unwrap_err()
}

fn refused_header(header: &str) -> JoseError {
    refused(&Pair::new(Algorithm::EdDsa).token_with(header, "{}"))
}

/// RFC 8037 §A.1, A.4 and A.5. The private key is wrapped in PKCS#8 as RFC 8410 §7 does.
#[test]
fn rfc8037_example_is_signed_and_verified() {
    let seed = b64url::decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let prefix = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let key = SigningKey::from_pkcs8(Algorithm::EdDsa, &[&prefix, seed.as_slice()].concat()).unwrap();
    let (input, signature) = RFC8037_TOKEN.rsplit_once('.').unwrap();
    assert_eq!(b64url::encode(key.sign(input.as_bytes()).unwrap()), signature);
    assert_eq!(verify(RFC8037_TOKEN, &rfc8037_jwk(), Algorithm::EdDsa), b"Example of Ed25519 signing");
}

/// RFC 7515 §A.2 (RS256) and §A.3 (ES256).
#[test]
fn rfc7515_examples_are_verified() {
    let expected = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
    let rsa = json!({"kty": "RSA", "n": RFC7515_A2_N, "e": "AQAB"});
    assert_eq!(verify(RFC7515_A2_TOKEN, &rsa, Algorithm::Rs256), expected.as_bytes());
    assert_eq!(verify(RFC7515_A3_TOKEN, &rfc7515_a3_jwk(), Algorithm::Es256), expected.as_bytes());
}

#[test]
fn every_algorithm_signs_what_it_verifies() {
    let claims = json!({"sub": "user:1", "nested": {"roles": ["a", "b"]}});
    for algorithm in Algorithm::ALL {
        let pair = Pair::new(algorithm);
        let token = pair.token(&claims);
        let untrusted = Untrusted::parse(&token).unwrap();
        assert_eq!(untrusted.require_kid(), Ok("key_1"));
        assert_eq!(untrusted.unverified_claims::<Value>().unwrap(), claims);
        let expected = format!(r#"{{"alg":"{algorithm}","typ":"JWT","kid":"key_1"}}"#);
        assert_eq!(untrusted.header_json(), expected.as_bytes());
        let verified = untrusted.verify(&pair.verifying).unwrap();
        assert_eq!(verified.claims::<Value>().unwrap(), claims);
        assert_eq!(verified.header().algorithm, algorithm);
        assert_eq!(verified.header().typ.as_deref(), Some("JWT"));
        assert_eq!(format!("{verified:?}").matches("user:1").count(), 0);
    }
}

#[test]
fn es_signatures_have_fixed_size() {
    for (algorithm, bytes) in [(Algorithm::Es256, 64), (Algorithm::Es384, 96), (Algorithm::Es512, 132)] {
        let key = signing_key(algorithm);
        for message in 0..20_u8 {
            assert_eq!(key.sign(&[message]).unwrap().len(), bytes, "{algorithm}");
        }
    }
}

#[test]
fn one_key_serves_many_threads() {
    let pair = Arc::new(Pair::new(Algorithm::EdDsa));
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let pair = Arc::clone(&pair);
            thread::spawn(move || {
                for _ in 0..50 {
                    let token = pair.token(&json!({ "n": number }));
                    Untrusted::parse(&token).unwrap().verify(&pair.verifying).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn encoded_header_has_only_standard_alphabet() {
    for kid in ["key_abc-123.DEF", "_", "a-", "___", "-.-", "zzzz~".trim_end_matches('~')] {
        for typ in ["JWT", "at+jwt", "secevent+jwt"] {
            let key = signing_key(Algorithm::EdDsa);
            let header = PreparedHeader::new(Algorithm::EdDsa, typ, kid).unwrap();
            let token = sign_payload(&header, b"{}", &key).unwrap();
            assert!(!token.split('.').next().unwrap().contains(['-', '_']), "{kid}");
        }
    }
}

#[test]
fn header_values_outside_their_alphabet_are_rejected() {
    let long = "k".repeat(129);
    for kid in ["", "a?b", "a>b", "a~b", "a:b", "a\"b", "ключ", long.as_str()] {
        assert_eq!(PreparedHeader::new(Algorithm::EdDsa, "JWT", kid), Err(JoseError::InvalidKeyId), "{kid}");
    }
    for typ in ["", "a?", "a\"", "a b", long.as_str()] {
        assert_eq!(PreparedHeader::new(Algorithm::EdDsa, typ, "k"), Err(JoseError::InvalidType), "{typ}");
    }
}

#[test]
fn header_prepared_for_another_algorithm_is_rejected() {
    let header = PreparedHeader::new(Algorithm::Es256, "JWT", "k").unwrap();
    assert_eq!(header.algorithm(), Algorithm::Es256);
    let signed = sign_compact(&header, &json!({}), &signing_key(Algorithm::EdDsa));
    assert_eq!(signed, Err(JoseError::AlgorithmMismatch));
}

#[test]
fn claims_that_cannot_be_json_are_rejected() {
    let pair = Pair::new(Algorithm::EdDsa);
    let claims = std::collections::BTreeMap::from([((1, 2), 3)]);
    assert_eq!(sign_compact(&pair.header, &claims, &pair.signing), Err(JoseError::Serialize));
}

/// RFC 8725 §2.1: the public key as the secret of a symmetric signature.
#[test]
fn hs256_with_the_public_key_is_rejected() {
    let pair = Pair::new(Algorithm::EdDsa);
    let PublicKey::Ed25519 { x } = pair.signing.public_key().unwrap() else { unreachable!("an Ed25519 key") };
    let input = format!("{}.{}", b64url::encode(r#"{"alg":"HS256","kid":"key_1"}"#), b64url::encode("{}"));
    for secret in [x.to_vec(), serde_json::to_vec(&pair.signing.public_jwk("key_1").unwrap()).unwrap()] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), input.as_bytes());
        assert_eq!(refused(&format!("{input}.{}", b64url::encode(tag))), JoseError::SymmetricAlgorithm);
    }
}

#[test]
fn alg_none_is_rejected() {
    for name in ["none", "None", "NONE"] {
        let header = b64url::encode(format!(r#"{{"alg":"{name}","kid":"key_1"}}"#));
        assert_eq!(refused(&format!("{header}.e30.")), JoseError::NoneAlgorithm);
        assert_eq!(refused(&format!("{header}.e30.AAAA")), JoseError::NoneAlgorithm);
    }
}

#[test]
fn unknown_or_missing_algorithm_is_rejected() {
    for alg in ["eddsa", "ES256K", "RS1", ""] {
        assert_eq!(refused_header(&json!({"alg": alg, "kid": "k"}).to_string()), JoseError::UnknownAlgorithm);
    }
    for header in [r#"{"kid":"k"}"#, r#"{"alg":null}"#, r#"{"alg":["EdDSA"]}"#, "[]", "\"EdDSA\"", "null", ""]
    {
        assert!(matches!(refused_header(header), JoseError::Header(_)), "{header}");
    }
}

#[test]
fn algorithm_of_another_key_is_rejected() {
    let rs256 = Pair::new(Algorithm::Rs256);
    let token = rs256.token(&json!({}));
    for other in [Pair::new(Algorithm::Ps256), Pair::new(Algorithm::Rs512), Pair::new(Algorithm::EdDsa)] {
        let result = Untrusted::parse(&token).unwrap().verify(&other.verifying);
        assert_eq!(result, Err(JoseError::AlgorithmMismatch));
    }
}

#[test]
fn swapped_kid_is_rejected() {
    let (a, b) = (Pair::named(Algorithm::EdDsa, "a"), Pair::named(Algorithm::EdDsa, "b"));
    let claims = b64url::encode("{}");
    let forged = a.token_with(r#"{"alg":"EdDSA","kid":"b"}"#, "{}");
    assert!(forged.contains(&claims));
    let verify = |key| Untrusted::parse(&forged).unwrap().verify(key).unwrap_err();
    assert_eq!(verify(&b.verifying), JoseError::SignatureInvalid);
    assert_eq!(verify(&a.verifying), JoseError::KeyIdMismatch);
}

#[test]
fn missing_kid_is_rejected_where_required() {
    let pair = Pair::new(Algorithm::EdDsa);
    let token = pair.token_with(r#"{"alg":"EdDSA"}"#, "{}");
    let untrusted = Untrusted::parse(&token).unwrap();
    assert_eq!(untrusted.require_kid(), Err(JoseError::MissingKeyId));
    assert!(format!("{untrusted:?}").starts_with("Untrusted { header: Header"));
    assert!(untrusted.verify(&pair.verifying).is_ok(), "a key chosen by other means may verify it");
    let token = pair.token_with(r#"{"alg":"EdDSA","kid":""}"#, "{}");
    assert_eq!(Untrusted::parse(&token).unwrap().require_kid(), Err(JoseError::MissingKeyId));
    for header in
        [r#"{"alg":"EdDSA","kid":null}"#, r#"{"alg":"EdDSA","kid":7}"#, r#"{"alg":"EdDSA","typ":null}"#]
    {
        assert!(matches!(refused_header(header), JoseError::Header(_)), "{header}");
    }
}

#[test]
fn flipped_bit_in_any_byte_of_the_signature_is_rejected() {
    for algorithm in
        [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es512, Algorithm::Rs256, Algorithm::Ps256]
    {
        let pair = Pair::new(algorithm);
        let token = pair.token(&json!({"sub": "user:1"}));
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = b64url::decode(signature).unwrap();
        for index in 0..signature.len() {
            let mut flipped = signature.clone();
            *flipped.get_mut(index).unwrap() ^= 1 << (index % 8);
            let forged = format!("{input}.{}", b64url::encode(&flipped));
            let result = Untrusted::parse(&forged).unwrap().verify(&pair.verifying);
            assert_eq!(result, Err(JoseError::SignatureInvalid), "{algorithm} byte {index}");
        }
    }
}

#[test]
fn signature_of_another_length_is_rejected() {
    for algorithm in Algorithm::ALL {
        let pair = Pair::new(algorithm);
        let message = b"message";
        let signature = pair.signing.sign(message).unwrap();
        assert_eq!(pair.verifying.verify(message, &signature), Ok(()));
        let longer = [signature.as_slice(), &[0]].concat();
        let padded = [&[0], signature.as_slice()].concat();
        let shorter = signature.split_last().unwrap().1;
        for altered in [longer.as_slice(), padded.as_slice(), shorter, &[]] {
            assert_eq!(
                pair.verifying.verify(message, altered),
                Err(JoseError::SignatureInvalid),
                "{algorithm}"
            );
        }
    }
}

#[test]
fn altered_payload_is_rejected() {
    let pair = Pair::new(Algorithm::EdDsa);
    let token = pair.token(&json!({"sub": "user:1"}));
    let altered =
        token.replace(&b64url::encode(r#"{"sub":"user:1"}"#), &b64url::encode(r#"{"sub":"user:2"}"#));
    assert_ne!(token, altered);
    assert_eq!(Untrusted::parse(&altered).unwrap().verify(&pair.verifying), Err(JoseError::SignatureInvalid));
}

#[test]
fn trailing_bytes_padding_and_white_space_are_rejected() {
    let token = Pair::new(Algorithm::EdDsa).token(&json!({}));
    for altered in [
        format!("{token}="),
        format!("{token}\n"),
        format!("{token} "),
        format!("{token}%3D"),
        token.replacen('.', "=.", 1),
        format!(" {token}"),
        // The last character of a 64-byte signature has four unused bits, which must be zero.
        format!("{}B", token.strip_suffix(|_| true).unwrap()),
    ] {
        assert!(matches!(refused(&altered), JoseError::InvalidBase64(_)), "{altered}");
    }
    let payload_padded = token.replacen(".e30.", ".e30=.", 1);
    assert_eq!(refused(&payload_padded), JoseError::InvalidBase64("the payload"));
}

#[test]
fn wrong_number_of_segments_is_rejected() {
    let token = Pair::new(Algorithm::EdDsa).token(&json!({}));
    for text in ["", ".", "a", "a.b", "a.b.c.d", "a.b.c.d.e.f", &format!("{token}.")] {
        assert_eq!(refused(text), JoseError::Malformed("not three segments"), "{text}");
    }
    let unsigned = token.rsplit_once('.').unwrap().0;
    assert_eq!(refused(&format!("{unsigned}.")), JoseError::Malformed("the signature is empty"));
    assert!(matches!(refused(".."), JoseError::Header(_)));
}

#[test]
fn encrypted_token_is_rejected() {
    assert_eq!(refused("a.b.c.d.e"), JoseError::Encrypted);
}

#[test]
fn oversized_token_is_rejected() {
    let pair = Pair::new(Algorithm::EdDsa);
    let token = |bytes| pair.token(&json!({ "x": "x".repeat(bytes) }));
    assert!(Untrusted::parse(&token(12_000)).is_ok());
    assert_eq!(refused(&token(13_000)), JoseError::TooLarge);
    assert_eq!(refused(&".".repeat(MAX_TOKEN_BYTES + 1)), JoseError::TooLarge);
}

#[test]
fn duplicate_header_member_is_rejected() {
    for header in [r#"{"alg":"EdDSA","alg":"EdDSA"}"#, r#"{"alg":"EdDSA","kid":"a","x":1,"\u006bid":"b"}"#] {
        assert!(refused_header(header).to_string().contains("duplicate member"), "{header}");
    }
}

#[test]
fn critical_header_is_rejected() {
    for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!(null), json!("x")] {
        assert_eq!(
            refused_header(&json!({"alg": "EdDSA", "crit": crit}).to_string()),
            JoseError::CriticalHeader
        );
    }
}

#[test]
fn deep_header_is_rejected() {
    let error = refused_header(r#"{"alg":"EdDSA","x":{"y":{}}}"#);
    assert!(error.to_string().contains("nested deeper"), "{error}");
}

/// RFC 8725 §3.10: a key that comes with the token proves nothing.
#[test]
fn embedded_keys_are_ignored() {
    let (pair, attacker) = (Pair::new(Algorithm::EdDsa), Pair::new(Algorithm::EdDsa));
    let header = json!({
        "alg": "EdDSA", "kid": "key_1", "jwk": attacker.signing.public_jwk("key_1").unwrap(),
        "jku": "https://attacker.example/jwks.json", "x5u": "https://attacker.example/x5u", "x5c": ["AA"],
    });
    let token = attacker.token_with(&header.to_string(), "{}");
    assert_eq!(Untrusted::parse(&token).unwrap().verify(&pair.verifying), Err(JoseError::SignatureInvalid));
    let honest = pair.token_with(&header.to_string(), "{}");
    assert!(Untrusted::parse(&honest).unwrap().verify(&pair.verifying).is_ok());
}

#[test]
fn duplicate_or_malformed_claims_are_rejected() {
    let pair = Pair::new(Algorithm::EdDsa);
    for payload in [r#"{"sub":"a","sub":"b"}"#, r#"{"x":{"a":1,"a":2}}"#, "", "{", &"[".repeat(40)] {
        let token = pair.token_with(r#"{"alg":"EdDSA"}"#, payload);
        let untrusted = Untrusted::parse(&token).unwrap();
        assert!(matches!(untrusted.unverified_claims::<Value>(), Err(JoseError::Claims(_))));
        let verified = untrusted.verify(&pair.verifying).unwrap();
        assert!(matches!(verified.claims::<Value>(), Err(JoseError::Claims(_))), "{payload}");
    }
}

proptest! {
    #[test]
    fn every_payload_survives(payload: Vec<u8>, kid in "[A-Za-z0-9_.-]{1,40}") {
        let pair = Pair::named(Algorithm::EdDsa, &kid);
        let token = sign_payload(&pair.header, &payload, &pair.signing).unwrap();
        prop_assert!(!token.split('.').next().unwrap().contains(['-', '_']));
        let verified = Untrusted::parse(&token).unwrap().verify(&pair.verifying).unwrap();
        prop_assert_eq!(verified.payload(), payload.as_slice());
    }

    #[test]
    fn no_input_crashes_the_parsers(bytes: Vec<u8>, text in "[A-Za-z0-9_.-]{0,200}") {
        protocol::fuzzing::jws_parse(&bytes);
        protocol::fuzzing::jws_parse(text.as_bytes());
        protocol::fuzzing::jwks_parse(&bytes);
        protocol::fuzzing::scope_parse(&bytes);
    }
}
