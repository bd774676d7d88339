//! The internet, as far as it proves who owns a host name.

use crate::BoxFuture;

/// What others publish under a host name. Nobody answering and nothing being there are the same: no proof.
pub trait Internet: Send + Sync + 'static {
    /// The TXT records of a name (RFC 1035 §3.3.14), the strings of each joined.
    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Vec<String>>;

    /// The short text a host serves at a path over plain HTTP.
    fn file<'a>(&'a self, host: &'a str, path: &'a str) -> BoxFuture<'a, Option<String>>;
}
