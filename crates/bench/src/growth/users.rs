//! Fills a tenant with users through the storage port: real records, whose passwords are all the one that was hashed
//! once over HTTP.

use super::installation::Installation;
use crate::accounts::credentials;
use crate::client::{API, Connection, request};
use crate::crash::Reply;
use kernel::record::sort_bytes;
use kernel::{
    Document, Key, Located, Query, Record, Revision, Storage, StorageError, SystemRandom, TenantId,
    Timestamp, UserId,
};
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use usso::identity::users::model::User;
use usso::tenant::TenantScope;

/// What any database writes well within the time a call may take.
const BATCH: u64 = 500;
/// A batch that was cut off may be repeated.
const TRIES: u32 = 5;
const PASSWORD: &str = "Correct-Horse-Battery-7!";
const MICROS_APART: i64 = 1_000;

/// A tenant with many users.
pub struct Filled {
    /// The tenant, opened.
    pub scope: Arc<TenantScope>,
    /// How many users were written.
    pub users: u64,
}

impl Filled {
    fn email(&self, number: u64) -> String {
        email(number)
    }

    /// The key the user of this number is found by.
    pub fn key(&self, number: u64) -> Key {
        Key::new("email", &self.email(number))
    }

    /// The bytes of a login of the user of this number.
    pub fn login(&self, address: SocketAddr, number: u64) -> Vec<u8> {
        let body = credentials(&self.email(number), PASSWORD);
        let path = format!("/t/{}{API}/auth/login", self.scope.id());
        request(address, "POST", &path, None, Some(&body))
    }
}

fn email(number: u64) -> String {
    format!("user{number}@example.com")
}

/// Makes a tenant over HTTP and writes its users.
///
/// # Errors
/// When the server or the storage refuses.
pub fn fill(installation: &Installation, slug: &str, users: u64) -> Result<Filled> {
    installation.runtime.block_on(async {
        let id = create(installation, slug).await?;
        let scope = installation.state.registry.open(&id).await.map_err(Error::other)?;
        let scope = scope.ok_or_else(|| Error::other("the tenant is not there"))?;
        let page = scope.records::<User>().page(Query::all(User::KIND)).await.map_err(Error::other)?;
        let owner = page.items.into_iter().next().ok_or_else(|| Error::other("the tenant has no owner"))?;
        let storage = &installation.state.registry.system().ports().storage;
        for first in (0..users).step_by(usize::try_from(BATCH).unwrap_or(1)) {
            let numbers = first..(first + BATCH).min(users);
            let documents = numbers.map(|number| located(&scope, &owner.record, number));
            load(storage.as_ref(), documents.collect::<Result<_>>()?).await?;
        }
        Ok(Filled { scope, users })
    })
}

async fn load(storage: &dyn Storage, documents: Vec<Located>) -> Result<()> {
    for _ in 1..TRIES {
        match storage.load(documents.clone()).await {
            Err(StorageError::Unavailable(_)) => {}
            other => return other.map(drop).map_err(Error::other),
        }
    }
    storage.load(documents).await.map(drop).map_err(Error::other)
}

async fn create(installation: &Installation, slug: &str) -> Result<TenantId> {
    let mut connection = Connection::open(installation.address).await?;
    let owner = serde_json::json!({ "identifier": "owner@example.com", "password": PASSWORD });
    let body = serde_json::json!({ "name": slug, "slug": slug, "admin": owner }).to_string();
    let (path, admin) = (format!("{API}/tenants"), Some(installation.admin.as_str()));
    let bytes = request(installation.address, "POST", &path, admin, Some(&body));
    let answer = connection.exchange(&bytes).await?;
    let reply = Reply { status: answer.status, body: answer.body.to_vec() };
    match reply.status {
        201 => TenantId::from_slug(slug).map_err(Error::other),
        _ => Err(Error::other(format!("creating a tenant: {}", reply.text()))),
    }
}

/// One user as the storage keeps it: every hundredth an editor, every fiftieth switched off.
fn located(scope: &TenantScope, owner: &User, number: u64) -> Result<Located> {
    let now = scope.now();
    let age = i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(MICROS_APART);
    let created_at = Timestamp::from_unix_micros(now.unix_micros().saturating_sub(age));
    let mut user = owner.clone();
    user.id = UserId::generate(created_at, &SystemRandom);
    user.name = Some(format!("User {:07}", number.wrapping_mul(7_919) % 10_000_000));
    user.roles = if number.is_multiple_of(100) { vec!["editor".to_owned()] } else { Vec::new() };
    user.scopes = Vec::new();
    user.is_active = !number.is_multiple_of(50);
    for identifier in &mut user.identifiers {
        identifier.value = email(number);
        identifier.created_at = created_at;
        identifier.verified_at = Some(created_at);
    }
    let document = document(&user, created_at)?;
    Ok(Located { partition: scope.id().as_str().to_owned(), document })
}

fn document(user: &User, created_at: Timestamp) -> Result<Document> {
    let (mut keys, mut tags) = (user.keys(), user.tags());
    keys.sort_unstable();
    tags.sort_unstable();
    Ok(Document {
        kind: User::KIND,
        id: user.id().to_owned(),
        revision: Revision::generate(&SystemRandom),
        version: User::VERSION,
        keys: keys.iter().map(|key| key.as_str().to_owned()).collect(),
        tags,
        sorts: user.sorts().into_iter().map(|(name, text)| (name, sort_bytes(&text))).collect(),
        created_at,
        updated_at: created_at,
        expires_at: user.expires_at(),
        body: serde_json::to_string(user).map_err(Error::other)?,
    })
}
