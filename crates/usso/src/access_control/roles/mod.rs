//! Roles: named sets of scopes.
//!
//! Users carry slugs; what a slug stands for is looked up when a token is minted or refreshed, and again on every
//! request to our own endpoints, so that taking a scope out of a role ends access at once. The role `admin` is built
//! in, stands for `*:*` and can't be changed.

pub mod effective;
pub mod memory;
pub mod model;
pub mod routes;
pub mod schema;
pub mod service;
