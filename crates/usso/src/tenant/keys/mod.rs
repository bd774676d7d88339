//! Signing keys: each tenant has its own, private halves sealed with the master key.
//!
//! The whole key set is part of the tenant's record, so every change of it is one write. A new key is published
//! [`Succession::lead`] before it signs, because verifiers cache the set; a superseded key stays published until
//! the last token it may have signed has expired. Callers: [`crate::tenant::verify`], token minting, the JWKS route.

pub mod admin;
pub mod changes;
pub mod keyring;
pub mod model;
pub mod routes;
pub mod service;

pub use keyring::KeyRing;
pub use model::{KeySet, KeyUse, Succession, TenantKey};
