//! Forms: read strictly, and only from a page of this browser.
//!
//! A form carries a token, the tag of a secret that its browser keeps in a cookie (checklist AUTHZ-18): without the cookie
//! nobody makes a token, and one of another browser fits no cookie. The secret changes with each sign-in. Besides, what a
//! browser says of the origin must be true.

use super::page::Page;
use crate::http::{ApiError, AppState, Tenant, cookie, csrf, json};
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::{HeaderMap, header};
use kernel::ProblemKind;
use protocol::b64url;
use secrecy::SecretString;

/// The field with the token.
pub const TOKEN: &str = "form_token";
/// Seconds a browser keeps its secret: a day.
const KEPT: i64 = 86_400;
/// The most fields of a form.
const MAX_FIELDS: usize = 64;

/// What the forms of a browser are bound to.
pub struct Secret {
    value: String,
    token: String,
    is_new: bool,
}

impl Secret {
    /// The browser's, or a new one.
    pub fn of(tenant: &Tenant, headers: &HeaderMap) -> Self {
        let kept = cookie::get(headers, cookie::FORM).filter(|secret| secret.len() == 43);
        let value = kept.map_or_else(|| b64url::encode(tenant.scope.token::<32>()), str::to_owned);
        // Without the tenant's key there is no token, and no form is accepted.
        let token = tag(tenant, &value).unwrap_or_default();
        Self { value, token, is_new: kept.is_none() }
    }

    /// What forms carry.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether a token is this browser's: it comes back from where it was sent with it.
    pub fn made(&self, tenant: &Tenant, token: &str) -> bool {
        !self.is_new && is_token(tenant, &self.value, token)
    }

    /// Has the browser keep it.
    pub fn keep(&self, headers: &mut HeaderMap, tenant: &Tenant) {
        if self.is_new {
            cookie::set(headers, tenant, (cookie::FORM, &self.value), KEPT);
        }
    }
}

fn tag(tenant: &Tenant, secret: &str) -> Option<String> {
    let key = tenant.scope.profile().seal.derive_mac("web-form", tenant.scope.id().as_str()).ok()?;
    Some(b64url::encode(key.tag(secret.as_bytes())))
}

fn is_token(tenant: &Tenant, secret: &str, token: &str) -> bool {
    let Ok(key) = tenant.scope.profile().seal.derive_mac("web-form", tenant.scope.id().as_str()) else {
        return false;
    };
    b64url::decode(token).is_ok_and(|tag| key.verify(secret.as_bytes(), &tag))
}

/// Takes the secret from a browser whose state has changed: the next page gives it another.
pub fn renew(headers: &mut HeaderMap, tenant: &Tenant) {
    cookie::set(headers, tenant, (cookie::FORM, ""), 0);
}

/// A form that was posted, from a page of this browser.
pub struct Posted {
    /// The page.
    pub page: Page,
    fields: Vec<(String, String)>,
}

impl Posted {
    /// A field; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value.as_str())
    }

    /// A field with its blanks taken off.
    pub fn trimmed(&self, name: &str) -> &str {
        self.get(name).trim()
    }

    /// A secret field.
    pub fn secret(&self, name: &str) -> SecretString {
        self.get(name).into()
    }
}

impl FromRequest<AppState> for Posted {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let page = Page::from_request_parts(&mut parts, state).await?;
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let detail = "The body must be a form";
            return Err(ApiError::new(ProblemKind::UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", detail));
        }
        let body = json::read(Request::from_parts(parts, body), state).await?;
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(&body) {
            if fields.len() >= MAX_FIELDS || fields.iter().any(|(own, _)| *own == name) {
                return Err(ApiError::invalid(
                    Vec::new(),
                    format!("{name}: is given twice, or there are too many"),
                ));
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        let posted = Self { page, fields };
        posted.check()?;
        Ok(posted)
    }
}

impl Posted {
    /// Refuses a form of another site or another browser.
    fn check(&self) -> Result<(), ApiError> {
        let (tenant, headers) = (&self.page.tenant, &self.page.headers);
        let tells_origin = headers.contains_key(header::ORIGIN) || headers.contains_key(header::REFERER);
        if tells_origin {
            csrf::check(tenant, headers)?;
        }
        let secret = cookie::get(headers, cookie::FORM);
        if secret.is_some_and(|secret| is_token(tenant, secret, self.get(TOKEN))) {
            return Ok(());
        }
        let detail = "The form is not from a page of this browser, or too old";
        Err(ApiError::new(ProblemKind::Forbidden, "FORM_EXPIRED", detail))
    }
}
