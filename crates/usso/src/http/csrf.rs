//! Cross-site request forgery: a request that changes something and relies on cookies must come from a page of the
//! tenant, told by `Origin` or, where a browser leaves that out, `Referer` (contract 1.4).

use crate::http::{ApiError, Tenant, cors};
use http::{HeaderMap, header};
use kernel::ProblemKind;

/// Checks where a cookie-authenticated, state-changing request comes from.
///
/// # Errors
/// `ORIGIN_NOT_ALLOWED` when it names no origin, or a foreign one.
pub fn check(tenant: &Tenant, headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let origin =
        text(header::ORIGIN).map(str::to_owned).or_else(|| text(header::REFERER).and_then(origin_of));
    if origin.is_some_and(|origin| cors::is_allowed(tenant, &origin)) {
        return Ok(());
    }
    let detail = "A request with cookies must come from a page of this tenant";
    Err(ApiError::new(ProblemKind::Forbidden, "ORIGIN_NOT_ALLOWED", detail))
}

/// The origin of a URL with an authority and without a user part.
pub(crate) fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    // A user part would let `http://own.host@evil.example` pass for its own host.
    if authority.contains('@') { None } else { Some(format!("{scheme}://{authority}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_of_a_referer() {
        assert_eq!(origin_of("https://a.com/x?y").as_deref(), Some("https://a.com"));
        assert_eq!(origin_of("https://a.com@evil.example/x"), None);
        assert_eq!(origin_of("about:blank"), None);
    }
}
