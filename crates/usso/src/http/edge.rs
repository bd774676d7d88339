//! The edge: one pass over every request and its answer.

use crate::http::request_info::SharedInfo;
use crate::http::tenant::select;
use crate::http::{ApiError, AppState, RequestInfo, client_ip, cors, denied, dpop, oauth, visit};
use crate::tenant::{Selection, SelectionError, keys};
use crate::web;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use kernel::{ProblemKind, StorageError};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tower::Service;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TENANT_ID: HeaderName = HeaderName::from_static("x-tenant-id");

/// Links that change something although their method is safe.
const CHANGING_LINKS: [&str; 6] = [
    "/api/sso/v1/auth/logout",
    "/api/sso/v1/auth/refresh",
    "/api/sso/v1/oauth/authorize",
    "/oauth/authorize",
    "/api/sso/v1/oauth/logout",
    "/oauth/logout",
];

/// Where anybody may post …
const SIGN_IN: &str = "/api/sso/v1/auth/";
/// … and how much, in bytes: strangers get no large buffers.
const SIGN_IN_BODY: usize = 64 * 1024;

/// The front door of an instance.
#[derive(Clone)]
pub struct Edge {
    router: Router,
    state: AppState,
}

impl Edge {
    /// A door to these routes.
    pub fn new(router: Router, state: AppState) -> Self {
        Self { router, state }
    }

    /// The services behind the door.
    pub fn state(&self) -> &AppState {
        &self.state
    }

    /// Answers a request from a peer. Never fails: a panic of a handler is a 500.
    pub async fn handle(&self, request: Request, (peer, is_tls): (IpAddr, bool)) -> Response {
        let (mut parts, body) = request.into_parts();
        let path_tenant = rewrite(&mut parts.uri);
        let visited = visit::take(&mut parts.uri);
        let info = self.info(&parts, path_tenant, (peer, is_tls));
        let (method, target) = (parts.method.clone(), parts.uri.path_and_query().cloned());
        let path = target.as_ref().map_or("/", PathAndQuery::path);
        let origin = parts.headers.get(header::ORIGIN).cloned();
        let reader = web::Reader::of(&parts);

        let mut cross_origin = None;
        if let Some(origin) = origin.filter(|_| !oauth::is_authorize(path)) {
            let chosen = if cors::is_public(path) { None } else { Some(select(&self.state, &info).await) };
            let tenant = match chosen {
                // Asking again further in would only take as long again.
                Some(Err(SelectionError::Storage(error))) => return self.unavailable(&error, &info),
                chosen => chosen.and_then(Result::ok),
            };
            let allowed =
                tenant.as_ref().is_some_and(|t| origin.to_str().is_ok_and(|o| cors::is_allowed(t, o)));
            tenant.map(|t| parts.extensions.insert(t));
            cross_origin = Some((origin, allowed));
        }
        let mut response = match &cross_origin {
            Some((_, allowed)) if cors::is_preflight(&method, &parts.headers) => preflight(path, *allowed),
            _ => self.answer((parts, body), &info, visited).await,
        };
        if let Some(error) = response.extensions_mut().remove::<ApiError>() {
            let allow = response.headers_mut().remove(header::ALLOW);
            let error = if oauth::is_endpoint(path) { error.for_clients() } else { error };
            // Clients of the standards read JSON, whatever else they accept.
            let is_for_clients = oauth::is_endpoint(path) && !oauth::is_for_browsers(path);
            response = match &reader {
                Some(reader) if !is_for_clients => web::render(&self.state, &info, reader, error).await,
                _ => error.render(info.id()),
            };
            allow.map(|value| response.headers_mut().insert(header::ALLOW, value));
        }
        if let Some((origin, allowed)) = &cross_origin {
            cors::answer(response.headers_mut(), path, origin, *allowed);
        }
        self.log(&info, &method, path, response.status());
        finish(response.headers_mut(), info.id.header());
        response
    }

    fn unavailable(&self, error: &StorageError, info: &SharedInfo) -> Response {
        let mut response = crate::http::error::storage(error).render(info.id());
        finish(response.headers_mut(), info.id.header());
        response
    }

