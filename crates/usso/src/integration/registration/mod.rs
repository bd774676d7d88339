//! Clients that register themselves (RFC 7591), and look after their own record (RFC 7592).
//!
//! Off unless the tenant says otherwise. What registers itself is never the tenant's own: users are asked, and it may ask for
//! no more than whoever let it register holds; without anybody, for what a user tells of themself.

pub mod routes;
pub mod service;
