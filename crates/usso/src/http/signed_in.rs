//! The answer to a sign-in, wherever it came from: tokens and cookies, or what is needed next.

use crate::http::{Json, Tenant, cookie};
use crate::identity::devices::Device;
use crate::identity::sign_in::Step;
use crate::identity::sign_in::schema::{LoginView, MoreView, PendingView};
use axum::response::{IntoResponse, Response};

/// Answers with the step a sign-in has reached.
pub fn respond(tenant: &Tenant, device: &Device, step: Step) -> Response {
    match step {
        Step::Verify { methods } => Json(PendingView::verify(&methods)).into_response(),
        Step::Awaiting { token, expires_in, methods } => {
            let view = MoreView::awaiting((token.clone(), expires_in), &methods);
            let mut response = Json(view).into_response();
            cookie::set_login(response.headers_mut(), tenant, &token, expires_in);
            response
        }
        Step::RegistrationRequired => Json(PendingView::registration()).into_response(),
        Step::More { token, expires_in, amr, methods, required, enrol } => {
            let view = MoreView::of((token.clone(), expires_in), amr, (&methods, required), &enrol);
            let mut response = Json(view).into_response();
            cookie::set_login(response.headers_mut(), tenant, &token, expires_in);
            response
        }
        Step::Completed(signed_in) => {
            let (tokens, user) = (signed_in.tokens.clone(), signed_in.user.id.clone());
            let view = LoginView::of(tenant.scope.id().as_str(), *signed_in);
            let mut response = Json(view).into_response();
            cookie::set_tokens(response.headers_mut(), tenant, &tokens);
            cookie::set_device(response.headers_mut(), tenant, &device.remember(&tenant.scope, &user));
            response
        }
    }
}
