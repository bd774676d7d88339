//! The step a sign-in has reached, as cookies and the next page.

use crate::http::{ApiError, cookie};
use crate::identity::sessions::service::SignedIn;
use crate::identity::sign_in::{SignInError, Step};
use crate::web::account::remember;
use crate::web::flow::Flow;
use crate::web::form;
use crate::web::page::Page;
use axum::response::Response;

/// Where people go who have signed in and named no page.
pub fn default_target(page: &Page) -> String {
    let config = page.scope().profile().tenant.config.extra();
    let set = config.get("default_redirect_url").and_then(|url| url.as_str());
    set.filter(|url| !url.is_empty() && *url != "/").map_or_else(|| page.at("/signed-in"), str::to_owned)
}

/// Leads on from a step.
///
/// # Errors
/// `REGISTRATION_DISABLED` for a proven identifier that nobody has, where nobody may take it.
pub fn arrived(page: &Page, step: Step, flow: &Flow) -> Result<Response, ApiError> {
    let return_to = flow.return_to.as_deref().unwrap_or_default();
    match step {
        Step::Completed(done) => Ok(signed_in(page, &done, flow.return_to.as_deref())),
        Step::More { token, expires_in, methods, .. } => {
            let next = if methods.is_empty() { "/login/enrol" } else { "/login/factor" };
            let mut response = page.go(&page.with(next, &[("return_to", return_to)]));
            cookie::set_login(response.headers_mut(), &page.tenant, &token, expires_in);
            Ok(response)
        }
        Step::Awaiting { token, expires_in, .. } => {
            let flow = Flow { is_new: true, ..flow.clone() }.seal(page.scope());
            let mut response = page.go(&page.with("/login/code", &[("flow", flow.as_str()), ("sent", "1")]));
            cookie::set_login(response.headers_mut(), &page.tenant, &token, expires_in);
            Ok(response)
        }
        Step::Verify { .. } => {
            Ok(page.go(&page.with("/login/password", &[("flow", flow.seal(page.scope()).as_str())])))
        }
        Step::RegistrationRequired => Err(SignInError::RegistrationDisabled.into()),
    }
}

/// Leads on somebody who is signed in. The session is a new one, and what the browser's forms were bound to is not used again.
pub fn signed_in(page: &Page, done: &SignedIn, return_to: Option<&str>) -> Response {
    let target = return_to.map_or_else(|| default_target(page), str::to_owned);
    let mut response = page.go(&target);
    let headers = response.headers_mut();
    cookie::set_tokens(headers, &page.tenant, &done.tokens);
    cookie::set_device(headers, &page.tenant, &page.device().remember(page.scope(), &done.user.id));
    cookie::clear_login(headers, &page.tenant);
    form::renew(headers, &page.tenant);
    remember(headers, page, done);
    response
}
