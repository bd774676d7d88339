//! Reading tokens, and making ones no server would.

use super::TestApp;
use protocol::b64url;
use serde_json::{Value, json};
use usso::tenant::keys::KeyUse;

/// A token, decoded but not verified.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// The protected header.
    pub header: Value,
    /// The claims.
    pub claims: Value,
}

impl Jwt {
    /// Decodes a compact token.
    pub fn decode(token: &str) -> Self {
        let part = |n: usize| {
            let text = token.split('.').nth(n).expect("three parts");
            serde_json::from_slice(&b64url::decode(text).expect("base64url")).expect("JSON")
        };
        assert_eq!(token.split('.').count(), 3, "{token}");
        Self { header: part(0), claims: part(1) }
    }

    /// The names of the claims, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.claims.as_object().expect("an object").keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The claims with changes; null removes one.
    pub fn with(&self, changes: Value) -> Value {
        let mut claims = self.claims.clone();
        for (name, value) in changes.as_object().expect("an object") {
            match value {
                Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }
}

/// Signs any claims with a tenant's own key.
pub async fn forge(app: &TestApp, tenant_id: &str, claims: &Value) -> String {
    let scope = app.scope(tenant_id).await;
    scope.profile().keys.sign(KeyUse::Access, claims, scope.now()).expect("a signature")
}

/// A token whose signature no longer fits.
pub fn tampered(token: &str, changes: Value) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts[1] = b64url::encode(Jwt::decode(token).with(changes).to_string());
    parts.join(".")
}

/// A token that says it needs no signature (RFC 7519 §6).
pub fn unsecured(token: &str) -> String {
    let jwt = Jwt::decode(token);
    let header = json!({"alg": "none", "typ": "JWT", "kid": jwt.header["kid"]});
    format!("{}.{}.", b64url::encode(header.to_string()), b64url::encode(jwt.claims.to_string()))
}
