//! Documents: what the storage port stores.

use crate::{Random, Timestamp};

/// A random revision. Random, so that a writer whose acknowledgement was lost recognises its own write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revision(u64);

impl Revision {
    /// A fresh revision: 63 random bits, never zero, so it fits every database's signed integers.
    pub fn generate(random: &dyn Random) -> Self {
        let mut raw = [0u8; 8];
        random.fill(&mut raw);
        Self((u64::from_be_bytes(raw) >> 1).max(1))
    }

    /// From the stored integer.
    pub const fn from_stored(value: i64) -> Self {
        Self(value.unsigned_abs())
    }

    /// The stored integer, always positive.
    pub const fn to_stored(self) -> i64 {
        self.0.cast_signed()
    }

    /// A strong entity tag (RFC 9110 §8.8.3), quotes included.
    pub fn etag(self) -> String {
        format!("\"{:016x}\"", self.0)
    }

    /// Whether an `If-Match` value, a list of tags or `*`, allows this revision (RFC 9110 §13.1.1).
    pub fn satisfies(self, if_match: &str) -> bool {
        let own = self.etag();
        if_match.split(',').map(str::trim).any(|tag| tag == "*" || tag == own)
    }
}

/// A stored document: the envelope every database keeps, and a JSON body only the record understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The kind's name.
    pub kind: &'static str,
    /// Unique within tenant and kind.
    pub id: String,
    /// The revision this write gives it.
    pub revision: Revision,
    /// The body's version.
    pub version: u32,
    /// Unique names within tenant and kind, sorted.
    pub keys: Vec<String>,
    /// Labels to filter by, sorted, without duplicates.
    pub tags: Vec<String>,
    /// Sort attributes beyond `created_at`, case-folded bytes, sorted by name.
    pub sorts: Vec<(&'static str, Vec<u8>)>,
    /// When it was inserted.
    pub created_at: Timestamp,
    /// When this revision was written.
    pub updated_at: Timestamp,
    /// From when on it is absent.
    pub expires_at: Option<Timestamp>,
    /// The JSON body.
    pub body: String,
}

impl Document {
    /// Expired means absent.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}
