//! Users: people with identifiers and credentials, one aggregate each.
//!
//! Identifiers are keys of the record, so the database keeps them unique within the tenant. What concerns one user
//! (identifiers, credentials, profile, history) lives inside the record, so every change is one write.

pub mod access;
pub mod admin;
pub mod claims;
pub mod consents;
pub mod credentials;
pub mod error;
pub mod identifiers;
pub mod impersonation;
pub mod links;
pub mod model;
pub mod notice;
pub mod profile;
pub mod removal;
pub mod routes;
pub mod schema;
pub mod service;
pub mod transfer;
pub mod verification;
