//! Making an account; and using an invitation to one.

use super::flow::Flow;
use super::form::Posted;
use super::page::Page;
use super::problem::Alert;
use super::recovery::{NewPassword, hint};
use super::sign_in::{arrived, captcha, label};
use crate::http::{ApiError, AppState};
use crate::identity::onboarding::{OnboardingError, accept, invitation};
use crate::identity::sign_in::proof::Method;
use crate::identity::sign_in::{Input, Register, SignInError, Wanted, advance};
use crate::web::sign_in::Notice;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

/// The routes.
pub fn router() -> Router<AppState> {
    Router::new().route("/register", get(show).post(submit)).route("/invitation", get(invited).post(accepted))
}

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage<'a> {
    page: &'a Page,
    alert: Option<Alert>,
    captcha: Option<String>,
    flow: String,
    identifier: &'a str,
    name: &'a str,
    referral: &'a str,
    label: &'static str,
    hint: String,
    invited: bool,
    return_to: String,
}

/// What somebody has typed.
#[derive(Default)]
struct Typed {
    name: String,
    referral: String,
}

fn render(
    page: &Page,
    flow: &Flow,
    typed: &Typed,
    (alert, captcha): (Option<Alert>, Option<String>),
) -> Result<Response, ApiError> {
    let settings = &page.scope().profile().settings;
    let status = alert.as_ref().map_or(StatusCode::OK, |alert| alert.status);
    let view = RegisterPage {
        page,
        alert,
        captcha,
        flow: flow.seal(page.scope()),
        identifier: &flow.identifier,
        name: &typed.name,
        referral: &typed.referral,
        label: label(page),
        hint: hint(page),
        invited: settings.invite_only || !typed.referral.is_empty(),
        return_to: flow.return_to.clone().unwrap_or_default(),
    };
    page.show(status, &view)
}

/// The page.
async fn show(page: Page) -> Result<Response, ApiError> {
    if !page.scope().profile().settings.registration_is_allowed {
        return Err(SignInError::RegistrationDisabled.into());
    }
    let flow = page.flow().unwrap_or_else(|| Flow { return_to: page.return_to(), ..Flow::default() });
    let referral = page.param("referral_code").filter(|code| code.len() <= 64).unwrap_or_default();
    let wait = captcha::first(&page)?;
    render(&page, &flow, &Typed { referral, ..Typed::default() }, (None, wait))
}

/// Makes the account.
async fn submit(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let flow = Flow::open(page.scope(), form.get("flow")).unwrap_or_default();
    let flow = Flow { identifier: form.trimmed("identifier").to_owned(), ..flow };
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let typed =
        Typed { name: cut(form.trimmed("name"), 200), referral: cut(form.trimmed("referral_code"), 64) };
    let alert = match (flow.identifier.as_str(), form.get("password")) {
        ("", _) => Alert::missing(page.t.need_identifier, "identifier"),
        (_, "") => Alert::missing(page.t.need_password, "password"),
        _ => match made(&form, &flow, &typed).await {
            Ok(step) => return arrived(page, step, &flow),
            Err(error) => Alert::of(page, error, "password")?,
        },
    };
    let wait = captcha::again(&form, &alert)?;
    render(page, &flow, &typed, (Some(alert), wait))
}

async fn made(
    form: &Posted,
    flow: &Flow,
    typed: &Typed,
) -> Result<crate::identity::sign_in::Step, SignInError> {
    captcha::require(form).await?;
    let page = &form.page;
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let input = Input {
        kind: None,
        identifier: Some(flow.identifier.clone()),
        method: Some(Method::Password.as_str().to_owned()),
        secret: Some(form.secret("password")),
        register: Register::Required,
        name: given(&typed.name),
        referral_code: given(&typed.referral),
        wanted: Wanted::default(),
        device: page.device(),
        temporary: None,
        captchas: page.captchas(),
    };
    advance(page.context(), input).await
}

/// What an invitation leads to: the choice of a password.
pub async fn invited(mut page: Page) -> Result<Response, ApiError> {
    page.brand = page.brand.at_home();
    let token = page.param("token").unwrap_or_default();
    let found = invitation(page.scope(), &token).await?;
    let view = NewPassword {
        alert: None,
        title: page.named(page.t.invited_title),
        identifier: found.identifier().to_owned(),
        action: page.at("/invitation"),
        token,
        hint: hint(&page),
        page: &page,
    };
    page.show(StatusCode::OK, &view)
}

/// Uses it.
async fn accepted(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let token = form.get("token");
    let password = form.secret("password");
    let (identity, scope) = (&page.state.identity, page.scope());
    let error = match accept(identity, scope, token, &password, &page.client).await {
        Ok(_) => {
            let view = Notice {
                page,
                alert: None,
                title: page.t.activated_title.to_owned(),
                identifier: "",
                text: page.t.activated_text.to_owned(),
                link: Some((page.at("/login"), page.t.sign_in.to_owned())),
            };
            return page.show(StatusCode::OK, &view);
        }
        Err(OnboardingError::User(error)) => error,
        Err(error) => return Err(error.into()),
    };
    let found = invitation(scope, token).await?;
    let alert = Alert::of(page, error.into(), "password")?;
    let status = alert.status;
    let view = NewPassword {
        page,
        alert: Some(alert),
        title: page.named(page.t.invited_title),
        identifier: found.identifier().to_owned(),
        action: page.at("/invitation"),
        token: token.to_owned(),
        hint: hint(page),
    };
    page.show(status, &view)
}
