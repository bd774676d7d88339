//! `/users`.

use super::access::{Asker, READ, allowed, found, may, seen};
use super::admin::{self, Edit};
use super::error::UserError;
use super::model::{DELETED, PRESENT, User, identifier_key};
use super::schema::{CreateUser, MoveUser, UpdateUser, UserView};
use super::{impersonation, removal};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied};
use crate::access_control::roles::service::Granter;
use crate::access_control::visible::visible;
use crate::http::caller::Principal;
use crate::http::error::{ErrorView, storage};
use crate::http::list::{ListParams, ListView, Params, answer, answer_as, flag, parse};
use crate::http::revision::{IfMatch, Tagged};
use crate::http::{ApiError, AppState, Caller, Json, creating};
use crate::identity::identifiers::{Identifier, IdentifierKind, NormaliseOptions};
use crate::identity::sessions::service::SessionError;
use crate::identity::sign_in::schema::LoginView;
use crate::tenant::SelectionError;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use kernel::{Page, Query, Record, Stored, TagMatch, TenantId};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const CREATE: Permission = permission("create_user");
const UPDATE: Permission = permission("update_user");
const DELETE: Permission = permission("delete_user");
const SUPERADMIN: Permission = permission("move_user");
const ADMIN: Permission = permission("impersonate_user");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update, delete))
        .routes(routes!(restore))
        .routes(routes!(erase))
        .routes(routes!(impersonate))
        .routes(routes!(transfer))
}

/// Which users to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UserFilter {
    /// With an identifier of this type.
    identifier_type: Option<String>,
    /// With exactly this identifier.
    identifier: Option<String>,
    /// With this role.
    role: Option<String>,
    /// With exactly this scope, granted directly.
    scope: Option<String>,
    /// Of this workspace.
    workspace_id: Option<String>,
    /// Active or not.
    #[param(value_type = Option<bool>)]
    is_active: Option<String>,
    /// Restricted or not.
    #[param(value_type = Option<bool>)]
    is_limited: Option<String>,
    /// Whose name, a further word of it, or an identifier begins with this.
    search: Option<String>,
    /// The deleted ones, for those who may delete users.
    #[param(value_type = Option<bool>)]
    is_deleted: Option<String>,
}

/// What to do when the user exists.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OnConflict {
    /// `return` answers with the existing user, for those who may read it.
    on_conflict: Option<String>,
}

/// Who asks to read: being the user is enough.
fn reader(caller: &Caller) -> Asker<'_> {
    Asker { scopes: caller.scopes(), own: Some(&caller.user.id) }
}

/// Who asks to change: being the user is enough in person, and not for what concerns privileges.
fn changer(caller: &Caller, is_privileged: bool) -> Asker<'_> {
    let own = caller.is_in_person() && !is_privileged;
    Asker { scopes: caller.scopes(), own: own.then_some(&caller.user.id) }
}

fn granter<'a>(caller: &'a Caller, (actor, client): &'a (Actor, ClientInfo)) -> Granter<'a> {
    Granter { scopes: caller.scopes(), actor, client }
}

fn identifier(
    tenant: &TenantScope,
    kind: Option<IdentifierKind>,
    text: &str,
) -> Result<Identifier, UserError> {
    let country = tenant.profile().settings.default_country_code.as_deref();
    let options = NormaliseOptions { default_country_code: country, allow_reserved: false };
    Ok(Identifier::parse(kind, text, &options)?)
}

fn stale(if_match: &IfMatch, user: &Stored<User>) -> Result<(), UserError> {
    if if_match.is_stale(user.revision) { Err(UserError::Stale) } else { Ok(()) }
}

/// Make a user
#[utoipa::path(post, path = "/users", tag = "Users", operation_id = "create_user", request_body = CreateUser,
    params(OnConflict, ("Idempotency-Key" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 201, body = UserView), (status = 200, description = "It was there", body = UserView),
        (status = 400, body = ErrorView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 409, body = ErrorView)))]
