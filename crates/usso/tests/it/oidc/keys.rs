//! Keys of clients, and what they sign with them.

use crate::app::{ORIGIN, TestApp};
use kernel::Clock;
use protocol::b64url;
use protocol::jose::pem::Ed25519Public;
use protocol::jose::{Algorithm, Jwk, SigningKey};
use protocol::oauth::client_assertion::ASSERTION_TYPE;
use protocol::oauth::dpop::ath;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A key pair.
#[derive(Clone)]
pub struct Key {
    key: Arc<SigningKey>,
    jwk: Jwk,
}

/// Adds members to a JSON object, or takes away those that are null.
pub fn with(mut object: Value, changes: Value) -> Value {
    let members = object.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    object
}

fn seconds(app: &TestApp) -> i64 {
    app.clock.now().unix_seconds()
}

fn jti() -> String {
    format!("jti-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Key {
    /// A new Ed25519 pair.
    pub fn new() -> Self {
        Self::of(Algorithm::EdDsa)
    }

    /// A new pair.
    pub fn of(algorithm: Algorithm) -> Self {
        let key = SigningKey::generate(algorithm).expect("a key");
        let jwk = key.public_jwk(&jti()).expect("a public key");
        Self { key: Arc::new(key), jwk }
    }

    /// The set a client registers.
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.jwk] })
    }

    /// The thumbprint.
    pub fn thumbprint(&self) -> String {
        self.jwk.thumbprint()
    }

    /// The public half as PEM, as agents register it.
    pub fn pem(&self) -> String {
        Ed25519Public::of(&self.key).expect("an Ed25519 key").to_pem()
    }

    /// A token of any header and claims.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let input = format!("{}.{}", b64url::encode(header.to_string()), b64url::encode(claims.to_string()));
        let signature = self.key.sign(input.as_bytes()).expect("a signature");
        format!("{input}.{}", b64url::encode(signature))
    }

    /// A DPoP proof for a request to a path, with changed claims.
    pub fn proof(&self, app: &TestApp, (method, path): (&str, &str), changes: Value) -> String {
        let mut jwk = serde_json::to_value(&self.jwk).expect("JSON");
        jwk.as_object_mut().expect("an object").retain(|name, _| name != "kid");
        let header = json!({"typ": "dpop+jwt", "alg": self.key.algorithm(), "jwk": jwk});
        let claims =
            json!({"jti": jti(), "htm": method, "htu": format!("{ORIGIN}{path}"), "iat": seconds(app)});
        self.sign(&header, &with(claims, changes))
    }

    /// A DPoP proof that goes with an access token.
    pub fn proof_of(&self, app: &TestApp, request: (&str, &str), token: &str) -> String {
        self.proof(app, request, json!({"ath": ath(token)}))
    }

    /// A client assertion with changed claims.
    pub fn assertion(&self, app: &TestApp, client: &str, changes: Value) -> String {
        let now = seconds(app);
        let claims = json!({
            "iss": client, "sub": client, "aud": ORIGIN, "jti": jti(), "iat": now, "exp": now + 60,
        });
        let header = json!({"alg": self.key.algorithm(), "kid": self.jwk.kid()});
        self.sign(&header, &with(claims, changes))
    }
}

/// The parameters of a client assertion.
pub fn asserting(assertion: &str) -> [(&'static str, &str); 2] {
    [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]
}
