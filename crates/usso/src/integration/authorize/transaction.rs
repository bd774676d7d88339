//! A request that waits for its user: to sign in, to choose an account, or to consent.
//!
//! It is a durable one-time record, found by an unguessable handle that travels through the pages as `state`. So it survives
//! a sign-in of many steps and a restart, and is decided once.

use super::request::AuthorizationRequest;
use super::respond::Redirection;
use crate::integration::Browser;
use crate::tenant::TenantScope;
use crate::tenant::one_time::OneTime;
use kernel::{SessionId, StorageError, Stored, Timestamp};
use protocol::b64url;
use serde::{Deserialize, Serialize};

/// Seconds an answer waits that a page has to carry: as long as the code in it is good.
const ANSWER_LIFETIME: i64 = 60;

/// Seconds a request waits.
const LIFETIME: i64 = 1_800;

/// A request and since when it waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Transaction {
    /// The request.
    pub request: AuthorizationRequest,
    /// Since when. A sign-in that is demanded must be later.
    pub began_at: Timestamp,
    /// The session whose account was chosen for it.
    #[serde(default)]
    pub chosen: Option<SessionId>,
}

/// What keeps a request from being answered for the person who is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// They must sign in, once more.
    SignIn,
    /// They must choose an account.
    ChooseAccount,
    /// They signed in for it as somebody else than it is about.
    AnotherUser,
    /// They can't sign in as strongly as is essential.
    TooWeak,
}

impl Transaction {
    /// A request that has just come.
    pub fn new(request: AuthorizationRequest, now: Timestamp) -> Self {
        Self { request, began_at: now, chosen: None }
    }

    /// What keeps the request from being answered for this person, the first of all reasons.
    pub fn obstacle(&self, browser: &Browser, now: Timestamp) -> Option<Obstacle> {
        let signed_in_at = browser.session.authenticated_at;
        let is_for_this = signed_in_at > self.began_at;
        let is_old = self.request.max_age.is_some_and(|age| now.seconds_since(signed_in_at) > age);
        let demands_sign_in = self.request.prompt.login || is_old;
        match (self.is_about_another(browser), is_for_this) {
            (true, true) => return Some(Obstacle::AnotherUser),
            (true, false) => return Some(Obstacle::SignIn),
            (false, is_for_this) if demands_sign_in && !is_for_this => return Some(Obstacle::SignIn),
            _ => {}
        }
        let essential = &self.request.claims.acr;
        if !essential.is_empty() && !essential.contains(&browser.session.acr) {
            return Some(if is_for_this { Obstacle::TooWeak } else { Obstacle::SignIn });
        }
        let is_chosen = is_for_this || self.chosen.as_ref() == Some(&browser.session.id);
        (self.request.prompt.select_account && !is_chosen).then_some(Obstacle::ChooseAccount)
    }

    /// Whether the answer must be about somebody else.
    pub fn is_about_another(&self, browser: &Browser) -> bool {
        let id = &browser.user.id;
        self.request.hinted.as_ref().is_some_and(|hinted| hinted != id)
            || self.request.claims.sub.as_ref().is_some_and(|sub| sub != id.as_str())
    }
}

fn id(handle: &str) -> String {
    OneTime::id_for("authorize", &[handle])
}

/// Keeps a request and gives the handle it is found by.
///
/// # Errors
/// When the database is away.
pub async fn keep(tenant: &TenantScope, transaction: &Transaction) -> Result<String, StorageError> {
    let handle = b64url::encode(tenant.token::<32>());
    let data = write(transaction)?;
    let record = OneTime { id: id(&handle), data, expires_at: transaction.began_at.plus_seconds(LIFETIME) };
    tenant.records::<OneTime>().insert(record, Vec::new()).await?;
    Ok(handle)
}

fn write(transaction: &Transaction) -> Result<serde_json::Value, StorageError> {
    serde_json::to_value(transaction).map_err(|e| StorageError::Corrupt(e.to_string()))
}

/// A request that waits, by its handle; none if it was answered or waited too long.
#[derive(Debug)]
pub struct Waiting {
    /// The request.
    pub transaction: Transaction,
    record: Stored<OneTime>,
}

/// Finds a request that waits.
///
/// # Errors
/// When the database is away.
pub async fn find(tenant: &TenantScope, handle: &str) -> Result<Option<Waiting>, StorageError> {
    let Some(record) = tenant.records::<OneTime>().get(&id(handle)).await? else { return Ok(None) };
    let read = serde_json::from_value(record.data.clone());
    let transaction = read.map_err(|e| StorageError::Corrupt(e.to_string()))?;
    Ok(Some(Waiting { transaction, record }))
}

impl Waiting {
    /// Takes the request, to answer it. False: somebody else has.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn take(&self, tenant: &TenantScope) -> Result<bool, StorageError> {
        match tenant.records::<OneTime>().delete(&self.record, Vec::new()).await {
            Ok(()) => Ok(true),
            Err(StorageError::Conflict) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Writes down that the person who is signed in is the one to answer for, as `prompt=select_account` asks. False: the
    /// request was answered meanwhile.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn choose(&self, tenant: &TenantScope, browser: &Browser) -> Result<bool, StorageError> {
        let chosen = Transaction { chosen: Some(browser.session.id.clone()), ..self.transaction.clone() };
        let next = OneTime { data: write(&chosen)?, ..self.record.record.clone() };
        match tenant.records::<OneTime>().replace(&self.record, next, Vec::new()).await {
            Ok(_) => Ok(true),
            Err(StorageError::Conflict) => Ok(false),
            Err(e) => Err(e),
        }
    }
}

fn answer_id(handle: &str) -> String {
    OneTime::id_for("authorize_answer", &[handle])
}

/// Keeps an answer that only a page can carry, for a browser whose front end decided without one. Gives its handle.
///
/// # Errors
/// When the database is away.
pub async fn keep_answer(tenant: &TenantScope, answer: &Redirection) -> Result<String, StorageError> {
    let handle = b64url::encode(tenant.token::<32>());
    let data = serde_json::to_value(answer).map_err(|e| StorageError::Corrupt(e.to_string()))?;
    let expires_at = tenant.now().plus_seconds(ANSWER_LIFETIME);
    let record = OneTime { id: answer_id(&handle), data, expires_at };
    tenant.records::<OneTime>().insert(record, Vec::new()).await?;
    Ok(handle)
}

/// Takes an answer that waits, once.
///
/// # Errors
/// When the database is away.
pub async fn take_answer(tenant: &TenantScope, handle: &str) -> Result<Option<Redirection>, StorageError> {
    let Some(record) = tenant.records::<OneTime>().get(&answer_id(handle)).await? else { return Ok(None) };
    match tenant.records::<OneTime>().delete(&record, Vec::new()).await {
        Ok(()) => {}
        Err(StorageError::Conflict) => return Ok(None),
        Err(e) => return Err(e),
    }
    serde_json::from_value(record.data.clone()).map(Some).map_err(|e| StorageError::Corrupt(e.to_string()))
}
