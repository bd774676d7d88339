//! What partial changes have in common.

use serde::{Deserialize, Deserializer};

/// Tells `null` from nothing: a field that is absent stays as it is, one that is `null` is taken away.
///
/// # Errors
/// What reading the value says.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}
