//! A new password for who can't sign in; and proving an address or number.

use super::flow::Flow;
use super::form::Posted;
use super::page::Page;
use super::problem::Alert;
use super::sign_in::{CodePage, Notice, captcha, retry_after};
use crate::http::{ApiError, AppState, OptionalCaller};
use crate::identity::codes::Purpose;
use crate::identity::codes::request::{activate, request as request_code};
use crate::identity::identifiers::IdentifierKind;
use crate::identity::recovery::{LINK_LIFETIME, by_link, guarded, request};
use crate::identity::sign_in::{SignInError, parse};
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

/// The routes.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/reset-password", get(show).post(send))
        .route("/reset-password/sent", get(sent))
        .route("/reset-password/code", get(code).post(by_code))
        .route("/reset-password/new", post(chosen))
        .route("/reset-password/done", get(done))
        .route("/verify-email", get(verify).post(verify_send))
        .route("/verify-phone", get(verify).post(verify_send))
        .route("/verify", get(verify_code).post(verify_submit))
}

#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage<'a> {
    page: &'a Page,
    alert: Option<Alert>,
    captcha: Option<String>,
    title: &'static str,
    lead: &'static str,
    action: String,
    flow: String,
    identifier: &'a str,
}

/// A page with a field for a new password.
#[derive(Template)]
#[template(path = "new_password.html")]
pub struct NewPassword<'a> {
    /// The page.
    pub page: &'a Page,
    /// What went wrong.
    pub alert: Option<Alert>,
    /// Its title.
    pub title: String,
    /// Whose password, as far as the page may tell.
    pub identifier: String,
    /// Where it goes.
    pub action: String,
    /// What allows it.
    pub token: String,
    /// What it needs.
    pub hint: String,
}

/// What a new password needs.
pub fn hint(page: &Page) -> String {
    let settings = &page.scope().profile().settings;
    let min = settings.password_min_length.to_string();
    let special = if settings.password_require_special { page.t.hint_special } else { "" };
    format!("{} {special}", page.put(page.t.password_hint, &[("min", &min)])).trim_end().to_owned()
}

/// The page; with a link's token, the choice of a password. Looking doesn't use the link.
async fn show(mut page: Page) -> Result<Response, ApiError> {
    if let Some(token) = page.param("token") {
        page.brand = page.brand.at_home();
        return choose(&page, token, None);
    }
    let flow = page.flow().unwrap_or_default();
    let wait = captcha::first(&page)?;
    asked(&page, &flow, (None, wait))
}

fn asked(
    page: &Page,
    flow: &Flow,
    (alert, captcha): (Option<Alert>, Option<String>),
) -> Result<Response, ApiError> {
    let status = alert.as_ref().map_or(StatusCode::OK, |alert| alert.status);
    let view = ResetPage {
        page,
        alert,
        captcha,
        title: page.t.reset_title,
        lead: page.t.reset_lead,
        action: page.at("/reset-password"),
        flow: flow.seal(page.scope()),
        identifier: &flow.identifier,
    };
    let mut response = page.show(status, &view)?;
    retry_after(&mut response, view.alert.as_ref());
    Ok(response)
}

fn choose(page: &Page, token: String, alert: Option<Alert>) -> Result<Response, ApiError> {
    let status = alert.as_ref().map_or(StatusCode::OK, |alert| alert.status);
    let view = NewPassword {
        page,
        alert,
        title: page.t.choose_password.to_owned(),
        identifier: String::new(),
        action: page.at("/reset-password/new"),
        token,
        hint: hint(page),
    };
    page.show(status, &view)
}

/// What a form says of who is meant.
fn typed(form: &Posted) -> Flow {
    let flow = Flow::open(form.page.scope(), form.get("flow")).unwrap_or_default();
    match form.trimmed("identifier") {
        "" => flow,
        identifier => Flow { identifier: identifier.to_owned(), ..flow },
    }
}

