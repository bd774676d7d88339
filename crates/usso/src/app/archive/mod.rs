//! A tenant in a file: to keep it, to hand it over, to move it to another installation.
//!
//! The records are those of one moment. What the installation's master key seals is opened and travels sealed under the
//! passphrase of the file with everything else; passwords and API keys are digests and travel as they are. What is bound
//! to the installation itself stays behind: answers kept for `Idempotency-Key`, and counts that are still to be told here.
//!
//! An import takes the tenant's names first, with a record that serves nobody and that clears itself away; the tenant's
//! own record comes last and puts everything into service at once.

pub mod file;
pub mod records;
pub mod routes;
pub mod typed;

use crate::app::lease;
use crate::app::master_key::Installation;
use crate::app::recorder::{self, PLATFORM};
use crate::app::upkeep::reseal::{ResealError, Sealed, each_sealed};
use crate::app::{coherence, jobs, startup};
use crate::http::AppState;
use crate::identity::users::removal::Erasure;
use crate::tenant::audit::Event;
use crate::tenant::audit::chain::{AuditHead, Chain, KEY_CONTEXT};
use crate::tenant::coherence::Stale;
use crate::tenant::domain::normalise_host;
use crate::tenant::keys::KeySet;
use crate::tenant::one_time::OneTime;
use crate::tenant::registry::Registry;
use crate::tenant::tenants::deletion::GRACE_DAYS;
use crate::tenant::tenants::model::Tenant;
use crate::tenant::tenants::service::{Authority, TenantError};
use file::{FileError, Header};
use kernel::collection::encode;
use kernel::{Document, Located, Place, Problem, ProblemKind, Record, StorageError, Stored, TenantId};
use protocol::b64url;
use protocol::seal::SealError;
use secrecy::SecretString;
use serde_json::Value;
use std::borrow::Cow;
use zeroize::Zeroizing;

/// How many documents are written together.
const BATCH: usize = 500;

/// How long an import may take, in seconds; what is left of one that was cut off is cleared away after that.
const PATIENCE: i64 = 3_600;

const DAY: i64 = 86_400;

/// How many reminders are read at once.
const REMINDERS: u32 = 500;

/// How an opened secret begins in an archive.
const OPEN: &str = "open.";

/// Why a tenant isn't exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is no such tenant, or it can't be changed or created so.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The file is no good.
    #[error(transparent)]
    File(#[from] FileError),
    /// The records were written by a later version.
    #[error("this archive was made by a newer version of usso")]
    Newer,
    /// The records can't be.
    #[error("the archive can't be imported: {0}")]
    Content(String),
    /// A secret doesn't open.
    #[error(transparent)]
    Reseal(#[from] ResealError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A task was cut off.
    #[error("the work was cut off")]
    Cut,
}

impl From<SealError> for ArchiveError {
    fn from(error: SealError) -> Self {
        Self::Reseal(ResealError::Derive(error))
    }
}

impl Problem for ArchiveError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Tenant(e) => e.kind(),
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
            Self::File(FileError::Seal(_)) | Self::Reseal(_) | Self::Cut => ProblemKind::Internal,
            Self::File(_) | Self::Newer | Self::Content(_) => ProblemKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Tenant(e) => e.code(),
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
            Self::File(FileError::Seal(_)) | Self::Reseal(_) | Self::Cut => "INTERNAL_ERROR",
            Self::File(_) | Self::Newer | Self::Content(_) => "VALIDATION_ERROR",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Tenant(e) => e.detail(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
            Self::File(FileError::Seal(_)) | Self::Reseal(_) | Self::Cut => "Internal error".into(),
            Self::File(_) | Self::Newer | Self::Content(_) => self.to_string().into(),
        }
    }
}

/// The kinds of a tenant's own records.
fn kinds() -> Vec<&'static str> {
    let platform =
        [lease::Instance::KIND, lease::Turn::KIND, Installation::KIND, Tenant::KIND, Erasure::KIND];
    let mut kinds: Vec<&'static str> = startup::kinds().iter().map(|spec| spec.kind).collect();
    kinds.retain(|kind| !platform.contains(kind));
    kinds.sort_unstable();
    kinds
}

fn is_of_the_installation(document: &Document) -> bool {
    let bound = ["idempotency:", "tally:"];
    document.kind == OneTime::KIND && bound.iter().any(|purpose| document.id.starts_with(purpose))
}

