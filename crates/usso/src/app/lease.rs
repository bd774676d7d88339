//! Leases: which instances live, and whose turn it is.
//!
//! Every instance on a shared database renews a lease of ten seconds. One that keeps its short-lived state in memory
//! must be the only one: it holds the key `instance:alone`, and refuses to start beside anybody else.

use kernel::{Collection, Key, Query, Record, StorageError, Stored, SystemScope, Timestamp};
use protocol::b64url;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a lease lasts unless renewed, in seconds.
pub const LEASE_SECONDS: i64 = 10;
/// How often it is renewed.
pub const RENEW_EVERY: Duration = Duration::from_secs(3);
/// How often a start looks whether another instance's lease has ended.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often, before it gives up: for a second longer than a lease lasts.
const LOOKS: u32 = 44;

/// A living instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Whether its short-lived state is its own, so that it must be the only instance.
    pub is_alone: bool,
    /// Until when it lives unless it says so again.
    pub until: Timestamp,
}

impl Record for Instance {
    const KIND: &'static str = "instance";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        &self.id
    }

    fn keys(&self) -> Vec<Key> {
        if self.is_alone { vec![alone()] } else { Vec::new() }
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.until)
    }
}

/// A turn that one instance has at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// What for.
    pub id: String,
    /// Which instance has it.
    pub holder: String,
    /// Until when.
    pub until: Timestamp,
}

impl Record for Turn {
    const KIND: &'static str = "turn";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        &self.id
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.until)
    }
}

fn alone() -> Key {
    Key::new("instance", "alone")
}

/// Why an instance may not run.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Two instances, and at least one without Redis.
    #[error(
        "another instance is running on this database, and several instances need a shared Redis: set REDIS_URI for \
         every one of them, or stop the other instance"
    )]
    NotAlone,
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The lease of this instance.
#[derive(Debug)]
pub struct Lease {
    id: String,
    is_alone: bool,
    held: Mutex<Option<Stored<Instance>>>,
}

impl Lease {
    /// Takes a lease. If another instance is in the way, waits until its lease would have ended: it may have died.
    ///
    /// # Errors
    /// [`LeaseError::NotAlone`] when it lives on.
    pub async fn take(system: &SystemScope, is_alone: bool) -> Result<Self, LeaseError> {
        let id = format!("instance_{}", b64url::encode(system.token::<12>()));
        let lease = Self { id, is_alone, held: Mutex::new(None) };
        let Err(first) = lease.try_take(system).await else { return Ok(lease) };
        let LeaseError::NotAlone = first else { return Err(first) };
        let others = lease.others(system).await?;
        tracing::info!("another instance holds a lease: waiting to see whether it lives");
        for _ in 0..LOOKS {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = lease.others(system).await?;
            // Renewed: it lives.
            if now.iter().any(|(id, until)| others.iter().any(|(o, before)| o == id && until > before)) {
                return Err(LeaseError::NotAlone);
            }
            match lease.try_take(system).await {
                Err(LeaseError::NotAlone) => {}
                taken => return taken.map(|()| lease),
            }
        }
        Err(LeaseError::NotAlone)
    }

