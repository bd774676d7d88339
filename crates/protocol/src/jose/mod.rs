//! JSON Object Signing (RFC 7515, 7517, 7518, 7638, 8037): compact tokens, public keys and the strict JSON
//! reader below them.
//!
//! A token is made by [`sign_compact`] with a [`PreparedHeader`] (encoded once per key) and a [`SigningKey`]
//! (parsed once). It is read in two steps that cannot be confused: [`Untrusted::parse`] checks form only, and only
//! [`Untrusted::verify`] yields a [`Verified`] whose claims may be believed. The algorithm that counts is the
//! key's, never the one the header asks for (RFC 8725 §3.1).

mod algorithm;
mod error;
mod jwk;
mod jws;
mod key;
pub mod pem;
pub mod strict_json;

pub use algorithm::Algorithm;
pub use error::JoseError;
pub use jwk::{Curve, Jwk, JwkSet, PublicKey};
pub use jws::{Header, MAX_TOKEN_BYTES, PreparedHeader, Untrusted, Verified, sign_compact, sign_payload};
pub use key::{SigningKey, VerifyingKey};
pub use strict_json::{JsonError, JsonErrorKind};
