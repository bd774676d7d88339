//! Authenticator apps (RFC 6238) and backup codes: setting them up.

use super::{Author, keep_session};
use crate::identity::Identity;
use crate::identity::users::admin::change;
use crate::identity::users::error::UserError;
use crate::identity::users::model::{Credential, User};
use crate::identity::users::service::credential_id;
use crate::tenant::TenantScope;
use crate::tenant::one_time::OneTime;
use kernel::{SessionId, StorageError, Stored, Timestamp, UserId};
use protocol::seal::SealError;
use protocol::{b64url, totp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// How many credentials a user may have (ruling D33).
pub const MAX_CREDENTIALS: usize = 50;
/// How many backup codes there are.
const BACKUP_CODES: usize = 10;
/// Bytes of one: 80 bits, so that a plain digest keeps it (NIST SP 800-63B section 3.1.2).
const BACKUP_BYTES: usize = 10;

const TOTP: &str = "totp";
const BACKUP: &str = "backup_codes";

/// An authenticator that was begun; its secret is told this once.
#[derive(Debug)]
pub struct Enrolment {
    /// The user.
    pub user: Stored<User>,
    /// The credential, which waits to be confirmed.
    pub credential: Credential,
    /// The secret in base32.
    pub secret: SecretString,
    /// What authenticator apps read.
    pub otpauth_url: SecretString,
}

/// Begins an authenticator. It counts once a code of it is confirmed; one that was begun before is forgotten.
///
/// # Errors
/// [`UserError::TooMany`], [`UserError::NotFound`].
pub async fn enrol(
    identity: &Identity,
    tenant: &TenantScope,
    id: &UserId,
    author: Author<'_>,
) -> Result<Enrolment, UserError> {
    let secret = Zeroizing::new(tenant.token::<{ totp::SECRET_BYTES }>());
    let mut new = Credential::new(credential_id(tenant), TOTP, tenant.now());
    new.is_active = false;
    new.sealed = Some(tenant.profile().seal.seal(bound(id, &new.id).as_bytes(), secret.as_slice())?);
    let user = change(identity, tenant, id, author, |old| {
        let mut next = old.record.clone();
        next.credentials.retain(|own| own.method != TOTP || own.is_active);
        if next.credentials.len() >= MAX_CREDENTIALS {
            return Err(UserError::TooMany("At most 50 credentials per user"));
        }
        next.credentials.push(new.clone());
        Ok(Some((next, "user.authenticator_begun", vec!["credentials".to_owned()])))
    })
    .await?;
    Ok(enrolment(tenant, user, new, &secret))
}

/// Gives an authenticator another secret. The old one is worth nothing, and it counts again once a code of the new one is
/// confirmed. The user's sessions end (ruling D26), but for the one that is told to stay.
///
/// # Errors
/// [`UserError::NotFound`].
pub async fn reset(
    identity: &Identity,
    tenant: &TenantScope,
    (user, id, stays): (&UserId, &str, Option<&SessionId>),
    author: Author<'_>,
) -> Result<Enrolment, UserError> {
    let secret = Zeroizing::new(tenant.token::<{ totp::SECRET_BYTES }>());
    let sealed = tenant.profile().seal.seal(bound(user, id).as_bytes(), secret.as_slice())?;
    let changed = change(identity, tenant, user, author, |old| {
        let mut next = old.record.clone();
        let own = next.credentials.iter_mut().find(|own| own.id == id && own.method == TOTP);
        let own = own.ok_or(UserError::NotFound)?;
        own.is_active = false;
        own.sealed = Some(sealed.clone());
        next.session_epoch += 1;
        Ok(Some((next, "user.authenticator_reset", vec!["credentials".to_owned()])))
    })
    .await?;
    if let Some(session) = stays {
        keep_session(identity, tenant, session, &changed).await?;
    }
    let credential = changed.credentials.iter().find(|own| own.id == id).cloned();
    Ok(enrolment(tenant, changed, credential.ok_or(UserError::NotFound)?, &secret))
}

fn enrolment(
    tenant: &TenantScope,
    user: Stored<User>,
    credential: Credential,
    secret: &Zeroizing<[u8; totp::SECRET_BYTES]>,
) -> Enrolment {
    let text = Zeroizing::new(totp::base32(secret.as_slice()));
    let label = user.identifiers.first().map_or("", |own| own.value.as_str());
    let otpauth_url = otpauth(&tenant.profile().tenant.name, label, &text).into();
    Enrolment { credential, secret: text.as_str().into(), otpauth_url, user }
}

/// A key URI as authenticator apps read it from a QR code.
fn otpauth(issuer: &str, label: &str, secret: &str) -> String {
    let escape = |text: &str| -> String {
        // A plus sign would be read as itself.
        form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
    };
    let (issuer, label) = (escape(issuer), escape(label));
    format!(
        "otpauth://totp/{issuer}:{label}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
    )
}

/// The secret of an authenticator.
///
/// # Errors
/// When it doesn't open under this installation's key.
pub fn open_secret(
    tenant: &TenantScope,
    user: &UserId,
    credential: &Credential,
) -> Result<Zeroizing<Vec<u8>>, UserError> {
    let sealed = credential.sealed.as_deref().unwrap_or_default();
    Ok(tenant.profile().seal.open(bound(user, &credential.id).as_bytes(), sealed)?)
}

/// What a secret is bound to: nobody can put it into another account.
fn bound(user: &UserId, credential: &str) -> String {
    format!("{TOTP}|{user}|{credential}")
}

/// The step a code of an authenticator belongs to, if it is right now.
///
/// # Errors
/// When its secret doesn't open.
pub fn step_of(
    tenant: &TenantScope,
    user: &UserId,
    credential: &Credential,
    code: &SecretString,
) -> Result<Option<u64>, UserError> {
    let secret = open_secret(tenant, user, credential)?;
    Ok(totp::matching_step(&secret, code.expose_secret().trim(), tenant.now().unix_seconds()))
}

/// Writes that a step of an authenticator was taken. `false`: it was before.
///
/// # Errors
/// When the database is away.
pub async fn take_step(
    tenant: &TenantScope,
    credential: &Credential,
    step: u64,
) -> Result<bool, StorageError> {
    let end = i64::try_from(step).unwrap_or(i64::MAX / totp::STEP).saturating_add(3) * totp::STEP;
    let taken = OneTime {
        id: OneTime::id_for("totp", &[&credential.id, &step.to_string()]),
        data: Value::Null,
        expires_at: Timestamp::from_unix_seconds(end),
    };
    match tenant.records::<OneTime>().insert(taken, Vec::new()).await {
        Ok(_) => Ok(true),
        Err(StorageError::Exists) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Makes an authenticator count, for a code it shows. None: the code is wrong, or was used.
///
/// # Errors
/// [`UserError::NotFound`] for one that isn't there.
pub async fn confirm(
    identity: &Identity,
    tenant: &TenantScope,
    (user, id): (&Stored<User>, &str),
    code: &SecretString,
    author: Author<'_>,
) -> Result<Option<(Stored<User>, Credential)>, UserError> {
    let begun = user.credentials.iter().find(|own| own.id == id && own.method == TOTP);
    let begun = begun.ok_or(UserError::NotFound)?;
    match step_of(tenant, &user.id, begun, code)? {
        Some(step) if take_step(tenant, begun, step).await? => {}
        _ => return Ok(None),
    }
    let changed = change(identity, tenant, &user.id, author, |old| {
        let mut next = old.record.clone();
        let own = next.credentials.iter_mut().find(|own| own.id == id && own.method == TOTP);
        let own = own.ok_or(UserError::NotFound)?;
        if own.is_active {
            return Ok(None);
        }
        own.is_active = true;
        Ok(Some((next, "user.authenticator_added", vec!["credentials".to_owned()])))
    })
    .await?;
    let own = changed.credentials.iter().find(|own| own.id == id).cloned().ok_or(UserError::NotFound)?;
    Ok(Some((changed, own)))
}

/// Makes new backup codes, told this once; older ones are worth nothing any more.
///
/// # Errors
/// [`UserError::TooMany`], [`UserError::NotFound`].
pub async fn backup_codes(
    identity: &Identity,
    tenant: &TenantScope,
    id: &UserId,
    author: Author<'_>,
) -> Result<(Stored<User>, Credential, Vec<SecretString>), UserError> {
    let codes: Vec<SecretString> = (0..BACKUP_CODES).map(|_| backup_code(tenant)).collect();
    let mut new = Credential::new(credential_id(tenant), BACKUP, tenant.now());
    let digests: Vec<String> = codes.iter().map(|code| backup_digest(id, code)).collect();
    new.data.insert("codes".to_owned(), json!(digests));
    let user = change(identity, tenant, id, author, |old| {
        let mut next = old.record.clone();
        next.credentials.retain(|own| own.method != BACKUP);
        if next.credentials.len() >= MAX_CREDENTIALS {
            return Err(UserError::TooMany("At most 50 credentials per user"));
        }
        next.credentials.push(new.clone());
        Ok(Some((next, "user.backup_codes_made", vec!["credentials".to_owned()])))
    })
    .await?;
    Ok((user, new, codes))
}

/// A code as people write it down: `ABCD-EFGH-IJKL-MNOP`.
fn backup_code(tenant: &TenantScope) -> SecretString {
    let text = Zeroizing::new(totp::base32(&*Zeroizing::new(tenant.token::<BACKUP_BYTES>())));
    let grouped: Vec<&str> =
        text.as_bytes().chunks(4).filter_map(|part| std::str::from_utf8(part).ok()).collect();
    grouped.join("-").into()
}

/// What is kept of a code, however it is typed.
pub fn backup_digest(user: &UserId, code: &SecretString) -> String {
    let plain: Zeroizing<String> = Zeroizing::new(
        code.expose_secret()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_uppercase())
            .collect(),
    );
    let text = Zeroizing::new(format!("{BACKUP}|{user}|{}", plain.as_str()));
    b64url::encode(protocol::sha256(text.as_bytes()))
}

impl From<SealError> for UserError {
    fn from(error: SealError) -> Self {
        Self::Sealed(error)
    }
}
