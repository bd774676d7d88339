//! Connecting a device that has no browser of its own (RFC 8628 section 3.3): its code is entered, or comes in the address, and
//! even then somebody says yes to what is asked for.

use super::consent::told;
use super::form::Posted;
use super::page::Page;
use super::problem::Alert;
use super::sign_in::{Notice, retry_after};
use crate::http::error::storage;
use crate::http::{ApiError, AppState, browser};
use crate::integration::Browser;
use crate::integration::clients::service as clients;
use crate::integration::device::model::DeviceRequest;
use crate::integration::device::service::{Approver, DeviceError, answer, find};
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use kernel::{Problem, Stored};

/// The routes.
pub fn router() -> Router<AppState> {
    Router::new().route("/device", get(ask).post(decide))
}

/// What a device asks for.
struct Wanted {
    lead: String,
    scopes: Vec<(String, String)>,
    ip: String,
    agent: String,
}

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage<'a> {
    page: &'a Page,
    alert: Option<Alert>,
    identifier: String,
    code: String,
    wanted: Option<Wanted>,
}

/// Asks for the code; or, if there is one, whether its device may have what it asks for.
async fn ask(page: Page) -> Result<Response, ApiError> {
    let code = page.param("user_code").unwrap_or_default();
    let Some(browser) = browser::signed_in_enough(&page.state, &page.tenant, &page.headers).await else {
        let here = page.with("/device", &[("user_code", code.as_str())]);
        return Ok(page.go(&page.with("/login", &[("return_to", here.as_str())])));
    };
    if code.is_empty() {
        return show(&page, &browser, (code, None, None));
    }
    match find(page.scope(), &code, &page.client).await {
        Ok(request) => {
            let wanted = wanted(&page, &request).await?;
            show(&page, &browser, (code, None, Some(wanted)))
        }
        Err(error) => {
            let alert = alert(&page, error)?;
            show(&page, &browser, (code, Some(alert), None))
        }
    }
}

/// Takes the code, or the answer.
async fn decide(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let code = form.trimmed("user_code");
    let here = page.with("/device", &[("user_code", code)]);
    let is_approved = match form.get("answer") {
        "connect" => true,
        "refuse" => false,
        _ => return Ok(page.go(&here)),
    };
    let Some(browser) = browser::signed_in_enough(&page.state, &page.tenant, &page.headers).await else {
        return Ok(page.go(&page.with("/login", &[("return_to", here.as_str())])));
    };
    let Browser { session, user } = &browser;
    let approver = Approver { user, session, client: &page.client };
    let answered = match find(page.scope(), code, &page.client).await {
        Ok(request) => answer(page.scope(), &request, approver, is_approved).await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(()) => done(page, is_approved),
        Err(error) => {
            let alert = alert(page, error)?;
            show(page, &browser, (code.to_owned(), Some(alert), None))
        }
    }
}

async fn wanted(page: &Page, request: &Stored<DeviceRequest>) -> Result<Wanted, ApiError> {
    let state = &page.state;
    let client = clients::live(&state.identity, &state.integration, page.scope(), &request.client_id).await;
    let client = client.map_err(|e| storage(&e))?.ok_or(DeviceError::NotFound)?;
    Ok(Wanted {
        lead: page.put(page.t.device_asks, &[("client", client.title())]),
        scopes: told(page, &request.scope),
        ip: request.ip.clone(),
        agent: request.user_agent.clone().unwrap_or_default(),
    })
}

/// What is told above the field for the code. What is nobody's fault becomes a page of its own.
fn alert(page: &Page, error: DeviceError) -> Result<Alert, ApiError> {
    let (text, status, retry_after) = match &error {
        DeviceError::NotFound => (page.t.device_unknown.to_owned(), StatusCode::BAD_REQUEST, None),
        DeviceError::TooMany(wait) => {
            let text = page.put(page.t.wait_seconds, &[("seconds", &wait.to_string())]);
            (text, StatusCode::TOO_MANY_REQUESTS, Some(*wait))
        }
        _ => return Err(error.into()),
    };
    Ok(Alert { text, field: "user_code", status, code: error.code(), retry_after })
}

fn show(
    page: &Page,
    browser: &Browser,
    (code, alert, wanted): (String, Option<Alert>, Option<Wanted>),
) -> Result<Response, ApiError> {
    let identifier = browser.user.identifiers.first().map(|own| own.value.clone()).unwrap_or_default();
    let status = alert.as_ref().map_or(StatusCode::OK, |alert| alert.status);
    let view = DevicePage { page, alert, identifier, code, wanted };
    let mut response = page.show(status, &view)?;
    retry_after(&mut response, view.alert.as_ref());
    Ok(response)
}

fn done(page: &Page, is_approved: bool) -> Result<Response, ApiError> {
    let (title, text) = match is_approved {
        true => (page.t.approved_title, page.t.device_connected),
        false => (page.t.refused_title, page.t.device_refused),
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
