//! `/workspaces/{id}/invitations`, and `/invitations/{token}` for those who are invited.

use super::model::{Invitation, Invitee};
use super::schema::{
    CreateInvitation, InvitedView, ResendInvitation, SentInvitationView, WorkspaceInvitationView,
};
use super::service::{self, Offer};
use crate::http::error::{ErrorView, storage};
use crate::http::list::{ListParams, ListView, Params, answer, flag};
use crate::http::revision::{IfMatch, Tagged};
use crate::http::{ApiError, AppState, Caller, OptionalJson, Tenant, creating};
use crate::identity::identifiers::{Identifier, IdentifierKind, NormaliseOptions};
use crate::identity::workspaces::access::{Act, Asker};
use crate::identity::workspaces::service::WorkspaceError;
use crate::tenant::TenantScope;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use kernel::{Record, Stored, TagMatch};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(delete))
        .routes(routes!(resend))
        .routes(routes!(show))
        .routes(routes!(accept))
        .routes(routes!(decline))
}

/// Which invitations to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InvitationFilter {
    /// Only those that wait for an answer, or only the others.
    #[param(value_type = Option<bool>)]
    is_pending: Option<String>,
}

fn view(caller: &Caller, invitation: &Stored<Invitation>) -> WorkspaceInvitationView {
    let scope = &caller.tenant.scope;
    WorkspaceInvitationView::of(scope.id().as_str(), invitation, scope.now())
}

fn sent(caller: &Caller, invitation: &Stored<Invitation>, token: Option<String>) -> SentInvitationView {
    let issuer = caller.tenant.issuer();
    let invitation_url = token.as_ref().map(|token| format!("{issuer}/api/sso/v1/invitations/{token}"));
    SentInvitationView { invitation: view(caller, invitation), token, invitation_url }
}

fn offer(scope: &TenantScope, request: CreateInvitation) -> Result<Offer, WorkspaceError> {
    let one = || WorkspaceError::Invalid("Give one of user_id, identifier, email and phone".into());
    let named = [
        (request.identifier, request.kind),
        (request.email, Some(IdentifierKind::Email)),
        (request.phone, Some(IdentifierKind::Phone)),
    ];
    let mut named = named.into_iter().filter_map(|(value, kind)| Some((value?, kind)));
    let invitee = match (request.user_id, named.next(), named.next()) {
        (Some(id), None, None) => Invitee::User { id: service::user_id(&id)? },
        (None, Some((value, kind)), None) => {
            let code = scope.profile().settings.default_country_code.as_deref();
            let options = NormaliseOptions { default_country_code: code, allow_reserved: false };
            let (kind, value) = Identifier::parse(kind, &value, &options)?.into_parts();
            Invitee::Identifier { kind, value }
        }
        _ => return Err(one()),
    };
    let expires_at = service::term(scope.now(), request.expires_in_days, request.expires_at)?;
    Ok(Offer { invitee, roles: request.roles, expires_at })
}

/// Invite somebody to a workspace
///
/// By `user_id` they are a member at once. Otherwise the answer holds a token, told this once, with which whoever is
/// invited accepts or declines.
#[utoipa::path(post, path = "/workspaces/{workspace_id}/invitations", tag = "Workspaces",
    operation_id = "create_workspace_invitation",
    params(("workspace_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = CreateInvitation, security(("bearer" = [])),
    responses((status = 201, body = SentInvitationView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView), (status = 404, body = ErrorView),
        (status = 409, body = ErrorView)))]
pub async fn create(
    State(state): State<AppState>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let operation = format!("create_workspace_invitation {id}");
    creating::once(&state, request, &operation, async |caller: &Caller, new: CreateInvitation| {
        let scope = &caller.tenant.scope;
        let asker = Asker::from(caller);
        let workspace = asker.open(scope, &id, Act::Invite).await?;
        let offer = offer(scope, new)?;
        // Who accepts is given what the inviter holds then: the inviter must be somebody here.
        if matches!(offer.invitee, Invitee::Identifier { .. }) {
            caller.at_home()?;
        }
        let (invitation, token) = service::invite(&state.identity, scope, &workspace, offer, &asker).await?;
        Ok((invitation.revision, sent(caller, &invitation, token)))
    })
    .await
}

