//! The accounts of a browser: which are signed in, choosing one, signing out.
//!
//! A browser's session cookies are of one account. Which other sessions it holds stands sealed in a cookie of its own, from
//! which choosing an account goes on with that session. It is as good as the sessions it names, and ends with them.

use super::form::{Posted, renew};
use super::page::Page;
use super::problem::Alert;
use super::sign_in::{Confirm, default_target, signed_in};
use super::target::own_path;
use crate::http::error::storage;
use crate::http::{ApiError, AppState, OptionalCaller, browser, cookie};
use crate::identity::sessions::service::{SignedIn, is_live, log_out, resume};
use crate::identity::users::model::User;
use crate::integration::Browser;
use crate::integration::authorize::waiting;
use crate::tenant::verify::authenticate;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kernel::{SessionId, UserId};
use serde::{Deserialize, Serialize};

/// What the cookie is sealed for.
const PLACE: &[u8] = b"web-accounts";
/// How many accounts a browser holds.
const MOST: usize = 8;

/// The routes.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/accounts", get(choose).post(chosen))
        .route("/signed-in", get(welcome))
        .route("/logout", get(asked_out).post(sign_out))
        .route("/logged-out", get(out))
}

/// A session of the browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    #[serde(rename = "s")]
    session: SessionId,
    #[serde(rename = "u")]
    user: UserId,
}

fn held(page: &Page) -> Vec<Held> {
    let text = cookie::get(&page.headers, cookie::ACCOUNTS).unwrap_or_default();
    let plain = page.scope().profile().seal.open(PLACE, text).ok();
    plain.and_then(|plain| serde_json::from_slice(&plain).ok()).unwrap_or_default()
}

fn keep(headers: &mut HeaderMap, page: &Page, held: &[Held]) {
    let plain = serde_json::to_vec(held).unwrap_or_default();
    let lifetime = if held.is_empty() { 0 } else { page.scope().profile().settings.refresh_timeout };
    let sealed = page.scope().profile().seal.seal(PLACE, &plain).unwrap_or_default();
    let value = if held.is_empty() { "" } else { sealed.as_str() };
    cookie::set(headers, &page.tenant, (cookie::ACCOUNTS, value), lifetime);
}

/// Adds a session to those of the browser, in the place of another one of its user.
pub fn remember(headers: &mut HeaderMap, page: &Page, done: &SignedIn) {
    let session = done.tokens.claims.session_id.as_deref().and_then(|id| SessionId::parse(id).ok());
    let Some(session) = session else { return };
    let new = Held { session, user: done.user.id.clone() };
    let others = held(page).into_iter().filter(|own| own.user != new.user).take(MOST - 1);
    let all: Vec<Held> = std::iter::once(new.clone()).chain(others).collect();
    keep(headers, page, &all);
}

/// An account to choose.
struct Account {
    session: String,
    name: String,
    identifier: String,
    initial: String,
}

impl Account {
    fn of(session: &SessionId, user: &User) -> Self {
        let identifier = user.identifiers.first().map(|own| own.value.clone()).unwrap_or_default();
        let name = user.name.clone().unwrap_or_else(|| identifier.clone());
        let initial = name.chars().next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
        let identifier = if identifier == name { String::new() } else { identifier };
        Self { session: session.as_str().to_owned(), name, identifier, initial }
    }
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage<'a> {
    page: &'a Page,
    alert: Option<Alert>,
    accounts: Vec<Account>,
    return_to: String,
}

#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedInPage<'a> {
    page: &'a Page,
    alert: Option<Alert>,
    identifier: String,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutPage<'a> {
    page: &'a Page,
    alert: Option<Alert>,
    told: &'a [String],
}

async fn accounts(page: &Page) -> Result<Vec<Account>, ApiError> {
    let (identity, scope) = (&page.state.identity, page.scope());
    let mut accounts = Vec::new();
    for own in held(page) {
        let session = identity.session(scope, &own.session).await.map_err(|e| storage(&e))?;
        let user = identity.user(scope, &own.user).await.map_err(|e| storage(&e))?;
        if let Some((session, user)) = session.zip(user)
            && session.user_id == user.id
            && is_live(scope, &session, &user)
        {
            accounts.push(Account::of(&own.session, &user));
        }
    }
    Ok(accounts)
}

/// The request of an application that waits for its user, if that is where a page leads back to.
fn handle(page: &Page, return_to: &str) -> Option<String> {
    let (path, query) = return_to.split_once('?')?;
    let handle = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "state")?.1;
    (path == page.at("/oauth/authorize")).then(|| handle.into_owned())
}

/// Whether who signs in to go back there is to be offered the accounts of this browser (`prompt=select_account`).
pub async fn must_choose(page: &Page, return_to: &str) -> Result<bool, ApiError> {
    let Some(handle) = handle(page, return_to) else { return Ok(false) };
    let asked = page.tenant.asked();
    let ctx = page.state.context(page.scope(), &asked);
    let Ok(waiting) = waiting(ctx, &handle).await else { return Ok(false) };
    let prompt = &waiting.transaction.request.prompt;
    Ok(prompt.select_account && !prompt.login && !accounts(page).await?.is_empty())
}

/// Tells the request that waits whom it is to be answered for.
async fn choose_for(page: &Page, return_to: &str, done: &SignedIn) -> Result<(), ApiError> {
    let Some(handle) = handle(page, return_to) else { return Ok(()) };
    let asked = page.tenant.asked();
    let ctx = page.state.context(page.scope(), &asked);
    let Ok(waiting) = waiting(ctx, &handle).await else { return Ok(()) };
    let id = done.tokens.claims.session_id.as_deref().and_then(|id| SessionId::parse(id).ok());
    let Some(id) = id else { return Ok(()) };
    let session = page.state.identity.session(page.scope(), &id).await.map_err(|e| storage(&e))?;
    if let Some(session) = session {
        let own = Browser { session, user: done.user.clone() };
        waiting.choose(page.scope(), &own).await.map_err(|e| storage(&e))?;
    }
    Ok(())
}

