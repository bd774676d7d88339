//! The authenticator app and the codes that replace a lost one.

use super::factor::Attempt;
use super::proof::Method;
use super::{Context, SignInError};
use crate::identity::users::admin::change;
use crate::identity::users::credentials::authenticator::{self, backup_digest};
use crate::identity::users::error::UserError;
use crate::identity::users::model::{Credential, User};
use crate::tenant::{Actor, TenantScope};
use kernel::Stored;
use secrecy::SecretString;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

/// The authenticator a code is of, and its step (RFC 6238).
fn step_of<'a>(
    tenant: &TenantScope,
    user: &'a User,
    code: &SecretString,
) -> Result<Option<(&'a Credential, u64)>, SignInError> {
    let mut found = None;
    for credential in user.credentials_of(Method::Totp.as_str()) {
        if let Some(step) = authenticator::step_of(tenant, &user.id, credential, code)? {
            found = Some((credential, step));
        }
    }
    Ok(found)
}

/// Whether a code is right now.
pub(super) fn is_code(tenant: &TenantScope, attempt: &Attempt<'_>) -> Result<bool, SignInError> {
    let Some(user) = attempt.account else { return Ok(false) };
    Ok(step_of(tenant, user, attempt.secret)?.is_some())
}

/// Takes a right code: each step counts once (RFC 6238 section 5.2). `false`: it was taken before.
pub(super) async fn use_code(
    tenant: &TenantScope,
    user: &User,
    code: &SecretString,
) -> Result<bool, SignInError> {
    let Some((credential, step)) = step_of(tenant, user, code)? else { return Ok(false) };
    Ok(authenticator::take_step(tenant, credential, step).await?)
}

fn kept(credential: &Credential) -> Vec<String> {
    let codes = credential.data.get("codes").and_then(Value::as_array);
    codes.into_iter().flatten().filter_map(|code| code.as_str().map(str::to_owned)).collect()
}

/// Whether a code is one of those that are left.
pub(super) fn is_backup_code(attempt: &Attempt<'_>) -> bool {
    let Some(user) = attempt.account else { return false };
    let digest = backup_digest(&user.id, attempt.secret);
    let all = user.credentials_of(Method::BackupCodes.as_str()).flat_map(kept);
    all.fold(false, |found, code| found | bool::from(code.as_bytes().ct_eq(digest.as_bytes())))
}

/// Takes one of the codes out. None: it was taken before.
pub(super) async fn use_backup_code(
    context: Context<'_>,
    user: &Stored<User>,
    code: &SecretString,
) -> Result<Option<Stored<User>>, SignInError> {
    let Context { identity, tenant, client, .. } = context;
    let digest = backup_digest(&user.id, code);
    let actor = Actor::User(user.id.as_str().to_owned());
    let mut is_taken = false;
    let changed = change(identity, tenant, &user.id, (&actor, client), |old| {
        let mut next = old.record.clone();
        is_taken = false;
        for own in next.credentials.iter_mut().filter(|own| own.method == Method::BackupCodes.as_str()) {
            let mut left = kept(own);
            let before = left.len();
            left.retain(|code| *code != digest);
            is_taken |= left.len() < before;
            own.data.insert("codes".to_owned(), json!(left));
        }
        if !is_taken {
            return Err(UserError::NotFound);
        }
        next.credentials.retain(|own| own.method != Method::BackupCodes.as_str() || !kept(own).is_empty());
        Ok(Some((next, "user.backup_code_used", vec!["credentials".to_owned()])))
    })
    .await;
    match changed {
        Ok(user) => Ok(is_taken.then_some(user)),
        Err(UserError::NotFound) => Ok(None),
        Err(e) => Err(e.into()),
    }
}
