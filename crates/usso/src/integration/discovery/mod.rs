//! Discovery: what this issuer offers, as metadata (OpenID Connect Discovery §3, RFC 8414 §2, RFC 9207 §3).
//!
//! One document for both standards, for the issuer that was addressed: a domain, or `/t/{tenant_id}`. It is made of what is on:
//! the grants, methods and modes that exist as variants, the algorithms the tenant signs with. Nothing is promised here that
//! isn't kept elsewhere.

pub mod metadata;
pub mod routes;
