//! What somebody is denied is an event: who, which permission, on what. Equal ones are counted (see
//! [`crate::tenant::audit::tally`]).

use crate::access_control::permission::NEEDS;
use crate::http::ApiError;
use crate::http::edge::without_token;
use crate::http::error::storage;
use crate::http::request_info::SharedInfo;
use crate::tenant::audit::{Event, tally};
use axum::response::{IntoResponse, Response};
use http::Method;
use http::uri::PathAndQuery;

/// The codes that say that somebody known may not do something.
const DENIALS: [&str; 2] = ["PERMISSION_DENIED", "SCOPE_NOT_DELEGABLE"];

/// How much of a path is kept, in characters.
const MAX_PATH: usize = 256;

/// Writes the event of a denial. What can't be written down isn't answered.
pub(super) async fn note(
    info: &SharedInfo,
    (method, target): (Method, Option<PathAndQuery>),
    response: Response,
) -> Response {
    let denial = response.extensions().get::<ApiError>().filter(|error| DENIALS.contains(&error.code()));
    let (Some(denial), Some((tenant, actor))) = (denial, info.asker.get()) else { return response };
    let client = info.client();
    let path = target.as_ref().map_or("/", PathAndQuery::path);
    let event = Event::refused("permission.denied", actor.clone(), tenant.id().as_str(), &client)
        .with("code", denial.code())
        .with("method", method.as_str())
        .with("path", without_token(path).chars().take(MAX_PATH).collect::<String>());
    let event = match denial.detail().strip_prefix(NEEDS) {
        Some(permission) => event.with("permission", permission),
        None => event,
    };
    let (tenant, effect) = (tenant.clone(), event.effect(tenant));
    // A task, so that nobody is denied unseen by hanging up.
    let written = tokio::spawn(async move { tally::note(&tenant, &effect).await }).await;
    match written {
        Ok(Ok(())) => response,
        Ok(Err(error)) => storage(&error).into_response(),
        Err(_) => response,
    }
}
