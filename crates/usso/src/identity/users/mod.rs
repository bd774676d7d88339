//! Users: people with identifiers and credentials, one aggregate each.
//!
//! Identifiers are keys of the record, so the database keeps them unique within the tenant.

pub mod model;
pub mod schema;
pub mod service;
