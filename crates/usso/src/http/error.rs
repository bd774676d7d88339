//! Problems as JSON (contract 1.7).
//!
//! A handler answers `Err(ApiError)`; the error travels in the response's extensions and the edge renders it, because
//! only there the request id is known. Internal problems hide their text and are logged with that id.

use crate::http::oauth;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use kernel::problem::FieldError;
use kernel::{Problem, ProblemKind, StorageError};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Every code the API answers with, its usual status and what it means. Generates `docs/errors.md`.
pub const CODES: &[(&str, u16, &str)] = &[
    ("ACCOUNT_INACTIVE", 403, "The secret was right, but the account may not sign in."),
    (
        "AGENT_INVALID",
        401,
        "Not signed by an agent of this tenant that may sign in, or outdated, or used before; which is not told.",
    ),
    (
        "API_KEY_INVALID",
        401,
        "Not an API key of this tenant that may be used; which check failed is not told.",
    ),
    (
        "CAPTCHA_INVALID",
        400,
        "Not the solution of a captcha of this tenant, or used before; the detail says why.",
    ),
    ("CAPTCHA_REQUIRED", 403, "Solve a captcha and send its proof along."),
    (
        "CONFLICT",
        409,
        "The object clashes with an existing one, or an equal request is still being worked on.",
    ),
    (
        "DOMAIN_NOT_VERIFIED",
        409,
        "What proves that a domain is the tenant's was not found where it should be.",
    ),
    (
        "FORM_EXPIRED",
        403,
        "A form of the hosted pages that is not from this browser, or too old: open the page again.",
    ),
    (
        "INVALID_DPOP_PROOF",
        401,
        "The proof that a token's key is the sender's is missing, wrong, outdated or was used before; the detail says why.",
    ),
    ("GONE", 410, "Used up or expired."),
    ("HOOK_DENIED", 403, "A validator of the tenant says no; the detail is what it says."),
    (
        "HOOK_UNAVAILABLE",
        503,
        "A validator of the tenant does not answer, and the tenant lets nobody through without it.",
    ),
    ("IDEMPOTENCY_KEY_REUSED", 409, "The Idempotency-Key was used for a different request."),
    ("IDENTIFIER_EXISTS", 409, "Somebody has this identifier."),
    ("INTERNAL_ERROR", 500, "A defect; the request id finds it in the log."),
    ("INVALID_CREDENTIALS", 401, "Wrong identifier or secret; which of them is not told."),
    ("INVALID_IDENTIFIER", 400, "Not an e-mail address, phone number or user name."),
    ("INVALID_SCOPE", 400, "Not a scope, or one with characters new scopes may not have."),
    ("METHOD_NOT_ALLOWED", 405, "The path exists, the method does not."),
    ("METHOD_NOT_AVAILABLE", 400, "This way to sign in is not open here."),
    ("NOT_AUTHENTICATED", 401, "No credential was presented."),
    ("NOT_FOUND", 404, "No such thing here, or it is not yours to know of."),
    ("ORIGIN_NOT_ALLOWED", 403, "A request that relies on cookies came from a page of another origin."),
    (
        "PASSKEY_INVALID",
        400,
        "What the authenticator answered makes no passkey; the detail says why. Ask for new options.",
    ),
    ("PAYLOAD_TOO_LARGE", 413, "The body is larger than allowed."),
    ("PERMISSION_DENIED", 403, "The credential is valid but may not do this."),
    ("DELIVERY_UNAVAILABLE", 503, "No way to send messages over this channel is configured."),
    ("LINK_INVALID", 401, "The link was used before, is too old, or was never one of this tenant."),
    (
        "MFA_REQUIRED",
        401,
        "A second factor is needed: sign in again; or, with 403, the account has none and can't get one this way.",
    ),
    ("PRECONDITION_FAILED", 412, "The object was changed since it was read."),
    (
        "PROVIDER_MISCONFIGURED",
        409,
        "The settings of a provider people sign in with don't suffice; the detail says what is missing.",
    ),
    (
        "PROVIDER_REFUSED",
        401,
        "A provider people sign in with said no, or its answer did not stand up to the checks.",
    ),
    (
        "PROVIDER_UNAVAILABLE",
        503,
        "A provider people sign in with does not answer; other ways to sign in work.",
    ),
    ("RATE_LIMITED", 429, "Too many failed attempts; Retry-After tells when to try again."),
    ("RECENT_SIGN_IN_REQUIRED", 403, "This needs a session that was begun lately: sign in again."),
    (
        "REFERRAL_INVALID",
        400,
        "The referral code is unknown, switched off, expired or used up; which is not told.",
    ),
    ("REFRESH_TOKEN_REUSED", 401, "The refresh token was left behind long ago; its session has been ended."),
    ("REGISTRATION_DISABLED", 403, "People do not register themselves here."),
    ("REQUEST_TIMEOUT", 408, "The body did not arrive in time."),
    ("SCOPE_NOT_DELEGABLE", 403, "Nobody can grant a scope they do not hold."),
    ("SERVICE_UNAVAILABLE", 503, "Overloaded or a dependency is away; Retry-After tells when to try again."),
    (
        "SIGN_IN_FIRST",
        409,
        "Nobody is linked to this account elsewhere, and it proves no address; sign in another way, then link it.",
    ),
    (
        "STATE_INVALID",
        401,
        "A sign-in that was not begun in this browser, or too long ago, or is finished; which is not told.",
    ),
    ("TENANT_CONFLICT", 400, "Host, header and path name different tenants."),
    ("TENANT_INACTIVE", 403, "The tenant is switched off."),
    (
        "TENANT_NOT_FOUND",
        400,
        "Host, header or path name no tenant. For `?domain=` and `?tenant_id=` of the key set 404.",
    ),
    ("TOKEN_EXPIRED", 401, "The token's time is over."),
    ("TOKEN_INVALID", 401, "Not a token of this tenant."),
    ("TOKEN_REVOKED", 401, "The token's session has ended."),
    ("TOKEN_TYPE_INVALID", 401, "This kind of token is not accepted here."),
    ("UNSUPPORTED_MEDIA_TYPE", 415, "The body must be application/json."),
    (
        "VALIDATION_ERROR",
        400,
        "Malformed JSON, duplicate members, missing fields, wrong types or values; see `errors`.",
    ),
    ("WEAK_PASSWORD", 400, "The password does not satisfy the tenant's policy; the detail says why."),
    ("ACCESS_DENIED", 400, "OAuth: the user or the tenant said no."),
    ("ACCOUNT_SELECTION_REQUIRED", 400, "OAuth: the user must choose an account, and no page may be shown."),
    ("CONSENT_REQUIRED", 400, "OAuth: the user must be asked, and no page may be shown."),
    ("AUTHORIZATION_PENDING", 400, "OAuth: nobody has entered the device's code yet."),
    ("SLOW_DOWN", 400, "OAuth: the device asks too often; five seconds more between two requests."),
    ("EXPIRED_TOKEN", 400, "OAuth: the device's code was not entered in time."),
    (
        "INVALID_CLIENT_METADATA",
        400,
        "OAuth: what a client says of itself contradicts itself, or can't be; the description says what.",
    ),
    ("INVALID_REDIRECT_URI", 400, "OAuth: an address that a client wants to be registered can't be."),
    (
        "INVALID_REQUEST_URI",
        400,
        "OAuth: a pushed request that is unknown, used, outdated, or another client's.",
    ),
    ("INSUFFICIENT_SCOPE", 403, "OAuth: the token is valid, but was not granted what this needs."),
    (
        "INVALID_CLIENT",
        401,
        "OAuth: no client of this tenant, or it did not prove to be it; which is not told.",
    ),
    (
        "INVALID_GRANT",
        400,
        "OAuth: a code or refresh token that is unknown, used, outdated, or another client's.",
    ),
    (
        "INVALID_REQUEST",
        400,
        "OAuth: a parameter is missing, malformed or there twice; the description says which.",
    ),
    ("INVALID_TARGET", 400, "OAuth: a resource this client may not ask a token for."),
    ("LOGIN_REQUIRED", 400, "OAuth: the user must sign in, and no page may be shown."),
    ("REGISTRATION_NOT_SUPPORTED", 400, "OAuth: clients don't register in an authorization request."),
    ("REQUEST_NOT_SUPPORTED", 400, "OAuth: request objects are not read."),
    ("REQUEST_URI_NOT_SUPPORTED", 400, "OAuth: request objects are not fetched."),
    ("UNAUTHORIZED_CLIENT", 400, "OAuth: the client is not registered for this."),
    ("UNMET_AUTHENTICATION_REQUIREMENTS", 400, "OAuth: the user can't sign in as strongly as was asked for."),
    ("UNSUPPORTED_GRANT_TYPE", 400, "OAuth: no such grant here."),
    ("UNSUPPORTED_RESPONSE_TYPE", 400, "OAuth: only `code` is answered."),
    ("WORKSPACES_DISABLED", 403, "The tenant has switched workspaces off."),
];

