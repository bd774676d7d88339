//! The standards' own examples and the ways in which keys and tokens must be refused.
#![expect(clippy::unwrap_used, reason = "tests")]

mod client_assertion;
mod dpop;
mod jwk;
mod jws;
mod strict_json;
mod support;
