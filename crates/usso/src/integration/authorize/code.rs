//! Authorization codes (RFC 6749 §4.1.2): 256 random bits, good once and for a minute (ruling D20), bound to everything that
//! was asked.
//!
//! A code is a durable one-time record under its digest. Once spent, the record stays until what it became has ended, so
//! that a second use is recognised for as long as it matters.

use super::request::AuthorizationRequest;
use crate::identity::sessions::model::RequestedClaims;
use crate::integration::{Browser, OauthError};
use crate::tenant::TenantScope;
use crate::tenant::one_time::OneTime;
use kernel::{Change, ClientId, SessionId, StorageError, Timestamp, UserId};
use protocol::b64url;
use protocol::oauth::pkce::Challenge;
use serde::{Deserialize, Serialize};

/// Seconds a code is good.
const LIFETIME: i64 = 60;

/// What a code stands for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Code {
    /// For which client.
    pub client_id: ClientId,
    /// Where it was sent.
    pub redirect_uri: String,
    /// Whether the request named that, so that its redemption must, too.
    pub redirect_uri_was_named: bool,
    /// The challenge its redemption must meet.
    pub challenge: Option<Challenge>,
    /// The thumbprint of the key its redemption must show (RFC 9449 §10).
    pub jkt: Option<String>,
    /// Who gave it.
    pub user_id: UserId,
    /// In which session.
    pub browser: SessionId,
    /// What was granted.
    pub scope: Vec<String>,
    /// What the id token repeats.
    pub nonce: Option<String>,
    /// Single claims that were asked for.
    pub claims: RequestedClaims,
    /// For which resource.
    pub resource: Option<String>,
    spent: Option<Spending>,
}

/// That a code was used.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Spending {
    /// What it became; nothing, if its proof didn't fit.
    session: Option<SessionId>,
    /// Whether somebody came with it again.
    again: bool,
}

/// What a redemption shows.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// Who redeems.
    pub client: &'a ClientId,
    /// Where the code was sent.
    pub redirect_uri: Option<&'a str>,
    /// The proof key.
    pub verifier: Option<&'a str>,
    /// The thumbprint of the key that tokens are to be bound to.
    pub jkt: Option<&'a str>,
}

/// What became of an attempt to spend a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spent {
    /// It is spent now.
    Now,
    /// It was spent before, and became this.
    Before(Option<SessionId>),
    /// It can't be spent like this.
    Refused(&'static str),
}

fn id(code: &str) -> String {
    OneTime::id_for("code", &[code])
}

/// Makes a code for what was asked, given by the person in `browser`.
///
/// # Errors
/// When the database is away.
pub async fn make(
    tenant: &TenantScope,
    request: &AuthorizationRequest,
    browser: &Browser,
) -> Result<String, OauthError> {
    let text = b64url::encode(tenant.token::<32>());
    let code = Code {
        client_id: request.client_id.clone(),
        redirect_uri: request.redirect_uri.clone(),
        redirect_uri_was_named: request.redirect_uri_was_named,
        challenge: request.challenge.clone(),
        jkt: request.dpop_jkt.clone(),
        user_id: browser.user.id.clone(),
        browser: browser.session.id.clone(),
        scope: request.scope.clone(),
        nonce: request.nonce.clone(),
        claims: request.claims.names.clone(),
        resource: request.resource.clone(),
        spent: None,
    };
    let data = serde_json::to_value(&code).map_err(|e| StorageError::Corrupt(e.to_string()))?;
    let record = OneTime { id: id(&text), data, expires_at: tenant.now().plus_seconds(LIFETIME) };
    tenant.records::<OneTime>().insert(record, Vec::new()).await?;
    Ok(text)
}

/// What a code stands for; none if it is unknown or its time is over.
///
/// # Errors
/// When the database is away.
pub async fn find(tenant: &TenantScope, code: &str) -> Result<Option<Code>, StorageError> {
    let found = tenant.records::<OneTime>().get(&id(code)).await?;
    found.map(|record| read(&record)).transpose()
}

fn read(record: &OneTime) -> Result<Code, StorageError> {
    serde_json::from_value(record.data.clone()).map_err(|e| StorageError::Corrupt(e.to_string()))
}

/// Spends a code on a session that ends then. A proof that doesn't fit spends it for nothing, for whoever tries is not who
/// asked for it; another client's name doesn't, for it proves nothing.
///
/// # Errors
/// When the database is away.
pub async fn spend(
    tenant: &TenantScope,
    code: &str,
    presented: Presented<'_>,
    (session, until): (&SessionId, Timestamp),
) -> Result<Spent, StorageError> {
    let mut outcome = Spent::Refused("The code is unknown or expired");
    tenant
        .records::<OneTime>()
        .update::<StorageError>(&id(code), |old| {
            let mut code = read(old)?;
            let until = match (&code.spent, presented.judge(&code)) {
                _ if code.client_id != *presented.client => {
                    outcome = Spent::Refused("The code is another client's");
                    return Ok(Change::Keep);
                }
                (Some(spent), _) => {
                    outcome = Spent::Before(spent.session.clone());
                    code.spent = Some(Spending { again: true, ..spent.clone() });
                    old.expires_at
                }
                (None, Err(why)) => {
                    outcome = Spent::Refused(why);
                    code.spent = Some(Spending { session: None, again: false });
                    old.expires_at
                }
                (None, Ok(())) => {
                    outcome = Spent::Now;
                    code.spent = Some(Spending { session: Some(session.clone()), again: false });
                    until
                }
            };
            let data = serde_json::to_value(&code).map_err(|e| StorageError::Corrupt(e.to_string()))?;
            Ok(Change::Put(OneTime { data, expires_at: until, id: old.id.clone() }, Vec::new()))
        })
        .await?;
    Ok(outcome)
}

impl Presented<'_> {
    fn judge(&self, code: &Code) -> Result<(), &'static str> {
        match self.redirect_uri {
            Some(uri) if uri != code.redirect_uri => {
                return Err("redirect_uri is not the one the code was sent to");
            }
            None if code.redirect_uri_was_named => return Err("redirect_uri is missing"),
            _ => {}
        }
        if code.jkt.is_some() && code.jkt.as_deref() != self.jkt {
            return Err("the code is bound to another key");
        }
        match (&code.challenge, self.verifier) {
            (Some(challenge), Some(verifier)) => {
                challenge.check(verifier).map_err(|_| "code_verifier does not fit")
            }
            (Some(_), None) => Err("code_verifier is missing"),
            // Somebody took the challenge out of the request (RFC 9700 section 4.8.2).
            (None, Some(_)) => Err("code_verifier was not announced by a code_challenge"),
            (None, None) => Ok(()),
        }
    }
}

/// Whether somebody came with a spent code again.
///
/// # Errors
/// When the database is away.
pub async fn was_reused(tenant: &TenantScope, code: &str) -> Result<bool, StorageError> {
    Ok(find(tenant, code).await?.and_then(|code| code.spent).is_none_or(|spent| spent.again))
}
