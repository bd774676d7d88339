//! `Idempotency-Key`: a creating request that is sent twice happens once (checklist API-04).
//!
//! The first request reserves the key, does its work and keeps its answer, sealed, for a day; a repeat with the same body
//! gets that answer. A repeat while the first is under way, or with another body, is refused. A crash in between costs
//! a minute's wait, never a second effect.

use crate::access_control::permission::narrowed;
use crate::http::caller::API_KEY;
use crate::http::{ApiError, Caller, Tenant};
use crate::tenant::one_time::OneTime;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use kernel::{Change, ProblemKind, StorageError};
use protocol::b64url;
use serde::{Deserialize, Serialize};
use std::future::Future;

const KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const MAX_KEY: usize = 255;
/// Seconds a reservation holds when its owner vanished.
const RESERVED: i64 = 60;
/// Seconds an answer is kept.
const KEPT: i64 = 86_400;

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    /// What who asked could do then.
    #[serde(default)]
    held: Option<Held>,
}

/// What somebody may: scopes, and workspaces they belong to.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Held {
    scopes: Vec<String>,
    workspaces: Vec<String>,
}

impl Held {
    fn by(caller: &Caller) -> Self {
        let (scopes, workspaces) = (caller.scopes().to_vec(), caller.user.workspace_ids.clone());
        Self { scopes, workspaces }
    }

    /// Whether nothing of it was taken away since.
    fn is_within(&self, now: &Self) -> bool {
        narrowed(&self.scopes, &now.scopes).is_none()
            && self.workspaces.iter().all(|id| now.workspaces.contains(id))
    }
}

/// Does the work once per key. Without the header it simply does the work.
///
/// # Errors
/// `CONFLICT` while an equal request is under way, `IDEMPOTENCY_KEY_REUSED` for another body.
pub async fn once<F>(
    tenant: &Tenant,
    headers: &HeaderMap,
    request: (&str, &[u8]),
    work: F,
) -> Result<Response, ApiError>
where
    F: Future<Output = Result<Response, ApiError>>,
{
    run(tenant, headers, request, (None, work)).await
}

/// As [`once`], for a caller: from whom something was taken away since gets no answer that was given to them before.
///
/// # Errors
/// As [`once`]; `PERMISSION_DENIED`.
pub async fn once_by<F>(
    caller: &Caller,
    headers: &HeaderMap,
    request: (&str, &[u8]),
    work: F,
) -> Result<Response, ApiError>
where
    F: Future<Output = Result<Response, ApiError>>,
{
    run(&caller.tenant, headers, request, (Some(Held::by(caller)), work)).await
}

async fn run<F>(
    tenant: &Tenant,
    headers: &HeaderMap,
    (operation, body): (&str, &[u8]),
    (held, work): (Option<Held>, F),
) -> Result<Response, ApiError>
where
    F: Future<Output = Result<Response, ApiError>>,
{
    let Some(key) = headers.get(KEY) else { return work.await };
    let key = key.to_str().ok().filter(|k| (1..=MAX_KEY).contains(&k.len()));
    let key =
        key.ok_or_else(|| ApiError::invalid(Vec::new(), "Idempotency-Key must have 1 to 255 characters"))?;
    // The caller is part of the key, so that nobody is given somebody else's answer.
    let [token, api_key] = [header::AUTHORIZATION.as_str(), API_KEY].map(|name| {
        let credential = headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
        b64url::encode(protocol::sha256(credential))
    });
    let id = OneTime::id_for("idempotency", &[operation, key, &token, &api_key]);
    // Keyed: the body may hold a password, and a plain digest of it could be guessed from a stolen database.
    let fingerprint = b64url::encode(tenant.scope.profile().request_mac.tag(body));
    let records = tenant.scope.records::<OneTime>();
    let reservation = OneTime {
        id: id.clone(),
        data: serde_json::json!({ "body": fingerprint }),
        expires_at: tenant.scope.now().plus_seconds(RESERVED),
    };
    match records.insert(reservation, Vec::new()).await {
        Ok(_) => {}
        Err(StorageError::Exists) => return replay(tenant, &id, (&fingerprint, held)).await,
        Err(e) => return Err(crate::http::error::storage(&e)),
    }
    let answer = work.await;
    let response = match answer {
        Ok(response) => response,
        Err(error) => {
            release(tenant, &id).await;
            return Err(error);
        }
    };
    keep(tenant, &id, (response, held)).await
}

async fn release(tenant: &Tenant, id: &str) {
    let records = tenant.scope.records::<OneTime>();
    if let Ok(Some(reservation)) = records.get(id).await {
        // If this fails the reservation ends by itself within a minute.
        drop(records.delete(&reservation, Vec::new()).await);
    }
}

async fn keep(
    tenant: &Tenant,
    id: &str,
    (response, held): (Response, Option<Held>),
) -> Result<Response, ApiError> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = |v: &HeaderValue| v.to_str().unwrap_or_default().to_owned();
    let answer = Answer {
        status: parts.status.as_u16(),
        headers: parts.headers.iter().map(|(n, v)| (n.as_str().to_owned(), text(v))).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
        held,
    };
    let plain = serde_json::to_vec(&answer).unwrap_or_default();
    let sealed = tenant.scope.profile().seal.seal(id.as_bytes(), &plain).unwrap_or_default();
    let kept = tenant
        .scope
        .records::<OneTime>()
        .update::<StorageError>(id, |old| {
            let mut next = old.record.clone();
            if let Some(data) = next.data.as_object_mut() {
                data.insert("answer".to_owned(), sealed.clone().into());
            }
            next.expires_at = tenant.scope.now().plus_seconds(KEPT);
            Ok(Change::Put(next, Vec::new()))
        })
        .await;
    if let Err(error) = kept {
        tracing::warn!(%error, "an idempotent answer could not be kept");
    }
    Ok(Response::from_parts(parts, axum::body::Body::from(body)))
}

async fn replay(
    tenant: &Tenant,
    id: &str,
    (fingerprint, held): (&str, Option<Held>),
) -> Result<Response, ApiError> {
    let stored =
        tenant.scope.records::<OneTime>().get(id).await.map_err(|e| crate::http::error::storage(&e))?;
    let busy =
        || ApiError::new(ProblemKind::Conflict, "CONFLICT", "An equal request is still being worked on");
    let stored = stored.ok_or_else(busy)?;
    if stored.data.get("body").and_then(|b| b.as_str()) != Some(fingerprint) {
        let detail = "This Idempotency-Key was used for a different request";
        return Err(ApiError::new(ProblemKind::Conflict, "IDEMPOTENCY_KEY_REUSED", detail));
    }
    let sealed = stored.data.get("answer").and_then(|a| a.as_str()).ok_or_else(busy)?;
    let plain = tenant.scope.profile().seal.open(id.as_bytes(), sealed).map_err(|_| busy())?;
    let answer: Answer = serde_json::from_slice(&plain).map_err(|_| busy())?;
    if let (Some(then), Some(now)) = (&answer.held, &held)
        && !then.is_within(now)
    {
        let detail = "Something you could do when this was first answered was taken away since";
        return Err(ApiError::new(ProblemKind::Forbidden, "PERMISSION_DENIED", detail));
    }
    let mut response = Bytes::from(answer.body).into_response();
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.clear();
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
