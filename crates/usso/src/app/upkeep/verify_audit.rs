//! `usso audit verify`: whether every audit log is as it was written.

use crate::app::jobs;
use crate::app::master_key::{self, MasterKeyError};
use crate::app::recorder::{PLATFORM, scope_of};
use crate::app::startup::StartError;
use crate::app::upkeep::checksum::for_each_page;
use crate::tenant::audit::chain::AuditHead;
use crate::tenant::audit::verify::{self, Report};
use crate::tenant::audit::{AuditEvent, retention};
use crate::tenant::tenants::model::Tenant;
use kernel::{Place, Record, StorageError, SystemScope};
use protocol::seal::SealingKey;
use std::collections::BTreeSet;

/// Looks at the log of one tenant, or at all of them and the platform's. Nobody else uses the database.
///
/// # Errors
/// When the master key isn't this installation's, there is no such tenant, or the database is away.
pub async fn verify(
    system: &SystemScope,
    master: &SealingKey,
    tenant: Option<&str>,
) -> Result<Vec<(String, Report)>, StartError> {
    let installation = master_key::installation(system).await?;
    installation.ok_or(MasterKeyError::Mismatch)?.admits(master)?;
    // What a server that was killed has begun is finished first, or it would look like something missing.
    jobs::drain_effects(system, master).await?;
    let mut owners = owners(system).await?;
    if let Some(tenant) = tenant {
        if !owners.contains(tenant) {
            return Err(format!("there is no tenant {tenant}").into());
        }
        owners = BTreeSet::from([tenant.to_owned()]);
    }
    let mut reports = Vec::new();
    for owner in owners {
        let scope = scope_of(system, &owner);
        retention::sweep(&scope).await?;
        let report = verify::verify(&scope, (master, &owner)).await?;
        reports.push((owner, report));
    }
    Ok(reports)
}

/// The platform, every tenant, and whoever else has events or a chain.
async fn owners(system: &SystemScope) -> Result<BTreeSet<String>, StorageError> {
    let mut owners = BTreeSet::from([PLATFORM.to_owned()]);
    for spec in [Tenant::spec(), AuditHead::spec()] {
        let is_tenant = spec.kind == Tenant::KIND;
        for_each_page(system, &spec, system.now(), async |page| {
            let name = |located: kernel::Located| {
                if is_tenant { located.document.id } else { located.partition }
            };
            owners.extend(page.into_iter().map(name));
            Ok::<_, StorageError>(())
        })
        .await?;
    }
    // One look a partition, however many events it has: past the last id a partition can hold.
    let mut after: Option<Place> = None;
    let storage = &system.ports().storage;
    while let Some(event) =
        storage.scan(AuditEvent::KIND, after.take(), 1, system.now()).await?.into_iter().next()
    {
        owners.insert(event.partition.clone());
        after = Some(Place { partition: event.partition, id: "~".to_owned() });
    }
    Ok(owners)
}
