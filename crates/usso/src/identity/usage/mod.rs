//! What a tenant holds and how much it is used.

pub mod routes;
pub mod schema;
pub mod service;
