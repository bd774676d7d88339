//! Provider secrets inside free-form settings: sealed at rest, masked when shown.
//!
//! A secret is recognised by the end of its name, however it is written (`smtp_password`, `clientSecret`,
//! `X-API-Key` …). It is stored as `{"$sealed": "…"}`, bound to its tenant, and shown as `********`. Sending the mask
//! back leaves it unchanged. Anything but a text under such a name is refused, so that no secret slips through in
//! another shape, and so is a sealed value: only this module makes those.

use protocol::seal::{SealError, SealingKey};
use serde_json::{Map, Value, json};

/// What is shown in a secret's place.
pub const MASK: &str = "********";

const SEALED: &str = "$sealed";

/// How the names of secrets end, in lower case and without `_` and `-`.
const ENDINGS: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "secretkey",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "authkey",
    "credentials",
];

/// Why settings can't be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A value under a secret's name that isn't a text.
    #[error("a secret must be a text or null")]
    NotText {
        /// Where it stands, from the outside in.
        path: Vec<String>,
    },
    /// A value that claims to be sealed already.
    #[error("`$sealed` is reserved")]
    Reserved {
        /// Where it stands, from the outside in.
        path: Vec<String>,
    },
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

fn is_secret(name: &str) -> bool {
    let name: String =
        name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect();
    ENDINGS.iter().any(|end| name.ends_with(end))
}

/// Whether an object stands here that only sounds like a secret: the documented groups of settings about tokens and
/// API keys, hooks (`before_token`), and the mail templates, which are named freely (`reset_password`).
fn is_group(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(
        path.as_slice(),
        ["token" | "api_key"] | ["integration", "api_key"] | ["integration", "hooks", _] | ["templates", _]
    )
}

/// Seals every secret text in a patch; a mask is taken out, so that merging leaves the stored secret alone.
///
/// # Errors
/// [`SecretError`] for values that can't be a secret's, and when sealing fails.
pub fn seal(patch: &mut Map<String, Value>, key: &SealingKey) -> Result<(), SecretError> {
    seal_object(patch, key, &mut Vec::new())
}

fn seal_object(
    patch: &mut Map<String, Value>,
    key: &SealingKey,
    path: &mut Vec<String>,
) -> Result<(), SecretError> {
    let names: Vec<String> = patch.keys().cloned().collect();
    for name in names {
        path.push(name.clone());
        if name == SEALED {
            return Err(SecretError::Reserved { path: path.clone() });
        }
        match patch.get_mut(&name) {
            Some(Value::String(text)) if is_secret(&name) => {
                if text == MASK {
                    patch.remove(&name);
                } else {
                    let sealed = key.seal(b"provider-secret", text.as_bytes())?;
                    patch.insert(name, json!({ SEALED: sealed }));
                }
            }
            Some(value) => {
                let is_group = value.is_object() && is_group(path);
                if is_secret(&name) && !value.is_null() && !is_group {
                    return Err(SecretError::NotText { path: path.clone() });
                }
                seal_value(value, key, path)?;
            }
            None => {}
        }
        path.pop();
    }
    Ok(())
}

fn seal_value(value: &mut Value, key: &SealingKey, path: &mut Vec<String>) -> Result<(), SecretError> {
    match value {
        Value::Object(inner) => seal_object(inner, key, path),
        Value::Array(items) => items.iter_mut().enumerate().try_for_each(|(place, item)| {
            path.push(place.to_string());
            seal_value(item, key, path)?;
            path.pop();
            Ok(())
        }),
        _ => Ok(()),
    }
}

/// The secret in a sealed value; none if it isn't one, or another key sealed it.
pub fn open(value: &Value, key: &SealingKey) -> Option<String> {
    let sealed = value.get(SEALED)?.as_str()?;
    let plain = key.open(b"provider-secret", sealed).ok()?;
    String::from_utf8(plain.to_vec()).ok()
}

/// The settings with every sealed secret masked.
pub fn mask(settings: &Map<String, Value>) -> Map<String, Value> {
    let shown = |(name, value): (&String, &Value)| match value {
        // Stored before this name counted as a secret's.
        Value::String(_) if is_secret(name) => (name.clone(), Value::String(MASK.to_owned())),
        _ => (name.clone(), mask_value(value)),
    };
    settings.iter().map(shown).collect()
}

