//! The API's own documentation: the OpenAPI document and two viewers, all served from the binary, nothing fetched from
//! elsewhere.

use crate::http::{ApiError, AppState};
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};

/// Styles are set by the viewers' scripts, so inline styles are allowed here; scripts only from here.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                   font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SWAGGER: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>USSO API</title>
<link rel="stylesheet" href="docs/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body></html>"#;

const SWAGGER_START: &str = r##"SwaggerUIBundle({ url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });"##;

const REFERENCE: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>USSO API reference</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><div id="app"></div>
<script src="redoc/scalar.js"></script><script src="redoc/start.js"></script></body></html>"#;

const REFERENCE_START: &str = r##"Scalar.createApiReference("#app", { url: "openapi.json", withDefaultFonts: false, telemetry: false, agent: { disabled: true } });"##;

/// The routes below the API's root; they are not part of the API they describe.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/docs", get(|| async { page("text/html; charset=utf-8", SWAGGER.into()) }))
        .route("/docs/{file}", get(swagger_file))
        .route("/redoc", get(|| async { page("text/html; charset=utf-8", REFERENCE.into()) }))
        .route("/redoc/{file}", get(reference_file))
        .route("/openapi.json", get(openapi))
}

fn page(mime: &'static str, body: Bytes) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(mime)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    ];
    (headers, body).into_response()
}

async fn openapi(State(state): State<AppState>) -> Response {
    page("application/json", state.openapi.get().cloned().unwrap_or_default())
}

async fn swagger_file(Path(file): Path<String>) -> Result<Response, ApiError> {
    let mime = match file.as_str() {
        "start.js" => return Ok(page("text/javascript", SWAGGER_START.into())),
        "swagger-ui-bundle.js" => "text/javascript",
        "swagger-ui.css" => "text/css",
        _ => return Err(ApiError::not_found()),
    };
    let config = std::sync::Arc::new(utoipa_swagger_ui::Config::from("openapi.json"));
    match utoipa_swagger_ui::serve(&file, config) {
        Ok(Some(found)) => Ok(page(mime, found.bytes.into_owned().into())),
        _ => Err(ApiError::not_found()),
    }
}

async fn reference_file(Path(file): Path<String>) -> Result<Response, ApiError> {
    match file.as_str() {
        "start.js" => Ok(page("text/javascript", REFERENCE_START.into())),
        "scalar.js" => {
            let script = scalar_api_reference::get_asset("scalar.js").ok_or_else(ApiError::not_found)?;
            Ok(page("text/javascript", script.into()))
        }
        _ => Err(ApiError::not_found()),
    }
}
