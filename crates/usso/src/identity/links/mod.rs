//! Links that are sent: to sign in with, and to choose a new password with.
//!
//! A link holds a signed token that names a durable one-time thing; using the link consumes that first, so it works once,
//! whatever happens next.

pub mod request;
pub mod routes;
pub mod schema;

use crate::tenant::TenantScope;
use crate::tenant::keys::KeyUse;
use crate::tenant::keys::keyring::KeyRingError;
use crate::tenant::one_time::OneTime;
use crate::tenant::verify::{TokenType, verified};
use kernel::{Change, Effect, StorageError, Timestamp};
use protocol::b64url;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Signing in.
    MagicLink,
    /// Choosing a new password.
    ResetPassword,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::MagicLink => "magic_link",
            Self::ResetPassword => "reset_password",
        }
    }
}

/// The claims of a link's token: those of every token, and which link it is.
#[derive(Serialize, Deserialize)]
struct LinkClaims {
    jti: String,
    token_type: TokenType,
    iss: String,
    sub: String,
    iat: i64,
    exp: i64,
    tenant_id: String,
    purpose: Purpose,
}

/// Why a link can't be made or used.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Not a link of this tenant for this, used before, or too old.
    #[error("the link can't be used")]
    Unusable,
    /// The token can't be signed.
    #[error(transparent)]
    Sign(#[from] KeyRingError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A link that was made and not yet kept.
#[derive(Debug)]
pub struct Link {
    /// Its token.
    pub token: String,
    record: OneTime,
}

impl Link {
    /// Makes a link for somebody; `subject` groups those of which only the newest works, if it isn't the link itself.
    ///
    /// # Errors
    /// When the tenant has no key or signing fails.
    pub fn make(
        tenant: &TenantScope,
        (purpose, subject): (Purpose, Option<&str>),
        lifetime: i64,
        data: Value,
        issuer: &str,
    ) -> Result<Self, LinkError> {
        let now = tenant.now();
        let jti = b64url::encode(tenant.token::<32>());
        let sub = subject.unwrap_or(&jti).to_owned();
        let record = OneTime {
            id: OneTime::id_for(purpose.as_str(), &[&sub]),
            data: json!({ "jti": digest(&jti), "data": data }),
            expires_at: now.plus_seconds(lifetime),
        };
        let claims = LinkClaims {
            jti,
            token_type: TokenType::OneTime,
            iss: issuer.to_owned(),
            sub,
            iat: now.unix_seconds(),
            exp: now.unix_seconds() + lifetime,
            tenant_id: tenant.id().as_str().to_owned(),
            purpose,
        };
        let token = tenant.profile().keys.sign(KeyUse::Access, &claims, now)?;
        Ok(Self { token, record })
    }

    /// Until when it works.
    pub fn expires_at(&self) -> Timestamp {
        self.record.expires_at
    }

    /// Keeps it, in the place of an older one of the same subject.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn keep(self, tenant: &TenantScope, effects: Vec<Effect>) -> Result<(), StorageError> {
        let records = tenant.records::<OneTime>();
        match records.insert(self.record.clone(), effects.clone()).await {
            Err(StorageError::Exists) => {}
            other => return other.map(drop),
        }
        let (id, record) = (self.record.id.clone(), self.record);
        let replaced =
            records.update::<StorageError>(&id, |_| Ok(Change::Put(record.clone(), effects.clone()))).await?;
        match replaced {
            Some(_) => Ok(()),
            None => records.insert(record, effects).await.map(drop),
        }
    }
}

fn digest(jti: &str) -> String {
    b64url::encode(protocol::sha256(jti.as_bytes()))
}

fn read(tenant: &TenantScope, purpose: Purpose, token: &str) -> Result<LinkClaims, LinkError> {
    let claims: LinkClaims = verified(tenant, token, TokenType::OneTime).map_err(|_| LinkError::Unusable)?;
    if claims.purpose == purpose { Ok(claims) } else { Err(LinkError::Unusable) }
}

/// What a link was made with, without using it.
///
/// # Errors
/// [`LinkError::Unusable`].
pub async fn look(tenant: &TenantScope, purpose: Purpose, token: &str) -> Result<Value, LinkError> {
    let claims = read(tenant, purpose, token)?;
    let id = OneTime::id_for(purpose.as_str(), &[&claims.sub]);
    let found = tenant.records::<OneTime>().get(&id).await?.ok_or(LinkError::Unusable)?;
    told(&found, &claims)
}

fn told(record: &OneTime, claims: &LinkClaims) -> Result<Value, LinkError> {
    let is_it = record.data.get("jti").and_then(Value::as_str) == Some(&digest(&claims.jti));
    if is_it { Ok(record.data.get("data").cloned().unwrap_or_default()) } else { Err(LinkError::Unusable) }
}

/// Uses a link up: of parallel uses one succeeds.
///
/// # Errors
/// [`LinkError::Unusable`].
pub async fn consume(tenant: &TenantScope, purpose: Purpose, token: &str) -> Result<Value, LinkError> {
    let claims = read(tenant, purpose, token)?;
    let id = OneTime::id_for(purpose.as_str(), &[&claims.sub]);
    let mut data = Err(LinkError::Unusable);
    let written = tenant
        .records::<OneTime>()
        .update::<StorageError>(&id, |old| {
            data = told(old, &claims);
            if data.is_err() {
                return Ok(Change::Keep);
            }
            // It stays as a mark until it would have expired.
            Ok(Change::Put(OneTime { data: Value::Null, ..old.record.clone() }, Vec::new()))
        })
        .await?;
    if written.is_some() { data } else { Err(LinkError::Unusable) }
}