/// An error on its way to the client.
#[derive(Debug, Clone)]
pub struct ApiError {
    kind: ProblemKind,
    status: Option<StatusCode>,
    code: &'static str,
    detail: Cow<'static, str>,
    fields: Vec<FieldError>,
    /// Who caused an internal problem; for the log alone.
    source: Option<String>,
    /// How clients of OAuth are told.
    face: Face,
}

/// Who reads an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Face {
    /// Users of the API: `error` is the reason phrase.
    Api,
    /// OAuth clients: `error` is a code of RFC 6749 section 5.2 and its successors.
    Oauth,
    /// A person in front of a browser.
    Page,
}

impl ApiError {
    /// An error made at the edge itself.
    pub fn new(kind: ProblemKind, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            status: None,
            code,
            detail: detail.into(),
            fields: Vec::new(),
            source: None,
            face: Face::Api,
        }
    }

    /// A request that isn't valid.
    pub fn invalid(fields: Vec<FieldError>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { fields, ..Self::new(ProblemKind::Invalid, "VALIDATION_ERROR", detail) }
    }

    /// Nothing here.
    pub fn not_found() -> Self {
        Self::new(ProblemKind::NotFound, "NOT_FOUND", "Not found")
    }

    /// The same problem as OAuth clients are told of it.
    #[must_use]
    pub fn for_clients(mut self) -> Self {
        if self.face == Face::Api {
            self.face = Face::Oauth;
        }
        self
    }

    /// The same problem as a page.
    #[must_use]
    pub fn as_page(mut self) -> Self {
        self.face = Face::Page;
        self
    }

    /// The same problem under another status, for the few places where the contract asks for it.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status.unwrap_or(match self.kind {
            ProblemKind::Invalid => StatusCode::BAD_REQUEST,
            ProblemKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            ProblemKind::Forbidden => StatusCode::FORBIDDEN,
            ProblemKind::NotFound => StatusCode::NOT_FOUND,
            ProblemKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ProblemKind::Conflict => StatusCode::CONFLICT,
            ProblemKind::Gone => StatusCode::GONE,
            ProblemKind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            ProblemKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ProblemKind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ProblemKind::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            ProblemKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            ProblemKind::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        })
    }

    /// Its stable name.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The member of the body that is to blame, if one is.
    pub fn member(&self) -> Option<&str> {
        self.fields.first().and_then(|field| field.loc.get(1)).map(AsRef::as_ref)
    }

    /// Its sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Renders the envelope. Called by the edge.
    pub(crate) fn render(self, request_id: &str) -> Response {
        let status = self.status();
        if let Some(source) = &self.source {
            tracing::error!(request_id, code = self.code, source, "request failed");
        }
        let for_clients = self.face == Face::Oauth;
        let reason = status.canonical_reason().unwrap_or("Error");
        let view = ErrorView {
            error: if for_clients { oauth::error_of(self.code, self.kind) } else { reason.to_owned() },
            error_description: for_clients.then(|| oauth::printable(&self.detail)),
            detail: self.detail.clone().into_owned(),
            code: self.code.to_owned(),
            error_code: self.code.to_ascii_lowercase(),
            message: BTreeMap::from([("en", self.detail.into_owned())]),
            errors: self.fields,
            request_id: request_id.to_owned(),
        };
        let mut response = (status, axum::Json(view)).into_response();
        let headers = response.headers_mut();
        match self.kind {
            ProblemKind::Unauthenticated if self.code == "INVALID_CLIENT" => {
                // Whatever it tried, a client may say who it is this way (RFC 6749 section 5.2, RFC 9110 section 15.5.2).
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"usso\""));
            }
            ProblemKind::Forbidden if self.code == "INSUFFICIENT_SCOPE" => {
                let challenge = "Bearer realm=\"usso\", error=\"insufficient_scope\", scope=\"openid\"";
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            ProblemKind::Unauthenticated => {
                let challenge = match self.code {
                    "NOT_AUTHENTICATED" => "Bearer realm=\"usso\"",
                    "INVALID_DPOP_PROOF" => "DPoP realm=\"usso\", error=\"invalid_dpop_proof\"",
                    _ => "Bearer realm=\"usso\", error=\"invalid_token\"",
                };
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            ProblemKind::TooManyRequests { retry_after } | ProblemKind::Unavailable { retry_after } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
            }
            _ => {}
        }
        response
    }
}

