//! DPoP proofs (RFC 9449): the examples of the standard, every algorithm, and one test for each way to be refused
//! (DPOP-01).

use protocol::jose::{Algorithm, SigningKey};
use protocol::oauth::dpop::{self, ALGORITHMS, DpopError, Expected, Proof, ath};
use serde_json::{Value, json};

use crate::support::{rfc8037_jwk, rfc8037_key, signed, signing_key};

/// RFC 9449 §4.1.
const TOKEN_PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
/// RFC 9449 §7.1.
const RESOURCE_PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
/// RFC 9449 §7.1.
const ACCESS_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

const URL: &str = "https://id.example/oauth/token";
const NOW: i64 = 1_800_000_000;

fn expected() -> Expected<'static> {
    Expected { method: "POST", url: URL, now: NOW, access_token: None, algorithms: &ALGORITHMS }
}

fn header() -> Value {
    json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": rfc8037_jwk()})
}

fn claims() -> Value {
    json!({"jti": "a", "htm": "POST", "htu": URL, "iat": NOW})
}

/// The default proof with members replaced, or removed where null stands.
fn altered(header_changes: Value, claim_changes: Value) -> Result<Proof, DpopError> {
    let (mut header, mut claims) = (header(), claims());
    for (target, changes) in [(&mut header, header_changes), (&mut claims, claim_changes)] {
        let target = target.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(target.remove(name)),
                value => drop(target.insert(name.clone(), value.clone())),
            }
        }
    }
    Proof::verify(&signed(&rfc8037_key(), &header, &claims), &expected())
}

fn with_header(changes: Value) -> DpopError {
    altered(changes, json!({})).unwrap_err()
}

fn with_claims(changes: Value) -> Result<Proof, DpopError> {
    altered(json!({}), changes)
}

