//! Giving puzzles, taking solutions, and what a solution is worth.

use super::CaptchaError;
use super::puzzle::{ALGORITHM, Puzzle, Solution};
use super::schema::ChallengeView;
use crate::tenant::TenantScope;
use crate::tenant::one_time::OneTime;
use crate::tenant::settings::CaptchaMode;
use kernel::{StorageError, Timestamp};
use protocol::b64url;
use protocol::seal::MacKey;
use serde_json::Value;

/// Seconds a puzzle may take.
const LIFETIME: i64 = 300;
/// Seconds to wait for who solves none.
pub const WAIT: i64 = 10;
/// Seconds a proof is good for.
pub const PROOF_LIFETIME: i64 = 300;

fn key(tenant: &TenantScope, purpose: &str) -> Result<MacKey, CaptchaError> {
    Ok(tenant.profile().seal.derive_mac(purpose, tenant.id().as_str())?)
}

/// A new puzzle. Nothing is stored for it.
///
/// # Errors
/// When the tenant's key can't be derived.
pub fn challenge(tenant: &TenantScope) -> Result<ChallengeView, CaptchaError> {
    let max_number = tenant.profile().settings.captcha_max_number;
    // So many random bits that what is left over is no matter.
    let number = u64::from_be_bytes(tenant.token::<8>()) % (max_number + 1);
    let expires_at = tenant.now().plus_seconds(LIFETIME);
    let puzzle = Puzzle::new(&key(tenant, "captcha")?, tenant.token::<16>(), expires_at, number);
    Ok(ChallengeView {
        algorithm: ALGORITHM,
        challenge: puzzle.challenge,
        maxnumber: max_number,
        max_number,
        salt: puzzle.salt,
        signature: puzzle.signature,
        difficulty: max_number,
        expires_at,
    })
}

/// Takes a solution, once, for a proof.
///
/// # Errors
/// [`CaptchaError::Invalid`].
pub async fn redeem(tenant: &TenantScope, payload: &str) -> Result<String, CaptchaError> {
    let solution = Solution::read(payload)?;
    let max_number = tenant.profile().settings.captcha_max_number;
    let expires_at = solution.check(&key(tenant, "captcha")?, max_number, tenant.now())?;
    let used =
        OneTime { id: OneTime::id_for("captcha", &[&solution.challenge]), data: Value::Null, expires_at };
    match tenant.records::<OneTime>().insert(used, Vec::new()).await {
        Ok(_) => proof(tenant),
        Err(StorageError::Exists) => Err(CaptchaError::Invalid("it was used before")),
        Err(e) => Err(e.into()),
    }
}

/// `captcha.{when it ends}.{random}.{tag}`: nobody but the tenant makes one.
fn proof(tenant: &TenantScope) -> Result<String, CaptchaError> {
    let end = tenant.now().plus_seconds(PROOF_LIFETIME).unix_seconds();
    let body = format!("captcha.{end}.{}", b64url::encode(tenant.token::<16>()));
    let tag = key(tenant, "captcha-proof")?.tag(body.as_bytes());
    Ok(format!("{body}.{}", b64url::encode(tag)))
}

/// Whether a text is a proof of this tenant that is still good.
///
/// # Errors
/// When the tenant's key can't be derived.
pub fn is_proof(tenant: &TenantScope, text: &str) -> Result<bool, CaptchaError> {
    let Some((body, tag)) = text.rsplit_once('.') else { return Ok(false) };
    let Ok(tag) = b64url::decode(tag) else { return Ok(false) };
    if !key(tenant, "captcha-proof")?.verify(body.as_bytes(), &tag) {
        return Ok(false);
    }
    let end = body.split('.').nth(1).and_then(|end| end.parse().ok());
    Ok(end.is_some_and(|end| tenant.now() < Timestamp::from_unix_seconds(end)))
}

/// Begins to wait instead of solving a puzzle: what to come back with. Nothing is stored for it.
///
/// # Errors
/// When the tenant's key can't be derived.
pub fn wait_begun(tenant: &TenantScope) -> Result<String, CaptchaError> {
    let body = format!("wait.{}.{}", tenant.now().unix_seconds(), b64url::encode(tenant.token::<16>()));
    let tag = key(tenant, "captcha-wait")?.tag(body.as_bytes());
    Ok(format!("{body}.{}", b64url::encode(tag)))
}

/// When somebody began to wait; nothing for what is no word of this tenant.
fn waits_since(tenant: &TenantScope, text: &str) -> Result<Option<Timestamp>, CaptchaError> {
    let Some((body, tag)) = text.rsplit_once('.') else { return Ok(None) };
    let tag = b64url::decode(tag).unwrap_or_default();
    let is_ours = key(tenant, "captcha-wait")?.verify(body.as_bytes(), &tag);
    let begun = body.split('.').nth(1).and_then(|begun| begun.parse().ok()).filter(|_| is_ours);
    Ok(begun.map(Timestamp::from_unix_seconds))
}

/// Whether somebody has begun to wait, and has still to.
///
/// # Errors
/// When the tenant's key can't be derived.
pub fn is_waiting(tenant: &TenantScope, text: &str) -> Result<bool, CaptchaError> {
    let begun = waits_since(tenant, text)?;
    Ok(begun.is_some_and(|begun| (0..WAIT).contains(&tenant.now().seconds_since(begun))))
}

/// Takes what somebody waited with, once, for a proof: for who has no JavaScript, a delay does (ruling D32). Nothing, if they came
/// too early or too late.
///
/// # Errors
/// When the tenant's key can't be derived, or the database is away.
pub async fn waited(tenant: &TenantScope, text: &str) -> Result<Option<String>, CaptchaError> {
    let Some(begun) = waits_since(tenant, text)? else { return Ok(None) };
    if !(WAIT..LIFETIME).contains(&tenant.now().seconds_since(begun)) {
        return Ok(None);
    }
    let expires_at = begun.plus_seconds(LIFETIME);
    let used = OneTime { id: OneTime::id_for("captcha-wait", &[text]), data: Value::Null, expires_at };
    match tenant.records::<OneTime>().insert(used, Vec::new()).await {
        Ok(_) => proof(tenant).map(Some),
        Err(StorageError::Exists) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Whether somebody may try to sign in, as far as captchas go (ruling D32). `presented`: what the request has of proofs;
/// `failures`: how often whoever sends it has failed with this identifier.
///
/// # Errors
/// When the tenant's key can't be derived.
pub fn is_satisfied<'a>(
    tenant: &TenantScope,
    presented: impl IntoIterator<Item = &'a str>,
    failures: u64,
) -> Result<bool, CaptchaError> {
    let settings = &tenant.profile().settings;
    let is_asked = match settings.captcha_mode {
        CaptchaMode::Off => false,
        CaptchaMode::Risk => failures >= settings.captcha_tries,
        CaptchaMode::Always => true,
    };
    if !is_asked {
        return Ok(true);
    }
    for text in presented {
        if is_proof(tenant, text)? {
            return Ok(true);
        }
    }
    Ok(false)
}
