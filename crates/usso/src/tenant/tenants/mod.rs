//! Tenants: the organisations an installation serves.
//!
//! The record is one aggregate in the platform's partition: domains, key set, settings. Called by the system
//! administrator (all tenants) and by a tenant's own administrators (their own).

pub mod deletion;
pub mod domains;
pub mod model;
mod parts;
pub mod public;
pub mod relying_party;
pub mod routes;
pub mod schema;
pub mod service;