/// Sends a way to a new password: a link, or a code to a phone.
async fn send(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let flow = typed(&form);
    if flow.identifier.is_empty() {
        let alert = Alert::missing(page.t.need_identifier, "identifier");
        return asked(page, &flow, (Some(alert), None));
    }
    match try_send(&form, &flow).await {
        Ok(kind) => {
            let next =
                if kind == IdentifierKind::Phone { "/reset-password/code" } else { "/reset-password/sent" };
            Ok(page.go(&page.with(next, &[("flow", flow.seal(page.scope()).as_str())])))
        }
        Err(error) => {
            let alert = Alert::of(page, error, "identifier")?;
            let wait = captcha::again(&form, &alert)?;
            asked(page, &flow, (Some(alert), wait))
        }
    }
}

async fn try_send(form: &Posted, flow: &Flow) -> Result<IdentifierKind, SignInError> {
    captcha::require(form).await?;
    let identifier = parse(form.page.scope(), None, &flow.identifier)?;
    request(form.page.context(), &identifier).await?;
    Ok(identifier.kind())
}

async fn sent(page: Page) -> Result<Response, ApiError> {
    let Some(flow) = page.flow() else { return Ok(page.go(&page.at("/reset-password"))) };
    let minutes = (LINK_LIFETIME / 60).to_string();
    let view = Notice {
        page: &page,
        alert: None,
        title: page.t.link_title.to_owned(),
        identifier: &flow.identifier,
        text: page.put(page.t.reset_sent, &[("minutes", &minutes)]),
        link: Some((page.at("/login"), page.t.to_sign_in.to_owned())),
    };
    page.show(StatusCode::OK, &view)
}

async fn code(page: Page) -> Result<Response, ApiError> {
    let Some(flow) = page.flow() else { return Ok(page.go(&page.at("/reset-password"))) };
    with_code(&page, &flow, None)
}

fn with_code(page: &Page, flow: &Flow, alert: Option<Alert>) -> Result<Response, ApiError> {
    let status = alert.as_ref().map_or(StatusCode::OK, |alert| alert.status);
    let view = CodePage {
        page,
        alert,
        captcha: None,
        flow: flow.seal(page.scope()),
        identifier: &flow.identifier,
        change: page.at("/reset-password"),
        told: page.t.reset_code_sent.to_owned(),
        action: page.at("/reset-password/code"),
        resend: page.at("/reset-password"),
        password: true,
        hint: hint(page),
        other: String::new(),
    };
    let mut response = page.show(status, &view)?;
    retry_after(&mut response, view.alert.as_ref());
    Ok(response)
}

/// Chooses a password by a code.
async fn by_code(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let Some(flow) = Flow::open(page.scope(), form.get("flow")) else {
        return Ok(page.go(&page.at("/reset-password")));
    };
    let alert = match (form.trimmed("code"), form.get("password")) {
        ("", _) => Alert::missing(page.t.need_code, "code"),
        (_, "") => Alert::missing(page.t.need_password, "password"),
        _ => match set_by_code(&form, &flow).await {
            Ok(()) => return is_set(page),
            Err(error) => Alert::of(page, error, "code")?,
        },
    };
    let field = if alert.code == "WEAK_PASSWORD" { "password" } else { alert.field };
    with_code(page, &flow, Some(Alert { field, ..alert }))
}

async fn set_by_code(form: &Posted, flow: &Flow) -> Result<(), SignInError> {
    let identifier = parse(form.page.scope(), None, &flow.identifier)?;
    let secrets = (&form.trimmed("code").into(), &form.secret("password"));
    guarded(form.page.context(), &identifier, secrets).await
}

/// Chooses a password by a link.
async fn chosen(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let token = form.get("token").to_owned();
    if form.get("password").is_empty() {
        return choose(page, token, Some(Alert::missing(page.t.need_password, "password")));
    }
    match by_link(page.context(), &token, &form.secret("password")).await {
        Ok(_) => is_set(page),
        // Another password may be typed, another link must be asked for.
        Err(error @ SignInError::User(_)) => {
            let alert = Alert::of(page, error, "password")?;
            choose(page, token, Some(alert))
        }
        Err(error) => Err(error.into()),
    }
}

fn is_set(page: &Page) -> Result<Response, ApiError> {
    Ok(page.go(&page.at("/reset-password/done")))
}

async fn done(page: Page) -> Result<Response, ApiError> {
    let view = Notice {
        page: &page,
        alert: None,
        title: page.t.password_set_title.to_owned(),
        identifier: "",
        text: page.t.password_set_text.to_owned(),
        link: Some((page.at("/login"), page.t.to_sign_in.to_owned())),
    };
    page.show(StatusCode::OK, &view)
}

