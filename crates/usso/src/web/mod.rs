//! The hosted pages: signing in and everything around it, for people with a browser.
//!
//! They call the services the JSON API calls and hold no rules of their own. Each is rendered here, from a template that was
//! checked when this was compiled, and works without JavaScript but for passkeys and the waiting for a QR code. A form is
//! answered by a redirection (303) or, if something is wrong with it, by itself with what is wrong. What a page knows
//! between two requests travels sealed in its address or form (`flow`), or in the token of the unfinished sign-in.

mod account;
mod assets;
mod brand;
mod colour;
mod consent;
mod device;
mod flow;
mod form;
mod language;
mod page;
mod problem;
mod recovery;
mod register;
mod sign_in;
mod target;
mod texts;

pub use account::{ask_out, signed_out};
pub use consent::show as consent;
pub use page::Page;
pub use problem::{Reader, render};
pub use register::invited as invitation;
pub use sign_in::magic_link;

use crate::http::{AppState, redirect};
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};

/// The pages' routes. They are not part of the API, and its document doesn't describe them.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/", get(home))
        .route("/static/tenant.css", get(assets::tenant_style))
        .route("/static/{file}", get(assets::file))
        .merge(sign_in::router())
        .merge(register::router())
        .merge(recovery::router())
        .merge(account::router())
        .route("/consent", post(consent::answer))
        .merge(device::router())
}

/// The root of a host: people come to their account, programs to what there is to call.
async fn home(page: Page) -> Response {
    match redirect::wants_page(&page.headers) {
        true => page.go(&page.at("/signed-in")),
        false => page.go("/api/sso/v1/docs"),
    }
}
