//! Keeping a request, finding it again, using it up.

use crate::integration::authorize::{checks, target};
use crate::integration::clients::authenticate::authenticate;
use crate::integration::token::{Call, possession, request::once};
use crate::integration::{Context, OauthCode, OauthError, budget};
use crate::tenant::TenantScope;
use crate::tenant::one_time::OneTime;
use kernel::{ClientId, StorageError};
use protocol::b64url;
use protocol::oauth::Params;
use serde::{Deserialize, Serialize};

/// Seconds a pushed request is good: long enough to sign in, short enough for FAPI 2.0 (§5.3.2.2).
pub const LIFETIME: i64 = 300;

/// What every reference begins with (RFC 9126 §2.2).
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// What belongs to the client's saying who it is, and not to its request.
const CREDENTIALS: [&str; 4] = ["client_id", "client_secret", "client_assertion", "client_assertion_type"];

/// A request that was pushed.
#[derive(Serialize, Deserialize)]
struct Pushed {
    client_id: ClientId,
    params: Vec<(String, String)>,
}

fn id(reference: &str) -> String {
    OneTime::id_for("par", &[reference])
}

/// Takes a request and gives the reference to it.
///
/// # Errors
/// What the authorization endpoint would have sent to the client, and what the token endpoint says of clients.
pub async fn push(ctx: Context<'_>, call: Call<'_>) -> Result<String, OauthError> {
    once(call.params)?;
    let client = authenticate(ctx, call.authorization, call.params).await?.client;
    if call.params.has("request_uri") {
        return Err(OauthError::invalid_request("A pushed request has no request_uri"));
    }
    let jkt = possession::pushed(ctx, &client, call.proof).await?;
    let own = call.params.pairs().filter(|(name, _)| !CREDENTIALS.contains(name));
    let mut params: Vec<(String, String)> = own.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    params.push(("client_id".to_owned(), client.id.as_str().to_owned()));
    if let Some(jkt) = jkt {
        match call.params.get("dpop_jkt") {
            Some(named) if named != jkt => {
                return Err(OauthError::invalid_dpop_proof("dpop_jkt names another key than the proof"));
            }
            Some(_) => {}
            None => params.push(("dpop_jkt".to_owned(), jkt)),
        }
    }
    let request = Params::of(params.clone());
    let target = target::find(ctx, &request).await?;
    checks::run(ctx, (&request, Some("")), &target)?;
    budget::room_for(ctx, &client, "pushed_request").await?;
    let reference = b64url::encode(ctx.tenant.token::<32>());
    let pushed = Pushed { client_id: client.id.clone(), params };
    let record = OneTime {
        id: id(&reference),
        data: serde_json::to_value(pushed).map_err(|e| StorageError::Corrupt(e.to_string()))?,
        expires_at: ctx.tenant.now().plus_seconds(LIFETIME),
    };
    ctx.tenant.records::<OneTime>().insert(record, Vec::new()).await?;
    Ok(format!("{PREFIX}{reference}"))
}

/// A request whose reference was brought, with the id of what keeps it; none if `params` are the request itself.
///
/// # Errors
/// `invalid_request_uri` for a reference that is unknown, used, outdated, or another client's.
pub async fn unfold(ctx: Context<'_>, params: &Params) -> Result<Option<(Params, String)>, OauthError> {
    let Some(reference) = params.get("request_uri").and_then(|uri| uri.strip_prefix(PREFIX)) else {
        return Ok(None);
    };
    let unknown = || {
        OauthError::invalid_request_uri(
            "This request is unknown, was answered, or waited too long; start again",
        )
    };
    let id = id(reference);
    let record = ctx.tenant.records::<OneTime>().get(&id).await?.ok_or_else(unknown)?;
    let pushed: Pushed = serde_json::from_value(record.data.clone()).map_err(|_| unknown())?;
    // What stands beside the reference counts for nothing (RFC 9101 section 6.3).
    if params.get("client_id") != Some(pushed.client_id.as_str()) {
        return Err(unknown());
    }
    Ok(Some((Params::of(pushed.params), id)))
}

/// Uses a request up: from now on its reference is unknown. False: it was used before.
///
/// # Errors
/// When the database is away.
pub async fn use_up(tenant: &TenantScope, id: &str) -> Result<bool, StorageError> {
    let records = tenant.records::<OneTime>();
    let Some(record) = records.get(id).await? else { return Ok(false) };
    match records.delete(&record, Vec::new()).await {
        Ok(()) => Ok(true),
        Err(StorageError::Conflict) => Ok(false),
        Err(e) => Err(e),
    }
}

/// What a client hears whose request was answered before.
pub fn used() -> OauthError {
    OauthError::Refused(OauthCode::InvalidRequestUri, "This request was answered before".into())
}
