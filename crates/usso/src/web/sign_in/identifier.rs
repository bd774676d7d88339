//! Who signs in.

use super::arrived;
use super::ways::Ways;
use crate::http::{ApiError, cookie};
use crate::identity::sign_in::{Input, Register, Wanted, advance, standing};
use crate::tenant::settings::Settings;
use crate::web::account::must_choose;
use crate::web::flow::Flow;
use crate::web::form::Posted;
use crate::web::page::Page;
use crate::web::problem::Alert;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    page: &'a Page,
    alert: Option<Alert>,
    flow: String,
    identifier: String,
    label: &'static str,
    ways: Ways,
    registers: bool,
    return_to: String,
    next: String,
    more: String,
}

/// What an identifier is called here.
pub fn label(page: &Page) -> &'static str {
    let t = page.t;
    let flow = page.scope().profile().settings.login_flow.as_ref();
    let Some(flow) = flow else { return t.id_any };
    let has = |kind: &str| flow.allowed_identifiers.iter().any(|own| own == kind);
    match (has("email"), has("phone"), has("username")) {
        (true, false, false) => t.id_email,
        (false, true, false) => t.id_phone,
        (false, false, true) => t.id_username,
        (true, true, false) => t.id_email_phone,
        (true, false, true) => t.id_email_username,
        (false, true, true) => t.id_phone_username,
        _ => t.id_any,
    }
}

/// Whether people register themselves, as far as a stranger may know.
fn registers(settings: &Settings) -> bool {
    settings.registration_is_allowed
}

fn render(page: &Page, flow: &Flow, alert: Option<Alert>) -> Result<Response, ApiError> {
    let status = alert.as_ref().map_or(StatusCode::OK, |alert| alert.status);
    let sealed = Flow { identifier: String::new(), ..flow.clone() }.seal(page.scope());
    let return_to = flow.return_to.clone().unwrap_or_default();
    let view = LoginPage {
        page,
        alert,
        identifier: flow.identifier.clone(),
        label: label(page),
        ways: Ways::of(page, &sealed, &return_to),
        registers: registers(&page.scope().profile().settings),
        next: page.with("/signed-in", &[("return_to", return_to.as_str())]),
        more: page.with("/login/factor", &[("return_to", return_to.as_str())]),
        flow: sealed,
        return_to,
    };
    page.show(status, &view)
}

/// The page. Whoever comes back from elsewhere with half a sign-in goes on with it; `login_hint` fills the field in.
pub async fn show(page: Page) -> Result<Response, ApiError> {
    let return_to = page.return_to();
    let is_half = page.param("status").is_some_and(|status| status == "mfa_required");
    if let (true, Some(token)) = (is_half, cookie::get(&page.headers, cookie::LOGIN))
        && let Some(half) = standing(page.context(), token).await?
    {
        let next = if half.methods.is_empty() { "/login/enrol" } else { "/login/factor" };
        return Ok(page.go(&page.with(next, &[("return_to", return_to.as_deref().unwrap_or_default())])));
    }
    if let Some(target) = return_to.as_deref()
        && page.param("another").is_none()
        && must_choose(&page, target).await?
    {
        return Ok(page.go(&page.with("/accounts", &[("return_to", target)])));
    }
    let identifier = page.param("login_hint").filter(|hint| hint.len() <= 320).unwrap_or_default();
    let flow = page.flow().unwrap_or(Flow { identifier, return_to, is_new: false });
    render(&page, &flow, None)
}

/// Takes the identifier, and asks how.
pub async fn submit(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let flow = Flow::open(page.scope(), form.get("flow")).unwrap_or_default();
    let flow = Flow { identifier: form.trimmed("identifier").to_owned(), ..flow };
    if flow.identifier.is_empty() {
        let alert = Alert::missing(page.t.need_identifier, "identifier");
        return render(page, &flow, Some(alert));
    }
    match advance(page.context(), asked(page, &flow)).await {
        Ok(step) => arrived(page, step, &flow),
        Err(error) => {
            let alert = Alert::of(page, error, "identifier")?;
            render(page, &flow, Some(alert))
        }
    }
}

/// The input of somebody who has told who they are, and nothing else.
pub fn asked(page: &Page, flow: &Flow) -> Input {
    Input {
        kind: None,
        identifier: Some(flow.identifier.clone()),
        method: None,
        secret: None,
        register: Register::No,
        name: None,
        referral_code: None,
        wanted: Wanted::default(),
        device: page.device(),
        temporary: None,
        captchas: page.captchas(),
    }
}
