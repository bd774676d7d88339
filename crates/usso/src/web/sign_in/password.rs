//! How: the password, and the other ways that are open to an identifier of this kind. Nothing here depends on whether there is
//! an account.

use super::identifier::asked;
use super::ways::has_passkeys;
use super::{arrived, captcha};
use crate::http::ApiError;
use crate::identity::sign_in::proof::Method;
use crate::identity::sign_in::{Input, SignInError, Step, advance};
use crate::web::flow::Flow;
use crate::web::form::Posted;
use crate::web::page::Page;
use crate::web::problem::Alert;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage<'a> {
    page: &'a Page,
    alert: Option<Alert>,
    captcha: Option<String>,
    flow: String,
    identifier: &'a str,
    change: String,
    password: bool,
    code: bool,
    phone: bool,
    link: bool,
    passkey: bool,
    next: String,
    more: String,
}

/// The page, for a flow that names somebody; else the one before.
pub async fn show(page: Page) -> Result<Response, ApiError> {
    let Some(flow) = page.flow() else { return Ok(page.go(&page.at("/login"))) };
    let wait = captcha::first(&page)?;
    render(&page, &flow, None, wait).await
}

/// Shows it, with what went wrong.
pub async fn render(
    page: &Page,
    flow: &Flow,
    alert: Option<Alert>,
    captcha: Option<String>,
) -> Result<Response, ApiError> {
    let methods = match advance(page.context(), asked(page, flow)).await {
        Ok(Step::Verify { methods }) => methods,
        Ok(step) => return arrived(page, step, flow),
        Err(SignInError::NoIdentifier | SignInError::Identifier(_)) => return Ok(page.go(&page.at("/login"))),
        Err(error) => return Err(error.into()),
    };
    let has = |method| methods.contains(&method);
    let status = alert.as_ref().map_or(StatusCode::OK, |alert| alert.status);
    let return_to = flow.return_to.as_deref().unwrap_or_default();
    let view = PasswordPage {
        page,
        alert,
        captcha,
        flow: flow.seal(page.scope()),
        identifier: &flow.identifier,
        change: page.with("/login", &[("return_to", return_to)]),
        password: has(Method::Password),
        code: has(Method::EmailOtp) || has(Method::PhoneOtp),
        phone: has(Method::PhoneOtp),
        link: has(Method::MagicLink),
        passkey: has(Method::Webauthn) && has_passkeys(&page.tenant),
        next: page.with("/signed-in", &[("return_to", return_to)]),
        more: page.with("/login/factor", &[("return_to", return_to)]),
    };
    let mut response = page.show(status, &view)?;
    retry_after(&mut response, view.alert.as_ref());
    Ok(response)
}

/// Tells programs, too, when to come again.
pub fn retry_after(response: &mut Response, alert: Option<&Alert>) {
    if let Some(seconds) = alert.and_then(|alert| alert.retry_after) {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
}

/// Takes the password.
pub async fn submit(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let Some(flow) = Flow::open(page.scope(), form.get("flow")) else {
        return Ok(page.go(&page.at("/login")));
    };
    if form.get("password").is_empty() {
        let alert = Alert::missing(page.t.need_password, "password");
        let wait = captcha::again(&form, &alert)?;
        return render(page, &flow, Some(alert), wait).await;
    }
    let input = Input {
        method: Some(Method::Password.as_str().to_owned()),
        secret: Some(form.secret("password")),
        captchas: captcha::presented(&form).await?,
        ..asked(page, &flow)
    };
    match advance(page.context(), input).await {
        Ok(step) => arrived(page, step, &flow),
        Err(error) => {
            let alert = Alert::of(page, error, "password")?;
            let wait = captcha::again(&form, &alert)?;
            render(page, &flow, Some(alert), wait).await
        }
    }
}
