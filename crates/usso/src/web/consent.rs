//! Consent: which application asks for what, and the user's answer (OpenID Connect Core section 3.1.2.4).

use super::form::Posted;
use super::page::Page;
use super::problem::Alert;
use super::texts::Texts;
use crate::http::{ApiError, browser};
use crate::integration::OauthError;
use crate::integration::authorize::routes::back_to_client;
use crate::integration::consents::schema::ConsentView;
use crate::integration::consents::service::{decide, pending};
use askama::Template;
use axum::response::Response;
use http::StatusCode;

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage<'a> {
    page: &'a Page,
    alert: Option<Alert>,
    asked: &'a ConsentView,
    title: String,
    lead: String,
    wishes: Vec<String>,
}

/// The page, for a request that waits. Who isn't signed in for it does that first.
pub async fn show(page: Page) -> Result<Response, ApiError> {
    let handle = page.param("state").unwrap_or_default();
    let Some(browser) = browser::signed_in(&page.state, &page.tenant, &page.headers).await else {
        return Ok(again(&page, &handle));
    };
    let asked = page.tenant.asked();
    match pending(page.state.context(page.scope(), &asked), &handle, browser).await {
        Ok(pending) => render(&page, &ConsentView::of(&handle, &pending)),
        Err(OauthError::Token(_)) => Ok(again(&page, &handle)),
        Err(error) => Err(error.into()),
    }
}

fn render(page: &Page, asked: &ConsentView) -> Result<Response, ApiError> {
    let client = asked.client_name.as_str();
    let view = ConsentPage {
        page,
        alert: None,
        asked,
        title: page.put(page.t.consent_title, &[("client", client)]),
        lead: page.named(&page.put(page.t.consent_lead, &[("client", client)])),
        wishes: asked.scopes.iter().map(|word| wish(page.t, word)).collect(),
    };
    page.show(StatusCode::OK, &view)
}

/// What a word of `scope` lets a client do.
fn wish(t: &'static Texts, word: &str) -> String {
    let told = match word {
        "openid" => t.scope_openid,
        "profile" => t.scope_profile,
        "email" => t.scope_email,
        "phone" => t.scope_phone,
        "offline_access" => t.scope_offline,
        other => return other.to_owned(),
    };
    told.to_owned()
}

/// Takes the request up again, which leads to where it stands.
fn again(page: &Page, handle: &str) -> Response {
    page.go(&page.with("/oauth/authorize", &[("state", handle)]))
}

/// Takes the answer, and sends the browser back to the client.
pub async fn submit(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let handle = form.get("state");
    let Some(browser) = browser::signed_in(&page.state, &page.tenant, &page.headers).await else {
        return Ok(again(page, handle));
    };
    let asked = page.tenant.asked();
    let ctx = page.state.context(page.scope(), &asked);
    match decide(ctx, handle, browser, form.get("consent") == "true").await {
        Ok(back) => Ok(back_to_client(&back)),
        Err(OauthError::Token(_)) => Ok(again(page, handle)),
        Err(error) => Err(error.into()),
    }
}
