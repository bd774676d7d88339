//! The OpenID provider.

mod conformance;
