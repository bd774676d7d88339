//! What partial changes have in common.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

/// Tells `null` from nothing: a field that is absent stays as it is, one that is `null` is taken away.
///
/// # Errors
/// What reading the value says.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Merges objects deeply; `null` removes, everything else replaces (RFC 7396).
pub fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => drop(target.remove(&key)),
            Value::Object(inner) => {
                let entry = target.entry(key).or_insert_with(|| json!({}));
                if !entry.is_object() {
                    *entry = json!({});
                }
                if let Some(object) = entry.as_object_mut() {
                    merge(object, inner);
                }
            }
            other => drop(target.insert(key, other)),
        }
    }
}