pub async fn create(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    let query = parse::<OnConflict>(request.uri().query().unwrap_or_default());
    let operation = match &query {
        Ok(OnConflict { on_conflict: Some(_) }) => "create_user or_return",
        _ => "create_user",
    };
    creating::once_or(&state, request, operation, async |caller: &Caller, new: CreateUser| {
        let scope = &caller.tenant.scope;
        if !caller.may(CREATE, &[("tenant_id", scope.id().as_str())]) {
            return Err(PermissionDenied(CREATE).into());
        }
        let may_return = match query?.on_conflict.as_deref() {
            None | Some("error") => false,
            Some("return") => true,
            Some(_) => return Err(ApiError::invalid(Vec::new(), "on_conflict: must be `return` or `error`")),
        };
        let name = identifier(scope, new.kind, &new.identifier)?;
        let author = (caller.actor(), caller.tenant.client());
        let edit = edit_of(&new);
        let account = (name.clone(), new.password.as_ref());
        match admin::create(&state.identity, scope, account, edit, granter(caller, &author)).await {
            Ok(user) => {
                Ok((StatusCode::CREATED, user.revision, UserView::with_history(scope.id().as_str(), &user)))
            }
            Err(UserError::IdentifierExists) if may_return => {
                let user = existing(caller, &name).await?;
                Ok((StatusCode::OK, user.revision, UserView::of(scope.id().as_str(), &user)))
            }
            Err(error) => Err(error.into()),
        }
    })
    .await
}

async fn existing(caller: &Caller, name: &Identifier) -> Result<Stored<User>, UserError> {
    let scope = &caller.tenant.scope;
    let user = scope.records::<User>().find(&identifier_key(name)).await?;
    let seen = |user: &Stored<User>| user.deleted_at.is_none() && may(scope, user, READ, caller.scopes());
    user.filter(seen).ok_or(UserError::IdentifierExists)
}

fn edit_of(new: &CreateUser) -> Edit {
    Edit {
        name: new.name.clone().map(Some),
        avatar_url: new.avatar_url.clone().map(Some),
        roles: new.roles.clone(),
        scopes: new.scopes.clone(),
        workspace_ids: new.workspace_ids.clone(),
        workspace_roles: new.workspace_roles.clone(),
        is_active: new.is_active,
        custom_claims: new.custom_claims.clone(),
        meta_data: new.meta_data.clone(),
        ..Edit::default()
    }
}

