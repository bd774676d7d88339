//! A tenant's domains, and the proof that they are its own (ruling D27).

pub mod routes;
pub mod schema;
pub mod service;
