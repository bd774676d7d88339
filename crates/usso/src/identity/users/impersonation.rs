//! Acting as a user, to see what they see: by administrators who hold all that the user holds, for an hour at most, and
//! never to change how the user signs in.

use super::admin::may_act_for;
use super::error::UserError;
use super::model::User;
use crate::identity::Identity;
use crate::identity::sessions::service::{self as sessions, NewSession, SessionError, SignedIn};
use crate::tenant::{ClientInfo, TenantScope};
use kernel::{Stored, UserId};

/// Seconds such a session lasts.
const LIFETIME: i64 = 3_600;

/// Opens a session in a user's name. The user sees it among their sessions, and the audit log tells who it was.
///
/// # Errors
/// [`UserError::Scopes`] when the user holds what the administrator doesn't; [`SessionError`] as for signing in.
pub async fn open(
    identity: &Identity,
    tenant: &TenantScope,
    user: Stored<User>,
    (administrator, held, issuer): (&UserId, &[String], &str),
    client: &ClientInfo,
) -> Result<Result<SignedIn, SessionError>, UserError> {
    may_act_for(identity, tenant, held, &user).await?;
    if !user.may_sign_in() {
        return Err(UserError::Invalid("The account may not sign in".into()));
    }
    let new = NewSession {
        amr: vec!["impersonation".to_owned()],
        factors: 1,
        aud: None,
        is_rotating: true,
        workspace_id: None,
        claims: serde_json::Map::new(),
        impersonation: Some((administrator.clone(), LIFETIME)),
    };
    Ok(sessions::open(identity, tenant, issuer, user, new, client).await)
}
