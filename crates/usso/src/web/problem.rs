//! What is wrong, told to people: above a form, or on a page of its own.

use super::brand::Brand;
use super::language::Language;
use super::page::{Page, html_response};
use super::texts::Texts;
use super::{assets, form};
use crate::http::request_info::SharedInfo;
use crate::http::tenant::select;
use crate::http::{ApiError, AppState, Tenant, redirect};
use crate::identity::credentials::policy::PasswordRule;
use crate::identity::sign_in::SignInError;
use crate::identity::users::error::UserError;
use askama::Template;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use kernel::{Problem, ProblemKind};

/// Something wrong with a form.
pub struct Alert {
    /// What.
    pub text: String,
    /// The field to blame, by its id; empty if it is none in particular.
    pub field: &'static str,
    /// The status it is told with.
    pub status: StatusCode,
    /// Its code.
    pub code: &'static str,
    /// Seconds to wait.
    pub retry_after: Option<u64>,
}

impl Alert {
    /// A field that needs something.
    pub fn missing(text: &str, field: &'static str) -> Self {
        let (status, code) = (StatusCode::BAD_REQUEST, "VALIDATION_ERROR");
        Self { text: text.to_owned(), field, status, code, retry_after: None }
    }

    /// Why a step of a sign-in failed, as what is told above its form; `field` is to blame for wrong and weak values. What is
    /// ours and no form's becomes a page of its own.
    ///
    /// # Errors
    /// The error, when the form can't be shown again for it.
    pub fn of(page: &Page, error: SignInError, field: &'static str) -> Result<Self, ApiError> {
        let (kind, code) = (error.kind(), error.code());
        if matches!(kind, ProblemKind::Internal | ProblemKind::Unavailable { .. } if code != "DELIVERY_UNAVAILABLE")
        {
            return Err(error.into());
        }
        let text = match &error {
            SignInError::User(UserError::WeakPassword(violation)) => {
                let min = page.scope().profile().settings.password_min_length.to_string();
                let told =
                    violation.rules.iter().map(|rule| page.put(rule_text(page.t, *rule), &[("min", &min)]));
                told.collect::<Vec<_>>().join(" ")
            }
            _ => sentence(page.t, code),
        };
        let retry_after = match kind {
            ProblemKind::TooManyRequests { retry_after } => Some(retry_after),
            _ => None,
        };
        let text = match retry_after {
            Some(seconds) => page.put(page.t.wait_seconds, &[("seconds", &seconds.to_string())]),
            None => text,
        };
        let field = match code {
            "INVALID_CREDENTIALS" | "WEAK_PASSWORD" => field,
            "INVALID_IDENTIFIER" | "IDENTIFIER_EXISTS" => "identifier",
            "REFERRAL_INVALID" => "referral_code",
            _ => "",
        };
        // A form is no place to present a challenge (RFC 9110 section 15.5.2): what was typed is wrong.
        let status = match kind {
            ProblemKind::Unauthenticated => StatusCode::BAD_REQUEST,
            _ => ApiError::from(error).status(),
        };
        Ok(Self { text, field, status, code, retry_after })
    }

    /// Whether it blames a field.
    pub fn blames(&self, field: &str) -> bool {
        self.field == field
    }
}

fn rule_text(t: &'static Texts, rule: PasswordRule) -> &'static str {
    match rule {
        PasswordRule::TooShort => t.rule_too_short,
        PasswordRule::TooLong => t.rule_too_long,
        PasswordRule::SpecialMissing => t.rule_special,
        PasswordRule::NumberMissing => t.rule_number,
        PasswordRule::UppercaseMissing => t.rule_uppercase,
        PasswordRule::LowercaseMissing => t.rule_lowercase,
        PasswordRule::TooGuessable => t.rule_guessable,
        PasswordRule::Breached => t.rule_breached,
    }
}

/// The sentence for a code.
fn sentence(t: &'static Texts, code: &str) -> String {
    let found = t.problems.iter().find(|(own, _)| *own == code).map(|(_, sentence)| *sentence);
    found.unwrap_or(t.problem_other).to_owned()
}

/// Who asked for a page and is to read an error: what is left of a request once it has been answered.
pub struct Reader {
    headers: HeaderMap,
    query: String,
}

impl Reader {
    /// Of a request whose sender shows pages.
    pub fn of(parts: &Parts) -> Option<Self> {
        let reader = || Self {
            headers: parts.headers.clone(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
        };
        redirect::wants_page(&parts.headers).then(reader)
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    t: &'static Texts,
    language: Language,
    brand: &'a Brand,
    style: String,
    tenant_style: Option<String>,
    text: String,
    /// What the makers of an application want to know.
    detail: String,
    code: &'a str,
    request_id: &'a str,
    login: Option<String>,
}

/// An error as a page: a stable sentence, its code, and the id of the request.
pub async fn render(state: &AppState, info: &SharedInfo, reader: &Reader, error: ApiError) -> Response {
    let tenant = select(state, info).await.ok();
    let usual = tenant.as_ref().and_then(|t| Language::parse(&t.scope.profile().settings.default_language));
    let language = Language::asked(&reader.query, &reader.headers).or(usual).unwrap_or(Language::English);
    let t = language.texts();
    let brand = tenant.as_ref().map_or_else(Brand::none, |tenant| Brand::of(tenant).at_home());
    let prefixed =
        |tenant: &Tenant, path: &str| format!("{}{path}", tenant.cookie_path().trim_end_matches('/'));
    let page = ErrorPage {
        t,
        language,
        style: assets::address("style"),
        tenant_style: tenant
            .as_ref()
            .map(|own| prefixed(own, &format!("/static/tenant.css?v={}", brand.version))),
        text: sentence(t, error.code()),
        detail: if error.code().starts_with("INVALID_") { error.detail().to_owned() } else { String::new() },
        code: error.code(),
        request_id: info.id(),
        login: tenant.as_ref().map(|own| prefixed(own, "/login")),
        brand: &brand,
    };
    let Ok(html) = page.render() else { return error.render(info.id()) };
    let rendered = error.render(info.id());
    let mut response = html_response(rendered.status(), html, &brand);
    // How to authenticate and when to come again is told to pages, too.
    for name in [header::WWW_AUTHENTICATE, header::RETRY_AFTER] {
        if let Some(value) = rendered.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    if let (Some(tenant), "FORM_EXPIRED") = (&tenant, page.code) {
        form::renew(response.headers_mut(), tenant);
    }
    response
}