    async fn answer(
        &self,
        (mut parts, body): (Parts, Body),
        info: &SharedInfo,
        visited: Option<String>,
    ) -> Response {
        if parts.method == Method::GET && parts.uri.path() == keys::routes::PATH {
            let answer = AssertUnwindSafe(keys::routes::key_set(&self.state, info, &parts)).catch_unwind();
            return answer.await.map_or_else(|_| internal(), IntoResponse::into_response);
        }
        parts.extensions.insert(info.clone());
        let request = (parts.method.clone(), parts.uri.path_and_query().cloned());
        let call = match visited {
            None => None,
            Some(id) => match visit::enter(&mut parts, &self.state, &id).await {
                Ok(call) => Some(call),
                Err(error) => return denied::note(info, request, error.into_response()).await,
            },
        };
        let is_change =
            call.is_some() || !parts.method.is_safe() || CHANGING_LINKS.contains(&parts.uri.path());
        let answer =
            AssertUnwindSafe(self.router.clone().call(Request::from_parts(parts, body))).catch_unwind();
        let info = info.clone();
        let answer = async move {
            let response = match answer.await {
                Ok(Ok(response)) => unrouted(response),
                Ok(Err(never)) => match never {},
                Err(_) => internal(),
            };
            match call {
                Some(call) => call.answered(response).await,
                None => denied::note(&info, request, response).await,
            }
        };
        if is_change {
            // A client that hangs up must not stop a change half-way: what was committed must also be forgotten by the
            // caches, counted and answered for. A task goes on when nobody waits for it.
            tokio::spawn(answer).await.unwrap_or_else(|_| internal())
        } else {
            answer.await
        }
    }

    fn info(&self, parts: &Parts, path: Option<String>, (peer, is_tls): (IpAddr, bool)) -> SharedInfo {
        let headers = &parts.headers;
        let config = &self.state.http;
        let path_asked = parts.uri.path();
        let is_public = path_asked.starts_with(SIGN_IN)
            || !path_asked.starts_with("/api/")
            || oauth::is_public(path_asked);
        let from = client_ip::resolve(peer, is_tls, headers, &self.state.http.trusted_proxies);
        let mut named = headers.get_all(TENANT_ID).iter();
        let header = named.next().map(|v| v.to_str().unwrap_or_default().to_owned());
        Arc::new(RequestInfo {
            id: self.state.next_request_id(),
            ip: from.ip,
            is_https: from.is_https,
            user_agent: headers.get(header::USER_AGENT).cloned(),
            cookies: headers.get(header::COOKIE).cloned(),
            body_limit: if is_public { config.body_limit.min(SIGN_IN_BODY) } else { config.body_limit },
            selection: Selection { header, path, host: from.host },
            // Two hosts are as ambiguous as two ids (RFC 9112 §3.2): another hop may have read the other one.
            is_ambiguous: named.next().is_some() || headers.get_all(header::HOST).iter().nth(1).is_some(),
            proof: dpop::presented(parts),
            is_visit: false,
            asker: std::sync::OnceLock::new(),
        })
    }

    /// One line a request: always when it failed, when asked for otherwise.
    fn log(&self, info: &RequestInfo, method: &Method, path: &str, status: StatusCode) {
        let (request_id, ip, status_code) = (info.id(), info.ip, status.as_u16());
        let path = without_token(path);
        if status.is_server_error() {
            tracing::warn!(request_id, %method, path, status = status_code, %ip, "request");
        } else if self.state.http.access_log {
            tracing::info!(request_id, %method, path, status = status_code, %ip, "request");
        } else {
            tracing::debug!(request_id, %method, path, status = status_code, %ip, "request");
        }
    }
}

/// Of a path that may hold the token of an invitation only what comes before it.
pub(super) fn without_token(path: &str) -> &str {
    const INVITATIONS: &str = "/invitations/";
    path.split_once(INVITATIONS)
        .map_or(path, |(before, _)| path.get(..before.len() + INVITATIONS.len()).unwrap_or(""))
}

/// Takes `/t/{tenant_id}` off the path (ruling D16) and a trailing slash, so that neither needs routes of its own; a
/// redirect would lose the body of a POST in some clients.
pub(super) fn rewrite(uri: &mut Uri) -> Option<String> {
    let path = uri.path();
    if let Some((document, tenant)) = inserted(path) {
        let (tenant, path) = (tenant.to_owned(), document.to_owned());
        replace_path(uri, &path);
        return Some(tenant);
    }
    let (tenant, rest) = match path.strip_prefix("/t/") {
        Some(after) => {
            let (id, rest) = after.split_once('/').unwrap_or((after, ""));
            (Some(id.replace("%5F", "_").replace("%5f", "_")), format!("/{rest}"))
        }
        None if path.len() > 1 && path.ends_with('/') => (None, path.to_owned()),
        None => return None,
    };
    let trimmed = rest.trim_end_matches('/');
    replace_path(uri, if trimmed.is_empty() { "/" } else { trimmed });
    tenant
}

