//! OAuth 2.0 and OpenID Connect as pure functions: the form of requests, proof keys, redirection URIs, scopes; what clients
//! sign, what people type, and what we sign for clients.
//!
//! Nothing here knows a client or a tenant. [`Params`] says what was sent, [`pkce`] and [`redirect_uri`] whether it fits. The
//! time, the key set and the expected values are arguments. Whether a `jti` was seen before is for the caller: each verified
//! value says which one, and until when it must be remembered.

pub mod client_assertion;
pub mod dpop;
pub mod logout_token;
mod params;
pub mod pkce;
pub mod redirect_uri;
pub mod scope;
pub mod token_type;
pub mod uri;
pub mod user_code;

pub use params::Params;

/// Seconds by which the clocks of two machines may differ.
pub const CLOCK_SKEW: i64 = 60;

/// The longest `jti` that is remembered, in bytes.
pub const MAX_JTI: usize = 255;

/// Whether a text can be a `jti`: there, and not too long to be remembered.
fn is_jti(jti: &str) -> bool {
    (1..=MAX_JTI).contains(&jti.len())
}
