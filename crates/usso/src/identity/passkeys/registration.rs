//! Registering, naming: what users do with their own passkeys. Removing is as for any credential.

use super::ceremony::{self, Attestation, CeremonyError, ClientData, Site};
use super::challenge::{Challenge, LIFETIME, Purpose};
use super::model::{PasskeyData, passkeys};
use super::schema::{
    AuthenticatorSelection, CreationExtensions, CreationOptions, PasskeyDescriptor, PasskeyUserView, RpView,
    key_parameters,
};
use super::{METHOD, PasskeyError};
use crate::identity::Identity;
use crate::identity::users::admin::change;
use crate::identity::users::error::UserError;
use crate::identity::users::model::{Credential, User};
use crate::identity::users::service::credential_id;
use crate::tenant::registry::Registry;
use crate::tenant::tenants::relying_party;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{StorageError, Stored, UserId};
use protocol::b64url;

/// How many credentials a user may have (ruling D33).
const MAX_CREDENTIALS: usize = 50;
/// The longest name of one, in characters.
const MAX_NAME: usize = 100;
/// How many ways to reach an authenticator are kept, and how long each may be.
const MAX_TRANSPORTS: (usize, usize) = (8, 32);

/// Whose passkey, and what the ceremony is bound to: the session, or what stands for it.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// The user.
    pub user: &'a Stored<User>,
    /// The session.
    pub session: &'a str,
}

impl<'a> Owner<'a> {
    fn purpose(self) -> Purpose<'a> {
        Purpose::Create { user: self.user.id.as_str(), session: self.session }
    }
}

/// Begins a registration.
///
/// # Errors
/// When the tenant's key can't be derived.
pub fn options(tenant: &TenantScope, rp_id: &str, owner: Owner<'_>) -> Result<CreationOptions, PasskeyError> {
    let user = owner.user;
    let challenge = Challenge::new(tenant, rp_id, owner.purpose())?;
    let best = user.identifiers.iter().find(|i| i.is_primary).or(user.identifiers.first());
    let name = best.map_or_else(|| user.id.as_str().to_owned(), |i| i.value.clone());
    let known = passkeys(user).filter_map(|(credential, data)| {
        Some(PasskeyDescriptor::new(credential.external_id.clone()?, data.transports))
    });
    Ok(CreationOptions {
        rp: RpView { id: rp_id.to_owned(), name: tenant.profile().tenant.name.clone() },
        user: PasskeyUserView {
            id: b64url::encode(user.id.as_str()),
            display_name: user.name.clone().unwrap_or_else(|| name.clone()),
            name,
        },
        challenge: b64url::encode(challenge.as_bytes()),
        pub_key_cred_params: key_parameters(),
        timeout: LIFETIME * 1_000,
        exclude_credentials: known.collect(),
        authenticator_selection: AuthenticatorSelection {
            resident_key: "preferred",
            require_resident_key: false,
            user_verification: "preferred",
        },
        attestation: "none",
        extensions: CreationExtensions { cred_props: true },
    })
}

fn refused(why: impl Into<std::borrow::Cow<'static, str>>) -> PasskeyError {
    PasskeyError::NotRegistered(why.into())
}

