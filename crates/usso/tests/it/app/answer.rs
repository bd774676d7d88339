//! Answers, and what every answer must have.

use axum::response::Response;
use http::HeaderMap;
use http_body_util::BodyExt;
use serde_json::Value;
use std::ops::Index;

/// An answer. Reading a member that isn't there gives null: `answer["user"]["id"]`.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Method and target of the request.
    pub asked: String,
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, byte by byte.
    pub body: Vec<u8>,
    /// The body as JSON, or null.
    pub json: Value,
}

impl Answer {
    /// Reads a response to its end.
    pub async fn read(asked: String, response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("the body").to_bytes().to_vec();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Self { asked, status: parts.status.as_u16(), headers: parts.headers, body, json }
    }

    /// Insists on a status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} answered {}", self.asked, self.text());
        self
    }

    /// Insists on a status, and on nothing else.
    #[track_caller]
    pub fn is(&self, status: u16) {
        assert_eq!(self.status, status, "{} answered {}", self.asked, self.text());
    }

    /// Insists on an error: its status and its code.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{} answered {}", self.asked, self.text());
    }

    /// The code of an error, or nothing.
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A member that must be a text.
    #[track_caller]
    pub fn str(&self, name: &str) -> &str {
        self.json[name]
            .as_str()
            .unwrap_or_else(|| panic!("{} has no text {name}: {}", self.asked, self.text()))
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The cookies it sets.
    pub fn cookies(&self) -> Vec<SetCookie> {
        self.headers
            .get_all("set-cookie")
            .iter()
            .map(|v| SetCookie::parse(v.to_str().expect("ASCII")))
            .collect()
    }

    /// A cookie it sets.
    #[track_caller]
    pub fn cookie(&self, name: &str) -> SetCookie {
        let found = self.cookies().into_iter().find(|cookie| cookie.name == name);
        found.unwrap_or_else(|| panic!("{} sets no cookie {name}", self.asked))
    }

    /// The items of a list.
    #[track_caller]
    pub fn items(&self) -> &[Value] {
        self.json["items"].as_array().unwrap_or_else(|| panic!("{} is no list: {}", self.asked, self.text()))
    }

    /// Any other status than this.
    #[track_caller]
    pub fn is_not(&self, status: u16) {
        assert_ne!(self.status, status, "{} answered {}", self.asked, self.text());
    }

    /// What every answer must have, and every error (contract 1.7).
    #[track_caller]
    pub fn check_house_rules(&self, is_head: bool) {
        let context = format!("{} answered {} {:?}", self.asked, self.status, self.headers);
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "{context}");
        // JSON is neither framed nor does it link anywhere; everything else says that it must not be.
        if self.header("content-type") != Some("application/json") {
            let csp = self.header("content-security-policy").unwrap_or_default();
            assert!(
                csp.contains("frame-ancestors 'none'") && csp.contains("default-src 'none'"),
                "{context}"
            );
            // A page with a form says where it is from, to its own server only: else the form comes from nowhere.
            let policy = self.header("referrer-policy");
            assert!(matches!(policy, Some("no-referrer" | "same-origin")), "{context}");
            assert_eq!(self.header("x-frame-options"), Some("DENY"), "{context}");
        }
        assert!(self.header("cache-control").is_some(), "{context}");
        let request_id = self.header("x-request-id").unwrap_or_else(|| panic!("{context}"));
        assert!(request_id.starts_with("req_"), "{context}");
        // Probes answer a state, also a bad one.
        if self.status >= 400 && !is_head && !self.asked.contains("/health") {
            let is_page = self.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
            match is_page {
                true => self.check_page(&context, request_id),
                false => self.check_envelope(&context, request_id),
            }
        }
    }

    /// What a page says that is an error, or a form with something wrong.
    #[track_caller]
    fn check_page(&self, context: &str, request_id: &str) {
        let text = self.text();
        assert!(text.contains("role=\"alert\""), "{context} {text}");
        if text.contains("id=\"error-code\"") {
            assert!(text.contains(request_id), "{context} {text}");
        }
        if self.status == 429 {
            assert!(self.header("retry-after").is_some(), "{context}");
        }
    }

    #[track_caller]
    fn check_envelope(&self, context: &str, request_id: &str) {
        let context = format!("{context} {}", self.text());
        if self.header("content-type").is_some_and(|mime| mime.starts_with("text/html")) {
            // A page for a person: it names the request, and a code for whoever helps.
            let page = self.text();
            let is_listed = |(code, ..): &(&str, u16, &str)| page.contains(&format!("<code>{code}</code>"));
            assert!(page.contains(request_id) && usso::http::error::CODES.iter().any(is_listed), "{context}");
            return;
        }
        let text = |name: &str| {
            self.json[name].as_str().unwrap_or_else(|| panic!("no {name}: {context}")).to_owned()
        };
        let reason = http::StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason());
        match self.json["error_description"].as_str() {
            // An endpoint of OAuth: one of its codes, and plain text (RFC 6749 section 5.2).
            Some(description) => {
                let is_code = |c: char| c.is_ascii_lowercase() || c == '_';
                assert!(text("error").chars().all(is_code), "{context}");
                let is_plain = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
                assert!(description.chars().all(is_plain), "{context}");
            }
            None => assert_eq!(Some(text("error").as_str()), reason, "{context}"),
        }
        assert_eq!(text("error_code"), text("code").to_ascii_lowercase(), "{context}");
        assert!(
            usso::http::error::CODES.iter().any(|(code, ..)| *code == text("code")),
            "unlisted code: {context}"
        );
        assert!(!text("detail").is_empty(), "{context}");
        assert_eq!(self.json["message"]["en"], self.json["detail"], "{context}");
        assert_eq!(text("request_id"), request_id, "{context}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{context}");
        if self.status == 401 {
            let challenge = self.header("www-authenticate").unwrap_or_default();
            let scheme = match text("code").as_str() {
                "INVALID_CLIENT" => "Basic",
                "INVALID_DPOP_PROOF" => "DPoP",
                _ => "Bearer",
            };
            assert!(challenge.starts_with(&format!("{scheme} realm=\"usso\"")), "{context}");
        }
        if matches!(self.status, 429 | 503) {
            let seconds = self.header("retry-after").and_then(|v| v.parse::<u64>().ok());
            assert!(seconds.is_some_and(|s| s > 0), "{context}");
        }
    }
}

impl Index<&str> for Answer {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        &self.json[name]
    }
}

/// A cookie that an answer sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetCookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Its attributes as sent, in order: `Path=/`, `HttpOnly` …
    pub attributes: Vec<String>,
}

impl SetCookie {
    fn parse(text: &str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a name and a value");
        Self { name: name.into(), value: value.into(), attributes: parts.map(str::to_owned).collect() }
    }

    /// The value of an attribute; empty for one without.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find_map(|attribute| {
            let (own, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            own.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}
