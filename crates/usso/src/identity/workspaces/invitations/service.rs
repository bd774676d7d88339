//! Inviting people, and what becomes of it.

use super::model::{Invitation, Invitee, State, digest};
use crate::access_control::roles::effective::{AssignError, may_assign};
use crate::identity::Identity;
use crate::identity::users::model::User;
use crate::identity::workspaces::access::{Act, Asker};
use crate::identity::workspaces::members::service as members;
use crate::identity::workspaces::model::Workspace;
use crate::identity::workspaces::service::{self as workspaces, WorkspaceError};
use crate::tenant::audit::Event;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{
    Change, InvitationId, Key, Query, Record, StorageError, Stored, TagMatch, Timestamp, UserId, WorkspaceId,
};
use protocol::b64url;

/// Days an invitation can be accepted by default.
const DAYS: u32 = 7;
/// And at most.
const MAX_DAYS: u32 = 90;
const DAY: i64 = 86_400;
/// Seconds after which who began to accept one is taken to have vanished.
const CLAIM: i64 = 300;

/// How many invitations of a workspace may wait.
pub const MAX_PENDING: u64 = 1_000;

/// How often a deletion is retried after losing against a change.
const DELETE_ATTEMPTS: u32 = 16;

/// Until when an invitation can be answered that is made now.
///
/// # Errors
/// [`WorkspaceError::Invalid`] for a time that has passed, or lies too far ahead.
pub fn term(now: Timestamp, days: Option<u32>, end: Option<Timestamp>) -> Result<Timestamp, WorkspaceError> {
    let invalid = |text: String| Err(WorkspaceError::Invalid(text.into()));
    let latest = now.plus_seconds(i64::from(MAX_DAYS) * DAY);
    match (days, end) {
        (Some(_), Some(_)) => invalid("expires_in_days: give this or expires_at, not both".to_owned()),
        (Some(days), None) if !(1..=MAX_DAYS).contains(&days) => {
            invalid(format!("expires_in_days: must be a whole number from 1 to {MAX_DAYS}"))
        }
        (None, Some(end)) if end <= now || end > latest => {
            invalid(format!("expires_at: must lie ahead, by {MAX_DAYS} days at most"))
        }
        (None, Some(end)) => Ok(end),
        (days, None) => Ok(now.plus_seconds(i64::from(days.unwrap_or(DAYS)) * DAY)),
    }
}

/// What somebody is invited to.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Who.
    pub invitee: Invitee,
    /// The roles they are given, by slug or name.
    pub roles: Vec<String>,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Invites somebody. Answers the token, too, unless they are a member at once: nobody can be told it again.
///
/// # Errors
/// Roles the caller can't give; [`WorkspaceError::NotFound`] for a user who isn't there; [`WorkspaceError::Conflict`] for
/// a member, or somebody who is invited already.
pub async fn invite(
    identity: &Identity,
    tenant: &TenantScope,
    workspace: &Workspace,
    offer: Offer,
    asker: &Asker<'_>,
) -> Result<(Stored<Invitation>, Option<String>), WorkspaceError> {
    let roles = workspaces::assignable(identity, tenant, asker.scopes, offer.roles).await?;
    let (state, token) = match &offer.invitee {
        Invitee::User { id } => {
            if members::get(tenant, workspace, id.as_str()).await.is_ok() {
                return Err(WorkspaceError::Conflict("This user is a member".into()));
            }
            members::join(identity, tenant, workspace, (id, &roles), asker).await?;
            (State::Accepted { by: id.clone() }, None)
        }
        Invitee::Identifier { .. } => {
            check_room(tenant, &workspace.id, &offer.invitee).await?;
            (State::Pending, Some(b64url::encode(tenant.token::<32>())))
        }
    };
    let invitation = Invitation {
        id: InvitationId::generate(tenant.now(), tenant.random()),
        workspace_id: workspace.id.clone(),
        invitee: offer.invitee,
        roles,
        invited_by: asker.user.id.clone(),
        invited_in: asker.workspace.map(str::to_owned),
        token_hash: token.as_deref().map(digest),
        state,
        expires_at: offer.expires_at,
    };
    let event = event(asker, "invitation.created", &invitation).with("roles", invitation.roles.clone());
    let effects = vec![event.effect(tenant)];
    Ok((tenant.records::<Invitation>().insert(invitation, effects).await?, token))
}

