//! Captchas of the proof-of-work kind: the Altcha protocol, version 1, as its widget 2.x speaks it.
//!
//! A challenge is a hash of a salt and a number that the browser has to find; the tenant signs it, so nobody has to remember
//! it, and a solved one is written down until it has ended, so it is good once. Who solved one gets a proof, good for five
//! minutes, which signing in asks for where the tenant says so.

pub mod error;
pub mod puzzle;
pub mod routes;
pub mod schema;
pub mod service;

pub use error::CaptchaError;
pub use service::is_satisfied;