/// The choice of an account; who has none signs in.
async fn choose(page: Page) -> Result<Response, ApiError> {
    let return_to = page.return_to().unwrap_or_default();
    let accounts = accounts(&page).await?;
    if accounts.is_empty() {
        return Ok(page.go(&page.with("/login", &[("return_to", return_to.as_str())])));
    }
    let view = AccountsPage { page: &page, alert: None, accounts, return_to };
    page.show(StatusCode::OK, &view)
}

/// Goes on with the session of the chosen account; who took too long to choose signs in.
async fn chosen(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let return_to = own_path(form.get("return_to"));
    let chosen = held(page).into_iter().find(|own| own.session.as_str() == form.get("session"));
    let resumed = match &chosen {
        Some(own) => {
            let session = (&own.session, &page.client);
            resume(&page.state.identity, page.scope(), &page.issuer, session).await.ok()
        }
        None => None,
    };
    match resumed {
        Some(done) => {
            choose_for(page, return_to.unwrap_or_default(), &done).await?;
            Ok(signed_in(page, &done, return_to))
        }
        None => Ok(page.go(&page.with("/login", &[("return_to", return_to.unwrap_or_default())]))),
    }
}

/// Where who has signed in arrives: with a script's help, to be sent on; or without anywhere to go.
async fn welcome(page: Page, OptionalCaller(caller): OptionalCaller) -> Result<Response, ApiError> {
    let return_to = page.return_to();
    let Some(caller) = caller else {
        return Ok(page.go(&page.with("/login", &[("return_to", return_to.as_deref().unwrap_or_default())])));
    };
    let target = return_to.unwrap_or_else(|| default_target(&page));
    let is_here = target == page.at("/signed-in");
    let mut response = if is_here {
        let account = caller.user.identifiers.first().map(|own| own.value.clone()).unwrap_or_default();
        page.show(StatusCode::OK, &SignedInPage { page: &page, alert: None, identifier: account })?
    } else {
        page.go(&target)
    };
    // An access token opens things; it is not worth a session that is gone on with.
    let holder = browser::by_refresh_cookie(&page.state, &page.tenant, &page.headers).await;
    let is_held = |id: &&SessionId| holder.as_ref().is_some_and(|own| own.session.id == **id);
    if let Some(session) = caller.session_id().filter(|_| caller.is_in_person()).filter(is_held) {
        let new = Held { session: session.clone(), user: caller.user.id.clone() };
        let others = held(&page);
        if !others.contains(&new) {
            let others = others.into_iter().filter(|own| own.user != new.user).take(MOST - 1);
            let all: Vec<Held> = std::iter::once(new.clone()).chain(others).collect();
            keep(response.headers_mut(), &page, &all);
        }
    }
    Ok(response)
}

/// Asks whether to sign out.
async fn asked_out(page: Page) -> Result<Response, ApiError> {
    ask_out(&page, "/logout")
}

/// The question whether to sign out, answered at this path.
///
/// # Errors
/// A template that can't be rendered: a defect.
pub fn ask_out(page: &Page, action: &str) -> Result<Response, ApiError> {
    let view = Confirm {
        page,
        alert: None,
        title: page.t.sign_out_title.to_owned(),
        text: page.named(page.t.sign_out_text),
        action: page.at(action),
        hidden: Vec::new(),
        label: page.t.sign_out,
    };
    page.show(StatusCode::OK, &view)
}

/// Signs out of the account in use.
async fn sign_out(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let mut ended = Vec::new();
    for name in [cookie::REFRESH, cookie::ACCESS] {
        let Some(token) = cookie::get(&page.headers, name) else { continue };
        let Ok(claims) = authenticate(page.scope(), token) else { continue };
        log_out(&page.state.identity, page.scope(), &claims, &page.client).await?;
        ended.extend(claims.session_id);
    }
    let mut response = page.go(&page.at("/logged-out"));
    let headers = response.headers_mut();
    cookie::clear_tokens(headers, &page.tenant);
    cookie::clear_login(headers, &page.tenant);
    renew(headers, &page.tenant);
    let others: Vec<Held> =
        held(page).into_iter().filter(|own| ended.iter().all(|id| *id != own.session.as_str())).collect();
    keep(headers, page, &others);
    Ok(response)
}

/// Tells that somebody is signed out.
async fn out(page: Page) -> Result<Response, ApiError> {
    signed_out(&page, &[])
}

/// Tells that somebody is signed out, and has the browser tell these addresses of applications (Front-Channel Logout 1.0
/// section 2).
///
/// # Errors
/// A template that can't be rendered: a defect.
pub fn signed_out(page: &Page, told: &[String]) -> Result<Response, ApiError> {
    let mut response = page.show(StatusCode::OK, &SignedOutPage { page, alert: None, told })?;
    let sources: Vec<&str> = told.iter().filter_map(|uri| source(uri)).collect();
    let headers = response.headers_mut();
    let policy = headers.get(header::CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
    let framing = policy.map(|policy| format!("frame-src {}; {policy}", sources.join(" ")));
    if let (false, Some(Ok(policy))) = (sources.is_empty(), framing.map(HeaderValue::try_from)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// The origin of a registered address, without anything that would end it as a source.
fn source(uri: &str) -> Option<&str> {
    let start = uri.find("://")? + 3;
    let end = uri.get(start..)?.find(['/', '?']).map_or(uri.len(), |end| start + end);
    uri.get(..end).filter(|origin| !origin.contains([';', ',', ' ', '\'']))
}
