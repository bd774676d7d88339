//! Partitions: whose data a port method touches.
//!
//! A `Partition` has no public constructor. A service reaches one only through the scope it was handed, so it
//! can't spell another tenant's:
//!
//! ```
//! fn name(partition: &kernel::Partition) -> &str {
//!     partition.as_str()
//! }
//! ```
//!
//! ```compile_fail,E0423
//! let forged = kernel::Partition("org_other".into());
//! ```
//!
//! ```compile_fail,E0624
//! let id = kernel::TenantId::default_tenant();
//! let forged = kernel::Partition::of_tenant(&id);
//! ```

use crate::TenantId;
use std::sync::Arc;

/// The name under which a tenant's (or the platform's) data is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Partition(Arc<str>);

/// The partition of the platform itself: tenants, settings. No tenant id can spell it.
const PLATFORM: &str = "platform";

impl Partition {
    pub(crate) fn of_tenant(id: &TenantId) -> Self {
        Self(id.as_str().into())
    }

    pub(crate) fn of_platform() -> Self {
        Self(PLATFORM.into())
    }

    /// From the stored name, for adapters that are given documents of all partitions.
    pub(crate) fn from_stored(name: &str) -> Self {
        Self(name.into())
    }

    /// The stored name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
