//! Cookies: reading ours, writing ours (contract 1.5).

use crate::http::Tenant;
use crate::identity::tokens::TokenPair;
use http::{HeaderMap, HeaderValue, header};

/// The access token's cookie; the published SDKs read this name.
pub const ACCESS: &str = "usso-access-token";
/// The refresh token's cookie.
pub const REFRESH: &str = "usso-refresh-token";
/// The device's cookie.
pub const DEVICE: &str = "usso-device";

/// Browsers keep a cookie at most 400 days.
const DEVICE_MAX_AGE: i64 = 400 * 86_400;

/// The value of a cookie. Of several with one name the first counts: browsers send the most specific path first
/// (RFC 6265 §5.4).
pub fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, value)| *found == name && !value.is_empty())
        .map(|(_, value)| value)
}

/// Sets the token cookies of a sign-in or refresh.
pub fn set_tokens(headers: &mut HeaderMap, tenant: &Tenant, tokens: &TokenPair) {
    let domain = tenant.scope.profile().settings.cookie_domain.clone();
    push(headers, tenant, (ACCESS, &tokens.access), tokens.expires_in, domain.as_deref());
    push(headers, tenant, (REFRESH, &tokens.refresh), tokens.refresh_expires_in, None);
}

/// Sets the device cookie.
pub fn set_device(headers: &mut HeaderMap, tenant: &Tenant, value: &str) {
    push(headers, tenant, (DEVICE, value), DEVICE_MAX_AGE, None);
}

/// Removes the token cookies, with the attributes they were set with.
pub fn clear_tokens(headers: &mut HeaderMap, tenant: &Tenant) {
    let domain = tenant.scope.profile().settings.cookie_domain.clone();
    push(headers, tenant, (ACCESS, ""), 0, domain.as_deref());
    push(headers, tenant, (REFRESH, ""), 0, None);
}

fn push(
    headers: &mut HeaderMap,
    tenant: &Tenant,
    (name, value): (&str, &str),
    max_age: i64,
    domain: Option<&str>,
) {
    let path = tenant.cookie_path();
    let mut text = format!("{name}={value}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite=Lax");
    if tenant.info.is_https {
        text.push_str("; Secure");
    }
    if let Some(domain) = domain {
        text.push_str("; Domain=");
        text.push_str(domain);
    }
    // Tokens and hosts are ASCII without separators, so this can't fail; a bad cookie_domain would, and is dropped.
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.append(header::SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cookie_of_a_name_counts() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; usso-access-token=x.y.z;b=2"));
        headers.append(header::COOKIE, HeaderValue::from_static("usso-access-token=other"));
        assert_eq!(get(&headers, ACCESS), Some("x.y.z"));
        assert_eq!(get(&headers, REFRESH), None);
    }
}
