//! Passkeys: Web Authentication (Level 3), the tenant as relying party.
//!
//! A ceremony begins with a [`challenge`] that nobody has to remember: it carries its own end and an authentication tag over
//! what it is for. Only one that has passed is written down, so that it passes once. [`ceremony`] checks what an
//! authenticator answers; [`registration`] and [`sign_in`] are the two ceremonies with all that belongs to them. A passkey is
//! a credential of the user's record, and its id a key of it: unique within the tenant, and found with one read.

pub mod ceremony;
pub mod challenge;
pub mod error;
#[doc(hidden)]
pub mod fuzzing;
pub mod model;
pub mod registration;
pub mod routes;
pub mod schema;
pub mod sign_in;

pub use error::PasskeyError;

/// The method's name (contract 7).
pub const METHOD: &str = "webauthn";
