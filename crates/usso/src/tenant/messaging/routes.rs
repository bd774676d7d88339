//! `/tenants/{tenant_id}/templates`.

use super::render::{Own, write};
use super::schema::{MessageView, PreviewTemplate};
use super::service::{own_words, with_tenant};
use super::templates::Template;
use crate::access_control::operations::permission;
use crate::access_control::permission::Permission;
use crate::http::error::ErrorView;
use crate::http::tenant::meant;
use crate::http::{ApiError, AppState, Caller, Json};
use crate::tenant::tenants::service::TenantError;
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const READ: Permission = permission("preview_template");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(preview))
}

/// A message as it would be sent, with examples put in
#[utoipa::path(post, path = "/tenants/{tenant_id}/templates/preview", tag = "Tenants", operation_id = "preview_template",
    params(("tenant_id" = String, Path)), request_body = PreviewTemplate, security(("bearer" = [])),
    responses((status = 200, body = MessageView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn preview(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<PreviewTemplate>,
) -> Result<Json<MessageView>, ApiError> {
    let id = meant(&caller, &id, READ)?;
    let tenant = state.registry.open(&id).await?.ok_or(TenantError::NotFound)?;
    let invalid = |detail: String| ApiError::invalid(Vec::new(), detail);
    let template =
        Template::parse(&request.template).ok_or_else(|| invalid("template: is unknown".to_owned()))?;
    let language = request.language.unwrap_or_else(|| tenant.profile().settings.default_language.clone());
    let set = own_words(&tenant, template, &language);
    let own = Own { subject: request.subject.or(set.subject), body: request.inline_body.or(set.body) };
    let mut variables = with_tenant(&tenant, examples());
    variables.extend(request.variables.unwrap_or_default());
    let words =
        write(template, &language, &own, &variables).map_err(|e| invalid(format!("inline_body: {e}")))?;
    Ok(Json(words.into()))
}

fn examples() -> Map<String, Value> {
    let all = json!({
        "code": "123456", "link": "https://example.com/link?token=example", "name": "Alice",
        "identifier": "alice@example.com", "minutes": 5, "what": "A new password was set.", "ip": "192.0.2.1",
        "user_agent": "Browser", "time": "2026-01-01 12:00 UTC",
    });
    all.as_object().cloned().unwrap_or_default()
}
