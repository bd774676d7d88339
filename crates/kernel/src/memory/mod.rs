//! In-memory adapters.
//!
//! [`MemoryStorage`] is the storage port in its plainest form: what tests run on, and the reference the other
//! adapters are compared with. [`DocumentStorage`] does the same with nothing but single-document operations, as
//! a document database has to. [`MemoryEphemeral`] serves installations of one instance.

mod collection;
mod document_store;
mod document_transfer;
mod ephemeral;
mod select;
mod storage;
mod transfer;

pub use document_store::DocumentStorage;
pub use ephemeral::MemoryEphemeral;
pub use storage::MemoryStorage;

/// How long an invalidation stays in the feed.
const INVALIDATIONS_KEPT_SECONDS: i64 = 600;
