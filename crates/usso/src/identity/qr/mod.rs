//! Signing in by QR code: a browser asks, a device that is signed in approves (checklist SES-04).
//!
//! The request travels sealed, in the picture and in the token of the browser that asked; nothing is written until a device
//! scans it. That device sees who asks, from where, and three numbers; it must choose the one that the asking browser shows, so that
//! whoever passes the picture of their own request on to somebody else gets nothing. The approval is one record, whose
//! revisions decide who was first, on whatever instance.

pub mod routes;
pub mod schema;
pub mod service;
