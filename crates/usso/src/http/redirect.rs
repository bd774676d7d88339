//! Where browsers may be sent: pages of the tenant, and nothing else.

use crate::http::{Tenant, csrf};
use crate::tenant::domain::normalise_host;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// The address, if it is a path of this host or a page on one of the tenant's domains. Browsers read backslashes as
/// slashes and skip control characters, so nothing but plain visible ASCII passes.
pub fn own_page(tenant: &Tenant, target: &str) -> Option<HeaderValue> {
    let is_plain = target.len() <= 2_048 && target.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let is_path = target.starts_with('/') && !target.starts_with("//");
    if is_plain && (is_path || is_own_site(tenant, target)) {
        HeaderValue::from_str(target).ok()
    } else {
        None
    }
}

/// Whether a web address lies on one of the tenant's hosts, on whatever port.
fn is_own_site(tenant: &Tenant, url: &str) -> bool {
    let Some(origin) = csrf::origin_of(url) else { return false };
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let host = normalise_host(authority);
    matches!(scheme, "http" | "https") && host.is_ok_and(|h| tenant.scope.profile().issuers.is_own_host(&h))
}

/// A page of the tenant's front end, by its name in `frontend_urls`. What an administrator has set may lie anywhere.
pub fn front_end(tenant: &Tenant, names: [&str; 2], usual: &str) -> String {
    let pages = &tenant.scope.profile().tenant.frontend_urls;
    let set = names.iter().find_map(|name| pages.get(*name)?.as_str());
    set.unwrap_or(usual).to_owned()
}

/// An address with one more parameter.
pub fn with_param(url: &str, (name, value): (&str, &str)) -> String {
    let (page, fragment) = url.split_once('#').map_or((url, None), |(page, fragment)| (page, Some(fragment)));
    let joint = if page.contains('?') { '&' } else { '?' };
    let pair = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    format!("{page}{joint}{pair}{fragment}")
}

/// 302 to an address.
pub fn found(target: &str, headers: HeaderMap) -> Response {
    let mut response = (StatusCode::FOUND, headers).into_response();
    let target = HeaderValue::from_str(target).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, target);
    response
}

/// Whether an answer is to be JSON and not a page: who asks says so.
pub fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("application/json")
}
