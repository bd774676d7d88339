//! Scopes: the only doors to data, time and randomness.
//!
//! [`TenantScope`] opens one tenant's records and nothing else. [`SystemScope`] opens the platform's records and
//! can open a tenant; only the tenant resolver, start-up and jobs, and the verified system administrator hold one
//! (a house rule with a test).
//!
//! ```compile_fail,E0451
//! fn forge(ports: std::sync::Arc<kernel::Ports>, partition: kernel::Partition) -> kernel::Scope {
//!     kernel::Scope { ports, partition }
//! }
//! ```

use crate::ephemeral::EphemeralError;
use crate::{
    Clock, Collection, Document, Effect, Ephemeral, Extent, Located, Partition, Place, Position, Random,
    Record, Revision, Settlement, Storage, StorageError, StoredEffect, TenantId, Timestamp,
};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// The adapters an installation runs on.
#[derive(Clone)]
pub struct Ports {
    /// Where records live.
    pub storage: Arc<dyn Storage>,
    /// Where short-lived things live.
    pub ephemeral: Arc<dyn Ephemeral>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Unpredictable bytes.
    pub random: Arc<dyn Random>,
}

/// What platform and tenant scopes share.
#[derive(Clone)]
pub struct Scope {
    ports: Arc<Ports>,
    partition: Partition,
}

impl Scope {
    /// This scope's records of one kind.
    pub fn records<R: Record>(&self) -> Collection<'_, R> {
        Collection::new(self)
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// The source of random bytes.
    pub fn random(&self) -> &dyn Random {
        self.ports.random.as_ref()
    }

    /// `N` unpredictable bytes.
    pub fn token<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0u8; N];
        self.ports.random.fill(&mut bytes);
        bytes
    }

    /// Counts one up in a window of this scope, see [`Ephemeral::increment`].
    ///
    /// # Errors
    /// When the ephemeral store can't be reached.
    pub async fn increment(&self, key: &str, window: Duration) -> Result<u64, EphemeralError> {
        self.ports.ephemeral.increment(&self.partition, key, window, self.now()).await
    }

    /// Sends a message to every instance, see [`Ephemeral::publish`].
    ///
    /// # Errors
    /// When the ephemeral store can't be reached.
    pub async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), EphemeralError> {
        self.ports.ephemeral.publish(channel, message).await
    }

    pub(crate) fn storage(&self) -> &dyn Storage {
        self.ports.storage.as_ref()
    }

    pub(crate) fn partition(&self) -> &Partition {
        &self.partition
    }
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Scope").field(&self.partition).finish()
    }
}

/// One tenant. `P` is what the product keeps beside it: settings, keys, issuers.
#[derive(Debug, Clone)]
pub struct TenantScope<P = ()> {
    scope: Scope,
    id: TenantId,
    profile: P,
}

impl<P> TenantScope<P> {
    /// The tenant's id.
    pub fn id(&self) -> &TenantId {
        &self.id
    }

    /// What the product keeps beside the tenant.
    pub fn profile(&self) -> &P {
        &self.profile
    }
}

impl<P> Deref for TenantScope<P> {
    type Target = Scope;
    fn deref(&self) -> &Scope {
        &self.scope
    }
}

/// The platform: its own records, and the right to open a tenant.
#[derive(Debug, Clone)]
pub struct SystemScope(Scope);

impl SystemScope {
    /// The door to an installation. Called once, by the wiring.
    pub fn new(ports: Ports) -> Self {
        Self(Scope { ports: Arc::new(ports), partition: Partition::of_platform() })
    }

    /// Opens one tenant.
    pub fn open<P>(&self, id: TenantId, profile: P) -> TenantScope<P> {
        let scope = Scope { ports: self.0.ports.clone(), partition: Partition::of_tenant(&id) };
        TenantScope { scope, id, profile }
    }

    /// The adapters, for wiring and jobs.
    pub fn ports(&self) -> &Ports {
        &self.0.ports
    }

    /// Deletes up to `limit` records of a tenant, see [`Storage::drop_partition`].
    ///
    /// # Errors
    /// When the storage can't be reached.
    pub async fn drop_tenant(&self, id: &TenantId, limit: u32) -> Result<u32, StorageError> {
        self.0.storage().drop_partition(&Partition::of_tenant(id), limit).await
    }

    /// A tenant's records of these kinds, and after them its own record, all as they were at one moment; see
    /// [`Storage::snapshot`].
    ///
    /// # Errors
    /// When the storage can't be reached.
    pub async fn tenant_snapshot(
        &self,
        id: &TenantId,
        kinds: Vec<&'static str>,
        own: &'static str,
    ) -> Result<Vec<Located>, StorageError> {
        let place = Place { partition: self.0.partition.as_str().to_owned(), id: id.as_str().to_owned() };
        let partition = Partition::of_tenant(id).as_str().to_owned();
        let extent = Extent { partition, kinds, beside: vec![(own, place)] };
        self.0.storage().snapshot(extent, self.0.now()).await
    }

    /// Puts a document of the platform in the place of another revision, exactly as it is.
    ///
    /// # Errors
    /// See [`Storage::replace`].
    pub async fn put_back(
        &self,
        document: Document,
        expected: Revision,
        effects: Vec<Effect>,
    ) -> Result<(), StorageError> {
        self.0.storage().replace(&self.0.partition, document, expected, effects, self.0.now()).await
    }

    /// Effects to carry out now, see [`Storage::effects_due`].
    ///
    /// # Errors
    /// When the storage can't be reached.
    pub async fn effects_due(&self, limit: u32) -> Result<Vec<StoredEffect>, StorageError> {
        self.0.storage().effects_due(self.0.now(), limit).await
    }

    /// Settles effects, see [`Storage::effects_settle`].
    ///
    /// # Errors
    /// When the storage can't be reached.
    pub async fn effects_settle(&self, settlements: &[(Position, Settlement)]) -> Result<(), StorageError> {
        self.0.storage().effects_settle(settlements).await
    }
}

impl Deref for SystemScope {
    type Target = Scope;
    fn deref(&self) -> &Scope {
        &self.0
    }
}
