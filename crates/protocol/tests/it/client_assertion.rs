//! Client assertions (RFC 7523): what is accepted, and CLI-04's list of what is not.

use protocol::jose::{Algorithm, JwkSet, SigningKey};
use protocol::oauth::client_assertion::{Assertion, AssertionError, Expected, claimed_client};
use serde_json::{Value, json};

use crate::support::{signed, signing_key};

const CLIENT: &str = "client_1";
const ISSUER: &str = "https://id.example";
const ENDPOINT: &str = "https://id.example/oauth/token";
const NOW: i64 = 1_800_000_000;

/// A client with one registered key.
struct Client {
    key: SigningKey,
    keys: JwkSet,
    endpoints: Vec<String>,
}

impl Client {
    fn new(algorithm: Algorithm) -> Self {
        let key = signing_key(algorithm);
        let keys = JwkSet::new(vec![key.public_jwk("k").unwrap()]).unwrap();
        Self { key, keys, endpoints: vec![ENDPOINT.to_owned()] }
    }

    fn expected(&self) -> Expected<'_> {
        Expected {
            client_id: CLIENT,
            issuer: ISSUER,
            endpoints: &self.endpoints,
            algorithm: None,
            is_fapi2: false,
            now: NOW,
        }
    }

    fn header(&self) -> Value {
        json!({"alg": self.key.algorithm(), "kid": "k"})
    }

    /// The usual assertion with members replaced, or removed where null stands.
    fn assertion(&self, header: Value, claims: Value) -> String {
        let mut all = [self.header(), usual_claims()];
        for (target, changes) in all.iter_mut().zip([header, claims]) {
            let target = target.as_object_mut().unwrap();
            for (name, value) in changes.as_object().unwrap() {
                match value {
                    Value::Null => drop(target.remove(name)),
                    value => drop(target.insert(name.clone(), value.clone())),
                }
            }
        }
        let [header, claims] = &all;
        signed(&self.key, header, claims)
    }

    fn judged(&self, header: Value, claims: Value) -> Result<Assertion, AssertionError> {
        Assertion::verify(&self.assertion(header, claims), &self.keys, &self.expected())
    }

    fn judged_by_fapi2(&self, header: Value, claims: Value) -> Result<Assertion, AssertionError> {
        let expected = Expected { is_fapi2: true, ..self.expected() };
        Assertion::verify(&self.assertion(header, claims), &self.keys, &expected)
    }
}

fn usual_claims() -> Value {
    json!({"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": "a", "iat": NOW, "exp": NOW + 60})
}

/// With changed claims, by a client with an Ed25519 key.
fn with(claims: Value) -> Result<Assertion, AssertionError> {
    Client::new(Algorithm::EdDsa).judged(json!({}), claims)
}

#[test]
fn every_asymmetric_algorithm_makes_assertions() {
    for algorithm in Algorithm::ALL {
        let client = Client::new(algorithm);
        let assertion = client.judged(json!({}), json!({})).unwrap();
        assert_eq!((assertion.jti.as_str(), assertion.until), ("a", NOW + 120), "{algorithm}");
    }
}

#[test]
fn what_libraries_write_is_accepted() {
    for claims in [
        json!({"aud": [ISSUER]}),
        json!({"aud": ENDPOINT}),
        json!({"aud": [ISSUER, ENDPOINT]}),
        json!({"iat": null, "nbf": null}),
        json!({"nbf": NOW + 8, "iat": NOW + 8}),
        json!({"exp": NOW + 300}),
    ] {
        assert!(with(claims.clone()).is_ok(), "{claims}");
    }
    let client = Client::new(Algorithm::EdDsa);
    for header in [json!({"typ": "JWT"}), json!({"typ": "client-authentication+jwt"}), json!({"kid": null})] {
        assert!(client.judged(header.clone(), json!({})).is_ok(), "{header}");
    }
}

#[test]
fn cli_04_the_client_is_issuer_and_subject() {
    for claims in [json!({"iss": "client_2"}), json!({"sub": "client_2"}), json!({"iss": "", "sub": ""})] {
        assert_eq!(with(claims.clone()), Err(AssertionError::Client), "{claims}");
    }
}

#[test]
fn cli_04_the_audience_is_this_server_alone() {
    for aud in [
        json!("https://other.example"),
        json!("https://id.example/"),
        json!("HTTPS://id.example"),
        json!(""),
        json!([]),
        json!([ISSUER, "https://other.example"]),
        json!(["https://other.example"]),
    ] {
        assert_eq!(with(json!({"aud": aud})), Err(AssertionError::Audience), "{aud}");
    }
}

