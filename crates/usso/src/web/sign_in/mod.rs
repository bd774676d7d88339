//! Signing in, page by page: who, then how, then what else is needed.
//!
//! [`arrived`] is where every way ends: it turns the step a sign-in has reached into cookies and the next page.

mod arrived;
pub mod captcha;
mod code;
mod enrol;
mod factor;
mod identifier;
mod link;
mod password;
mod qr;
mod social;
mod ways;

pub use arrived::{arrived, default_target, signed_in};
pub use code::CodePage;
pub use identifier::label;
pub use link::{Confirm, Notice, follow as magic_link};
pub use password::retry_after;

use crate::http::AppState;
use axum::Router;
use axum::routing::{get, post};

/// The routes.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/login", get(identifier::show).post(identifier::submit))
        .route("/login/password", get(password::show).post(password::submit))
        .route("/login/code", get(code::show).post(code::submit))
        .route("/login/code/send", post(code::send))
        .route("/login/link", get(link::sent).post(link::send))
        .route("/login/factor", get(factor::show).post(factor::submit))
        .route("/login/factor/send", post(factor::send))
        .route("/login/enrol", get(enrol::show).post(enrol::begin))
        .route("/login/enrol/confirm", post(enrol::confirm))
        .route("/login/qr", get(qr::ask))
        .route("/qr", get(qr::scanned).post(qr::answer))
        .route("/magic-link", get(link::follow).post(link::redeem))
        .route("/login/telegram", get(social::telegram))
        .route("/oauth/failed", get(social::failed))
}
