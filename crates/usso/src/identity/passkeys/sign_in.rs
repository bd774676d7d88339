//! Signing in with a passkey: with a user name, without one, or as a second factor.

use super::ceremony::{self, Assertion, CeremonyError, ClientData, Site};
use super::challenge::{Challenge, LIFETIME, Purpose};
use super::model::{PasskeyData, key, mac, passkeys};
use super::schema::{PasskeyDescriptor, RequestOptions};
use super::{METHOD, PasskeyError};
use crate::identity::identifiers::Identifier;
use crate::identity::sign_in::pending::Pending;
use crate::identity::sign_in::proof::{Method, Proof};
use crate::identity::users::model::{Credential, User, identifier_key};
use crate::identity::users::service::find;
use crate::identity::{Identity, stale_user};
use crate::tenant::audit::Event;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Change, Stored};
use protocol::b64url;
use webauthn_rs::prelude::AuthenticationResult;

/// Somebody who has shown their passkey.
#[derive(Debug)]
pub struct SignedBy {
    /// The user.
    pub user: Stored<User>,
    /// Whether the authenticator made sure who held it: then it is two factors, something one has and something one knows or
    /// is.
    pub is_verified: bool,
}

impl SignedBy {
    /// What that is worth.
    pub fn proof(&self) -> Proof {
        Proof { factors: if self.is_verified { 2 } else { 1 }, ..Proof::of(Method::Webauthn) }
    }
}

/// Begins a sign-in. With an identifier the answer names the passkeys that would do; for somebody who has none, and for
/// nobody, it names some that nobody has, always the same.
///
/// # Errors
/// When the database is away.
pub async fn options(
    tenant: &TenantScope,
    rp_id: &str,
    identifier: Option<&Identifier>,
    must_verify: bool,
) -> Result<RequestOptions, PasskeyError> {
    let user = match identifier {
        Some(identifier) => find(tenant, identifier).await?,
        None => None,
    };
    let purpose = match (identifier, &user) {
        (None, _) => Purpose::Get,
        (Some(_), Some(user)) => Purpose::GetOf(user.id.as_str()),
        (Some(_), None) => Purpose::GetOf("nobody"),
    };
    let challenge = Challenge::new(tenant, rp_id, purpose)?;
    Ok(RequestOptions {
        challenge: b64url::encode(challenge.as_bytes()),
        rp_id: rp_id.to_owned(),
        allow_credentials: match identifier {
            Some(identifier) => allowed(tenant, identifier, user.as_deref())?,
            None => Vec::new(),
        },
        timeout: LIFETIME * 1_000,
        user_verification: if must_verify { "required" } else { "preferred" },
    })
}

fn allowed(
    tenant: &TenantScope,
    identifier: &Identifier,
    user: Option<&User>,
) -> Result<Vec<PasskeyDescriptor>, PasskeyError> {
    let described = |(credential, data): (&Credential, PasskeyData)| {
        Some(PasskeyDescriptor::new(credential.external_id.clone()?, data.transports))
    };
    let own: Vec<_> = user.into_iter().flat_map(passkeys).filter_map(described).collect();
    // Made in any case: who has a passkey must not be told by time either.
    let made_up = made_up(tenant, identifier)?;
    Ok(if own.is_empty() { made_up } else { own })
}

/// A passkey such as somebody might have (§14.6.2), the same for an identifier every time.
fn made_up(tenant: &TenantScope, identifier: &Identifier) -> Result<Vec<PasskeyDescriptor>, PasskeyError> {
    let key = mac(tenant)?;
    let name = identifier_key(identifier);
    let [shape, ..] = key.tag(format!("shape|{}", name.as_str()).as_bytes());
    let id = key.tag(format!("id|{}", name.as_str()).as_bytes());
    // As phones, platforms and security keys make them.
    let (length, transports): (usize, &[&str]) = match shape % 4 {
        0 => (20, &["hybrid", "internal"]),
        1 => (16, &["hybrid", "internal"]),
        2 => (32, &["internal"]),
        _ => (32, &["hybrid", "internal"]),
    };
    let id = b64url::encode(id.get(..length).unwrap_or_default());
    Ok(vec![PasskeyDescriptor::new(id, transports.iter().map(|t| (*t).to_owned()).collect())])
}

fn refused(why: impl Into<std::borrow::Cow<'static, str>>) -> PasskeyError {
    PasskeyError::Refused(why.into())
}