fn event<'a>(asker: &'a Asker<'_>, name: &'static str, invitation: &Invitation) -> Event<'a> {
    asker.event(name, invitation.id.as_str()).with("workspace_id", invitation.workspace_id.as_str())
}

fn of_workspace(id: &WorkspaceId) -> TagMatch {
    TagMatch::Is(format!("workspace:{id}"))
}

/// Nobody is invited twice at a time. Two requests at once may do it all the same, which harms nothing.
async fn check_room(tenant: &TenantScope, id: &WorkspaceId, invitee: &Invitee) -> Result<(), WorkspaceError> {
    let waiting = [of_workspace(id), TagMatch::Is("pending:true".to_owned())];
    let query = |more: Option<TagMatch>| {
        let tags = waiting.iter().cloned().chain(more).collect();
        Query { limit: 10, ..Query::all(Invitation::KIND) }.with_all(tags)
    };
    let records = tenant.records::<Invitation>();
    let same = records.page(query(Some(TagMatch::Is(invitee.tag())))).await?;
    if same.items.iter().any(|one| one.status(tenant.now()) == "pending") {
        return Err(WorkspaceError::Conflict("They are invited already: send that invitation again".into()));
    }
    if records.page(query(None)).await?.total >= MAX_PENDING {
        return Err(WorkspaceError::Conflict(format!("At most {MAX_PENDING} invitations may wait").into()));
    }
    Ok(())
}

/// An invitation of a workspace.
///
/// # Errors
/// [`WorkspaceError::NotFound`].
pub async fn get(
    tenant: &TenantScope,
    workspace: &Workspace,
    id: &str,
) -> Result<Stored<Invitation>, WorkspaceError> {
    let found = tenant.records::<Invitation>().get(id).await?;
    found.filter(|found| found.workspace_id == workspace.id).ok_or(WorkspaceError::NotFound)
}

/// Gives a waiting invitation a new token and a new term; the old token is worth nothing. Whoever sends it stands for it
/// from then on, and must be able to give its roles.
///
/// # Errors
/// Roles the caller can't give; [`WorkspaceError::Conflict`] for one that was answered.
pub async fn resend(
    identity: &Identity,
    tenant: &TenantScope,
    found: &Stored<Invitation>,
    expires_at: Timestamp,
    asker: &Asker<'_>,
) -> Result<(Stored<Invitation>, String), WorkspaceError> {
    may_assign(identity.roles(), tenant, asker.scopes, &found.roles).await?;
    let found = taken_up(tenant, found.clone()).await?;
    let token = b64url::encode(tenant.token::<32>());
    let sent = tenant
        .records::<Invitation>()
        .update::<WorkspaceError>(found.id.as_str(), |old| {
            if old.state != State::Pending {
                return Err(WorkspaceError::Conflict("This invitation was answered".into()));
            }
            let next = Invitation {
                token_hash: Some(digest(&token)),
                expires_at,
                invited_by: asker.user.id.clone(),
                invited_in: asker.workspace.map(str::to_owned),
                ..old.record.clone()
            };
            Ok(Change::Put(next, vec![event(asker, "invitation.resent", old).effect(tenant)]))
        })
        .await?;
    Ok((sent.ok_or(WorkspaceError::NotFound)?, token))
}

