//! A client that shows a key (RFC 7523, `private_key_jwt`): its assertion stands up to the checks under a key it registered,
//! and comes once.

use super::model::Client;
use crate::integration::{Context, OauthError};
use crate::tenant::one_time::OneTime;
use kernel::{StorageError, Timestamp};
use protocol::jose::JwkSet;
use protocol::oauth::client_assertion::{Assertion, AssertionError, Expected};
use std::sync::Arc;

/// Where clients say who they are: other names of this server in their assertions.
const ENDPOINTS: [&str; 5] =
    ["/oauth/token", "/oauth/par", "/oauth/device_authorization", "/oauth/introspect", "/oauth/revoke"];

/// Whether an assertion proves that a request is this client's.
///
/// # Errors
/// When the database is away.
pub(super) async fn is_proven(
    ctx: Context<'_>,
    client: &Client,
    assertion: &str,
) -> Result<bool, OauthError> {
    let mut judged = judge(ctx, client, (assertion, false)).await;
    // The client may have a new key since its set was last looked at.
    if judged == Err(AssertionError::UnknownKey) && client.jwks_uri.is_some() {
        judged = judge(ctx, client, (assertion, true)).await;
    }
    match judged {
        Ok(assertion) => is_first(ctx, client, &assertion).await,
        Err(error) => {
            tracing::debug!(client = %client.id, %error, "a client assertion is refused");
            Ok(false)
        }
    }
}

async fn judge(
    ctx: Context<'_>,
    client: &Client,
    (assertion, is_stale): (&str, bool),
) -> Result<Assertion, AssertionError> {
    let keys = keys(ctx, client, is_stale).await.ok_or(AssertionError::UnknownKey)?;
    let endpoints = ENDPOINTS.map(|path| format!("{}{path}", ctx.issuer));
    let expected = Expected {
        client_id: client.id.as_str(),
        issuer: ctx.issuer,
        endpoints: &endpoints,
        algorithm: client.assertion_alg,
        is_fapi2: client.fapi2,
        now: ctx.tenant.now().unix_seconds(),
    };
    Assertion::verify(assertion, &keys, &expected)
}

/// The keys a client registered, or publishes. None: it has none, or its server does not answer.
pub(crate) async fn keys(ctx: Context<'_>, client: &Client, is_stale: bool) -> Option<Arc<JwkSet>> {
    if let Some(own) = &client.jwks {
        return JwkSet::from_slice_skipping_unsupported(own.to_string().as_bytes()).ok().map(Arc::new);
    }
    let url = client.jwks_uri.as_deref()?;
    ctx.integration.key_sets().get(ctx.internet, ctx.tenant, (url, is_stale)).await.ok()
}

/// Remembers an assertion for as long as it would be accepted, durably: neither a restart nor another instance accepts it
/// again.
async fn is_first(ctx: Context<'_>, client: &Client, assertion: &Assertion) -> Result<bool, OauthError> {
    let used = OneTime {
        id: OneTime::id_for("client_jti", &[client.id.as_str(), &assertion.jti]),
        data: serde_json::Value::Null,
        expires_at: Timestamp::from_unix_seconds(assertion.until).plus_seconds(1),
    };
    match ctx.tenant.records::<OneTime>().insert(used, Vec::new()).await {
        Ok(_) => Ok(true),
        Err(StorageError::Exists) => Ok(false),
        Err(e) => Err(e.into()),
    }
}
