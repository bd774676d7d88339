//! Provider secrets inside free-form settings: sealed at rest, masked when shown.
//!
//! A secret is recognised by its name (`smtp_password`, `client_secret`, `auth_token` …). It is stored as
//! `{"$sealed": "…"}`, bound to its tenant, and shown as `********`. Sending the mask back leaves it unchanged.

use protocol::seal::SealingKey;
use serde_json::{Map, Value, json};

/// What is shown in a secret's place.
pub const MASK: &str = "********";

const SEALED: &str = "$sealed";

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let exact = ["password", "secret", "token", "api_key", "private_key"];
    exact.contains(&name.as_str())
        || ["_password", "_secret", "_token", "_api_key", "_private_key"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// Seals every secret text in a patch; a mask is taken out, so that merging leaves the stored secret alone.
///
/// # Errors
/// When sealing fails.
pub fn seal(patch: &mut Map<String, Value>, key: &SealingKey) -> Result<(), protocol::seal::SealError> {
    let names: Vec<String> = patch.keys().cloned().collect();
    for name in names {
        match patch.get_mut(&name) {
            Some(Value::String(text)) if is_secret(&name) => {
                if text == MASK {
                    patch.remove(&name);
                } else {
                    let sealed = key.seal(b"provider-secret", text.as_bytes())?;
                    patch.insert(name, json!({ SEALED: sealed }));
                }
            }
            Some(value) => seal_value(value, key)?,
            None => {}
        }
    }
    Ok(())
}

fn seal_value(value: &mut Value, key: &SealingKey) -> Result<(), protocol::seal::SealError> {
    match value {
        Value::Object(inner) => seal(inner, key),
        Value::Array(items) => items.iter_mut().try_for_each(|item| seal_value(item, key)),
        _ => Ok(()),
    }
}

/// The settings with every sealed secret masked.
pub fn mask(settings: &Map<String, Value>) -> Map<String, Value> {
    settings.iter().map(|(name, value)| (name.clone(), mask_value(value))).collect()
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
}
