//! Values of objects inside objects, by names with dots.

use serde_json::{Map, Value, json};

/// Takes a value out, and the objects that are empty then.
pub(super) fn take_nested(map: &mut Map<String, Value>, path: &str) -> Option<Value> {
    match path.split_once('.') {
        None => map.remove(path),
        Some((head, tail)) => {
            let inner = map.get_mut(head)?.as_object_mut()?;
            let value = take_nested(inner, tail);
            if inner.is_empty() {
                map.remove(head);
            }
            value
        }
    }
}

/// Puts a value in, and whatever objects it takes.
pub(super) fn put_nested(map: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(map.insert(path.to_owned(), value)),
        Some((head, tail)) => {
            let inner = map.entry(head).or_insert_with(|| json!({}));
            if !inner.is_object() {
                *inner = json!({});
            }
            if let Some(inner) = inner.as_object_mut() {
                put_nested(inner, tail, value);
            }
        }
    }
}
