//! The kernel of USSO: what every layer shares and nothing that does I/O.
//!
//! Ids, time, randomness, problems, records, the two ports (`Storage`, `Ephemeral`), the scopes through
//! which they are reached, in-memory adapters, and the conformance suites that every adapter must pass.

pub mod cache;
pub mod collection;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod document;
pub mod effect;
pub mod ephemeral;
pub mod id;
pub mod internet;
pub mod memory;
pub mod messenger;
pub mod partition;
pub mod problem;
pub mod query;
pub mod random;
pub mod record;
pub mod scope;
pub mod storage;
pub mod time;

pub use collection::{Change, Collection, Page, Stored};
pub use document::{Document, Revision};
pub use effect::{Effect, Position, Settlement, StoredEffect, Topic};
pub use ephemeral::Ephemeral;
pub use id::{
    AgentId, ClientId, GatewayRouteId, InvitationId, KeyId, ReferralId, RoleId, SessionId, TenantId, TokenId,
    UserId, WorkspaceId,
};
pub use internet::{Internet, NoAnswer, WebAnswer, WebRequest};
pub use messenger::{Channel, Letter, MailServer, Messenger, SendError};
pub use partition::Partition;
pub use problem::{Problem, ProblemKind};
pub use query::{Count, Query, Sort, TagMatch};
pub use random::{Random, SystemRandom, TestRandom};
pub use record::{Key, KindSpec, Record};
pub use scope::{Ports, Scope, SystemScope, TenantScope};
pub use storage::{Extent, Located, Place, Storage, StorageError};
pub use time::{Clock, SystemClock, TestClock, Timestamp};

/// A boxed future: what the ports return, so that they can be trait objects.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