/// Writes a tenant into a file.
///
/// # Errors
/// [`TenantError::NotFound`]; [`FileError::ShortPassphrase`].
pub async fn export(
    state: &AppState,
    id: &TenantId,
    passphrase: SecretString,
    authority: Authority<'_>,
) -> Result<String, ArchiveError> {
    let (registry, system) = (&state.registry, state.registry.system());
    // Events under way become records first, and a checkpoint stands for all of them.
    jobs::drain(state).await?;
    recorder::sign(system, registry.seal(), id.as_str()).await?;
    let found = system.tenant_snapshot(id, kinds(), Tenant::KIND).await?;
    let is_there = found.last().is_some_and(|l| l.document.kind == Tenant::KIND);
    if !is_there {
        return Err(TenantError::NotFound.into());
    }
    let mut records = Zeroizing::new(Vec::new());
    for Located { document, .. } in &found {
        if is_of_the_installation(document) {
            continue;
        }
        let content = |e: serde_json::Error| ArchiveError::Content(e.to_string());
        let mut body: Value = serde_json::from_str(&document.body).map_err(content)?;
        if document.kind == Tenant::KIND {
            open_secrets(registry, id, &mut body)?;
        } else if document.kind == AuditHead::KIND {
            open_chain(registry, id, &mut body)?;
        }
        records::write(document, body, &mut records).map_err(content)?;
    }
    for reminder in reminders(registry, id).await? {
        let body = serde_json::from_str(&reminder.body).map_err(|e| ArchiveError::Content(e.to_string()))?;
        records::write(&reminder, body, &mut records).map_err(|e| ArchiveError::Content(e.to_string()))?;
    }
    let header = Header::new(id.as_str(), system.now(), system.token::<16>());
    let sealed = tokio::task::spawn_blocking(move || file::write(&header, &records, &passphrase));
    let file = sealed.await.map_err(|_| ArchiveError::Cut)??;
    let event = Event::new("tenant.exported", authority.actor.clone(), id.as_str(), authority.client);
    event.with("records", found.len()).write(system).await?;
    Ok(file)
}

/// Takes a tenant in that isn't here yet. Nothing of it can be used before all of it is there.
///
/// # Errors
/// [`TenantError::Taken`] when its id, slug or a domain is in use; [`FileError`] and [`ArchiveError::Content`] for a file
/// that is no good.
pub async fn import(
    state: &AppState,
    file: String,
    passphrase: SecretString,
    authority: Authority<'_>,
) -> Result<Stored<Tenant>, ArchiveError> {
    let opened = tokio::task::spawn_blocking(move || file::read(&file, &passphrase));
    let (header, records) = opened.await.map_err(|_| ArchiveError::Cut)??;
    let documents = records::read(&records)?;
    drop(records);
    let registry = &state.registry;
    let (mut tenant, rest) = taken_apart(registry, &header, documents)?;
    keep_own_issuers(registry, &mut tenant.record).await?;
    let (reminders, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|d| d.kind == Erasure::KIND);
    let gate = shut_gate(registry, &tenant, authority).await?;
    let filled = async {
        clear(registry, &tenant.id).await?;
        fill(registry, &tenant.id, rest).await?;
        remind(registry, reminders).await?;
        let document = encode(&tenant.record, tenant.revision, tenant.created_at, tenant.updated_at)?;
        let event =
            Event::new("tenant.imported", authority.actor.clone(), tenant.id.as_str(), authority.client);
        let effects = vec![event.effect(registry.system()), Stale::Everything.effect(registry.system())];
        registry.system().put_back(document, gate.revision, effects).await?;
        Ok(())
    };
    let filled: Result<(), ArchiveError> = filled.await;
    let filled = match filled {
        Err(error) if !is_in_service(registry, &tenant).await => {
            take_away(registry, &tenant.id, gate).await;
            Err(error)
        }
        // Done, though the word of it was lost.
        _ => Ok(()),
    };
    coherence::forget_all(state);
    Stale::Everything.announce(registry.system());
    filled.map(|()| tenant)
}

/// Whether the tenant's own record stands in the gate's place. Who can't tell doesn't say so.
async fn is_in_service(registry: &Registry, tenant: &Stored<Tenant>) -> bool {
    let found = registry.system().records::<Tenant>().get(tenant.id.as_str()).await;
    found.is_ok_and(|found| found.is_some_and(|found| found.revision == tenant.revision))
}

/// Clears away what an import left. Another gate comes first: after that a write of this import that is still on its way
/// can't put into service what is being removed. What can't be cleared away now is later, because no gate lasts.
async fn take_away(registry: &Registry, id: &TenantId, gate: Stored<Tenant>) {
    let records = registry.system().records::<Tenant>();
    let Ok(gate) = records.replace(&gate, gate.record.clone(), Vec::new()).await else { return };
    if clear(registry, id).await.is_ok() {
        drop(records.delete(&gate, vec![Stale::Everything.effect(registry.system())]).await);
    }
}

