//! Cross-origin rules (contract 1.6, ruling D36; the Fetch standard's CORS protocol).
//!
//! Public documents and token endpoints may be read from anywhere, without credentials. Everything else answers only
//! pages of the tenant's own origins and of those it lists, by exact origin, with credentials.

use crate::http::Tenant;
use crate::tenant::issuer::Addressed;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
const REQUEST_HEADERS: &str = "Authorization, Content-Type, DPoP, Idempotency-Key, If-Match, If-None-Match, X-Tenant-ID, \
                               X-API-Key, X-Captcha-Token, X-Request-ID";
const EXPOSED: &str = "DPoP-Nonce, ETag, Retry-After, X-Request-ID";

/// Whether a path may be read from anywhere.
pub fn is_public(path: &str) -> bool {
    let path = path.strip_prefix("/api/sso/v1").unwrap_or(path);
    path.starts_with("/.well-known/")
        || path == "/website/jwks.json"
        || matches!(path, "/oauth/token" | "/oauth/userinfo" | "/oauth/revoke")
}

/// Whether a page of this origin may call the tenant with credentials.
pub fn is_allowed(tenant: &Tenant, origin: &str) -> bool {
    let profile = tenant.scope.profile();
    // The pages below `/t/{tenant_id}` are on the installation's own origin.
    let is_beside = tenant.addressed == Addressed::Path
        && tenant.issuer().strip_suffix(&tenant.cookie_path()) == Some(origin);
    is_beside
        || profile.issuers.is_own_origin(origin)
        || profile.settings.cors_origins.iter().any(|o| o == origin)
}

/// Whether a request is a preflight.
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Adds the headers of an answer to a page of `origin`. `allowed`: whether it may call with credentials.
pub fn answer(headers: &mut HeaderMap, path: &str, origin: &HeaderValue, allowed: bool) {
    let exposed = HeaderValue::from_static(EXPOSED);
    if is_public(path) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        return;
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

/// Adds what a preflight asks for.
pub fn preflight(headers: &mut HeaderMap, path: &str, allowed: bool) {
    if !allowed && !is_public(path) {
        return;
    }
    let pairs: [(HeaderName, &'static str); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    for (name, value) in pairs {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
