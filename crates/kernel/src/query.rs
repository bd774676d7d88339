//! Queries: what lists ask of the storage port.

use crate::Timestamp;

/// How a tag must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagMatch {
    /// Exactly this tag.
    Is(String),
    /// Any tag with this prefix.
    StartsWith(String),
}

/// The order of a list. Ties are broken by id, in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// `created_at` or one of the record's sort attributes; records without it come as if it were empty.
    pub field: &'static str,
    /// Largest first.
    pub descending: bool,
}

/// How far to count (ruling D34).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// To 10,000, then a lower bound.
    Bounded,
    /// All of them.
    Exact,
}

/// The bound of [`Count::Bounded`].
pub const COUNT_BOUND: u64 = 10_000;

/// Which live documents of a kind, in which order, which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The kind.
    pub kind: &'static str,
    /// Any of these, each all of its tags. Empty: everything. `vec![vec![]]` is everything, too.
    pub any_of: Vec<Vec<TagMatch>>,
    /// Created at or after.
    pub created_from: Option<Timestamp>,
    /// Created at or before.
    pub created_to: Option<Timestamp>,
    /// The order.
    pub sort: Sort,
    /// How many to pass over.
    pub offset: u64,
    /// How many to give at most.
    pub limit: u32,
    /// How far to count.
    pub count: Count,
}

impl Query {
    /// Everything of a kind, newest first, 20 a page.
    pub fn all(kind: &'static str) -> Self {
        Self {
            kind,
            any_of: Vec::new(),
            created_from: None,
            created_to: None,
            sort: Sort { field: "created_at", descending: true },
            offset: 0,
            limit: 20,
            count: Count::Bounded,
        }
    }

    /// Only those that have every one of these tags.
    #[must_use]
    pub fn with_all(mut self, tags: Vec<TagMatch>) -> Self {
        self.any_of = vec![tags];
        self
    }

    /// Only those that have every tag of one of the alternatives, and all of `tags` besides.
    #[must_use]
    pub fn with_any(mut self, alternatives: Vec<Vec<TagMatch>>, tags: &[TagMatch]) -> Self {
        self.any_of = alternatives;
        self.any_of.iter_mut().for_each(|all| all.extend_from_slice(tags));
        self
    }
}
