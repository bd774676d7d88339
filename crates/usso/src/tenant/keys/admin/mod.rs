//! What administrators do with a tenant's signing keys.

pub mod routes;
pub mod schema;
