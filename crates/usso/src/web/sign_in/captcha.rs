//! The captcha of a form: a script solves it; without one, waiting does (ruling D32).

use crate::http::ApiError;
use crate::identity::captcha::service::{is_satisfied, is_waiting, wait_begun, waited};
use crate::identity::sign_in::SignInError;
use crate::tenant::settings::CaptchaMode;
use crate::web::form::Posted;
use crate::web::page::Page;
use crate::web::problem::Alert;

/// For a page that is asked for: where every attempt needs one, and none was solved yet.
///
/// # Errors
/// When the tenant's key can't be derived.
pub fn first(page: &Page) -> Result<Option<String>, ApiError> {
    needed(page, page.scope().profile().settings.captcha_mode == CaptchaMode::Always)
}

/// For a form that is shown again: if that was what it lacked. Who waits goes on waiting.
///
/// # Errors
/// When the tenant's key can't be derived.
pub fn again(form: &Posted, alert: &Alert) -> Result<Option<String>, ApiError> {
    let begun = form.get("wait");
    if alert.code == "CAPTCHA_REQUIRED" && is_waiting(form.page.scope(), begun)? {
        return Ok(Some(begun.to_owned()));
    }
    let mode = form.page.scope().profile().settings.captcha_mode;
    needed(&form.page, alert.code == "CAPTCHA_REQUIRED" || mode == CaptchaMode::Always)
}

fn needed(page: &Page, is_asked: bool) -> Result<Option<String>, ApiError> {
    let captchas = page.captchas();
    let is_solved = is_satisfied(page.scope(), captchas.iter().map(String::as_str), u64::MAX)?;
    let is_open = is_asked && !is_solved;
    Ok(if is_open { Some(wait_begun(page.scope())?) } else { None })
}

/// What a form has of solved captchas, waiting included.
///
/// # Errors
/// When the tenant's key can't be derived, or the database is away.
pub async fn presented(form: &Posted) -> Result<Vec<String>, SignInError> {
    let mut captchas = form.page.captchas();
    captchas.extend(waited(form.page.scope(), form.get("wait")).await?);
    Ok(captchas)
}

/// Refuses a form without where every one needs it: before anything is sent that costs somebody money.
///
/// # Errors
/// `CAPTCHA_REQUIRED`.
pub async fn require(form: &Posted) -> Result<(), SignInError> {
    let captchas = presented(form).await?;
    let is_enough = is_satisfied(form.page.scope(), captchas.iter().map(String::as_str), 0)?;
    if is_enough { Ok(()) } else { Err(crate::identity::captcha::error::CaptchaError::Required.into()) }
}
