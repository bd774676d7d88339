//! Consent: what a user allows a client, asked once and remembered, listed and withdrawn (OpenID Connect Core §3.1.2.4).
//!
//! The record is `identity::users::consents::Consent`. Whoever asks, a page or a separate front end, calls the same three
//! functions: [`service::pending`] to show, [`service::decide`] to answer, [`service::withdraw`] to take it back.

pub mod routes;
pub mod schema;
pub mod service;
