//! How everybody sends requests.

use super::{Answer, HOST, TestApp};
use bytes::Bytes;
use futures_util::stream::pending;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use serde_json::Value;
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};

/// A request's body.
#[derive(Debug, Clone)]
pub enum Body {
    /// None, and no content type.
    Empty,
    /// JSON.
    Json(Value),
    /// Anything, of any type.
    Bytes(Option<String>, Vec<u8>),
    /// JSON that never arrives.
    Stalled,
}

impl From<Value> for Body {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::Empty
    }
}

impl From<(&str, &str)> for Body {
    /// A content type and a text.
    fn from((content_type, text): (&str, &str)) -> Self {
        Self::Bytes(Some(content_type.to_owned()), text.as_bytes().to_vec())
    }
}

/// What somebody's requests have in common.
#[derive(Clone)]
pub struct Template {
    /// The server.
    pub app: TestApp,
    /// The `Host` header.
    pub host: Option<String>,
    /// Where the connection comes from.
    pub peer: IpAddr,
    /// Whether it is encrypted.
    pub is_tls: bool,
    /// Further headers.
    pub headers: HeaderMap,
}

impl Template {
    /// Plain requests to the default tenant.
    pub fn new(app: &TestApp) -> Self {
        Self {
            app: app.clone(),
            host: Some(HOST.to_owned()),
            peer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            is_tls: false,
            headers: HeaderMap::new(),
        }
    }
}

/// Somebody who sends requests.
pub trait Requests: Clone + Send + Sync {
    /// What the requests have in common.
    fn template(&self) -> &Template;

    /// The same, to change it.
    fn template_mut(&mut self) -> &mut Template;

    /// Last changes to a request's headers.
    fn prepare(&self, _path: &str, _headers: &mut HeaderMap) {}

    /// What to learn from an answer.
    fn learn(&self, _answer: &Answer) {}

    /// The same person with a header, in place of others of that name.
    #[must_use]
    fn with_header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).expect("a header name");
        self.template_mut().headers.insert(name, HeaderValue::try_from(value).expect("a header value"));
        self
    }

    /// The same person with one more header of that name.
    #[must_use]
    fn with_another_header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).expect("a header name");
        self.template_mut().headers.append(name, HeaderValue::try_from(value).expect("a header value"));
        self
    }

    /// The same person without a header.
    #[must_use]
    fn without_header(mut self, name: &str) -> Self {
        self.template_mut().headers.remove(name);
        self
    }

    /// The same person with a bearer token.
    #[must_use]
    fn with_token(self, token: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {token}"))
    }

    /// The same person asking another host.
    #[must_use]
    fn on_host(mut self, host: &str) -> Self {
        self.template_mut().host = Some(host.to_owned());
        self
    }

    /// The same person at another address.
    #[must_use]
    #[expect(clippy::wrong_self_convention, reason = "where from, not made from")]
    fn from_ip(mut self, ip: &str) -> Self {
        self.template_mut().peer = ip.parse().expect("an address");
        self
    }

    /// The same person over TLS.
    #[must_use]
    fn over_tls(mut self) -> Self {
        self.template_mut().is_tls = true;
        self
    }

    /// The same person talking to another instance.
    #[must_use]
    fn at(mut self, app: &TestApp) -> Self {
        self.template_mut().app = app.clone();
        self
    }

    /// GET.
    fn get(&self, path: &str) -> impl Future<Output = Answer> + Send {
        self.send("GET", path, ())
    }

    /// POST.
    fn post(&self, path: &str, body: impl Into<Body>) -> impl Future<Output = Answer> + Send {
        self.send("POST", path, body)
    }

    /// POST of a form, as a page's button does.
    fn form(&self, path: &str, fields: &[(&str, &str)]) -> impl Future<Output = Answer> + Send {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let kind = Some("application/x-www-form-urlencoded".to_owned());
        self.send("POST", path, Body::Bytes(kind, body.into_bytes()))
    }

    /// PATCH.
    fn patch(&self, path: &str, body: impl Into<Body>) -> impl Future<Output = Answer> + Send {
        self.send("PATCH", path, body)
    }

    /// DELETE.
    fn delete(&self, path: &str) -> impl Future<Output = Answer> + Send {
        self.send("DELETE", path, ())
    }

    /// Any request.
    fn send(&self, method: &str, path: &str, body: impl Into<Body>) -> impl Future<Output = Answer> + Send {
        let template = self.template();
        let target = target(path);
        let mut headers = template.headers.clone();
        if let Some(host) = &template.host {
            headers.insert("host", HeaderValue::try_from(host.as_str()).expect("a host"));
        }
        let json = || Some("application/json".to_owned());
        let (content_type, body) = match body.into() {
            Body::Empty => (None, axum::body::Body::empty()),
            Body::Json(value) => (json(), value.to_string().into()),
            Body::Bytes(content_type, bytes) => (content_type, bytes.into()),
            Body::Stalled => (json(), axum::body::Body::from_stream(pending::<Result<Bytes, Infallible>>())),
        };
        if let Some(content_type) = content_type {
            headers.insert("content-type", HeaderValue::try_from(content_type).expect("a content type"));
        }
        self.prepare(target.split('?').next().unwrap_or_default(), &mut headers);
        let mut request = Request::new(body);
        *request.method_mut() = Method::from_bytes(method.as_bytes()).expect("a method");
        *request.uri_mut() = target.parse().expect("a target");
        *request.headers_mut() = headers;
        let (edge, other_end) = (template.app.edge.clone(), (template.peer, template.is_tls));
        let asked = format!("{method} {target}");
        async move {
            let answer = Answer::read(asked, edge.handle(request, other_end).await).await;
            answer.check_house_rules(method == "HEAD");
            self.learn(&answer);
            answer
        }
    }
}

/// A path of the contract as a request target.
fn target(path: &str) -> String {
    match path.strip_prefix("ROOT/") {
        Some(rest) => format!("/{rest}"),
        None if path.starts_with("/api/sso/v1") => path.to_owned(),
        None => format!("/api/sso/v1{path}"),
    }
}