/// Checks what the authenticator answered. As all that is shown it must be two factors; after something else of the same
/// user, in an unfinished sign-in, one is enough.
///
/// # Errors
/// [`PasskeyError::Refused`].
pub async fn authenticate(
    identity: &Identity,
    tenant: &TenantScope,
    (rp_id, pending): (&str, Option<&Pending>),
    answer: Assertion,
    client: &ClientInfo,
) -> Result<SignedBy, PasskeyError> {
    let (data, challenge) = ClientData::read(tenant, &answer.client_data, "webauthn.get").map_err(refused)?;
    let challenge = Challenge::read(tenant, challenge).ok_or_else(|| refused("it took too long"))?;
    let user = tenant.records::<User>().find(&key(&answer.raw_id)).await?;
    let user = user.ok_or_else(|| refused("nobody has this passkey"))?;
    check_challenge(tenant, rp_id, &challenge, (&user, answer.user_handle.as_deref()))?;
    let id = b64url::encode(&answer.raw_id);
    let known = passkey(&user, &id).ok_or_else(|| refused("it doesn't count"))?;

    let must_verify = !pending.is_some_and(|pending| pending.is_of(tenant, &user));
    let site = Site { rp_id, origin: &data.origin };
    let checked = ceremony::authenticate(site, challenge.as_bytes(), (&known, must_verify), &answer);
    if let Err(CeremonyError::Refused(why)) = checked {
        return Err(refused(why));
    }
    // Rightly signed: whatever comes of it, it is good once.
    if !challenge.spend(tenant).await? {
        return Err(refused("the challenge was used before"));
    }
    let used = used(identity, tenant, (&user, &id), checked.ok(), client).await?;
    let (user, result) = used.ok_or_else(|| refused("there may be a copy of the authenticator"))?;
    Ok(SignedBy { user, is_verified: result.user_verified() })
}

/// Whether the challenge was made for this user, or for whoever comes: then the authenticator must say who that is.
fn check_challenge(
    tenant: &TenantScope,
    rp_id: &str,
    challenge: &Challenge,
    (user, handle): (&User, Option<&[u8]>),
) -> Result<(), PasskeyError> {
    if handle.is_some_and(|handle| handle != user.id.as_str().as_bytes()) {
        return Err(refused("the passkey is somebody else's"));
    }
    let is_theirs = challenge.is_for(tenant, rp_id, Purpose::GetOf(user.id.as_str()))?;
    let is_anybodys = handle.is_some() && challenge.is_for(tenant, rp_id, Purpose::Get)?;
    if is_theirs || is_anybodys { Ok(()) } else { Err(refused("the challenge was made for something else")) }
}

fn passkey(user: &User, id: &str) -> Option<PasskeyData> {
    passkeys(user).find(|(credential, _)| credential.external_id.as_deref() == Some(id)).map(|(_, data)| data)
}

/// Writes down that a passkey was used: its counter goes up in the same write that checks it, so of two sign-ins with one
/// counter value one is refused. None, and a mark on the passkey, when the counter went back.
async fn used(
    identity: &Identity,
    tenant: &TenantScope,
    (user, id): (&Stored<User>, &str),
    result: Option<AuthenticationResult>,
    client: &ClientInfo,
) -> Result<Option<(Stored<User>, AuthenticationResult)>, PasskeyError> {
    let mut is_good = false;
    let written = tenant
        .records::<User>()
        .update::<PasskeyError>(user.id.as_str(), |old| {
            let mut next = old.record.clone();
            let is_it = |c: &&mut Credential| {
                c.method == METHOD && c.is_active && c.external_id.as_deref() == Some(id)
            };
            let own = next.credentials.iter_mut().find(is_it).ok_or_else(|| refused("it was removed"))?;
            let mut data = PasskeyData::of(own).ok_or_else(|| refused("it can't be read"))?;
            let event = Use::of(&data, result.as_ref());
            is_good = event != Use::Cloned;
            match &result {
                Some(result) if is_good => {
                    data.passkey.update_credential(result);
                    data.last_used_at = Some(tenant.now());
                }
                _ => data.clone_suspected_at = Some(tenant.now()),
            }
            data.put(own)?;
            let told = event
                .told(user.id.as_str(), client)
                .map(|told| told.with("credential_id", own.id.as_str()).effect(tenant));
            let stale = stale_user(tenant, &user.id).effect(tenant);
            let effects = told.into_iter().chain([stale]).collect();
            Ok(Change::Put(next, effects))
        })
        .await;
    identity.forget_user(tenant, &user.id);
    let written = written?.ok_or_else(|| refused("the user is gone"))?;
    Ok(result.filter(|_| is_good).map(|result| (written, result)))
}

/// What a use of a passkey means for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Nothing to tell.
    Plain,
    /// It is backed up now, or not any more.
    BackupChanged,
    /// The counter went back: there may be a copy.
    Cloned,
}

impl Use {
    /// Judged by the passkey as it is stored now; without a result it was judged already.
    fn of(data: &PasskeyData, result: Option<&AuthenticationResult>) -> Self {
        let Some(result) = result else { return Self::Cloned };
        let stored = serde_json::to_value(&data.passkey).unwrap_or_default();
        let stored = stored.get("cred");
        let counter = stored.and_then(|c| c.get("counter")?.as_u64()).unwrap_or(0);
        let is_backed_up = stored.and_then(|c| c.get("backup_state")?.as_bool()).unwrap_or(false);
        let given = u64::from(result.counter());
        if (given > 0 || counter > 0) && given <= counter {
            Self::Cloned
        } else if result.backup_state() == is_backed_up {
            Self::Plain
        } else {
            Self::BackupChanged
        }
    }

    /// The event that tells of it.
    fn told<'a>(self, user: &str, client: &'a ClientInfo) -> Option<Event<'a>> {
        let own = || Actor::User(user.to_owned());
        match self {
            Self::Plain => None,
            Self::BackupChanged => Some(Event::new("user.passkey_backup_changed", own(), user, client)),
            Self::Cloned => {
                Some(Event::refused("user.passkey_clone_suspected", Actor::Anonymous, user, client))
            }
        }
    }
}
