//! The internet: who owns a host name, and what others answer.

use crate::BoxFuture;

/// A request to somebody else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The whole address.
    pub url: String,
    /// Headers, in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What somebody else answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAnswer {
    /// Status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Nobody answered, in time and within limits; or nobody may be asked there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no answer")]
pub struct NoAnswer;

/// What others publish under a host name, and answer to requests. For proofs nobody answering and nothing being there are the
/// same.
pub trait Internet: Send + Sync + 'static {
    /// The TXT records of a name (RFC 1035 §3.3.14), the strings of each joined.
    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Vec<String>>;

    /// The short text a host serves at a path over plain HTTP.
    fn file<'a>(&'a self, host: &'a str, path: &'a str) -> BoxFuture<'a, Option<String>>;

    /// Sends a request over HTTP, to public addresses only unless others are allowed; redirects aren't followed.
    fn send(&self, request: WebRequest) -> BoxFuture<'_, Result<WebAnswer, NoAnswer>>;
}
