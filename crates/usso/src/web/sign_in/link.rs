//! By a link that is sent to the address. Following it shows a page, whose button uses it (ruling D17).

use super::password::render as choose;
use super::{arrived, captcha};
use crate::http::ApiError;
use crate::identity::links::request;
use crate::identity::sign_in::pending::Pending;
use crate::identity::sign_in::{SignInError, parse};
use crate::web::flow::Flow;
use crate::web::form::Posted;
use crate::web::page::Page;
use crate::web::problem::Alert;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

/// A page that tells something.
#[derive(Template)]
#[template(path = "notice.html")]
pub struct Notice<'a> {
    /// The page.
    pub page: &'a Page,
    /// What went wrong.
    pub alert: Option<Alert>,
    /// Its title.
    pub title: String,
    /// Whom it is about.
    pub identifier: &'a str,
    /// What it tells.
    pub text: String,
    /// Where to go from here.
    pub link: Option<(String, String)>,
}

/// A page with one button.
#[derive(Template)]
#[template(path = "confirm.html")]
pub struct Confirm<'a> {
    /// The page.
    pub page: &'a Page,
    /// What went wrong.
    pub alert: Option<Alert>,
    /// Its title.
    pub title: String,
    /// What the button does.
    pub text: String,
    /// Where it leads.
    pub action: String,
    /// What goes with it.
    pub hidden: Vec<(&'static str, String)>,
    /// What it says.
    pub label: &'static str,
}

/// Sends a link.
pub async fn send(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let Some(flow) = Flow::open(page.scope(), form.get("flow")) else {
        return Ok(page.go(&page.at("/login")));
    };
    match try_send(&form, &flow).await {
        Ok(()) => Ok(page.go(&page.with("/login/link", &[("flow", flow.seal(page.scope()).as_str())]))),
        Err(error) => {
            let alert = Alert::of(page, error, "")?;
            let wait = captcha::again(&form, &alert)?;
            choose(page, &flow, Some(alert), wait).await
        }
    }
}

async fn try_send(form: &Posted, flow: &Flow) -> Result<(), SignInError> {
    captcha::require(form).await?;
    let identifier = parse(form.page.scope(), None, &flow.identifier)?;
    request::request(form.page.context(), &identifier, flow.return_to.as_deref()).await
}

/// Tells that a link is on its way.
pub async fn sent(page: Page) -> Result<Response, ApiError> {
    let Some(flow) = page.flow() else { return Ok(page.go(&page.at("/login"))) };
    let minutes = (page.scope().profile().settings.magic_link_timeout / 60).to_string();
    let other = page.with("/login/password", &[("flow", flow.seal(page.scope()).as_str())]);
    let view = Notice {
        page: &page,
        alert: None,
        title: page.t.link_title.to_owned(),
        identifier: &flow.identifier,
        text: page.put(page.t.link_sent, &[("minutes", &minutes)]),
        link: Some((other, page.t.other_way.to_owned())),
    };
    page.show(StatusCode::OK, &view)
}

/// Where a link leads. Looking doesn't use it.
pub async fn follow(mut page: Page) -> Result<Response, ApiError> {
    // The address holds a secret: nothing is loaded from elsewhere.
    page.brand = page.brand.at_home();
    let token = page.param("token").ok_or_else(|| ApiError::from(SignInError::LinkUnusable))?;
    let view = Confirm {
        alert: None,
        title: page.t.sign_in.to_owned(),
        text: page.named(page.t.magic_text),
        action: page.at("/magic-link"),
        hidden: vec![("token", token)],
        label: page.t.sign_in,
        page: &page,
    };
    page.show(StatusCode::OK, &view)
}

/// Uses a link.
pub async fn redeem(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let pending = page.temporary().and_then(|token| Pending::read(page.scope(), &token));
    let (step, target) = request::redeem(page.context(), form.get("token"), pending).await?;
    // It was checked when the link was made: a page of the tenant.
    arrived(page, step, &Flow { return_to: target, ..Flow::default() })
}
