//! Standards as pure functions: JOSE signatures and keys, OAuth and OpenID Connect, sealing of secrets at rest,
//! and the scope grammar.
//!
//! Nothing here does I/O, reads a clock or keeps global state. Keys are parsed once and then used from many
//! threads, because signing and verifying tokens is what the product does most. Randomness is drawn only where a
//! primitive demands it (key generation, nonces) and then from the cryptographic library's own generator.

pub mod b64url;
mod digest;
#[doc(hidden)]
pub mod fuzzing;
pub mod jose;
pub mod oauth;
pub mod scope;
pub mod seal;
pub mod totp;

pub use digest::{sha1, sha256};
