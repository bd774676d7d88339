//! Userinfo: what a client learns of a user (OpenID Connect Core §5.3).
//!
//! [`claims`] says which word of `scope` opens which claims, for id tokens as well.

pub mod claims;
pub mod routes;
pub mod service;