impl<P: Problem> From<P> for ApiError {
    fn from(problem: P) -> Self {
        let kind = problem.kind();
        let is_ours = matches!(kind, ProblemKind::Internal | ProblemKind::Unavailable { .. });
        Self {
            kind,
            status: None,
            code: problem.code(),
            detail: problem.detail(),
            fields: problem.fields(),
            source: is_ours.then(|| problem.to_string()),
            face: Face::Api,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A storage error where no module's own error is in between.
pub fn storage(error: &StorageError) -> ApiError {
    let kind = crate::tenant::tenants::service::storage_kind(error);
    let source = Some(error.to_string());
    let detail = "The service is temporarily unavailable";
    ApiError { source, ..ApiError::new(kind, "SERVICE_UNAVAILABLE", detail) }
}

/// The error envelope.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ErrorView {
    /// The status's reason phrase; of the endpoints of OAuth one of its codes (RFC 6749 section 5.2).
    pub error: String,
    /// The sentence again, from the endpoints of OAuth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
    /// One plain sentence.
    pub detail: String,
    /// A stable name, listed in `docs/errors.md`.
    pub code: String,
    /// The same in lower case.
    pub error_code: String,
    /// The sentence by language.
    #[schema(value_type = Object)]
    pub message: BTreeMap<&'static str, String>,
    /// The fields to blame, for validation errors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub errors: Vec<FieldError>,
    /// The request's id.
    pub request_id: String,
}

/// `docs/errors.md`.
pub fn reference() -> String {
    let mut text = String::from(
        "# Errors\n\nGenerated by `usso errors`. Every error has this envelope, and codes are never renamed:\n\n```json\n\
         {\"error\": \"Unauthorized\", \"detail\": \"Invalid token\", \"code\": \"TOKEN_INVALID\",\n \"error_code\": \"token_invalid\", \
         \"message\": {\"en\": \"Invalid token\"}, \"request_id\": \"req_…\"}\n```\n\nValidation errors carry `errors`, a list of \
         `{\"loc\", \"msg\", \"type\"}`. 401 carries `WWW-Authenticate`, 429 and 503 carry `Retry-After`.\n\n\
         | code | status | meaning |\n|---|---|---|\n",
    );
    for (code, status, meaning) in CODES {
        text.push_str(&format!("| `{code}` | {status} | {meaning} |\n"));
    }
    text
}
