//! `/agents/registration-keys` and `/agents/register`.

use super::schema::{CreateRegistrationKey, RegisterAgent, RegistrationKeyView};
use super::service::{self, Maker, end_of};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied};
use crate::http::caller::Principal;
use crate::http::error::ErrorView;
use crate::http::{ApiError, AppState, Caller, Json, Tenant, creating, idempotency, json};
use crate::identity::agents::schema::{AgentView, CreatedAgentView};
use crate::identity::agents::service::Granter;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use secrecy::ExposeSecret;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const CREATE: Permission = permission("create_registration_key");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(register))
}

fn maker(caller: &Caller) -> Maker {
    let workspace_id = match &caller.principal {
        Principal::Session { session, .. } => session.workspace_id.clone(),
        Principal::ApiKey { key, .. } => key.workspace_id.clone(),
        Principal::Client { delegation, .. } => {
            delegation.as_ref().and_then(|own| own.session.workspace_id.clone())
        }
        Principal::Agent { .. } => None,
    };
    let agent_id = caller.agent().map(|agent| agent.id.clone());
    Maker { user_id: caller.maker().clone(), agent_id, workspace_id }
}

/// Make a key with which a service registers itself as an agent, once
///
/// The key is in this answer and nowhere else.
#[utoipa::path(post, path = "/agents/registration-keys", tag = "Agents", operation_id = "create_registration_key",
    request_body = CreateRegistrationKey, params(("Idempotency-Key" = Option<String>, Header)),
    security(("bearer" = [])),
    responses((status = 201, body = RegistrationKeyView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn create(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    let operation = "create_registration_key";
    creating::once(&state, request, operation, async |caller: &Caller, new: CreateRegistrationKey| {
        let scope = &caller.tenant.scope;
        let attributes = [("tenant_id", scope.id().as_str()), ("user_id", caller.maker().as_str())];
        // What is made in somebody else's name would outlive that.
        if !caller.may(CREATE, &attributes) || caller.is_signed_in() && !caller.is_in_person() {
            return Err(PermissionDenied(CREATE).into());
        }
        caller.check_sensitive()?;
        let (actor, client) = (caller.actor(), caller.tenant.client());
        let granter = Granter { scopes: caller.scopes(), actor: &actor, client: &client };
        let made = service::create(scope, maker(caller), new, granter).await?;
        let view = RegistrationKeyView {
            registration_key: made.secret.expose_secret().to_owned(),
            expires_at: end_of(&made),
            name: made.name,
            scopes: made.scopes,
        };
        Ok((made.record.revision, view))
    })
    .await
}

/// Register a service as an agent
///
/// The service keeps its private key to itself. It gets what it asks for as far as the registration key, and whoever made
/// that, may.
#[utoipa::path(post, path = "/agents/register", tag = "Agents", operation_id = "register_agent",
    request_body = RegisterAgent, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = CreatedAgentView), (status = 400, body = ErrorView),
        (status = 409, body = ErrorView), (status = 410, body = ErrorView)))]
pub async fn register(
    State(state): State<AppState>,
    tenant: Tenant,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    let body = json::read_json(request, &state).await?;
    let parsed: RegisterAgent = json::parse(&body)?;
    idempotency::once(&tenant, &headers, ("register_agent", &body), async {
        let agent = service::register(&state.identity, &tenant.scope, parsed, &tenant.client()).await?;
        let view = AgentView::of(tenant.scope.id().as_str(), &agent, None);
        let tag = HeaderValue::try_from(agent.revision.etag()).unwrap_or(HeaderValue::from_static(""));
        let view = CreatedAgentView::of(view, None, &tenant.issuer());
        Ok((StatusCode::CREATED, [(header::ETAG, tag)], Json(view)).into_response())
    })
    .await
}