/// A well-known document of an issuer with a path, which stands between the two (RFC 8414 section 3.1, RFC 8615
/// section 3): `/.well-known/{document}/t/{tenant_id}`.
fn inserted(path: &str) -> Option<(&str, &str)> {
    const DOCUMENTS: [&str; 2] =
        ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
    let document = DOCUMENTS.into_iter().find(|document| path.starts_with(document))?;
    let tenant = path.strip_prefix(document)?.strip_prefix("/t/")?.trim_end_matches('/');
    (!tenant.is_empty() && !tenant.contains('/')).then_some((document, tenant))
}

fn replace_path(uri: &mut Uri, path: &str) {
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = PathAndQuery::try_from(target).ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

/// What a panic answers.
fn internal() -> Response {
    ApiError::new(ProblemKind::Internal, "INTERNAL_ERROR", "Internal error").into_response()
}

fn preflight(path: &str, allowed: bool) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    cors::preflight(response.headers_mut(), path, allowed);
    response
}

/// The router's own bare 404 and 405 get the envelope like every other error.
fn unrouted(response: Response) -> Response {
    if !response.status().is_client_error() || response.extensions().get::<ApiError>().is_some() {
        return response;
    }
    let is_bare = !response.headers().contains_key(header::CONTENT_TYPE);
    match response.status() {
        StatusCode::NOT_FOUND if is_bare => ApiError::not_found().into_response(),
        // The router's own word about a path that isn't UTF-8 when decoded: no id is like that.
        StatusCode::BAD_REQUEST if is_text(&response) => ApiError::not_found().into_response(),
        StatusCode::METHOD_NOT_ALLOWED if is_bare => {
            let detail = "This method is not allowed here";
            let mut error =
                ApiError::new(ProblemKind::MethodNotAllowed, "METHOD_NOT_ALLOWED", detail).into_response();
            if let Some(allow) = response.headers().get(header::ALLOW) {
                error.headers_mut().insert(header::ALLOW, allow.clone());
            }
            error
        }
        _ => response,
    }
}

fn is_text(response: &Response) -> bool {
    let mime = response.headers().get(header::CONTENT_TYPE);
    mime.is_some_and(|mime| mime.as_bytes().starts_with(b"text/plain"))
}

/// What every answer carries, unless the handler said otherwise.
fn finish(headers: &mut HeaderMap, request_id: HeaderValue) {
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // JSON can be neither framed to any use nor does it link anywhere: these are for pages.
    if headers.get(header::CONTENT_TYPE).is_none_or(|mime| mime != "application/json") {
        let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
        headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
        headers.entry(header::X_FRAME_OPTIONS).or_insert(HeaderValue::from_static("DENY"));
    }
    headers.insert(REQUEST_ID, request_id);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(path: &str) -> (String, Option<String>) {
        let mut uri: Uri = path.parse().unwrap_or_default();
        let tenant = rewrite(&mut uri);
        (uri.to_string(), tenant)
    }

    #[test]
    fn the_tenant_prefix_is_an_alias_of_the_root() {
        assert_eq!(rewritten("/t/org_a/api/sso/v1/me"), ("/api/sso/v1/me".into(), Some("org_a".into())));
        assert_eq!(rewritten("/t/org_a"), ("/".into(), Some("org_a".into())));
        assert_eq!(rewritten("/t/org_a/x/?q=1"), ("/x?q=1".into(), Some("org_a".into())));
    }

    #[test]
    fn a_well_known_document_may_stand_before_the_tenants_prefix() {
        let wanted = ("/.well-known/oauth-authorization-server".into(), Some("org_a".into()));
        assert_eq!(rewritten("/.well-known/oauth-authorization-server/t/org_a"), wanted);
        let other = "/.well-known/oauth-authorization-server/t/";
        assert_eq!(rewritten(other).1, None);
        assert_eq!(rewritten("/.well-known/jwks.json/t/org_a").1, None);
    }

    #[test]
    fn a_trailing_slash_is_tolerated() {
        assert_eq!(rewritten("/api/sso/v1/me/"), ("/api/sso/v1/me".into(), None));
        assert_eq!(rewritten("/"), ("/".into(), None));
        assert_eq!(rewritten("/a?b=/"), ("/a?b=/".into(), None));
    }
}
