//! Telling clients that a session has ended (Back-Channel Logout §2.5, Front-Channel Logout §2).

use crate::identity::sessions::model::{ClientGrant, Session, browser_tag};
use crate::integration::clients::model::Client;
use crate::integration::clients::service as clients;
use crate::integration::token::id_token::{signed_as, signs_with};
use crate::integration::{Context, outbound};
use crate::tenant::one_time::OneTime;
use kernel::{
    ClientId, Effect, Query, Record, Scope, SendError, SessionId, StorageError, TagMatch, TokenId, Topic,
};
use protocol::oauth::logout_token::{Ended, LogoutClaims, TYPE};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Most clients one session is told of.
const MOST: u32 = 1_000;

/// Seconds it is remembered that a client is being told.
const REMEMBERED: i64 = 86_400;

/// That a session has ended; with a client, that this one is to be told.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Notice {
    session: SessionId,
    user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<ClientId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
}

/// Whether an effect is a notice on its way to a client.
pub fn is_addressed(effect: &Effect) -> bool {
    effect.topic == Topic::Logout && effect.payload.get("client").is_some()
}

/// The grants of a session, by client: the last of each.
async fn grants(scope: &Scope, session: &SessionId) -> Result<BTreeMap<ClientId, ClientGrant>, StorageError> {
    let query = Query { limit: MOST, ..Query::all(Session::KIND) };
    let query = query.with_all(vec![TagMatch::Is(browser_tag(session))]);
    let found = scope.records::<Session>().page(query).await?.items;
    let grants = found.into_iter().filter_map(|session| session.record.grant);
    Ok(grants.map(|grant| (grant.client_id.clone(), *grant)).collect())
}

/// Finds out whom to tell of the end of a session, and writes a notice to each. Doing it twice writes none twice.
///
/// # Errors
/// When the database is away, or the effect unreadable.
pub async fn address(scope: &Scope, payload: &Value) -> Result<(), StorageError> {
    let notice: Notice =
        serde_json::from_value(payload.clone()).map_err(|e| StorageError::Corrupt(e.to_string()))?;
    for (id, grant) in grants(scope, &notice.session).await? {
        let client = scope.records::<Client>().get(id.as_str()).await?;
        if client.is_none_or(|client| client.logout.backchannel_logout_uri.is_none()) {
            continue;
        }
        let addressed = Notice { client: Some(id.clone()), issuer: grant.issuer, ..notice.clone() };
        let payload = serde_json::to_value(addressed).map_err(|e| StorageError::Corrupt(e.to_string()))?;
        let written = OneTime {
            id: OneTime::id_for("logout_notice", &[notice.session.as_str(), id.as_str()]),
            data: Value::Null,
            expires_at: scope.now().plus_seconds(REMEMBERED),
        };
        let effect = Effect { topic: Topic::Logout, payload, due_at: scope.now() };
        match scope.records::<OneTime>().insert(written, vec![effect]).await {
            Ok(_) | Err(StorageError::Exists) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Tells a client.
///
/// # Errors
/// [`SendError::Later`] unless it says that it has heard; [`SendError::Refused`] when it is gone.
pub async fn tell(ctx: Context<'_>, payload: &Value) -> Result<(), SendError> {
    let later = |what: &str| SendError::Later(what.to_owned());
    let refused = |what: &str| SendError::Refused(what.to_owned());
    let notice: Notice = serde_json::from_value(payload.clone()).map_err(|_| refused("unreadable"))?;
    let id = notice.client.ok_or_else(|| refused("nobody's notice"))?;
    let client = clients::live(ctx.identity, ctx.integration, ctx.tenant, &id).await;
    let client =
        client.map_err(|e| SendError::Later(e.to_string()))?.ok_or_else(|| refused("the client is gone"))?;
    let uri = client.logout.backchannel_logout_uri.as_deref().ok_or_else(|| refused("nowhere to tell"))?;
    let ended = Ended {
        issuer: notice.issuer.as_deref().unwrap_or(ctx.issuer),
        client_id: id.as_str(),
        subject: &notice.user,
        session: notice.session.as_str(),
    };
    let now = ctx.tenant.now();
    let jti = String::from(TokenId::generate(now, ctx.tenant.random()));
    let claims = LogoutClaims::new(&ended, &jti, now.unix_seconds());
    let algorithm = signs_with(ctx, client.id_token_alg);
    let token = signed_as(ctx, (algorithm, TYPE), &claims).await;
    let token = token.map_err(|e| SendError::Later(e.to_string()))?;
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", &token).finish();
    match outbound::post(ctx.internet, uri, form).await {
        Ok(200..=299) => Ok(()),
        Ok(status) => Err(SendError::Later(format!("the client answers {status}"))),
        Err(_) => Err(later("the client does not answer")),
    }
}

/// Where a browser tells clients that a session has ended.
///
/// # Errors
/// When the database is away.
pub async fn frontchannel(ctx: Context<'_>, session: &SessionId) -> Result<Vec<String>, StorageError> {
    let mut uris = Vec::new();
    for (id, grant) in grants(ctx.tenant, session).await? {
        let client = clients::live(ctx.identity, ctx.integration, ctx.tenant, &id).await?;
        let Some(uri) = client.and_then(|client| client.logout.frontchannel_logout_uri.clone()) else {
            continue;
        };
        let issuer = grant.issuer.as_deref().unwrap_or(ctx.issuer);
        let pairs = [("iss", issuer), ("sid", session.as_str())];
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let joint = if uri.contains('?') { '&' } else { '?' };
        uris.push(format!("{uri}{joint}{query}"));
    }
    Ok(uris)
}
