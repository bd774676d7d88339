//! Sending browsers on: to pages of the tenant's front end, and to addresses that were checked.

use crate::http::Tenant;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// A page of the tenant's front end, by its name in `frontend_urls`. What an administrator has set may lie anywhere.
pub fn front_end(tenant: &Tenant, names: [&str; 2], usual: &str) -> String {
    let pages = &tenant.scope.profile().tenant.frontend_urls;
    let set = names.iter().find_map(|name| pages.get(*name)?.as_str());
    set.unwrap_or(usual).to_owned()
}

/// The address of such a page as a browser is sent there: what lies on this host lies below the tenant's path.
pub fn front_end_here(tenant: &Tenant, names: [&str; 2], usual: &str) -> String {
    let page = front_end(tenant, names, usual);
    match tenant.cookie_path().as_str() {
        prefix if prefix != "/" && page.starts_with('/') => format!("{prefix}{page}"),
        _ => page,
    }
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

/// Whether a browser asks, which shows pages.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("text/html")
}
