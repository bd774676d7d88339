//! By a code that is sent to the address or number.

use super::identifier::asked;
use super::password::{render as choose, retry_after};
use super::{arrived, captcha};
use crate::http::ApiError;
use crate::identity::codes::Purpose;
use crate::identity::codes::request::request;
use crate::identity::sign_in::{Input, SignInError, advance, parse};
use crate::web::flow::Flow;
use crate::web::form::Posted;
use crate::web::page::Page;
use crate::web::problem::Alert;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

/// The page with a field for a code; other flows use it, too.
#[derive(Template)]
#[template(path = "code.html")]
pub struct CodePage<'a> {
    /// The page.
    pub page: &'a Page,
    /// What went wrong.
    pub alert: Option<Alert>,
    /// What a captcha is waited for with.
    pub captcha: Option<String>,
    /// The sealed flow.
    pub flow: String,
    /// Where the code went.
    pub identifier: &'a str,
    /// Where another identifier is entered.
    pub change: String,
    /// What happened.
    pub told: String,
    /// Where the code goes.
    pub action: String,
    /// Where another code is asked for.
    pub resend: String,
    /// Whether a new password is chosen with it.
    pub password: bool,
    /// What that needs.
    pub hint: String,
    /// Where other ways are.
    pub other: String,
}

/// The page.
pub async fn show(page: Page) -> Result<Response, ApiError> {
    let Some(flow) = page.flow() else { return Ok(page.go(&page.at("/login"))) };
    let wait = captcha::first(&page)?;
    render(&page, &flow, None, (page.param("sent").is_some(), wait))
}

fn render(
    page: &Page,
    flow: &Flow,
    alert: Option<Alert>,
    (was_sent, captcha): (bool, Option<String>),
) -> Result<Response, ApiError> {
    let status = alert.as_ref().map_or(StatusCode::OK, |alert| alert.status);
    let minutes = (page.scope().profile().settings.otp_timeout / 60).to_string();
    let sealed = flow.seal(page.scope());
    let return_to = flow.return_to.as_deref().unwrap_or_default();
    let other = page.with("/login/password", &[("flow", sealed.as_str())]);
    let view = CodePage {
        page,
        alert,
        captcha,
        identifier: &flow.identifier,
        change: page.with(if flow.is_new { "/register" } else { "/login" }, &[("return_to", return_to)]),
        told: match (flow.is_new, was_sent) {
            (true, _) => page.t.code_register.to_owned(),
            (false, true) => page.put(page.t.code_sent, &[("minutes", &minutes)]),
            (false, false) => page.t.code_ask.to_owned(),
        },
        action: page.at("/login/code"),
        resend: page.at("/login/code/send"),
        password: false,
        hint: String::new(),
        other: if flow.is_new { String::new() } else { other },
        flow: sealed,
    };
    let mut response = page.show(status, &view)?;
    retry_after(&mut response, view.alert.as_ref());
    Ok(response)
}

/// Sends a code.
pub async fn send(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let Some(flow) = Flow::open(page.scope(), form.get("flow")) else {
        return Ok(page.go(&page.at("/login")));
    };
    match sent(&form, &flow).await {
        Ok(()) => {
            let sealed = flow.seal(page.scope());
            Ok(page.go(&page.with("/login/code", &[("flow", sealed.as_str()), ("sent", "1")])))
        }
        Err(error) => {
            let alert = Alert::of(page, error, "")?;
            // Whoever asks again too soon may have the first one by now.
            let wait = captcha::again(&form, &alert)?;
            if alert.retry_after.is_some() {
                return render(page, &flow, Some(alert), (false, wait));
            }
            choose(page, &flow, Some(alert), wait).await
        }
    }
}

async fn sent(form: &Posted, flow: &Flow) -> Result<(), SignInError> {
    captcha::require(form).await?;
    let page = &form.page;
    let identifier = parse(page.scope(), None, &flow.identifier)?;
    request(page.scope(), (Purpose::Login, &identifier), &page.client).await
}

/// Takes the code.
pub async fn submit(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let Some(flow) = Flow::open(page.scope(), form.get("flow")) else {
        return Ok(page.go(&page.at("/login")));
    };
    if form.trimmed("code").is_empty() {
        let alert = Alert::missing(page.t.need_code, "code");
        let wait = captcha::again(&form, &alert)?;
        return render(page, &flow, Some(alert), (false, wait));
    }
    let input = Input {
        method: Some("otp".to_owned()),
        secret: Some(form.trimmed("code").into()),
        // Who has just registered proves the address with it.
        temporary: if flow.is_new { page.temporary() } else { None },
        captchas: captcha::presented(&form).await?,
        ..asked(page, &flow)
    };
    match advance(page.context(), input).await {
        Ok(step) => arrived(page, step, &flow),
        Err(error) => {
            let alert = Alert::of(page, error, "code")?;
            let wait = captcha::again(&form, &alert)?;
            render(page, &flow, Some(alert), (false, wait))
        }
    }
}