/// Checks what the authenticator answered and keeps the passkey.
///
/// # Errors
/// [`PasskeyError::NotRegistered`], [`PasskeyError::Exists`], [`UserError::TooMany`].
pub async fn register(
    (registry, identity): (&Registry, &Identity),
    tenant: &TenantScope,
    (rp_id, owner): (&str, Owner<'_>),
    (answer, name): (Attestation, Option<String>),
    author: (&Actor, &ClientInfo),
) -> Result<(Stored<User>, Credential), PasskeyError> {
    let name = checked_name(name)?;
    let (data, challenge) =
        ClientData::read(tenant, &answer.client_data, "webauthn.create").map_err(refused)?;
    let challenge =
        Challenge::read(tenant, challenge).ok_or_else(|| refused("it took too long, begin again"))?;
    if !challenge.is_for(tenant, rp_id, owner.purpose())? {
        return Err(refused("the challenge was made for something else"));
    }
    let site = Site { rp_id, origin: &data.origin };
    let passkey = ceremony::register(site, challenge.as_bytes(), &answer).map_err(|e| match e {
        CeremonyError::Refused(why) => refused(why),
        CeremonyError::Cloned => refused("the counter went back"),
    })?;
    if !challenge.spend(tenant).await? {
        return Err(refused("the challenge was used before"));
    }
    // The gate: from now on all passkeys of the tenant are for this id, or this one is for another and no good.
    if relying_party::settle(registry, tenant, rp_id, author).await? != rp_id {
        return Err(refused("passkeys of this tenant are for another host, begin again"));
    }
    let kept = PasskeyData {
        passkey,
        transports: transports(answer.transports),
        last_used_at: None,
        clone_suspected_at: None,
    };
    let external_id = Some(b64url::encode(&answer.raw_id));
    let blank = Credential::new(credential_id(tenant), METHOD, tenant.now());
    let mut new = Credential { name, external_id, ..blank };
    kept.put(&mut new)?;
    Ok((add(identity, tenant, &owner.user.id, &new, author).await?, new))
}

async fn add(
    identity: &Identity,
    tenant: &TenantScope,
    user: &UserId,
    new: &Credential,
    author: (&Actor, &ClientInfo),
) -> Result<Stored<User>, PasskeyError> {
    let mut is_known = false;
    let changed = change(identity, tenant, user, author, |old| {
        is_known = old.credentials.iter().any(|c| c.method == METHOD && c.external_id == new.external_id);
        if is_known {
            return Ok(None);
        }
        if old.credentials.len() >= MAX_CREDENTIALS {
            return Err(UserError::TooMany("At most 50 credentials per user"));
        }
        let mut next = old.record.clone();
        next.credentials.push(new.clone());
        Ok(Some((next, "user.passkey_added", vec!["credentials".to_owned()])))
    })
    .await;
    match changed {
        Ok(_) if is_known => Err(PasskeyError::Exists),
        Err(UserError::Storage(StorageError::KeyTaken { .. })) => Err(PasskeyError::Exists),
        other => Ok(other?),
    }
}

/// Gives a credential of a user another name.
///
/// # Errors
/// [`UserError::NotFound`], [`UserError::Invalid`].
pub async fn rename(
    identity: &Identity,
    tenant: &TenantScope,
    (user, id): (&UserId, &str),
    name: Option<String>,
    author: (&Actor, &ClientInfo),
) -> Result<(Stored<User>, Credential), UserError> {
    let name = checked_name(name)?;
    let mut renamed = None;
    let changed = change(identity, tenant, user, author, |old| {
        let mut next = old.record.clone();
        let own = next.credentials.iter_mut().find(|c| c.id == id).ok_or(UserError::NotFound)?;
        let is_same = own.name == name;
        own.name.clone_from(&name);
        renamed = Some(own.clone());
        Ok((!is_same).then(|| (next, "user.credential_renamed", vec!["credentials".to_owned()])))
    })
    .await?;
    Ok((changed, renamed.ok_or(UserError::NotFound)?))
}

fn checked_name(name: Option<String>) -> Result<Option<String>, UserError> {
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    match &name {
        Some(text) if text.chars().count() > MAX_NAME => {
            Err(UserError::Invalid(format!("name: at most {MAX_NAME} characters").into()))
        }
        _ => Ok(name),
    }
}

/// What clients say about transports is a hint, and kept as one; in the order of §5.2.1, which old clients don't keep.
fn transports(mut given: Vec<String>) -> Vec<String> {
    let is_word = |t: &String| {
        (1..=MAX_TRANSPORTS.1).contains(&t.len())
            && t.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    given.sort_unstable();
    given.dedup();
    given.into_iter().filter(is_word).take(MAX_TRANSPORTS.0).collect()
}
