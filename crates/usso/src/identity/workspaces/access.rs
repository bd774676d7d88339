//! Who may do what with a workspace: by scope, by belonging to it, by owning it (contract 4.5, 4.8).

use super::model::{Workspace, id_tag};
use super::service::{self, WorkspaceError};
use crate::access_control::operations::{needs, permission};
use crate::access_control::permission::{Permission, PermissionDenied};
use crate::access_control::visible::visible;
use crate::identity::users::model::User;
use crate::tenant::audit::Event;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Stored, TagMatch};

/// What somebody wants to do with a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// See it.
    Read,
    /// See who belongs to it.
    ReadMembers,
    /// Change what it is.
    Update,
    /// Switch it off and on. An owner may not: what an administrator has closed stays closed.
    Switch,
    /// Remove it.
    Delete,
    /// Change and remove members.
    Manage,
    /// Invite people.
    Invite,
    /// See who was invited.
    ReadInvitations,
    /// Take invitations back.
    DeleteInvitations,
}

const READ: Permission = permission("get_workspace");
const MANAGE: Permission = permission("update_member");

impl Act {
    /// The permission to ask for, and another one that is enough.
    const fn permissions(self) -> (Permission, Option<Permission>) {
        let operation = match self {
            Self::Read => "get_workspace",
            Self::ReadMembers => "list_members",
            Self::Update | Self::Switch => "update_workspace",
            Self::Delete => "delete_workspace",
            Self::Manage => "update_member",
            Self::Invite => "create_workspace_invitation",
            Self::ReadInvitations => "list_workspace_invitations",
            Self::DeleteInvitations => "delete_workspace_invitation",
        };
        let other = match needs(operation) {
            Some(needs) => needs.other(),
            None => None,
        };
        (permission(operation), other)
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Asker<'a> {
    /// The user.
    pub user: &'a User,
    /// What they hold now.
    pub scopes: &'a [String],
    /// The workspace these count in.
    pub workspace: Option<&'a str>,
    /// Whether they are the system administrator from outside, who belongs to nothing here.
    pub is_visit: bool,
    /// Whether they are here themself. Belonging and owning count for nobody else: a key, or who acts in their name,
    /// needs the scope.
    pub is_in_person: bool,
    /// As the author of an event.
    pub actor: Actor,
    /// Where they are.
    pub client: ClientInfo,
}

impl Asker<'_> {
    /// Whether they may do this.
    pub fn may(&self, tenant: &TenantScope, act: Act, workspace: &Workspace) -> bool {
        let attributes = attributes(tenant, workspace);
        let (asked, other) = act.permissions();
        let is_granted =
            [Some(asked), other].iter().flatten().any(|p| p.is_granted(self.scopes, &attributes));
        is_granted
            || match act {
                Act::Read => self.belongs_to(workspace),
                Act::ReadMembers => self.is_in_person && self.belongs_to(workspace),
                Act::Switch => false,
                _ => self.is_in_person && is_owner(workspace, self.user),
            }
    }

    fn belongs_to(&self, workspace: &Workspace) -> bool {
        !self.is_visit && self.user.workspace(Some(workspace.id.as_str())).is_some()
    }

    /// Finds a workspace they may do this with. One they can't even see is not there.
    ///
    /// # Errors
    /// [`WorkspaceError::NotFound`], [`WorkspaceError::Denied`], [`WorkspaceError::Disabled`].
    pub async fn open(
        &self,
        tenant: &TenantScope,
        id: &str,
        act: Act,
    ) -> Result<Stored<Workspace>, WorkspaceError> {
        service::check_enabled(tenant)?;
        let found = service::get(tenant, id).await?;
        if self.may(tenant, act, &found) {
            Ok(found)
        } else if self.may(tenant, Act::Read, &found) {
            Err(denied(act).into())
        } else {
            Err(WorkspaceError::NotFound)
        }
    }

    /// What they see of all workspaces: any of these, each all of its tags.
    pub fn visible(&self, tenant: &TenantScope) -> Vec<Vec<TagMatch>> {
        let tagged = [("workspace_id", "id:"), ("id", "id:"), ("uid", "id:"), ("slug", "slug:")];
        let mut seen =
            visible(READ, self.scopes, &[("tenant_id", tenant.id().as_str())], &tagged).unwrap_or_default();
        seen.extend(self.user.workspace_ids.iter().map(|id| vec![TagMatch::Is(id_tag(id))]));
        if let Some(everything) = seen.iter_mut().find(|tags| tags.is_empty()) {
            everything.push(TagMatch::Is(Workspace::THERE.to_owned()));
            return vec![everything.clone()];
        }
        if seen.is_empty() {
            // No alternatives would be no condition.
            seen.push(vec![TagMatch::Is(id_tag(""))]);
        }
        seen
    }

    /// An event of theirs.
    pub fn event(&self, name: &'static str, target: &str) -> Event<'_> {
        Event::new(name, self.actor.clone(), target, &self.client)
    }
}

fn attributes<'a>(tenant: &'a TenantScope, workspace: &'a Workspace) -> [(&'static str, &'a str); 5] {
    let id = workspace.id.as_str();
    let slug = workspace.slug.as_str();
    [("tenant_id", tenant.id().as_str()), ("workspace_id", id), ("id", id), ("uid", id), ("slug", slug)]
}

/// Whether these scopes allow all that an owner of the workspace may.
pub fn may_manage(tenant: &TenantScope, held: &[String], workspace: &Workspace) -> bool {
    MANAGE.is_granted(held, &attributes(tenant, workspace))
}

/// Whether a user owns a workspace: they are listed, and a member.
pub fn is_owner(workspace: &Workspace, user: &User) -> bool {
    workspace.lists(&user.id) && user.workspace(Some(workspace.id.as_str())).is_some()
}

/// What somebody is told who may not do this with a workspace they see.
pub fn denied(act: Act) -> PermissionDenied {
    PermissionDenied(act.permissions().0)
}