#[test]
fn cli_04_it_is_current() {
    for claims in [
        json!({"exp": NOW - 60}),
        json!({"exp": NOW - 300}),
        json!({"exp": NOW + 361}),
        json!({"exp": NOW + 3_600}),
        json!({"exp": i64::MAX}),
        json!({"nbf": NOW + 61}),
        json!({"iat": NOW + 61}),
    ] {
        assert_eq!(with(claims.clone()), Err(AssertionError::Time), "{claims}");
    }
}

#[test]
fn cli_04_every_claim_is_there() {
    for name in ["iss", "sub", "aud", "exp", "jti"] {
        assert_eq!(with(json!({name: null})), Err(AssertionError::Claims), "{name}");
        assert_eq!(with(json!({name: {}})), Err(AssertionError::Claims), "{name}");
    }
    for jti in [String::new(), "a".repeat(256)] {
        assert_eq!(with(json!({"jti": jti})), Err(AssertionError::Claims));
    }
}

#[test]
fn cli_04_it_is_a_client_assertion() {
    let client = Client::new(Algorithm::EdDsa);
    for typ in ["at+jwt", "dpop+jwt", "logout+jwt", "id+jwt", ""] {
        let judged = client.judged(json!({"typ": typ}), json!({}));
        assert_eq!(judged, Err(AssertionError::WrongType), "{typ}");
    }
}

#[test]
fn cli_04_it_is_signed_with_the_registered_key() {
    let (client, other) = (Client::new(Algorithm::EdDsa), Client::new(Algorithm::EdDsa));
    let forged = other.assertion(json!({}), json!({}));
    assert_eq!(Assertion::verify(&forged, &client.keys, &client.expected()), Err(AssertionError::Signature));
    assert_eq!(client.judged(json!({"kid": "other"}), json!({})), Err(AssertionError::UnknownKey));
    let another_kind = Client::new(Algorithm::Es256);
    assert_eq!(
        Assertion::verify(&forged, &another_kind.keys, &another_kind.expected()),
        Err(AssertionError::UnknownKey)
    );
    let embedded = json!({"jwk": other.key.public_jwk("k").unwrap()});
    let embedding = other.assertion(embedded, json!({}));
    assert_eq!(
        Assertion::verify(&embedding, &client.keys, &client.expected()),
        Err(AssertionError::Signature),
        "a key never comes from the token it verifies"
    );
}

#[test]
fn cli_04_the_algorithm_is_asymmetric_and_the_registered_one() {
    let client = Client::new(Algorithm::EdDsa);
    for alg in ["none", "NONE", "HS256", "HS512", "RS1", ""] {
        assert_eq!(client.judged(json!({"alg": alg}), json!({})), Err(AssertionError::Malformed), "{alg}");
    }
    let expected = Expected { algorithm: Some(Algorithm::Es256), ..client.expected() };
    let assertion = client.assertion(json!({}), json!({}));
    assert_eq!(Assertion::verify(&assertion, &client.keys, &expected), Err(AssertionError::Algorithm));
}

#[test]
fn cli_04_fapi2_takes_the_issuer_as_one_text() {
    let client = Client::new(Algorithm::EdDsa);
    assert!(client.judged_by_fapi2(json!({}), json!({})).is_ok());
    for aud in [json!([ISSUER]), json!([ISSUER, ENDPOINT]), json!(ENDPOINT)] {
        let judged = client.judged_by_fapi2(json!({}), json!({"aud": aud}));
        assert_eq!(judged, Err(AssertionError::Audience), "{aud}");
    }
}

#[test]
fn cli_04_fapi2_takes_three_algorithms() {
    for algorithm in Algorithm::ALL {
        let judged = Client::new(algorithm).judged_by_fapi2(json!({}), json!({}));
        let is_accepted = matches!(algorithm, Algorithm::Ps256 | Algorithm::Es256 | Algorithm::EdDsa);
        assert_eq!(judged.is_ok(), is_accepted, "{algorithm}");
    }
}

#[test]
fn the_claimed_client_is_known_before_its_keys_are() {
    let client = Client::new(Algorithm::EdDsa);
    assert_eq!(claimed_client(&client.assertion(json!({}), json!({}))).as_deref(), Some(CLIENT));
    assert_eq!(claimed_client(&client.assertion(json!({}), json!({"sub": null}))), None);
    assert_eq!(claimed_client("a.b.c"), None);
}