/// Who was invited to a workspace
#[utoipa::path(get, path = "/workspaces/{workspace_id}/invitations", tag = "Workspaces",
    operation_id = "list_workspace_invitations",
    params(("workspace_id" = String, Path), ListParams, InvitationFilter), security(("bearer" = [])),
    responses((status = 200, body = ListView<WorkspaceInvitationView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn list(
    caller: Caller,
    Path(id): Path<String>,
    Params(params): Params<ListParams>,
    Params(filter): Params<InvitationFilter>,
) -> Result<Response, ApiError> {
    let scope = &caller.tenant.scope;
    let workspace = Asker::from(&caller).open(scope, &id, Act::ReadInvitations).await?;
    let mut tags = vec![TagMatch::Is(format!("workspace:{}", workspace.id))];
    if let Some(pending) = flag("is_pending", filter.is_pending.as_deref())? {
        tags.push(TagMatch::Is(format!("pending:{pending}")));
    }
    let query = params.query(Invitation::KIND, &["created_at"])?.with_all(tags);
    let page = scope.records::<Invitation>().page(query.clone()).await.map_err(|e| storage(&e))?;
    answer(&query, &page, |invitation| view(&caller, invitation))
}

/// Take an invitation back
#[utoipa::path(delete, path = "/workspaces/{workspace_id}/invitations/{invitation_id}", tag = "Workspaces",
    operation_id = "delete_workspace_invitation",
    params(("workspace_id" = String, Path), ("invitation_id" = String, Path),
        ("If-Match" = Option<String>, Header)),
    security(("bearer" = [])),
    responses((status = 200, body = WorkspaceInvitationView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn delete(
    caller: Caller,
    Path((id, invitation)): Path<(String, String)>,
    if_match: IfMatch,
) -> Result<Tagged<WorkspaceInvitationView>, ApiError> {
    let scope = &caller.tenant.scope;
    let asker = Asker::from(&caller);
    let workspace = asker.open(scope, &id, Act::DeleteInvitations).await?;
    let found = service::get(scope, &workspace, &invitation).await?;
    let check = |old: &Stored<Invitation>| {
        if if_match.is_stale(old.revision) { Err(WorkspaceError::Stale) } else { Ok(()) }
    };
    let gone = service::delete(scope, &found.id, &asker, check).await?;
    Ok(Tagged(gone.revision, WorkspaceInvitationView { is_deleted: true, ..view(&caller, &gone) }))
}

/// Send an invitation again
///
/// It gets a new token and a new term; the old token is worth nothing.
#[utoipa::path(post, path = "/workspaces/{workspace_id}/invitations/{invitation_id}/resend", tag = "Workspaces",
    operation_id = "resend_workspace_invitation",
    params(("workspace_id" = String, Path), ("invitation_id" = String, Path)),
    request_body(content = Option<ResendInvitation>), security(("bearer" = [])),
    responses((status = 200, body = SentInvitationView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView), (status = 404, body = ErrorView),
        (status = 409, body = ErrorView)))]
pub async fn resend(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, invitation)): Path<(String, String)>,
    OptionalJson(request): OptionalJson<ResendInvitation>,
) -> Result<Tagged<SentInvitationView>, ApiError> {
    let scope = &caller.tenant.scope;
    let asker = Asker::from(&caller);
    caller.at_home()?;
    let workspace = asker.open(scope, &id, Act::Invite).await?;
    let found = service::get(scope, &workspace, &invitation).await?;
    let request = request.unwrap_or_default();
    let expires_at = service::term(scope.now(), request.expires_in_days, request.expires_at)?;
    let (invitation, token) = service::resend(&state.identity, scope, &found, expires_at, &asker).await?;
    Ok(Tagged(invitation.revision, sent(&caller, &invitation, Some(token))))
}

/// What a token invites to; looking doesn't use it up
#[utoipa::path(get, path = "/invitations/{token}", tag = "Workspaces", operation_id = "show_workspace_invitation",
    params(("token" = String, Path)),
    responses((status = 200, body = InvitedView), (status = 403, body = ErrorView), (status = 410, body = ErrorView)))]
pub async fn show(tenant: Tenant, Path(token): Path<String>) -> Result<Tagged<InvitedView>, ApiError> {
    let (invitation, workspace) = service::waiting(&tenant.scope, &token).await?;
    Ok(Tagged(invitation.revision, InvitedView::of(&workspace, &invitation)))
}

/// Accept an invitation: the caller becomes a member
#[utoipa::path(post, path = "/invitations/{token}/accept", tag = "Workspaces",
    operation_id = "accept_workspace_invitation", params(("token" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = WorkspaceInvitationView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 410, body = ErrorView)))]
pub async fn accept(
    State(state): State<AppState>,
    caller: Caller,
    Path(token): Path<String>,
) -> Result<Tagged<WorkspaceInvitationView>, ApiError> {
    caller.at_home()?;
    let scope = &caller.tenant.scope;
    caller.at_home()?;
    let accepted = service::accept(&state.identity, scope, &token, &Asker::from(&caller)).await?;
    Ok(Tagged(accepted.revision, view(&caller, &accepted)))
}

/// Decline an invitation
#[utoipa::path(post, path = "/invitations/{token}/decline", tag = "Workspaces",
    operation_id = "decline_workspace_invitation", params(("token" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = WorkspaceInvitationView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 410, body = ErrorView)))]
pub async fn decline(
    caller: Caller,
    Path(token): Path<String>,
) -> Result<Tagged<WorkspaceInvitationView>, ApiError> {
    caller.at_home()?;
    let scope = &caller.tenant.scope;
    caller.at_home()?;
    let declined = service::decline(scope, &token, &Asker::from(&caller)).await?;
    Ok(Tagged(declined.revision, view(&caller, &declined)))
}