fn mask_value(value: &Value) -> Value {
    match value {
        Value::Object(inner) if inner.contains_key(SEALED) => Value::String(MASK.to_owned()),
        Value::Object(inner) => Value::Object(mask(inner)),
        Value::Array(items) => Value::Array(items.iter().map(mask_value).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_sealed_masked_and_survive_their_mask() {
        let key = SealingKey::from_master(&[7; 32]).unwrap();
        let mut patch = json!({"email": {"smtp_host": "mail", "smtp_password": "canary-1"}, "list": [{"client_secret": "canary-2"}]})
            .as_object()
            .cloned()
            .unwrap();
        seal(&mut patch, &key).unwrap();
        let stored = serde_json::to_string(&patch).unwrap();
        assert!(!stored.contains("canary"), "{stored}");
        let shown = mask(&patch);
        assert_eq!(shown["email"]["smtp_password"], MASK);
        assert_eq!(shown["email"]["smtp_host"], "mail");
        assert_eq!(shown["list"][0]["client_secret"], MASK);
        let mut again = shown.clone();
        seal(&mut again, &key).unwrap();
        assert!(again["email"].get("smtp_password").is_none());
    }

    fn sealed(patch: Value) -> Result<Map<String, Value>, SecretError> {
        let mut patch = patch.as_object().cloned().unwrap();
        seal(&mut patch, &SealingKey::from_master(&[7; 32]).unwrap()).map(|()| patch)
    }

    #[test]
    fn secrets_are_recognised_however_their_name_is_written() {
        for name in [
            "password",
            "SMTP_PASSWORD",
            "smtpPassword",
            "db-passwd",
            "keyPassphrase",
            "clientSecret",
            "aws_secret_access_key",
            "secretKey",
            "authToken",
            "X-API-Key",
            "apikey",
            "private_key",
            "auth_key",
            "credentials",
        ] {
            let sealed = sealed(json!({ name: "canary" })).unwrap();
            assert!(!serde_json::to_string(&sealed).unwrap().contains("canary"), "{name}");
        }
        for name in ["smtp_host", "from_address", "token_lifetime", "password_hint_url", "key"] {
            assert_eq!(sealed(json!({ name: "plain" })).unwrap()[name], "plain", "{name}");
        }
    }

    #[test]
    fn a_secret_that_is_no_text_is_refused() {
        for value in [json!(1), json!(true), json!(["canary"]), json!({"value": "canary"})] {
            let refused = sealed(json!({"email": [{"smtp_password": value}]})).unwrap_err();
            let SecretError::NotText { path } = refused else { panic!("{refused}") };
            assert_eq!(path, ["email", "0", "smtp_password"]);
        }
        assert!(sealed(json!({"smtp_password": null})).is_ok());
    }

    #[test]
    fn a_sealed_value_from_outside_is_refused() {
        for patch in [
            json!({"smtp_password": {"$sealed": "x"}}),
            json!({"$sealed": "x"}),
            json!({"list": [{"a": {"$sealed": "x"}}]}),
            json!({"token": {"$sealed": "x"}}),
        ] {
            assert!(matches!(
                sealed(patch).unwrap_err(),
                SecretError::NotText { .. } | SecretError::Reserved { .. }
            ));
        }
    }

    #[test]
    fn groups_of_settings_and_templates_are_no_secrets() {
        let settings = json!({
            "token": {"access_timeout": 60}, "integration": {"api_key": {"length": 32}},
            "templates": {"reset_password": {"subject": "Reset"}},
        });
        let hook = json!({"integration": {"hooks": {"before_token": {"url": "https://a.example"}}}});
        assert_eq!(Value::Object(sealed(hook.clone()).unwrap()), hook);
        assert_eq!(Value::Object(sealed(settings.clone()).unwrap()), settings);
        assert!(matches!(sealed(json!({"token": 5})), Err(SecretError::NotText { .. })));
    }

    #[test]
    fn a_secret_stored_in_the_clear_is_masked_too() {
        let stored = json!({"accessKey": "canary"}).as_object().cloned().unwrap();
        assert_eq!(mask(&stored)["accessKey"], MASK);
    }
}
