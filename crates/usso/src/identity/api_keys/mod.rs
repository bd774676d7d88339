//! API keys: long-lived secrets that programs present instead of a user's token.
//!
//! A key acts for its user, with its own scopes as far as the user still holds them, and as far as the key that made it
//! does. It is found by the digest of its secret and held in [`memory::ApiKeys`]; how often it was used is counted there
//! and written apart from the key, now and then.

pub mod error;
pub mod memory;
pub mod model;
pub mod routes;
pub mod schema;
pub mod secret;
pub mod service;
