//! Who belongs to a workspace.

pub mod routes;
pub mod schema;
pub mod service;