#[test]
fn the_examples_of_the_standard_are_accepted() {
    let url = "https://server.example.com/token";
    let at_token = Expected { url, now: 1_562_262_616, ..expected() };
    let proof = Proof::verify(TOKEN_PROOF, &at_token).unwrap();
    assert_eq!((proof.jkt.as_str(), proof.jti.as_str()), (JKT, "-BwC3ESc6acc2lTc"));
    let at_resource = Expected {
        method: "GET",
        url: "https://resource.example.org/protectedresource",
        now: 1_562_262_618,
        access_token: Some(ACCESS_TOKEN),
        ..expected()
    };
    assert_eq!(Proof::verify(RESOURCE_PROOF, &at_resource).unwrap().jkt, JKT);
    assert_eq!(ath(ACCESS_TOKEN), "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
}

#[test]
fn every_asymmetric_algorithm_makes_proofs() {
    for algorithm in ALGORITHMS {
        let key = signing_key(algorithm);
        let jwk = serde_json::to_value(key.public_jwk("k").unwrap()).unwrap();
        let header = json!({"typ": "dpop+jwt", "alg": algorithm, "jwk": jwk});
        let proof = Proof::verify(&signed(&key, &header, &claims()), &expected()).unwrap();
        assert_eq!(proof.jkt, key.public_jwk("k").unwrap().thumbprint(), "{algorithm}");
        assert_eq!(proof.until, NOW + 60);
    }
}

#[test]
fn dpop_01_there_is_one_header() {
    let one = || std::iter::once(b"a.b.c".as_slice());
    assert_eq!(dpop::single(one()), Ok(Some("a.b.c")));
    assert_eq!(dpop::single(std::iter::empty()), Ok(None));
    assert_eq!(dpop::single(one().chain(one())), Err(DpopError::NotOne));
    assert_eq!(dpop::single(std::iter::once([0xff].as_slice())), Err(DpopError::NotOne));
    let two = format!("{TOKEN_PROOF}, {TOKEN_PROOF}");
    assert_eq!(Proof::verify(&two, &expected()), Err(DpopError::Malformed));
}

#[test]
fn dpop_01_a_proof_is_a_compact_signed_token() {
    for text in ["", "a", "a.b.c", "a.b.c.d.e", "{}", &TOKEN_PROOF.replace('.', " ")] {
        assert_eq!(Proof::verify(text, &expected()), Err(DpopError::Malformed), "{text}");
    }
}

#[test]
fn dpop_01_the_type_is_dpop_jwt() {
    for typ in [json!(null), json!("JWT"), json!("dpop"), json!("at+jwt"), json!("")] {
        assert_eq!(with_header(json!({"typ": typ})), DpopError::WrongType, "{typ}");
    }
    assert!(altered(json!({"typ": "DPoP+JWT"}), json!({})).is_ok(), "media types are compared without case");
}

#[test]
fn dpop_01_the_algorithm_is_asymmetric_and_accepted() {
    for alg in ["none", "None", "HS256", "ES256K", "", "eddsa"] {
        assert_eq!(with_header(json!({"alg": alg})), DpopError::Malformed, "{alg}");
    }
    let proof = signed(&rfc8037_key(), &header(), &claims());
    let narrowed = Expected { algorithms: &[Algorithm::Es256], ..expected() };
    assert_eq!(Proof::verify(&proof, &narrowed), Err(DpopError::Algorithm));
}

#[test]
fn dpop_01_the_key_is_there_public_and_fits() {
    let mut private = rfc8037_jwk();
    private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    let ec = serde_json::to_value(SigningKey::generate(Algorithm::Es256).unwrap().public_jwk("k").unwrap());
    let mut encrypting = rfc8037_jwk();
    encrypting["use"] = json!("enc");
    for jwk in [
        json!(null),
        json!("text"),
        json!({}),
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "OKP", "crv": "X25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}),
        private,
        ec.unwrap(),
        encrypting,
    ] {
        assert_eq!(with_header(json!({"jwk": jwk})), DpopError::Key, "{jwk}");
    }
    assert_eq!(with_header(json!({"kid": "k", "crit": ["jwk"]})), DpopError::Malformed);
}

#[test]
fn dpop_01_the_signature_is_the_keys() {
    let other = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let forged = signed(&other, &header(), &claims());
    assert_eq!(Proof::verify(&forged, &expected()), Err(DpopError::Signature));
    let real = signed(&rfc8037_key(), &header(), &claims());
    let (_, signature) = real.rsplit_once('.').unwrap();
    let mut altered = claims();
    altered["jti"] = json!("b");
    let (moved, _) = signed(&rfc8037_key(), &header(), &altered)
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert_eq!(Proof::verify(&format!("{moved}.{signature}"), &expected()), Err(DpopError::Signature));
}

#[test]
fn dpop_01_every_claim_is_there() {
    for name in ["jti", "htm", "htu", "iat"] {
        assert_eq!(with_claims(json!({name: null})), Err(DpopError::Claims), "{name}");
        assert_eq!(with_claims(json!({name: {}})), Err(DpopError::Claims), "{name}");
    }
    assert_eq!(with_claims(json!({"jti": ""})), Err(DpopError::Claims));
    assert_eq!(with_claims(json!({"jti": "a".repeat(256)})), Err(DpopError::Claims));
    assert_eq!(with_claims(json!({"iat": "now"})), Err(DpopError::Claims));
}

#[test]
fn dpop_01_the_method_is_the_requests() {
    for method in ["GET", "post", "", "PUT"] {
        assert_eq!(with_claims(json!({"htm": method})), Err(DpopError::Method), "{method}");
    }
}

#[test]
fn dpop_01_the_address_is_the_requests_without_query_and_fragment() {
    for htu in [
        "https://id.example/oauth/token?a=b",
        "https://id.example/oauth/token#c",
        "HTTPS://ID.example/oauth/token",
        "https://id.example:443/oauth/token",
        "https://id.example/x/../oauth/%74oken",
    ] {
        assert!(with_claims(json!({"htu": htu})).is_ok(), "{htu}");
    }
    for htu in [
        "http://id.example/oauth/token",
        "https://id.example/oauth/token/",
        "https://id.example/oauth/Token",
        "https://id.example:8443/oauth/token",
        "https://other.example/oauth/token",
        "https://id.example",
        "/oauth/token",
        "",
    ] {
        assert_eq!(with_claims(json!({"htu": htu})), Err(DpopError::Address), "{htu}");
    }
}

#[test]
fn dpop_01_the_time_is_now_or_a_minute_off() {
    for near in [-60, -10, 0, 10, 60] {
        assert!(with_claims(json!({"iat": NOW + near})).is_ok(), "{near}");
    }
    for far in [-3_600, -61, 61, 3_600, i64::MAX - NOW] {
        assert_eq!(with_claims(json!({"iat": NOW + far})), Err(DpopError::Time), "{far}");
    }
    assert!(with_claims(json!({"nbf": NOW, "exp": NOW + 30})).is_ok());
    assert_eq!(with_claims(json!({"exp": NOW - 300})), Err(DpopError::Time));
    assert_eq!(with_claims(json!({"nbf": NOW + 300})), Err(DpopError::Time));
}

#[test]
fn dpop_02_the_digest_is_that_of_the_access_token() {
    let with_token = |ath: Value| {
        let mut claims = claims();
        claims["ath"] = ath;
        let expected = Expected { access_token: Some("token"), ..expected() };
        Proof::verify(&signed(&rfc8037_key(), &header(), &claims), &expected)
    };
    assert!(with_token(json!(ath("token"))).is_ok());
    for wrong in [json!(null), json!(""), json!(ath("other")), json!("token")] {
        assert_eq!(with_token(wrong.clone()), Err(DpopError::AccessToken), "{wrong}");
    }
}

#[test]
fn the_nonce_is_handed_on() {
    assert_eq!(with_claims(json!({"nonce": "n"})).unwrap().nonce.as_deref(), Some("n"));
    assert_eq!(with_claims(json!({})).unwrap().nonce, None);
}
