//! By others' word: Telegram's page for the browser that comes back from it, and the page that says why it didn't work.

use super::link::Notice;
use crate::http::ApiError;
use crate::identity::social::telegram::bot_id;
use crate::web::page::Page;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

#[derive(Template)]
#[template(path = "telegram.html")]
struct TelegramPage<'a> {
    page: &'a Page,
    alert: Option<crate::web::problem::Alert>,
    start: String,
    next: String,
    more: String,
    back: String,
    /// Whether this browser was sent to Telegram from here: what it brings is worth something only then. Otherwise
    /// somebody else could have sent it here with a sign-in of theirs.
    is_expected: bool,
}

/// Sends the browser to Telegram, and takes what it comes back with: in the fragment, which only a script reads.
pub async fn telegram(page: Page) -> Result<Response, ApiError> {
    let bot = bot_id(page.scope()).ok_or_else(ApiError::not_found)?;
    let flow = page.flow().unwrap_or_default();
    let return_to = flow.return_to.clone().or_else(|| page.return_to()).unwrap_or_default();
    let params = [("return_to", return_to.as_str())];
    let is_expected = page.param("state").is_some_and(|state| page.secret.made(&page.tenant, &state));
    let own =
        page.with("/login/telegram", &[("return_to", return_to.as_str()), ("state", page.secret.token())]);
    let origin = crate::http::csrf::origin_of(&page.issuer).unwrap_or_default();
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("bot_id", bot.as_str()),
            ("origin", &origin),
            ("return_to", &format!("{origin}{own}")),
        ])
        .finish();
    let view = TelegramPage {
        page: &page,
        alert: None,
        start: format!("https://oauth.telegram.org/auth?{query}"),
        next: page.with("/signed-in", &params),
        more: page.with("/login/factor", &params),
        back: page.with("/login", &params),
        is_expected,
    };
    page.show(StatusCode::OK, &view)
}

/// Why signing in elsewhere didn't work.
pub async fn failed(page: Page) -> Result<Response, ApiError> {
    let code = page.param("error").unwrap_or_default().to_ascii_uppercase();
    let known = page.t.problems.iter().find(|(own, _)| *own == code).map(|(_, sentence)| *sentence);
    let view = Notice {
        page: &page,
        alert: None,
        title: page.t.provider_failed_title.to_owned(),
        identifier: "",
        text: known.unwrap_or(page.t.provider_failed).to_owned(),
        link: Some((page.at("/login"), page.t.to_sign_in.to_owned())),
    };
    page.show(StatusCode::OK, &view)
}
