//! What pages are dressed in: files of this binary, at addresses that change with their content, and the tenant's own style.

use super::brand;
use crate::http::{ApiError, Tenant};
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::sync::LazyLock;

/// For a year, without asking again: another content has another address.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// A file in the binary.
struct Asset {
    name: &'static str,
    extension: &'static str,
    mime: &'static str,
    content: &'static str,
}

static ASSETS: [Asset; 5] = [
    Asset {
        name: "style",
        extension: "css",
        mime: "text/css; charset=utf-8",
        content: include_str!("../../static/style.css"),
    },
    script("passkey", include_str!("../../static/passkey.js")),
    script("qr", include_str!("../../static/qr.js")),
    script("captcha", include_str!("../../static/captcha.js")),
    script("telegram", include_str!("../../static/telegram.js")),
];

const fn script(name: &'static str, content: &'static str) -> Asset {
    Asset { name, extension: "js", mime: "text/javascript; charset=utf-8", content }
}

/// The files' names, with the beginning of their digests.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let named = |asset: &Asset| {
        let [a, b, c, d, e, f, ..] = protocol::sha256(asset.content.as_bytes());
        let digest = [a, b, c, d, e, f].map(|byte| format!("{byte:02x}")).concat();
        format!("{}-{digest}.{}", asset.name, asset.extension)
    };
    ASSETS.iter().map(named).collect()
});

/// The address of a file, `style` or `passkey`.
pub fn address(name: &str) -> String {
    let found = ASSETS.iter().zip(NAMES.iter()).find(|(asset, _)| asset.name == name);
    found.map(|(_, file)| format!("/static/{file}")).unwrap_or_default()
}

/// A file.
pub async fn file(Path(file): Path<String>) -> Result<Response, ApiError> {
    let found = ASSETS.iter().zip(NAMES.iter()).find(|(_, name)| **name == file);
    let (asset, _) = found.ok_or_else(ApiError::not_found)?;
    Ok(answer(asset.mime, asset.content.to_owned(), HeaderMap::new()))
}

/// The tenant's style.
pub async fn tenant_style(tenant: Tenant) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::VARY, HeaderValue::from_static("Host, X-Tenant-ID"));
    answer("text/css; charset=utf-8", brand::style(&tenant), headers)
}

fn answer(mime: &'static str, content: String, mut headers: HeaderMap) -> Response {
    let pairs: [(HeaderName, &'static str); 2] =
        [(header::CONTENT_TYPE, mime), (header::CACHE_CONTROL, FOR_EVER)];
    for (name, value) in pairs {
        headers.insert(name, HeaderValue::from_static(value));
    }
    (headers, content).into_response()
}
