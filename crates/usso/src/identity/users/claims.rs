//! Custom claims: what administrators add to a user's access tokens (contract 2.3).

use super::error::UserError;
use crate::tenant::patch::merge;
use serde_json::{Map, Value};

/// Most bytes of a user's custom claims as JSON: every token carries them.
pub const MAX_BYTES: usize = 4_096;

const MAX_NAME: usize = 64;

/// Claims that have a meaning of their own, here, in the standards (RFC 7519 §4.1, OpenID Connect Core §2, RFC 8693
/// §4.1, RFC 7800 §3.1, RFC 9396 §9.1), or to the published clients.
const RESERVED: &[&str] = &[
    "acr",
    "act",
    "active",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "authorization_details",
    "azp",
    "c_hash",
    "claims",
    "client_id",
    "cnf",
    "email",
    "email_verified",
    "exp",
    "g",
    "iat",
    "iss",
    "jti",
    "may_act",
    "nbf",
    "nonce",
    "phone",
    "phone_number",
    "phone_number_verified",
    "roles",
    "scope",
    "scopes",
    "session_id",
    "sid",
    "signing_level",
    "sub",
    "sub_type",
    "tenant_id",
    "token_type",
    "typ",
    "uid",
    "user_id",
    "user_name",
    "username",
    "valid",
    "workspace_id",
    "workspace_ids",
];

/// Names the published clients read as one type.
const STRINGS: &[&str] = &["token", "authentication_method"];
const FLAGS: &[&str] = &["is_active"];

/// Merges a change into custom claims: `null` removes.
///
/// # Errors
/// [`UserError::Invalid`] naming the claim.
pub fn changed(
    old: &Map<String, Value>,
    change: Map<String, Value>,
) -> Result<Map<String, Value>, UserError> {
    let mut claims = old.clone();
    merge(&mut claims, change);
    check(&claims)?;
    Ok(claims)
}

/// Checks custom claims.
///
/// # Errors
/// [`UserError::Invalid`] naming the claim.
pub fn check(claims: &Map<String, Value>) -> Result<(), UserError> {
    let refuse =
        |name: &str, why: &str| Err(UserError::Invalid(format!("custom_claims.{name}: {why}").into()));
    for (name, value) in claims {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.:/".contains(&b);
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_plain) {
            return Err(UserError::Invalid(
                "custom_claims: names have 1 to 64 letters, digits and _ - . : /".into(),
            ));
        }
        if RESERVED.contains(&name.as_str()) {
            return refuse(name, "is reserved");
        }
        if value.is_null() || STRINGS.contains(&name.as_str()) && !value.is_string() {
            return refuse(name, "must be a text");
        }
        if FLAGS.contains(&name.as_str()) && !value.is_boolean() {
            return refuse(name, "must be true or false");
        }
    }
    if serde_json::to_string(claims).map_or(usize::MAX, |text| text.len()) > MAX_BYTES {
        return Err(UserError::Invalid(format!("custom_claims: at most {MAX_BYTES} bytes").into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checked(claims: Value) -> bool {
        check(claims.as_object().expect("an object")).is_ok()
    }

    #[test]
    fn names_with_a_meaning_are_reserved() {
        for name in RESERVED {
            assert!(!checked(json!({ *name: "x" })), "{name}");
        }
        assert!(checked(json!({"department": "hr", "https://example.com/tier": 3, "data": [1]})));
    }

    #[test]
    fn values_have_the_types_that_clients_read() {
        assert!(!checked(json!({"token": 1})) && !checked(json!({"is_active": "yes"})));
        assert!(checked(json!({"token": "x", "is_active": false})));
        assert!(!checked(json!({"bad name": 1})) && !checked(json!({"x": "y".repeat(MAX_BYTES)})));
    }
}
