//! How the endpoints of OAuth speak: what they call an error (contract 1.7, RFC 6749 §5.2), and where they are.

use crate::http::ApiError;
use http::{HeaderMap, header};
use kernel::ProblemKind;

/// Codes that are the standards' own, in their spelling.
const STANDARD: [&str; 25] = [
    "AUTHORIZATION_PENDING",
    "EXPIRED_TOKEN",
    "INVALID_CLIENT_METADATA",
    "INVALID_DPOP_PROOF",
    "INVALID_REDIRECT_URI",
    "INVALID_REQUEST_URI",
    "SLOW_DOWN",
    "ACCESS_DENIED",
    "ACCOUNT_SELECTION_REQUIRED",
    "CONSENT_REQUIRED",
    "INSUFFICIENT_SCOPE",
    "INVALID_CLIENT",
    "INVALID_GRANT",
    "INVALID_REQUEST",
    "INVALID_SCOPE",
    "INVALID_TARGET",
    "LOGIN_REQUIRED",
    "REGISTRATION_NOT_SUPPORTED",
    "REQUEST_NOT_SUPPORTED",
    "REQUEST_URI_NOT_SUPPORTED",
    "UNAUTHORIZED_CLIENT",
    "UNMET_AUTHENTICATION_REQUIREMENTS",
    "UNSUPPORTED_GRANT_TYPE",
    "UNSUPPORTED_RESPONSE_TYPE",
    "INVALID_TOKEN",
];

/// The endpoints whose errors clients of the standards read.
const ENDPOINTS: [&str; 9] = [
    "authorize",
    "token",
    "userinfo",
    "introspect",
    "revoke",
    "par",
    "device_authorization",
    "register",
    "logout",
];

/// Whether a path is one of the endpoints, below the host's root or the API's.
pub fn is_endpoint(path: &str) -> bool {
    endpoint(path).is_some_and(|name| ENDPOINTS.contains(&name) || name.starts_with("register/"))
}

/// Whether a path is the authorization endpoint. It is for browsers to go to, not for pages to read (RFC 9700 §2.6).
pub fn is_authorize(path: &str) -> bool {
    endpoint(path) == Some("authorize")
}

/// Whether a path is an endpoint that browsers are sent to: what goes wrong there is shown to a person.
pub fn is_for_browsers(path: &str) -> bool {
    matches!(endpoint(path), Some("authorize" | "logout"))
}

/// Whether anybody may post here, or to anything beside it.
pub fn is_public(path: &str) -> bool {
    endpoint(path).is_some_and(|name| !name.starts_with("clients"))
}

fn endpoint(path: &str) -> Option<&str> {
    path.strip_prefix("/api/sso/v1").unwrap_or(path).strip_prefix("/oauth/")
}

/// The `Authorization` header, of which there may be one.
///
/// # Errors
/// `INVALID_REQUEST`.
pub fn authorization(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let wrong =
        || ApiError::new(ProblemKind::Invalid, "INVALID_REQUEST", "One Authorization header, in ASCII");
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| wrong()),
        (Some(_), Some(_)) => Err(wrong()),
    }
}

/// The `error` of a problem.
pub fn error_of(code: &str, kind: ProblemKind) -> String {
    if STANDARD.contains(&code) {
        return code.to_ascii_lowercase();
    }
    match kind {
        ProblemKind::Unauthenticated => "invalid_token",
        ProblemKind::Forbidden => "access_denied",
        ProblemKind::Internal => "server_error",
        ProblemKind::Unavailable { .. } | ProblemKind::TooManyRequests { .. } => "temporarily_unavailable",
        _ => "invalid_request",
    }
    .to_owned()
}

/// A description as the standard wants it: `%x20-21 / %x23-5B / %x5D-7E`.
pub fn printable(text: &str) -> String {
    let fits = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    text.chars().map(|c| if c == '"' { '\'' } else { c }).filter(|c| fits(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_codes_keep_their_name_and_others_get_their_kinds() {
        assert_eq!(error_of("INVALID_GRANT", ProblemKind::Invalid), "invalid_grant");
        assert_eq!(error_of("TENANT_NOT_FOUND", ProblemKind::Invalid), "invalid_request");
        assert_eq!(error_of("TOKEN_EXPIRED", ProblemKind::Unauthenticated), "invalid_token");
        assert_eq!(
            error_of("SERVICE_UNAVAILABLE", ProblemKind::Unavailable { retry_after: 1 }),
            "temporarily_unavailable"
        );
    }

    #[test]
    fn a_description_is_plain() {
        assert_eq!(printable("a \"b\" \\ \u{e9}\n c"), "a 'b'   c");
    }

    #[test]
    fn endpoints_are_known_under_both_paths() {
        assert!(is_endpoint("/oauth/token") && is_endpoint("/api/sso/v1/oauth/userinfo"));
        assert!(
            !is_endpoint("/oauth/clients") && !is_endpoint("/oauth/consent") && is_public("/oauth/consent")
        );
        assert!(
            is_authorize("/oauth/authorize")
                && !is_authorize("/oauth/token")
                && !is_public("/oauth/clients/x")
        );
    }
}
