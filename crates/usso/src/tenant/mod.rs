//! The tenant layer: who a tenant is, how a request chooses one, its keys, settings and issuers.
//!
//! Everything above works on a [`TenantScope`]: the kernel's door to one tenant's data, with the tenant's
//! [`Profile`] (record, settings, keys, issuers) beside it. Scopes are opened by the [`Registry`] alone.

pub mod audit;
pub mod coherence;
pub mod domain;
pub mod dpop;
pub mod hooks;
pub mod issuer;
pub mod keys;
pub mod messaging;
pub mod one_time;
pub mod patch;
pub mod profile;
pub mod registry;
pub mod sealed;
pub mod settings;
pub mod signed_call;
pub mod tenants;
pub mod usage;
pub mod verify;

pub use audit::{Actor, ClientInfo};
pub use profile::Profile;
pub use registry::{Registry, Selection, SelectionError};

/// One tenant's scope with its profile.
pub type TenantScope = kernel::TenantScope<Profile>;
