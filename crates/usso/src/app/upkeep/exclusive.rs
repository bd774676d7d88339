//! A database that nobody else uses.

use crate::app::lease::{self, Lease, LeaseError};
use crate::app::startup::{self, StartError};
use crate::config::DatabaseUrl;
use kernel::memory::MemoryEphemeral;
use kernel::{Ports, Storage, SystemClock, SystemRandom, SystemScope};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;

/// A database held alone: the embedded one by its lock, a shared one by a lease that keeps every instance from starting.
pub struct Exclusive {
    system: SystemScope,
    held: Option<Held>,
}

struct Held {
    lease: Arc<Lease>,
    is_lost: Arc<AtomicBool>,
    renewal: JoinHandle<()>,
}

impl Exclusive {
    /// Opens a database and prepares it.
    ///
    /// # Errors
    /// When somebody uses it or it can't be opened.
    pub async fn open(database: &DatabaseUrl) -> Result<Self, StartError> {
        let storage = startup::open_storage(database).await?;
        storage.prepare(&startup::kinds()).await?;
        let system = system(storage);
        let held = match database {
            DatabaseUrl::Sqlite(_) => None,
            DatabaseUrl::Postgres(_) => Some(hold(&system, database).await?),
        };
        Ok(Self { system, held })
    }

    /// The platform's scope.
    pub fn system(&self) -> &SystemScope {
        &self.system
    }

    /// Gives the database back.
    ///
    /// # Errors
    /// When it wasn't ours all the time.
    pub async fn close(self) -> Result<(), StartError> {
        let mut is_lost = false;
        if let Some(Held { lease, is_lost: lost, renewal }) = self.held {
            renewal.abort();
            is_lost = lost.load(Ordering::SeqCst);
            if let Err(error) = lease.release(&self.system).await {
                tracing::warn!(%error, "the lease could not be given back; it ends by itself within ten seconds");
            }
        }
        self.system.ports().storage.close().await;
        if is_lost {
            return Err(
                "another instance took the database over meanwhile; stop it, and check the result".into()
            );
        }
        Ok(())
    }
}

fn system(storage: Arc<dyn Storage>) -> SystemScope {
    SystemScope::new(Ports {
        storage,
        ephemeral: Arc::new(MemoryEphemeral::new()),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    })
}

async fn hold(system: &SystemScope, database: &DatabaseUrl) -> Result<Held, StartError> {
    let lease = match Lease::take(system, true).await {
        Ok(lease) => Arc::new(lease),
        Err(LeaseError::NotAlone) => {
            return Err(format!("an instance is running on {database}: stop every one of them first").into());
        }
        Err(LeaseError::Storage(e)) => return Err(e.into()),
    };
    let is_lost = Arc::new(AtomicBool::new(false));
    let renewal = tokio::spawn(renew(system.clone(), lease.clone(), is_lost.clone()));
    Ok(Held { lease, is_lost, renewal })
}

async fn renew(system: SystemScope, lease: Arc<Lease>, is_lost: Arc<AtomicBool>) {
    let mut ticks = tokio::time::interval(lease::RENEW_EVERY);
    loop {
        ticks.tick().await;
        if let Err(LeaseError::NotAlone) = lease.renew(&system).await {
            is_lost.store(true, Ordering::SeqCst);
            return;
        }
    }
}
