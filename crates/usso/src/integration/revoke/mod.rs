//! Revocation: a client gives up what it was given (RFC 7009).
//!
//! Tokens of a user's grant end with its session, whichever of them is named: an access token can't be taken back alone from
//! whoever holds its refresh token (§2.1). A client's own token has no session; its id is remembered until it would have ended
//! by itself. About a token of somebody else a client learns nothing, and nothing happens to it.

pub mod routes;
pub mod service;