/// The tenant's own record, with its secrets sealed for this installation, and all the others.
fn taken_apart(
    registry: &Registry,
    header: &Header,
    documents: Vec<Document>,
) -> Result<(Stored<Tenant>, Vec<Document>), ArchiveError> {
    let content = |text: &str| ArchiveError::Content(text.to_owned());
    let allowed = kinds();
    let (own, mut rest): (Vec<_>, Vec<_>) = documents.into_iter().partition(|d| d.kind == Tenant::KIND);
    let [own] = own.as_slice() else { return Err(content("not one tenant")) };
    if own.id != header.tenant_id {
        return Err(content("another tenant than it says"));
    }
    if let Some(strange) = rest.iter().find(|d| d.kind != Erasure::KIND && !allowed.contains(&d.kind)) {
        return Err(content(&format!("a tenant has no records of the kind `{}`", strange.kind)));
    }
    let id = TenantId::parse(&own.id).map_err(|_| content("the tenant's id is malformed"))?;
    let malformed = |e: serde_json::Error| ArchiveError::Content(format!("the tenant's record: {e}"));
    let body: Value = serde_json::from_str(&own.body).map_err(malformed)?;
    let mut body = if own.version < Tenant::VERSION {
        Tenant::upgrade(own.version, body).map_err(ArchiveError::Content)?
    } else {
        body
    };
    seal_secrets(registry, &id, &mut body)?;
    rest.retain(|document| !is_of_the_installation(document));
    for document in &mut rest {
        if document.kind == AuditHead::KIND {
            document.body = seal_chain(registry, &id, &document.body)?;
        }
        *document = typed::read(document, &id)?;
    }
    let mut record: Tenant = serde_json::from_value(body).map_err(malformed)?;
    if record.id != id {
        return Err(content("another tenant than it says"));
    }
    if let Some(part) = record.oversized() {
        return Err(content(&format!("the tenant's {part} is too large")));
    }
    record.config.check().map_err(|name| content(&format!("the tenant's setting {name} can't be")))?;
    let shares = record.config.settings().cookie_domain;
    if shares.is_some_and(|domain| !record.may_share_cookies_within(&domain, registry.base().host())) {
        return Err(content("the tenant's cookie_domain is not one of its own"));
    }
    // What this installation itself writes, for the default tenant and on the paths of all, is nobody else's.
    let base = registry.base().origin();
    record.retired_issuers.retain(|retired| {
        retired.issuer.strip_prefix(&base).is_none_or(|rest| !rest.is_empty() && !rest.starts_with("/t/"))
    });
    let (revision, created_at, updated_at) = (own.revision, own.created_at, own.updated_at);
    Ok((Stored { record, revision, created_at, updated_at }, rest))
}

/// Takes the tenant's names with a record that is not served, can't be restored and is soon cleared away.
async fn shut_gate(
    registry: &Registry,
    tenant: &Tenant,
    authority: Authority<'_>,
) -> Result<Stored<Tenant>, ArchiveError> {
    let system = registry.system();
    if tenant.domains.iter().any(|d| d.is_proven && d.host == registry.base().host()) {
        return Err(TenantError::Taken("A domain of the tenant is this installation's own".to_owned()).into());
    }
    let deleted_at = system.now().plus_seconds(PATIENCE - GRACE_DAYS * DAY);
    let gate =
        Tenant { is_active: false, deleted_at: Some(deleted_at), keys: KeySet::default(), ..tenant.clone() };
    let event =
        Event::new("tenant.import_started", authority.actor.clone(), gate.id.as_str(), authority.client);
    let taken = |error| match error {
        StorageError::Exists => TenantError::Taken("A tenant with this id exists".to_owned()).into(),
        StorageError::KeyTaken { key } => {
            TenantError::Taken(format!("The tenant's {key} belongs to another tenant")).into()
        }
        other => ArchiveError::Storage(other),
    };
    system.records::<Tenant>().insert(gate, vec![event.effect(system)]).await.map_err(taken)
}

/// Removes whatever an import that was cut off left behind.
async fn clear(registry: &Registry, id: &TenantId) -> Result<(), StorageError> {
    while registry.system().drop_tenant(id, 500).await? > 0 {}
    Ok(())
}

/// Leaves out former issuers that are another tenant's here.
async fn keep_own_issuers(registry: &Registry, tenant: &mut Tenant) -> Result<(), StorageError> {
    let mut own = Vec::new();
    for retired in std::mem::take(&mut tenant.retired_issuers) {
        let authority = retired.issuer.split_once("://").map_or("", |(_, rest)| rest);
        let host = normalise_host(authority.split('/').next().unwrap_or_default()).ok();
        let owner = match host {
            Some(host) => registry.system().records::<Tenant>().find(&Tenant::domain_key(&host)).await?,
            None => None,
        };
        if owner.is_none_or(|owner| owner.id == tenant.id) {
            own.push(retired);
        }
    }
    tenant.retired_issuers = own;
    Ok(())
}