/// The users the caller may see
#[utoipa::path(get, path = "/users", tag = "Users", operation_id = "list_users", params(ListParams, UserFilter),
    security(("bearer" = [])),
    responses((status = 200, body = ListView<UserView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(filter): Params<UserFilter>,
) -> Result<Response, ApiError> {
    let scope = &caller.tenant.scope;
    let is_deleted = flag("is_deleted", filter.is_deleted.as_deref())?.unwrap_or(false);
    let permission = if is_deleted { DELETE } else { READ };
    let fixed = [("tenant_id", scope.id().as_str())];
    let alternatives = visible(permission, caller.scopes(), &fixed, &[("workspace_id", "workspace:")]);
    let alternatives = alternatives.ok_or(PermissionDenied(permission))?;
    let tags = tags(&filter, is_deleted)?;
    let query = params.query(User::KIND, &["created_at", "name"])?.with_any(alternatives, &tags);
    let page = match &filter.identifier {
        Some(text) => by_identifier(&caller, (text, &filter), &tags, &query).await?,
        None => scope.records::<User>().page(query.clone()).await.map_err(|e| storage(&e))?,
    };
    let view = |user: &Stored<User>| UserView::of(scope.id().as_str(), user);
    // The seeds' name of the list for the system administrator in another tenant.
    if caller.tenant.info.is_visit {
        answer_as("users", &query, &page, view)
    } else {
        answer(&query, &page, view)
    }
}

fn tags(filter: &UserFilter, is_deleted: bool) -> Result<Vec<TagMatch>, ApiError> {
    let is = |prefix: &str, value: &str| TagMatch::Is(format!("{prefix}:{value}"));
    let mut tags = Vec::new();
    let texts = [
        ("has", &filter.identifier_type),
        ("role", &filter.role),
        ("scope", &filter.scope),
        ("workspace", &filter.workspace_id),
    ];
    tags.extend(texts.iter().filter_map(|(prefix, value)| Some(is(prefix, value.as_deref()?))));
    for (name, prefix, value) in
        [("is_active", "active", &filter.is_active), ("is_limited", "limited", &filter.is_limited)]
    {
        tags.extend(flag(name, value.as_deref())?.map(|value| is(prefix, &value.to_string())));
    }
    if let Some(search) = filter.search.as_deref().map(str::trim).filter(|s| !s.is_empty()) {
        tags.push(TagMatch::StartsWith(format!("find:{}", search.to_lowercase())));
    }
    // Deleted users have no other tag, so any other says that a user isn't.
    if is_deleted || tags.is_empty() {
        tags.push(TagMatch::Is(if is_deleted { DELETED } else { PRESENT }.to_owned()));
    }
    Ok(tags)
}

/// The one user with an identifier, if the other filters let them pass.
async fn by_identifier(
    caller: &Caller,
    (text, filter): (&str, &UserFilter),
    tags: &[TagMatch],
    query: &Query,
) -> Result<Page<User>, ApiError> {
    let scope = &caller.tenant.scope;
    let kind =
        filter.identifier_type.as_deref().map(str::parse).transpose().map_err(UserError::Identifier)?;
    let country = scope.profile().settings.default_country_code.as_deref();
    let options = NormaliseOptions { default_country_code: country, allow_reserved: true };
    let found = match Identifier::parse(kind, text, &options) {
        Ok(name) => scope.records::<User>().find(&identifier_key(&name)).await.map_err(|e| storage(&e))?,
        Err(_) => None,
    };
    let fits = |user: &Stored<User>| {
        let own = user.tags();
        let has = |tag: &TagMatch| match tag {
            TagMatch::Is(text) => own.contains(text),
            TagMatch::StartsWith(start) => own.iter().any(|t| t.starts_with(start.as_str())),
        };
        tags.iter().all(has) && may(scope, user, READ, caller.scopes())
    };
    let items: Vec<_> = found.filter(fits).into_iter().collect();
    let total = items.len() as u64;
    let items = if query.offset == 0 { items } else { Vec::new() };
    Ok(Page { items, total, total_exact: true })
}

/// A user
#[utoipa::path(get, path = "/users/{user_id}", tag = "Users", operation_id = "get_user",
    params(("user_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = UserView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Tagged<UserView>, ApiError> {
    let scope = &caller.tenant.scope;
    let user = seen(&state.identity, scope, &id, READ, reader(&caller)).await?;
    if user.deleted_at.is_some() && !may(scope, &user, DELETE, caller.scopes()) {
        return Err(UserError::NotFound.into());
    }
    Ok(Tagged(user.revision, UserView::with_history(scope.id().as_str(), &user)))
}

/// Change a user
///
/// Users change their own name and picture; the rest is for those who may update users, who can give nothing they don't
/// hold. Taking something away holds at once, giving something at the next refresh.
#[utoipa::path(patch, path = "/users/{user_id}", tag = "Users", operation_id = "update_user",
    params(("user_id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = UpdateUser,
    security(("bearer" = [])),
    responses((status = 200, body = UserView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView),
        (status = 412, body = ErrorView)))]
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
    Json(request): Json<UpdateUser>,
) -> Result<Tagged<UserView>, ApiError> {
    let scope = &caller.tenant.scope;
    let edit = Edit {
        name: request.name,
        avatar_url: request.avatar_url,
        roles: request.roles,
        scopes: request.scopes,
        workspace_ids: request.workspace_ids,
        workspace_roles: request.workspace_roles,
        is_active: request.is_active,
        is_limited: request.is_limited,
        activation_status: request.activation_status,
        custom_claims: request.custom_claims,
        meta_data: request.meta_data,
    };
    let (user, _) = allowed(scope, &id, UPDATE, changer(&caller, edit.is_privileged())).await?;
    let author = (caller.actor(), caller.tenant.client());
    let check = |old: &Stored<User>| stale(&if_match, old);
    let granter = granter(&caller, &author);
    let user = admin::update(&state.identity, scope, &user.id, edit, (granter, check)).await?;
    Ok(Tagged(user.revision, UserView::with_history(scope.id().as_str(), &user)))
}

/// Delete a user: they can be restored for 30 days, then they are erased
#[utoipa::path(delete, path = "/users/{user_id}", tag = "Users", operation_id = "delete_user",
    params(("user_id" = String, Path), ("If-Match" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 200, body = UserView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView), (status = 409, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<UserView>, ApiError> {
    let scope = &caller.tenant.scope;
    let may_leave = scope.profile().settings.allow_self_deactivate;
    let (user, _) = allowed(scope, &id, DELETE, changer(&caller, !may_leave)).await?;
    if user.id == caller.user.id {
        caller.check_sensitive()?;
    }
    let author = (&caller.actor(), &caller.tenant.client());
    let check = |old: &Stored<User>| stale(&if_match, old);
    let user = removal::delete(&state.registry, &state.identity, scope, &user.id, (author, check)).await?;
    Ok(Tagged(user.revision, UserView::of(scope.id().as_str(), &user)))
}

/// Take a deletion back; for those who hold all that the user holds
#[utoipa::path(post, path = "/users/{user_id}/restore", tag = "Users", operation_id = "restore_user",
    params(("user_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = UserView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn restore(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Tagged<UserView>, ApiError> {
    let scope = &caller.tenant.scope;
    let (user, _) = found(scope, &id, DELETE, changer(&caller, true)).await?;
    // Who comes back has all they had.
    admin::may_act_for(&state.identity, scope, caller.scopes(), &user).await?;
    let author = (&caller.actor(), &caller.tenant.client());
    let user = removal::restore(&state.identity, scope, &user.id, author).await?;
    Ok(Tagged(user.revision, UserView::of(scope.id().as_str(), &user)))
}

/// Erase a user for good, deleted or not
#[utoipa::path(post, path = "/users/{user_id}/erase", tag = "Users", operation_id = "erase_user",
    params(("user_id" = String, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn erase(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let scope = &caller.tenant.scope;
    // More than to delete: what the audit log knows of them goes, too.
    let (user, _) = found(scope, &id, ADMIN, changer(&caller, true)).await?;
    let author = (&caller.actor(), &caller.tenant.client());
    removal::erase(&state.registry, &state.identity, scope, &user.id, author).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Act as a user, for an hour at most
///
/// Only for those who hold all that the user holds. The session is marked, and can't change how the user signs in.
#[utoipa::path(post, path = "/users/{user_id}/impersonate", tag = "Users", operation_id = "impersonate_user",
    params(("user_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = LoginView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn impersonate(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<LoginView>, ApiError> {
    // Who acts must be a user here: the session ends with them.
    caller.at_home()?;
    let scope = &caller.tenant.scope;
    let (user, _) = allowed(scope, &id, ADMIN, changer(&caller, true)).await?;
    // Not by a key, nor in a name taken on already: the end of whoever began it must end it.
    if !caller.is_in_person() || user.id == caller.user.id {
        return Err(PermissionDenied(ADMIN).into());
    }
    if let Principal::Session { session, .. } = &caller.principal
        && session.is_weak()
        && scope.profile().settings.require_mfa
    {
        return Err(SessionError::MfaRequired.into());
    }
    caller.check_sensitive()?;
    let (issuer, client) = (caller.tenant.issuer(), caller.tenant.client());
    let administrator = (&caller.user.id, caller.scopes(), issuer.as_str());
    let opened = impersonation::open(&state.identity, scope, user, administrator, &client).await??;
    Ok(Json(LoginView::of(scope.id().as_str(), opened)))
}

/// Move a user to another tenant; for the system administrator
///
/// Identifiers, credentials and profile go along; roles, scopes, workspaces and custom claims don't; sessions and API keys
/// end.
#[utoipa::path(post, path = "/users/{user_id}/move", tag = "Users", operation_id = "move_user",
    params(("user_id" = String, Path)), request_body = MoveUser, security(("bearer" = [])),
    responses((status = 200, body = UserView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn transfer(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<MoveUser>,
) -> Result<Tagged<UserView>, ApiError> {
    if !caller.is_platform() {
        return Err(PermissionDenied(SUPERADMIN).into());
    }
    let scope = &caller.tenant.scope;
    let (user, _) = allowed(scope, &id, SUPERADMIN, changer(&caller, true)).await?;
    let target = TenantId::parse(&request.tenant_id).map_err(|_| SelectionError::NotFound)?;
    let target = state.registry.open(&target).await?.ok_or(SelectionError::NotFound)?;
    let author = (&caller.actor(), &caller.tenant.client());
    let moved = super::transfer::transfer(&state.identity, (scope, &target), &user.id, author).await?;
    Ok(Tagged(moved.revision, UserView::of(target.id().as_str(), &moved)))
}
