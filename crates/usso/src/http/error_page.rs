//! An error for a person in front of a browser: a sentence that stays the same, and the request's id for whoever helps.

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

/// What the page may do: show itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// The page.
pub fn render(status: StatusCode, (code, detail): (&str, &str), request_id: &str) -> Response {
    let (detail, code) = (escape(detail), escape(code));
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">\
         <title>This request can't be answered</title><style>body{{font-family:system-ui,Tahoma,sans-serif;display:grid;\
         place-items:center;min-height:100vh;margin:0;color-scheme:light dark}}main{{max-width:32rem;padding:2rem}}\
         code{{font-size:.85em}}</style></head><body><main><h1>This request can't be answered</h1><p role=\"alert\">{detail}</p>\
         <p>Go back to the application and try again. If that doesn't help, tell its makers: <code>{code}</code>, \
         <code>{request_id}</code>.</p></main></body></html>"
    );
    let mut response = (status, Html(page)).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// A text inside HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
