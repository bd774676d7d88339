//! Agents: programs that act for themselves, with a key of their own.
//!
//! An agent has an Ed25519 key. It signs short JWTs with it (RFC 7523 in spirit) and exchanges them for access tokens;
//! only its public half is stored. Changing what it may, its key or whether it is active counts at once.

pub mod auth;
pub mod model;
pub mod registration;
pub mod routes;
pub mod schema;
pub mod service;
pub mod usage;
