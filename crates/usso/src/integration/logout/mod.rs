//! Signing out (OpenID Connect RP-Initiated Logout, Back-Channel Logout, Front-Channel Logout).
//!
//! [`service`] judges a client's wish that its user be signed out, [`notices`] tells the clients a session has ended: first it is
//! written down, with the end of the session itself, that there is something to tell; then whom; then each is told, again and
//! again until it says that it has heard.

pub mod notices;
pub mod routes;
pub mod service;