/// The reminders of users to be erased are the platform's records, and go with the tenant all the same.
async fn reminders(registry: &Registry, id: &TenantId) -> Result<Vec<Document>, ArchiveError> {
    let system = registry.system();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = system.ports().storage.scan(Erasure::KIND, after.take(), REMINDERS, system.now()).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(Place { partition: last.partition.clone(), id: last.document.id.clone() });
        // Their ids begin with the tenant's.
        let own = page.into_iter().map(|located| located.document);
        found.extend(own.filter(|one| one.id.split('|').next() == Some(id.as_str())));
    }
}

/// Before the tenant is in service, so that a crash forgets nobody who is to be erased.
async fn remind(registry: &Registry, reminders: Vec<Document>) -> Result<(), ArchiveError> {
    for document in reminders {
        let located = Located { partition: PLATFORM.to_owned(), document };
        match registry.system().ports().storage.load(vec![located]).await {
            // From an import that was cut off.
            Ok(_) | Err(StorageError::Exists) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn fill(registry: &Registry, id: &TenantId, documents: Vec<Document>) -> Result<(), ArchiveError> {
    let mut documents = documents.into_iter().peekable();
    while documents.peek().is_some() {
        let partition = || id.as_str().to_owned();
        let batch = documents.by_ref().take(BATCH);
        let batch = batch.map(|document| Located { partition: partition(), document }).collect();
        let loaded = registry.system().ports().storage.load(batch).await;
        loaded.map_err(|error| match error {
            StorageError::Exists | StorageError::KeyTaken { .. } => {
                ArchiveError::Content("two records have the same id or key".to_owned())
            }
            other => ArchiveError::Storage(other),
        })?;
    }
    Ok(())
}

fn open_secrets(registry: &Registry, id: &TenantId, body: &mut Value) -> Result<(), ArchiveError> {
    let secrets = registry.seal().derive("tenant-secrets", id.as_str())?;
    each_sealed(id, body, &mut |Sealed { is_secret, aad }, text| {
        let key = if *is_secret { &secrets } else { registry.seal() };
        let plain = key.open(aad.as_bytes(), text)?;
        *text = format!("{OPEN}{}", b64url::encode(plain.as_slice()));
        Ok(())
    })?;
    Ok(())
}

fn seal_secrets(registry: &Registry, id: &TenantId, body: &mut Value) -> Result<(), ArchiveError> {
    let secrets = registry.seal().derive("tenant-secrets", id.as_str())?;
    each_sealed(id, body, &mut |Sealed { is_secret, aad }, text| {
        let key = if *is_secret { &secrets } else { registry.seal() };
        let plain = text.strip_prefix(OPEN).and_then(|text| b64url::decode(text).ok());
        *text = key.seal(aad.as_bytes(), &plain.ok_or(SealError::Malformed)?)?;
        Ok(())
    })
    .map_err(|_| ArchiveError::Content("a secret of the tenant is malformed".to_owned()))
}

/// The key of a tenant's audit chain stands open in the archive, as its other secrets do: another master key seals it in
/// its new home, and the chain goes on.
fn open_chain(registry: &Registry, id: &TenantId, body: &mut Value) -> Result<(), ArchiveError> {
    let secrets = registry.seal().derive("tenant-secrets", id.as_str())?;
    if let Some(Value::String(key)) = body.get_mut("key") {
        let plain = secrets.open(KEY_CONTEXT, key)?;
        *key = format!("{OPEN}{}", b64url::encode(plain.as_slice()));
    }
    Ok(())
}

fn seal_chain(registry: &Registry, id: &TenantId, body: &str) -> Result<String, ArchiveError> {
    let malformed = || ArchiveError::Content("the head of the audit chain is malformed".to_owned());
    let secrets = registry.seal().derive("tenant-secrets", id.as_str())?;
    let mut head: AuditHead = serde_json::from_str(body).map_err(|_| malformed())?;
    let plain =
        head.key.strip_prefix(OPEN).and_then(|text| b64url::decode(text).ok()).ok_or_else(malformed)?;
    head.key = secrets.seal(KEY_CONTEXT, &plain)?;
    // Under a key of another size no event could ever be written.
    Chain::open(registry.seal(), id.as_str(), &head.key).map_err(|_| malformed())?;
    serde_json::to_string(&head).map_err(|_| malformed())
}
