//! Proving that an identifier is the user's.
//!
//! Whoever registers an address that isn't theirs may prepare the account and wait for its owner (ruling D23). So what was
//! made before an identifier is proven for the first time stays only if the proof comes from somebody who has shown that
//! the account is theirs; otherwise the account begins anew with the identifier alone.

use crate::identity::Identity;
use crate::identity::identifiers::{Identifier, IdentifierKind};
use crate::identity::users::admin::change;
use crate::identity::users::error::UserError;
use crate::identity::users::model::{ActivationStatus, User};
use crate::identity::users::removal::{drop_sessions, end_agents, end_keys};
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::Stored;

/// Whether proving the identifier would change anything about this user.
pub fn is_open(user: &User, identifier: &Identifier) -> bool {
    let own = user.identifiers.iter().find(|own| is(own.kind, &own.value, identifier));
    own.is_some_and(|own| own.verified_at.is_none())
}

fn is(kind: IdentifierKind, value: &str, identifier: &Identifier) -> bool {
    kind == identifier.kind() && value == identifier.value()
}

/// Writes that an identifier is proven. `is_own`: whether by somebody who has shown that the account is theirs. An account that
/// waited for this becomes active.
///
/// # Errors
/// When the database is away.
pub async fn confirm(
    identity: &Identity,
    tenant: &TenantScope,
    user: &Stored<User>,
    (identifier, is_own): (&Identifier, bool),
    client: &ClientInfo,
) -> Result<Stored<User>, UserError> {
    let actor = Actor::User(user.id.as_str().to_owned());
    if !is_own {
        // First what hangs on the account, so that a cut leaves nothing that outlives the clean-up.
        end_keys(identity, tenant, &user.id, (&actor, client)).await?;
        end_agents(identity, tenant, &user.id, (&actor, client)).await?;
    }
    let now = tenant.now();
    let changed = change(identity, tenant, &user.id, (&actor, client), |old| {
        let mut next = old.record.clone();
        let own = next.identifiers.iter_mut().find(|own| is(own.kind, &own.value, identifier));
        let own = own.ok_or(UserError::NotFound)?;
        if own.verified_at.is_some() {
            return Ok(None);
        }
        own.verified_at = Some(now);
        let event = if is_own { "user.identifier_verified" } else { "user.identifier_claimed" };
        if next.activation_status == ActivationStatus::Pending && next.awaits_identifier {
            next.activation_status = ActivationStatus::Active;
            next.awaits_identifier = false;
        }
        if !is_own {
            begin_anew(&mut next, identifier);
        }
        Ok(Some((next, event, vec!["identifiers".to_owned()])))
    })
    .await?;
    if !is_own {
        // And what was made in the meantime.
        end_keys(identity, tenant, &user.id, (&actor, client)).await?;
        end_agents(identity, tenant, &user.id, (&actor, client)).await?;
        drop_sessions(identity, tenant, &user.id).await?;
    }
    Ok(changed)
}

/// Takes away every way in but the identifier that was proven: credentials, sessions, and other addresses.
fn begin_anew(user: &mut User, proven: &Identifier) {
    user.credentials.clear();
    user.session_epoch += 1;
    let is_kept = |kind, value: &str| is(kind, value, proven) || kind == IdentifierKind::Username;
    user.identifiers.retain(|own| is_kept(own.kind, &own.value));
}
