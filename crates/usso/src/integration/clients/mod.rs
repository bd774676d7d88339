//! Clients: the applications that users sign in to, and the programs that act for themselves (RFC 6749 §2, RFC 7591).
//!
//! [`model`] is the record and what it allows, [`schema`] its two vocabularies, [`service`] making and changing it,
//! [`authenticate`] the one place where a client says who it is: every endpoint that clients call goes through it.

pub mod assertion;
pub mod authenticate;
pub mod error;
pub mod memory;
pub mod metadata;
pub mod model;
pub mod routes;
pub mod schema;
pub mod secret;
pub mod service;
