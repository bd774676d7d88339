//! What an application asks a user for, and the answer (OpenID Connect Core 1.0 section 3.1.2.4; checklist AUTHZ-14).

use super::form::Posted;
use super::page::Page;
use super::problem::Alert;
use crate::http::{ApiError, browser};
use crate::integration::authorize::routes::back_to_client;
use crate::integration::consents::service::{Pending, decide, pending};
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use kernel::{Problem, ProblemKind};

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage<'a> {
    page: &'a Page,
    alert: Option<Alert>,
    title: String,
    identifier: String,
    change: String,
    scopes: Vec<(String, String)>,
    lifetime: String,
    warning: Option<String>,
    goes_to: String,
    action: String,
    handle: &'a str,
    links: Vec<(String, &'static str)>,
}

/// What the words of a scope allow, in words.
pub fn told(page: &Page, scope: &[String]) -> Vec<(String, String)> {
    let t = page.t;
    let text = |word: &str| match word {
        "openid" => t.scope_openid.to_owned(),
        "profile" => t.scope_profile.to_owned(),
        "email" => t.scope_email.to_owned(),
        "phone" => t.scope_phone.to_owned(),
        "offline_access" => t.scope_offline.to_owned(),
        other => page.put(t.scope_other, &[("scope", other)]),
    };
    scope.iter().map(|word| (word.clone(), text(word))).collect()
}

/// The part of a redirection URI that tells a person where it leads: the host, or the scheme of an application's own.
fn host(redirect_uri: &str) -> &str {
    match redirect_uri.split_once("://") {
        Some(("http" | "https", rest)) => rest.split(['/', '?', '#']).next().unwrap_or(rest),
        _ => redirect_uri.split(':').next().unwrap_or(redirect_uri),
    }
}

/// The way to sign in and back to a request that waits.
fn sign_in(page: &Page, handle: &str) -> Response {
    let way_back = page.with("/oauth/authorize", &[("state", handle)]);
    page.go(&page.with("/login", &[("return_to", way_back.as_str())]))
}

/// The page. Nothing is recorded.
pub async fn show(page: Page) -> Result<Response, ApiError> {
    let missing = || ApiError::invalid(Vec::new(), "state: is required");
    let handle = page.param("state").ok_or_else(missing)?;
    let Some(own) = browser::signed_in_enough(&page.state, &page.tenant, &page.headers).await else {
        return Ok(sign_in(&page, &handle));
    };
    let asked = page.tenant.asked();
    let ctx = page.state.context(page.scope(), &asked);
    match pending(ctx, &handle, own).await {
        Ok(waiting) => render(&page, &handle, &waiting),
        // Once more, or as somebody else.
        Err(error) if matches!(error.kind(), ProblemKind::Unauthenticated) => Ok(sign_in(&page, &handle)),
        Err(error) => Err(error.into()),
    }
}

fn render(page: &Page, handle: &str, waiting: &Pending) -> Result<Response, ApiError> {
    let (client, user) = (&waiting.client, &waiting.browser.user);
    let scope = &waiting.transaction.request.asked();
    let settings = &page.scope().profile().settings;
    let stays = scope.iter().any(|word| word == "offline_access");
    let lifetime = match stays {
        true => page
            .put(page.t.consent_away, &[("days", &(settings.refresh_timeout / 86_400).max(1).to_string())]),
        false => {
            page.put(page.t.consent_while, &[("minutes", &(settings.access_timeout / 60).max(1).to_string())])
        }
    };
    let link = |url: &Option<String>, label| {
        let url = url.clone().filter(|url| url.starts_with("https://") || url.starts_with("http://"));
        url.map(|url| (url, label))
    };
    let links =
        [link(&client.display.policy_uri, page.t.privacy), link(&client.display.tos_uri, page.t.terms)];
    let way_back = page.with("/oauth/authorize", &[("state", handle)]);
    let view = ConsentPage {
        page,
        alert: None,
        title: page.put(page.t.consent_title, &[("client", client.title())]),
        identifier: user.identifiers.first().map(|own| own.value.clone()).unwrap_or_default(),
        change: page.with("/accounts", &[("return_to", way_back.as_str())]),
        scopes: told(page, scope),
        lifetime,
        warning: client
            .registered_itself()
            .then(|| page.put(page.t.consent_unknown, &[("client", client.title())])),
        goes_to: page
            .put(page.t.consent_goes_to, &[("host", host(&waiting.transaction.request.redirect_uri))]),
        action: page.at("/consent"),
        handle,
        links: links.into_iter().flatten().collect(),
    };
    page.show(StatusCode::OK, &view)
}

/// Takes the answer, once, and leads back to the application.
pub async fn answer(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let handle = form.get("state");
    let is_allowed = match form.get("consent") {
        "allow" => true,
        "deny" => false,
        _ => return Err(ApiError::invalid(Vec::new(), "consent: is allow or deny")),
    };
    let Some(own) = browser::signed_in_enough(&page.state, &page.tenant, &page.headers).await else {
        return Ok(sign_in(page, handle));
    };
    let asked = page.tenant.asked();
    let ctx = page.state.context(page.scope(), &asked);
    Ok(back_to_client(&decide(ctx, handle, own, is_allowed).await?))
}
