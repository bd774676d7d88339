//! Social login: signing in by the word of somebody else, as a client of OpenID Connect and OAuth 2.0 providers, and by
//! Telegram's widget.
//!
//! [`service::start`] sends a browser to the provider with a sealed transaction as `state`; nothing is written. [`service::finish`]
//! takes it back, once and from the same browser only, redeems the code, and [`account`] decides whose account is meant: by the
//! provider's issuer and subject alone, never by an address unless both sides have proven it.

pub mod account;
mod apple;
pub mod error;
mod exchange;
mod id_token;
pub mod memory;
pub mod provider;
pub mod routes;
pub mod schema;
pub mod service;
pub mod telegram;
pub mod transaction;

use crate::identity::sign_in::proof::Method;
use crate::tenant::settings::Settings;

/// Whether a tenant lets a sign-in begin with a method.
pub fn may_begin(settings: &Settings, method: Method) -> bool {
    match settings.login_flow.as_ref().and_then(|flow| flow.steps.first()) {
        Some(first) => first.methods.iter().any(|name| method.is_named(name)),
        None => settings.allowed_login_methods.iter().any(|name| method.is_named(name)),
    }
}