    /// The id of this instance.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Renews the lease, or takes it again if it ended while the database was away.
    ///
    /// # Errors
    /// [`LeaseError::NotAlone`] when another instance has taken its place: this one must stop.
    pub async fn renew(&self, system: &SystemScope) -> Result<(), LeaseError> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(held) = held else { return self.try_take(system).await };
        match system.records::<Instance>().replace(&held, self.record(system), Vec::new()).await {
            Ok(renewed) => {
                self.hold(Some(renewed));
                // A clock that runs ahead elsewhere may have taken this lease for ended.
                if self.stands_alone_elsewhere(system).await? { Err(LeaseError::NotAlone) } else { Ok(()) }
            }
            Err(StorageError::Conflict) => {
                self.hold(None);
                self.try_take(system).await
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Gives the lease back, so that nobody waits for its end.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn release(&self, system: &SystemScope) -> Result<(), StorageError> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(held) = held else { return Ok(()) };
        system.records::<Instance>().delete(&held, Vec::new()).await
    }

    async fn try_take(&self, system: &SystemScope) -> Result<(), LeaseError> {
        // Written first and then looked around: of two that start at once at least one sees the other.
        let written = match system.records::<Instance>().insert(self.record(system), Vec::new()).await {
            Err(StorageError::KeyTaken { .. }) => return Err(LeaseError::NotAlone),
            Err(StorageError::Exists) => system.records::<Instance>().get(&self.id).await?,
            other => Some(other?),
        };
        self.hold(written);
        let others = self.others(system).await?;
        if self.stands_alone_elsewhere(system).await? || (self.is_alone && !others.is_empty()) {
            self.release(system).await?;
            return Err(LeaseError::NotAlone);
        }
        Ok(())
    }

    async fn stands_alone_elsewhere(&self, system: &SystemScope) -> Result<bool, StorageError> {
        let holder = system.records::<Instance>().find(&alone()).await?;
        Ok(holder.is_some_and(|holder| holder.id != self.id))
    }

    fn record(&self, system: &SystemScope) -> Instance {
        let until = system.now().plus_seconds(LEASE_SECONDS);
        Instance { id: self.id.clone(), is_alone: self.is_alone, until }
    }

    fn hold(&self, held: Option<Stored<Instance>>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }

    async fn others(&self, system: &SystemScope) -> Result<Vec<(String, Timestamp)>, StorageError> {
        let living = living(system).await?;
        Ok(living.into_iter().filter(|(id, _)| *id != self.id).collect())
    }
}

/// The living instances, up to a hundred, and until when each lives.
///
/// # Errors
/// When the database is away.
pub async fn living(system: &SystemScope) -> Result<Vec<(String, Timestamp)>, StorageError> {
    let records: Collection<'_, Instance> = system.records();
    let page = records.page(Query { limit: 100, ..Query::all(Instance::KIND) }).await?;
    Ok(page.items.into_iter().map(|i| (i.record.id, i.record.until)).collect())
}

/// Takes or keeps a turn; answers whether this instance has it for the next ten seconds.
///
/// # Errors
/// When the database is away.
pub async fn has_turn(system: &SystemScope, name: &str, holder: &str) -> Result<bool, StorageError> {
    let records: Collection<'_, Turn> = system.records();
    let now = system.now();
    let turn =
        Turn { id: name.to_owned(), holder: holder.to_owned(), until: now.plus_seconds(LEASE_SECONDS) };
    match records.get(name).await? {
        Some(held) if held.holder != holder => Ok(false),
        // Still long enough: no need to write.
        Some(held) if now.plus_seconds(LEASE_SECONDS / 2) < held.until => Ok(true),
        Some(held) => taken(records.replace(&held, turn, Vec::new()).await),
        None => taken(records.insert(turn, Vec::new()).await),
    }
}

/// Waits for a turn.
///
/// # Errors
/// When the database is away.
pub async fn wait_for_turn(system: &SystemScope, name: &str, holder: &str) -> Result<(), StorageError> {
    while !has_turn(system, name, holder).await? {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Ends a turn early.
///
/// # Errors
/// When the database is away.
pub async fn end_turn(system: &SystemScope, name: &str, holder: &str) -> Result<(), StorageError> {
    let records: Collection<'_, Turn> = system.records();
    match records.get(name).await? {
        Some(held) if held.holder == holder => taken(records.delete(&held, Vec::new()).await).map(drop),
        _ => Ok(()),
    }
}

fn taken<T>(written: Result<T, StorageError>) -> Result<bool, StorageError> {
    match written {
        Ok(_) => Ok(true),
        Err(StorageError::Conflict | StorageError::Exists) => Ok(false),
        Err(e) => Err(e),
    }
}
