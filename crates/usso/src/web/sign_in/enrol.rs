//! Setting up a second factor in the middle of a sign-in that needs one (ruling D39).

use super::arrived;
use super::password::retry_after;
use super::ways::has_passkeys;
use crate::http::ApiError;
use crate::identity::picture;
use crate::identity::sign_in::enrolment::{begin as begin_authenticator, confirm as confirm_authenticator};
use crate::identity::sign_in::proof::Method;
use crate::identity::sign_in::standing;
use crate::web::flow::Flow;
use crate::web::form::Posted;
use crate::web::page::Page;
use crate::web::problem::Alert;
use crate::web::target::own_path;
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

/// What an authenticator that is being set up is sealed for between its page and the form.
const PLACE: &[u8] = b"web-enrolment";

#[derive(Template)]
#[template(path = "enrol.html")]
struct EnrolPage<'a> {
    page: &'a Page,
    alert: Option<Alert>,
    totp: bool,
    passkey: bool,
    return_to: String,
    next: String,
    more: String,
}

#[derive(Template)]
#[template(path = "totp.html")]
struct TotpPage<'a> {
    page: &'a Page,
    alert: Option<Alert>,
    picture: String,
    secret: String,
    url: String,
    enrolment: String,
    return_to: String,
}

/// An authenticator that waits for its first code.
#[derive(Serialize, Deserialize)]
struct Begun {
    credential: String,
    secret: String,
    url: String,
}

/// The page.
pub async fn show(page: Page) -> Result<Response, ApiError> {
    let return_to = page.return_to().unwrap_or_default();
    let token = page.temporary().unwrap_or_default();
    let Some(standing) = standing(page.context(), &token).await? else {
        return Ok(page.go(&page.with("/login", &[("return_to", return_to.as_str())])));
    };
    if standing.enrol.is_empty() {
        return Ok(page.go(&page.with("/login/factor", &[("return_to", return_to.as_str())])));
    }
    let view = EnrolPage {
        page: &page,
        alert: None,
        totp: standing.enrol.contains(&Method::Totp),
        passkey: standing.enrol.contains(&Method::Webauthn) && has_passkeys(&page.tenant),
        next: page.with("/signed-in", &[("return_to", return_to.as_str())]),
        more: page.with("/login/factor", &[("return_to", return_to.as_str())]),
        return_to,
    };
    page.show(StatusCode::OK, &view)
}

/// Begins an authenticator. Its secret is shown with the answer, and by nothing else.
pub async fn begin(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let begun = begin_authenticator(page.context(), page.temporary().as_deref()).await?;
    let begun = Begun {
        credential: begun.credential.id.clone(),
        secret: begun.secret.expose_secret().to_owned(),
        url: begun.otpauth_url.expose_secret().to_owned(),
    };
    render(&form, &begun, None)
}

fn render(form: &Posted, begun: &Begun, alert: Option<Alert>) -> Result<Response, ApiError> {
    let page = &form.page;
    let status = alert.as_ref().map_or(StatusCode::OK, |alert| alert.status);
    let plain = serde_json::to_vec(begun).unwrap_or_default();
    let view = TotpPage {
        page,
        alert,
        picture: picture::qr(&begun.url).unwrap_or_default(),
        secret: begun.secret.clone(),
        url: begun.url.clone(),
        enrolment: page.scope().profile().seal.seal(PLACE, &plain).unwrap_or_default(),
        return_to: own_path(form.get("return_to")).unwrap_or_default().to_owned(),
    };
    let mut response = page.show(status, &view)?;
    retry_after(&mut response, view.alert.as_ref());
    Ok(response)
}

/// Confirms it with its first code, and signs in.
pub async fn confirm(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let return_to = own_path(form.get("return_to")).map(str::to_owned);
    let plain = page.scope().profile().seal.open(PLACE, form.get("enrolment")).ok();
    let Some(begun) = plain.and_then(|plain| serde_json::from_slice::<Begun>(&plain).ok()) else {
        return Ok(page.go(&page.at("/login/enrol")));
    };
    let code = form.trimmed("code").into();
    let token = page.temporary();
    match confirm_authenticator(page.context(), token.as_deref(), (&begun.credential, &code)).await {
        Ok(step) => arrived(page, step, &Flow { return_to, ..Flow::default() }),
        Err(error) => {
            let alert = Alert::of(page, error, "code")?;
            // Whoever took too long begins anew.
            if alert.code.starts_with("TOKEN_") {
                return Ok(page.go(&page.at("/login")));
            }
            render(&form, &begun, Some(alert))
        }
    }
}
