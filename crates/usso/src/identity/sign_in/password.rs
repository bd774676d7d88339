//! The password.

use super::factor::Attempt;
use super::{Context, SignInError};
use crate::identity::credentials::Verdict;
use crate::identity::users::error::UserError;
use crate::identity::users::model::User;
use crate::identity::users::service;
use kernel::{StorageError, Stored};
use secrecy::SecretString;

/// Whether it is the account's, in the time of a hash whether there is an account or not.
pub(super) async fn judge(context: Context<'_>, attempt: &Attempt<'_>) -> Result<Verdict, SignInError> {
    let Context { identity, tenant, .. } = context;
    let hash = attempt.account.and_then(|user| user.password_hash());
    Ok(identity.hasher().verify(tenant.id().as_str(), hash, attempt.secret).await?)
}

/// Hashes a right password again that was hashed with yesterday's parameters.
pub(super) async fn rehash(
    context: Context<'_>,
    user: &Stored<User>,
    password: &SecretString,
) -> Result<(), SignInError> {
    let Context { identity, tenant, client, .. } = context;
    if user.may_sign_in()
        && let Err(error) = service::rehash(identity, tenant, user, password, client).await
    {
        // Without the database nothing more can come of this, and each try takes its time.
        if let UserError::Storage(error @ StorageError::Unavailable(_)) = error {
            return Err(error.into());
        }
        // Signing in must not fail because yesterday's parameters stay another day.
        tracing::warn!(%error, user_id = %user.id, "password not rehashed");
    }
    Ok(())
}
