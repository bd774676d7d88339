//! Cookies: reading ours, writing ours (contract 1.5).

use crate::http::Tenant;
use crate::identity::tokens::TokenPair;
use crate::tenant::issuer::Addressed;
use http::{HeaderMap, HeaderValue, header};

/// The access token's cookie; the published SDKs read this name.
pub const ACCESS: &str = "usso-access-token";
/// The refresh token's cookie.
pub const REFRESH: &str = "usso-refresh-token";
/// The cookie of an unfinished sign-in.
pub const LOGIN: &str = "usso-login";
/// The device's cookie.
pub const DEVICE: &str = "usso-device";

/// The secret of a browser that signs in elsewhere.
pub const OAUTH: &str = "usso-oauth";
/// The cookie of a solved captcha.
pub const CAPTCHA: &str = "usso-captcha";

/// What the forms of a browser are bound to.
pub const FORM: &str = "usso-form";
/// The language somebody chose.
pub const LANGUAGE: &str = "usso-lang";
/// The accounts that are signed in in a browser.
pub const ACCOUNTS: &str = "usso-accounts";

/// Browsers keep a cookie at most 400 days.
const DEVICE_MAX_AGE: i64 = 400 * 86_400;

/// The value of a cookie. Of several with one name the first counts: browsers send the most specific path first
/// (RFC 6265 §5.4).
pub fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get_all(header::COOKIE).iter().find_map(|all| find(all, name))
}

/// The value of a cookie in one header.
pub fn find<'a>(all: &'a HeaderValue, name: &str) -> Option<&'a str> {
    let mut pairs = all.to_str().ok()?.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, value)| *found == name && !value.is_empty()).map(|(_, value)| value)
}

/// Sets the token cookies of a sign-in or refresh.
pub fn set_tokens(headers: &mut HeaderMap, tenant: &Tenant, tokens: &TokenPair) {
    push(headers, tenant, (ACCESS, &tokens.access), tokens.expires_in, shared_domain(tenant));
    push(headers, tenant, (REFRESH, &tokens.refresh), tokens.refresh_expires_in, None);
}

/// Sets the cookie of an unfinished sign-in, for as many seconds as it may take.
pub fn set_login(headers: &mut HeaderMap, tenant: &Tenant, token: &str, expires_in: i64) {
    push(headers, tenant, (LOGIN, token), expires_in, None);
}

/// Removes the cookie of an unfinished sign-in.
pub fn clear_login(headers: &mut HeaderMap, tenant: &Tenant) {
    push(headers, tenant, (LOGIN, ""), 0, None);
}

/// Sets the secret of a browser that signs in elsewhere, for as many seconds as that may take. `posted`: whether the browser is
/// sent back by a form, with which cookies go only if they may come from other sites; browsers want those over TLS.
pub fn set_oauth(headers: &mut HeaderMap, tenant: &Tenant, (secret, max_age): (&str, i64), posted: bool) {
    let mut own = HeaderMap::new();
    push(&mut own, tenant, (OAUTH, secret), max_age, None);
    for value in own.get_all(header::SET_COOKIE) {
        let text = value.to_str().unwrap_or_default();
        let text = match posted && text.contains("; Secure") {
            true => text.replace("SameSite=Lax", "SameSite=None"),
            false => text.to_owned(),
        };
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

/// Sets the device cookie.
pub fn set_device(headers: &mut HeaderMap, tenant: &Tenant, value: &str) {
    push(headers, tenant, (DEVICE, value), DEVICE_MAX_AGE, None);
}

/// Sets the cookie of a solved captcha, for as many seconds as it is good.
pub fn set_captcha(headers: &mut HeaderMap, tenant: &Tenant, proof: &str, expires_in: i64) {
    push(headers, tenant, (CAPTCHA, proof), expires_in, None);
}

/// Sets a cookie of the pages, for as many seconds; removes it for none.
pub fn set(headers: &mut HeaderMap, tenant: &Tenant, cookie: (&str, &str), max_age: i64) {
    push(headers, tenant, cookie, max_age, None);
}

/// Removes the token cookies, with the attributes they were set with.
pub fn clear_tokens(headers: &mut HeaderMap, tenant: &Tenant) {
    push(headers, tenant, (ACCESS, ""), 0, shared_domain(tenant));
    push(headers, tenant, (REFRESH, ""), 0, None);
}

/// The `Domain` of the access-token cookie: only on a host within it. Elsewhere browsers would refuse the cookie, and
/// the hosts of one tenant are none of another's business.
fn shared_domain(tenant: &Tenant) -> Option<&str> {
    let domain = tenant.scope.profile().settings.cookie_domain.as_deref()?;
    match &tenant.addressed {
        Addressed::Host(host) if is_within(host, domain) => Some(domain),
        _ => None,
    }
}

/// Whether a host is a domain or below it (RFC 6265 §5.1.3).
fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
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
    // An installation behind TLS that ends in front of an unlisted proxy is known by its issuer.
    if tenant.info.is_https || tenant.issuer().starts_with("https://") {
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
    fn a_host_is_within_a_domain_at_a_label_boundary_only() {
        for (host, domain, wanted) in [
            ("company-a.com", "company-a.com", true),
            ("app.company-a.com", "company-a.com", true),
            ("evilcompany-a.com", "company-a.com", false),
            ("com", "company-a.com", false),
            ("localhost", "company-a.com", false),
        ] {
            assert_eq!(is_within(host, domain), wanted, "{host} {domain}");
        }
    }

    #[test]
    fn the_first_cookie_of_a_name_counts() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; usso-access-token=x.y.z;b=2"));
        headers.append(header::COOKIE, HeaderValue::from_static("usso-access-token=other"));
        assert_eq!(get(&headers, ACCESS), Some("x.y.z"));
        assert_eq!(get(&headers, REFRESH), None);
    }
}
