//! By a device that is signed in: the picture in the browser that asks, and the question on the device that scans it.

use super::link::Notice;
use crate::http::caller::Principal;
use crate::http::{ApiError, Caller, OptionalCaller, cookie, redirect};
use crate::identity::qr::service::{
    Approver, LIFETIME, Request, answer as answer_request, make, picture, read,
};
use crate::identity::sign_in::SignInError;
use crate::identity::social::transaction::browser_secret;
use crate::web::form::Posted;
use crate::web::page::Page;
use crate::web::problem::Alert;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

#[derive(Template)]
#[template(path = "qr.html")]
struct QrPage<'a> {
    page: &'a Page,
    alert: Option<Alert>,
    token: String,
    picture: String,
    number: u8,
    next: String,
    more: String,
    again: String,
    back: String,
}

#[derive(Template)]
#[template(path = "approve.html")]
struct ApprovePage<'a> {
    page: &'a Page,
    alert: Option<Alert>,
    identifier: String,
    ip: String,
    agent: String,
    code: String,
    choices: [u8; 3],
}

/// Asks: shows the picture, whose script waits for the answer.
pub async fn ask(page: Page) -> Result<Response, ApiError> {
    let flow = page.flow().unwrap_or_default();
    let return_to = flow.return_to.clone().or_else(|| page.return_to()).unwrap_or_default();
    let kept = cookie::get(&page.headers, cookie::OAUTH).filter(|secret| secret.len() == 43);
    let browser = kept.map_or_else(|| browser_secret(page.scope()), str::to_owned);
    let made = make(page.scope(), &page.client, &browser)?;
    let target = redirect::front_end(&page.tenant, ["qr", "qr_url"], "/qr");
    let target = if target.starts_with('/') { format!("{}{target}", page.issuer) } else { target };
    let params = [("return_to", return_to.as_str())];
    let view = QrPage {
        page: &page,
        alert: None,
        picture: picture(&redirect::with_param(&target, ("qr_code", &made.code))),
        token: made.token,
        number: made.number,
        next: page.with("/signed-in", &params),
        more: page.with("/login/factor", &params),
        again: page.with("/login/qr", &params),
        back: page.with("/login", &params),
    };
    let mut response = page.show(StatusCode::OK, &view)?;
    cookie::set_oauth(response.headers_mut(), &page.tenant, (&browser, LIFETIME), false);
    Ok(response)
}

/// What the device that has scanned it is asked. Looking at it takes the request for this device.
pub async fn scanned(mut page: Page, OptionalCaller(caller): OptionalCaller) -> Result<Response, ApiError> {
    page.brand = page.brand.at_home();
    if let Some(status) = page.param("done") {
        return done(&page, &status);
    }
    let code = page.param("qr_code").ok_or_else(|| ApiError::from(SignInError::InvalidCredentials))?;
    let here = page.with("/qr", &[("qr_code", code.as_str())]);
    let Some(caller) = caller else {
        return Ok(page.go(&page.with("/login", &[("return_to", here.as_str())])));
    };
    let request = read(page.scope(), &code).map_err(expired)?;
    match answered(&page, &caller, &request, (true, None)).await {
        Ok(_) => {}
        // Whoever signed in long ago does so again, and comes back.
        Err(error) if error.code() == "RECENT_SIGN_IN_REQUIRED" => {
            return Ok(page.go(&page.with("/login", &[("return_to", here.as_str())])));
        }
        Err(error) => return Err(error),
    }
    let view = ApprovePage {
        page: &page,
        alert: None,
        identifier: caller.user.identifiers.first().map(|own| own.value.clone()).unwrap_or_default(),
        ip: request.ip.clone(),
        agent: request.agent.clone().unwrap_or_default(),
        choices: request.choices,
        code,
    };
    page.show(StatusCode::OK, &view)
}

/// A request that is none, or over.
fn expired(error: SignInError) -> ApiError {
    match error {
        SignInError::InvalidCredentials => SignInError::LinkUnusable.into(),
        other => other.into(),
    }
}

async fn answered(
    page: &Page,
    caller: &Caller,
    request: &Request,
    choice: (bool, Option<u8>),
) -> Result<&'static str, ApiError> {
    caller.at_home()?;
    let Principal::Session { session, .. } = &caller.principal else { return Err(ApiError::not_found()) };
    if !caller.is_in_person() {
        return Err(ApiError::not_found());
    }
    let approver = Approver { user: &caller.user, session, client: &page.client };
    answer_request(page.scope(), request, approver, choice).await.map_err(expired)
}

/// Takes the answer: a number, or none.
pub async fn answer(OptionalCaller(caller): OptionalCaller, form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let Some(caller) = caller else { return Ok(page.go(&page.at("/login"))) };
    let request = read(page.scope(), form.get("qr_code")).map_err(expired)?;
    let number: Option<u8> = form.get("number").parse().ok();
    let status = answered(page, &caller, &request, (number.is_some(), number)).await?;
    Ok(page.go(&page.with("/qr", &[("done", status)])))
}

/// What came of it.
fn done(page: &Page, status: &str) -> Result<Response, ApiError> {
    let (title, text) = match status {
        "completed" => (page.t.approved_title, page.t.approved_text),
        _ => (page.t.refused_title, page.t.refused_text),
    };
    let view = Notice {
        page,
        alert: None,
        title: title.to_owned(),
        identifier: "",
        text: text.to_owned(),
        link: None,
    };
    page.show(StatusCode::OK, &view)
}