async fn verify(page: Page) -> Result<Response, ApiError> {
    let identifier = page.param("identifier").filter(|own| own.len() <= 320).unwrap_or_default();
    let wait = captcha::first(&page)?;
    to_verify(&page, &Flow { identifier, ..Flow::default() }, (None, wait))
}

fn to_verify(
    page: &Page,
    flow: &Flow,
    (alert, captcha): (Option<Alert>, Option<String>),
) -> Result<Response, ApiError> {
    let status = alert.as_ref().map_or(StatusCode::OK, |alert| alert.status);
    let view = ResetPage {
        page,
        alert,
        captcha,
        title: page.t.verify_title,
        lead: page.t.verify_lead,
        action: page.at("/verify-email"),
        flow: flow.seal(page.scope()),
        identifier: &flow.identifier,
    };
    let mut response = page.show(status, &view)?;
    retry_after(&mut response, view.alert.as_ref());
    Ok(response)
}

async fn verify_send(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let flow = typed(&form);
    let alert = match flow.identifier.as_str() {
        "" => Alert::missing(page.t.need_identifier, "identifier"),
        _ => match verify_sent(&form, &flow).await {
            Ok(()) => {
                return Ok(page.go(&page.with("/verify", &[("flow", flow.seal(page.scope()).as_str())])));
            }
            Err(error) => Alert::of(page, error, "identifier")?,
        },
    };
    let wait = captcha::again(&form, &alert)?;
    to_verify(page, &flow, (Some(alert), wait))
}

async fn verify_sent(form: &Posted, flow: &Flow) -> Result<(), SignInError> {
    captcha::require(form).await?;
    let page = &form.page;
    let identifier = parse(page.scope(), None, &flow.identifier)?;
    request_code(page.scope(), (Purpose::Verify, &identifier), &page.client).await
}

async fn verify_code(page: Page) -> Result<Response, ApiError> {
    if page.param("done").is_some() {
        let view = Notice {
            page: &page,
            alert: None,
            title: page.t.verified_title.to_owned(),
            identifier: "",
            text: page.t.verified_text.to_owned(),
            link: Some((page.at("/login"), page.t.to_sign_in.to_owned())),
        };
        return page.show(StatusCode::OK, &view);
    }
    let Some(flow) = page.flow() else { return Ok(page.go(&page.at("/verify-email"))) };
    with_verification(&page, &flow, None)
}

fn with_verification(page: &Page, flow: &Flow, alert: Option<Alert>) -> Result<Response, ApiError> {
    let status = alert.as_ref().map_or(StatusCode::OK, |alert| alert.status);
    let minutes = (page.scope().profile().settings.otp_timeout / 60).to_string();
    let view = CodePage {
        page,
        alert,
        captcha: None,
        flow: flow.seal(page.scope()),
        identifier: &flow.identifier,
        change: page.at("/verify-email"),
        told: page.put(page.t.code_sent, &[("minutes", &minutes)]),
        action: page.at("/verify"),
        resend: page.at("/verify-email"),
        password: false,
        hint: String::new(),
        other: String::new(),
    };
    let mut response = page.show(status, &view)?;
    retry_after(&mut response, view.alert.as_ref());
    Ok(response)
}

async fn verify_submit(OptionalCaller(caller): OptionalCaller, form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let Some(flow) = Flow::open(page.scope(), form.get("flow")) else {
        return Ok(page.go(&page.at("/verify-email")));
    };
    if form.trimmed("code").is_empty() {
        return with_verification(page, &flow, Some(Alert::missing(page.t.need_code, "code")));
    }
    let identifier = parse(page.scope(), None, &flow.identifier)?;
    // Who acts in somebody's name proves nothing for them.
    let own = caller.as_ref().filter(|caller| caller.is_in_person()).map(|caller| &caller.user.id);
    let code = form.trimmed("code").into();
    let (identity, whose) = (&page.state.identity, (&identifier, own));
    match activate(identity, page.scope(), whose, &code, &page.client).await {
        Ok(_) => Ok(page.go(&page.with("/verify", &[("done", "1")]))),
        Err(error) => with_verification(page, &flow, Some(Alert::of(page, error, "code")?)),
    }
}
