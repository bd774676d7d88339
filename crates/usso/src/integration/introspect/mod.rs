//! Introspection: a resource server asks what a token is worth (RFC 7662).
//!
//! Only clients that prove who they are may ask, and only about tokens that are theirs or meant for them. About all others,
//! and about those that are worth nothing, they learn the same: `{"active": false}`.

pub mod routes;
pub mod service;
