//! OAuth 2.0 and OpenID Connect as pure functions: the form of requests, proof keys, redirection URIs, scopes.
//!
//! Nothing here knows a client or a tenant: [`Params`] says what was sent, [`pkce`] and [`redirect_uri`] whether it fits.

mod params;
pub mod pkce;
pub mod redirect_uri;
pub mod scope;

pub use params::Params;
