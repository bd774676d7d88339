//! The scope catalog: what the scopes of each application mean, so that people can choose among them.
//!
//! Applications register theirs when they start. The catalog describes; it grants nothing.

pub mod model;
pub mod routes;
pub mod schema;
pub mod service;
