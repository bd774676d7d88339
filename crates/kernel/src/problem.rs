//! What can go wrong, as every face of the product needs to know it.
//!
//! Each module has one `thiserror` enum that implements [`Problem`]; `http::error` renders it as JSON.

use std::borrow::Cow;

/// The class of a problem, from which a face derives its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The request can't be understood or isn't valid (400).
    Invalid,
    /// No credential, or not a valid one (401).
    Unauthenticated,
    /// A valid credential that may not do this (403).
    Forbidden,
    /// Nothing here that the caller may know of (404).
    NotFound,
    /// The method doesn't exist here (405).
    MethodNotAllowed,
    /// Clashes with what exists (409).
    Conflict,
    /// Used up or expired, and the caller proved to know it (410).
    Gone,
    /// `If-Match` named another revision (412).
    PreconditionFailed,
    /// The body is larger than allowed (413).
    TooLarge,
    /// The body's media type isn't supported (415).
    UnsupportedMediaType,
    /// Too many attempts; try again after this many seconds (429).
    TooManyRequests {
        /// Seconds until it makes sense to try again.
        retry_after: u64,
    },
    /// A defect or a broken invariant (500); the text is hidden from the caller.
    Internal,
    /// Overloaded or a dependency is away; try again after this many seconds (503).
    Unavailable {
        /// Seconds until it makes sense to try again.
        retry_after: u64,
    },
}

/// One invalid field of a request.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldError {
    /// Where: `["body", "identifier"]`.
    pub loc: Vec<Cow<'static, str>>,
    /// What is wrong, for people.
    pub msg: String,
    /// What is wrong, for programs: `missing`, `type`, `value`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
}

/// An error that a caller is told about.
pub trait Problem: std::error::Error + Send + Sync + 'static {
    /// Its class.
    fn kind(&self) -> ProblemKind;
    /// Its stable name in SCREAMING_SNAKE; never renamed once published.
    fn code(&self) -> &'static str;
    /// One plain sentence for people; no secret, no internals.
    fn detail(&self) -> Cow<'static, str>;
    /// The fields to blame, for validation problems.
    fn fields(&self) -> Vec<FieldError> {
        Vec::new()
    }
}
