//! Records: the typed side of a stored document.

use crate::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A kind of record and the newest body version this binary knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindSpec {
    /// The kind's name: a table or collection name, `[a-z_]+`.
    pub kind: &'static str,
    /// The newest body version.
    pub version: u32,
}

/// A unique name of a record within its tenant and kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// `space:value`; the space keeps e-mails apart from user names.
    pub fn new(space: &str, value: &str) -> Self {
        Self(format!("{space}:{value}"))
    }

    /// From the stored form.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The stored form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What one write stores: an aggregate that is consistent by itself.
///
/// Bodies are JSON. A change of shape is `VERSION + 1` and a step in [`Record::upgrade`]; a golden document of
/// every version is kept in `fixtures/records/<kind>/` and must decode for ever.
pub trait Record: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The kind's name.
    const KIND: &'static str;
    /// The version of the body written now.
    const VERSION: u32;

    /// The record's id, unique within tenant and kind.
    fn id(&self) -> &str;

    /// Names under which the record can be found, each unique within tenant and kind.
    fn keys(&self) -> Vec<Key> {
        Vec::new()
    }

    /// Filterable labels, such as `user:user:abc` or `active:true`.
    fn tags(&self) -> Vec<String> {
        Vec::new()
    }

    /// Sortable attributes beyond `created_at`: name and text, compared case-folded.
    fn sorts(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// From when on the record counts as absent.
    fn expires_at(&self) -> Option<Timestamp> {
        None
    }

    /// Lifts a body of an older version to [`Record::VERSION`].
    ///
    /// # Errors
    /// A sentence that says why the body can't be lifted.
    fn upgrade(version: u32, body: serde_json::Value) -> Result<serde_json::Value, String> {
        if version == Self::VERSION { Ok(body) } else { Err(format!("no path from version {version}")) }
    }

    /// The kind and version, for `Storage::prepare`.
    fn spec() -> KindSpec {
        KindSpec { kind: Self::KIND, version: Self::VERSION }
    }
}

/// The bytes a text is sorted by: case-folded by us, so that every database orders alike (ruling D34).
pub fn sort_bytes(text: &str) -> Vec<u8> {
    text.to_lowercase().into_bytes()
}
