//! Making, changing, using and removing referral codes.

use super::model::{Referral, code_key, normal};
use super::schema::{CreateReferral, UpdateReferral};
use crate::tenant::audit::Event;
use crate::tenant::patch::merge;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{
    Change, Problem, ProblemKind, Query, Record, ReferralId, StorageError, Stored, TagMatch, Timestamp,
    UserId,
};
use std::borrow::Cow;

/// How many codes a user may have.
pub const MAX_CODES: u64 = 100;

/// Most bytes of `meta_data` as JSON.
const MAX_META_DATA: usize = 4_096;

/// How often a deletion is retried after losing against a change.
const DELETE_ATTEMPTS: u32 = 16;

/// Letters and digits that are not taken for one another.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

type Author<'a> = (&'a Actor, &'a ClientInfo);

/// Why a code can't be made, changed or used.
#[derive(Debug, thiserror::Error)]
pub enum ReferralError {
    /// Nobody can register with it: unknown, switched off, expired or used up. Which is not told.
    #[error("the referral code can't be used")]
    Refused,
    /// There is no such code here.
    #[error("no such referral")]
    NotFound,
    /// `If-Match` named another revision.
    #[error("the referral was changed meanwhile")]
    Stale,
    /// A value that can't be.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// Somebody has this code.
    #[error("the code is taken")]
    Taken,
    /// The user has [`MAX_CODES`].
    #[error("too many codes")]
    TooMany,
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for ReferralError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Refused | Self::Invalid(_) => ProblemKind::Invalid,
            Self::NotFound => ProblemKind::NotFound,
            Self::Stale => ProblemKind::PreconditionFailed,
            Self::Taken | Self::TooMany => ProblemKind::Conflict,
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Refused => "REFERRAL_INVALID",
            Self::NotFound => "NOT_FOUND",
            Self::Stale => "PRECONDITION_FAILED",
            Self::Invalid(_) => "VALIDATION_ERROR",
            Self::Taken | Self::TooMany => "CONFLICT",
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Refused => "This referral code can't be used (any more)".into(),
            Self::NotFound => "Not found".into(),
            Self::Stale => "The object was changed since it was read".into(),
            Self::Invalid(detail) => detail.clone(),
            Self::Taken => "This code is taken".into(),
            Self::TooMany => format!("At most {MAX_CODES} referral codes per user").into(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}

fn checked_code(tenant: &TenantScope, given: Option<&str>) -> Result<String, ReferralError> {
    let Some(given) = given else {
        let letter = |byte: u8| char::from(*ALPHABET.get(usize::from(byte & 31)).unwrap_or(&b'A'));
        return Ok(tenant.token::<10>().into_iter().map(letter).collect());
    };
    let code = normal(given);
    let is_plain = code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if (3..=64).contains(&code.len()) && is_plain {
        Ok(code)
    } else {
        Err(ReferralError::Invalid("code: 3 to 64 letters, digits, - and _".into()))
    }
}

fn check(referral: &Referral, now: Timestamp) -> Result<(), ReferralError> {
    if referral.expires_at.is_some_and(|end| end <= now) {
        return Err(ReferralError::Invalid("expires_at: lies in the past".into()));
    }
    if referral.max_usage == Some(0) {
        return Err(ReferralError::Invalid("max_usage: at least 1".into()));
    }
    if serde_json::to_string(&referral.meta_data).map_or(usize::MAX, |text| text.len()) > MAX_META_DATA {
        return Err(ReferralError::Invalid(format!("meta_data: at most {MAX_META_DATA} bytes").into()));
    }
    Ok(())
}

/// Makes a code for a user.
///
/// # Errors
/// [`ReferralError::Taken`], values that can't be, too many codes.
pub async fn create(
    tenant: &TenantScope,
    user: &UserId,
    new: CreateReferral,
    (actor, client): Author<'_>,
) -> Result<Stored<Referral>, ReferralError> {
    let referral = Referral {
        id: ReferralId::generate(tenant.now(), tenant.random()),
        code: checked_code(tenant, new.code.as_deref())?,
        user_id: user.clone(),
        expires_at: new.expires_at,
        is_active: true,
        usage_count: 0,
        max_usage: new.max_usage,
        meta_data: new.meta_data.unwrap_or_default(),
    };
    check(&referral, tenant.now())?;
    let own = Query { limit: 1, ..Query::all(Referral::KIND) };
    let own = own.with_all(vec![TagMatch::Is(format!("user:{user}"))]);
    if tenant.records::<Referral>().page(own).await?.total >= MAX_CODES {
        return Err(ReferralError::TooMany);
    }
    let event = Event::new("referral.created", actor.clone(), referral.id.as_str(), client)
        .with("user_id", user.as_str())
        .effect(tenant);
    tenant.records::<Referral>().insert(referral, vec![event]).await.map_err(|e| match e {
        StorageError::KeyTaken { .. } => ReferralError::Taken,
        other => ReferralError::Storage(other),
    })
}

/// A code by its id.
///
/// # Errors
/// [`ReferralError::NotFound`].
pub async fn get(tenant: &TenantScope, id: &str) -> Result<Stored<Referral>, ReferralError> {
    let id = ReferralId::parse(id).map_err(|_| ReferralError::NotFound)?;
    tenant.records::<Referral>().get(id.as_str()).await?.ok_or(ReferralError::NotFound)
}

/// Changes a code.
///
/// # Errors
/// Values that can't be, [`ReferralError::NotFound`], and whatever `check` says of the code found.
pub async fn update(
    tenant: &TenantScope,
    id: &ReferralId,
    edit: UpdateReferral,
    ((actor, client), fits): (Author<'_>, impl Fn(&Stored<Referral>) -> Result<(), ReferralError>),
) -> Result<Stored<Referral>, ReferralError> {
    let event = Event::new("referral.updated", actor.clone(), id.as_str(), client).effect(tenant);
    let updated = tenant
        .records::<Referral>()
        .update::<ReferralError>(id.as_str(), |old| {
            fits(old)?;
            let mut next = old.record.clone();
            next.max_usage = edit.max_usage.unwrap_or(old.max_usage);
            next.expires_at = edit.expires_at.unwrap_or(old.expires_at);
            next.is_active = edit.is_active.unwrap_or(old.is_active);
            merge(&mut next.meta_data, edit.meta_data.clone().unwrap_or_default());
            if next == old.record {
                return Ok(Change::Keep);
            }
            if edit.expires_at.is_some() || edit.max_usage.is_some() || edit.meta_data.is_some() {
                check(&next, tenant.now())?;
            }
            Ok(Change::Put(next, vec![event.clone()]))
        })
        .await;
    updated?.ok_or(ReferralError::NotFound)
}

/// Removes a code. Who came by it stays.
///
/// # Errors
/// [`ReferralError::NotFound`], and whatever `fits` says of the code found.
pub async fn delete(
    tenant: &TenantScope,
    id: &ReferralId,
    (actor, client): Author<'_>,
    fits: impl Fn(&Stored<Referral>) -> Result<(), ReferralError>,
) -> Result<Stored<Referral>, ReferralError> {
    for _ in 0..DELETE_ATTEMPTS {
        let referral = get(tenant, id.as_str()).await?;
        fits(&referral)?;
        let event = Event::new("referral.deleted", actor.clone(), id.as_str(), client).effect(tenant);
        match tenant.records::<Referral>().delete(&referral, vec![event]).await {
            Ok(()) => return Ok(referral),
            Err(StorageError::Conflict) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(StorageError::Contended.into())
}

/// Counts a use, before the account it brings is made: of parallel registrations no more pass than may. One that fails
/// afterwards is to be given back; a crash in between costs a use, never a limit.
///
/// # Errors
/// [`ReferralError::Refused`].
pub async fn claim(tenant: &TenantScope, code: &str) -> Result<Stored<Referral>, ReferralError> {
    let found = tenant.records::<Referral>().find(&code_key(code)).await?.ok_or(ReferralError::Refused)?;
    count(tenant, &found.id, |old| {
        if !old.is_open(tenant.now()) {
            return Err(ReferralError::Refused);
        }
        Ok(old.usage_count.saturating_add(1))
    })
    .await?
    .ok_or(ReferralError::Refused)
}

/// Gives a use back.
///
/// # Errors
/// When the database is away.
pub async fn release(tenant: &TenantScope, id: &ReferralId) -> Result<(), ReferralError> {
    count(tenant, id, |old| Ok(old.usage_count.saturating_sub(1))).await.map(drop)
}

async fn count(
    tenant: &TenantScope,
    id: &ReferralId,
    counted: impl Fn(&Referral) -> Result<u64, ReferralError>,
) -> Result<Option<Stored<Referral>>, ReferralError> {
    tenant
        .records::<Referral>()
        .update::<ReferralError>(id.as_str(), |old| {
            let next = Referral { usage_count: counted(old)?, ..old.record.clone() };
            Ok(Change::Put(next, Vec::new()))
        })
        .await
}