/// Takes an invitation back. Who accepted it stays a member.
///
/// # Errors
/// [`WorkspaceError::NotFound`], and whatever `check` says of the invitation found.
pub async fn delete(
    tenant: &TenantScope,
    id: &InvitationId,
    asker: &Asker<'_>,
    check: impl Fn(&Stored<Invitation>) -> Result<(), WorkspaceError>,
) -> Result<Stored<Invitation>, WorkspaceError> {
    let records = tenant.records::<Invitation>();
    for _ in 0..DELETE_ATTEMPTS {
        let found = records.get(id.as_str()).await?.ok_or(WorkspaceError::NotFound)?;
        check(&found)?;
        let effects = vec![event(asker, "invitation.deleted", &found).effect(tenant)];
        match records.delete(&found, effects).await {
            Ok(()) => return Ok(found),
            Err(StorageError::Conflict) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(StorageError::Contended.into())
}

/// Removes every invitation of a deleted workspace.
///
/// # Errors
/// When the database is away.
pub async fn sweep(tenant: &TenantScope, id: &WorkspaceId, asker: &Asker<'_>) -> Result<(), WorkspaceError> {
    loop {
        let query = Query { limit: 100, ..Query::all(Invitation::KIND) }.with_all(vec![of_workspace(id)]);
        let page = tenant.records::<Invitation>().page(query).await?;
        if page.items.is_empty() {
            return Ok(());
        }
        for invitation in page.items {
            match delete(tenant, &invitation.id, asker, |_| Ok(())).await {
                Ok(_) | Err(WorkspaceError::NotFound) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// An invitation as it is; one that somebody began to accept long ago is ended: whoever became a member has accepted it,
/// and else it waits again.
async fn taken_up(
    tenant: &TenantScope,
    found: Stored<Invitation>,
) -> Result<Stored<Invitation>, WorkspaceError> {
    let State::Claimed { by } = &found.state else { return Ok(found) };
    if tenant.now() < found.updated_at.plus_seconds(CLAIM) {
        return Ok(found);
    }
    let claimer = tenant.records::<User>().get(by.as_str()).await?;
    let is_member = claimer.is_some_and(|user| {
        user.deleted_at.is_none() && user.workspace(Some(found.workspace_id.as_str())).is_some()
    });
    let (state, name) = if is_member {
        (State::Accepted { by: by.clone() }, "invitation.accepted")
    } else {
        (State::Pending, "invitation.released")
    };
    let next = Invitation { state, ..found.record.clone() };
    let event = Event::new(name, Actor::System, found.id.as_str(), &ClientInfo::local())
        .with("workspace_id", found.workspace_id.as_str())
        .with("claimed_by", by.as_str())
        .effect(tenant);
    match tenant.records::<Invitation>().replace(&found, next, vec![event]).await {
        // They, or somebody else, went on meanwhile.
        Err(StorageError::Conflict) => Err(WorkspaceError::Stale),
        next => Ok(next?),
    }
}

/// The invitation of a token, and where it leads.
///
/// # Errors
/// [`WorkspaceError::NotFound`] for a token that never was, was replaced or taken back; [`WorkspaceError::Gone`] for one
/// whose workspace is closed.
async fn find(
    tenant: &TenantScope,
    token: &str,
) -> Result<(Stored<Invitation>, Stored<Workspace>), WorkspaceError> {
    workspaces::check_enabled(tenant)?;
    let found = tenant.records::<Invitation>().find(&Key::new("token", &digest(token))).await?;
    let found = taken_up(tenant, found.ok_or(WorkspaceError::NotFound)?).await?;
    match workspaces::get(tenant, found.workspace_id.as_str()).await {
        Ok(workspace) if workspace.is_open() => Ok((found, workspace)),
        Ok(_) | Err(WorkspaceError::NotFound) => Err(WorkspaceError::Gone),
        Err(e) => Err(e),
    }
}

/// The invitation of a token that still can be answered.
///
/// # Errors
/// [`WorkspaceError::Gone`] for every other token.
pub async fn waiting(
    tenant: &TenantScope,
    token: &str,
) -> Result<(Stored<Invitation>, Stored<Workspace>), WorkspaceError> {
    let (found, workspace) = match find(tenant, token).await {
        Err(WorkspaceError::NotFound) => return Err(WorkspaceError::Gone),
        found => found?,
    };
    if found.status(tenant.now()) == "pending" { Ok((found, workspace)) } else { Err(WorkspaceError::Gone) }
}

/// Finds an invitation that the asker can answer.
async fn answerable(
    tenant: &TenantScope,
    token: &str,
    asker: &Asker<'_>,
) -> Result<(Stored<Invitation>, Stored<Workspace>), WorkspaceError> {
    if !asker.is_in_person {
        return Err(WorkspaceError::NotAPerson);
    }
    let (found, workspace) = find(tenant, token).await?;
    if !found.waits_for(&asker.user.id, tenant.now()) {
        return Err(WorkspaceError::Gone);
    }
    // Who has proven that the identifier is theirs is meant; nobody else, though they hold the token.
    if let Invitee::Identifier { kind, value } = &found.invitee {
        let owner = tenant.records::<User>().find(&Key::new(kind.as_str(), value)).await?;
        let has_proven = |user: &Stored<User>| {
            let mut own = user.identifiers.iter();
            own.any(|own| own.kind == *kind && own.value == *value && own.verified_at.is_some())
        };
        if owner.is_some_and(|owner| owner.id != asker.user.id && has_proven(&owner)) {
            return Err(WorkspaceError::NotInvited);
        }
    }
    Ok((found, workspace))
}

/// Accepts an invitation: of all who try at once exactly one does. The claim decides; what a crash then leaves undone
/// whoever claimed can finish with the same token.
///
/// # Errors
/// [`WorkspaceError::NotFound`], [`WorkspaceError::Gone`], [`WorkspaceError::NotInvited`].
pub async fn accept(
    identity: &Identity,
    tenant: &TenantScope,
    token: &str,
    asker: &Asker<'_>,
) -> Result<Stored<Invitation>, WorkspaceError> {
    let (found, workspace) = answerable(tenant, token, asker).await?;
    let roles = still_given(identity, tenant, &workspace, &found, asker).await?;
    let user = &asker.user.id;
    let claimed =
        moved(tenant, &found, asker, (State::Claimed { by: user.clone() }, "invitation.claimed")).await?;
    members::join(identity, tenant, &workspace, (user, &roles), asker).await?;
    let accepted = Invitation { state: State::Accepted { by: user.clone() }, ..claimed.record.clone() };
    let event = event(asker, "invitation.accepted", &accepted)
        .with("invited_by", accepted.invited_by.as_str())
        .with("roles", roles);
    match tenant.records::<Invitation>().replace(&claimed, accepted, vec![event.effect(tenant)]).await {
        Ok(accepted) => Ok(accepted),
        // The same user was faster with another request.
        Err(StorageError::Conflict) => Err(WorkspaceError::Gone),
        Err(e) => Err(e.into()),
    }
}

/// Declines an invitation.
///
/// # Errors
/// Those of [`accept`].
pub async fn decline(
    tenant: &TenantScope,
    token: &str,
    asker: &Asker<'_>,
) -> Result<Stored<Invitation>, WorkspaceError> {
    let (found, _) = answerable(tenant, token, asker).await?;
    let declined = State::Declined { by: asker.user.id.clone() };
    moved(tenant, &found, asker, (declined, "invitation.declined")).await
}

/// Moves an invitation that still waits, under the same token, to another state.
async fn moved(
    tenant: &TenantScope,
    found: &Invitation,
    asker: &Asker<'_>,
    (state, name): (State, &'static str),
) -> Result<Stored<Invitation>, WorkspaceError> {
    let moved = tenant
        .records::<Invitation>()
        .update::<WorkspaceError>(found.id.as_str(), |old| {
            if old.token_hash != found.token_hash || !old.waits_for(&asker.user.id, tenant.now()) {
                return Err(WorkspaceError::Gone);
            }
            if old.state == state {
                return Ok(Change::Keep);
            }
            let effects = vec![event(asker, name, old).effect(tenant)];
            Ok(Change::Put(Invitation { state: state.clone(), ..old.record.clone() }, effects))
        })
        .await?;
    moved.ok_or(WorkspaceError::Gone)
}

/// The roles of an invitation that its inviter could still give. One who is disabled, or may not invite any more, gives
/// nothing.
async fn still_given(
    identity: &Identity,
    tenant: &TenantScope,
    workspace: &Workspace,
    invitation: &Invitation,
    asker: &Asker<'_>,
) -> Result<Vec<String>, WorkspaceError> {
    let inviter = tenant.records::<User>().get(invitation.invited_by.as_str()).await?;
    let inviter = inviter.filter(|user| user.may_sign_in()).ok_or(WorkspaceError::Gone)?;
    let held = identity.effective(tenant, &inviter, invitation.invited_in.as_deref()).await?;
    let inviter = Asker {
        user: &inviter,
        scopes: &held.scopes,
        workspace: held.workspace.as_deref(),
        is_visit: false,
        is_in_person: true,
        actor: Actor::User(inviter.id.as_str().to_owned()),
        client: asker.client.clone(),
    };
    if !inviter.may(tenant, Act::Invite, workspace) {
        return Err(WorkspaceError::Gone);
    }
    let mut roles = Vec::new();
    for role in &invitation.roles {
        match may_assign(identity.roles(), tenant, inviter.scopes, [role]).await {
            Ok(()) => roles.push(role.clone()),
            Err(AssignError::Scopes(_)) => {}
            Err(AssignError::Storage(e)) => return Err(e.into()),
        }
    }
    Ok(roles)
}

/// Reads who is invited by id.
///
/// # Errors
/// [`WorkspaceError::NotFound`] for a text that is no id.
pub fn user_id(text: &str) -> Result<UserId, WorkspaceError> {
    UserId::parse(text).map_err(|_| WorkspaceError::NotFound)
}
