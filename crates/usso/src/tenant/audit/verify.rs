//! Looking whether the audit log is as it was written.

use super::AuditEvent;
use super::chain::{AuditHead, Chain, key};
use super::checkpoint::{self, Checkpoint, Statement};
use futures_util::stream::{self, StreamExt};
use kernel::{Count, Query, Scope, Sort, StorageError, Stored};
use protocol::jose::VerifyingKey;
use protocol::seal::SealingKey;

/// How many events are read at once.
const SIDE_BY_SIDE: usize = 16;
/// How many unlinked events are read at once.
const PAGE: u32 = 500;

/// Something that isn't as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// There are events, but nothing says where the chain ends.
    NoHead,
    /// What says where the chain ends was changed, or belongs to another tenant.
    BadHead,
    /// An event is gone.
    Missing(u64),
    /// The events from this number on are gone: the log was cut.
    Truncated(u64, u64),
    /// An event can't be read.
    Unreadable(u64),
    /// An event was changed.
    Changed(u64, String),
    /// An event stands in another's place, or follows another event than it did.
    Reordered(u64, String),
    /// So many events from before the chain are gone.
    MissingUnchained(u64),
    /// An event that the server never wrote.
    Inserted(String),
    /// The checkpoint of an event is gone.
    MissingCheckpoint(u64),
    /// The checkpoint of an event was changed, or states something else than the log.
    BadCheckpoint(u64),
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoHead => f.write_str("there are events, but the record of the chain's end is gone"),
            Self::BadHead => f.write_str("the record of the chain's end was changed"),
            Self::Missing(n) => write!(f, "event {n} is missing"),
            Self::Truncated(from, to) => write!(f, "events {from} to {to} are missing: the log was cut"),
            Self::Unreadable(n) => write!(f, "event {n} can't be read"),
            Self::Changed(n, id) => write!(f, "event {n} ({id}) was changed"),
            Self::Reordered(n, id) => write!(f, "event {n} ({id}) does not belong in this place"),
            Self::MissingUnchained(n) => write!(f, "{n} events from before the chain are missing"),
            Self::Inserted(id) => write!(f, "{id} was not written by the server"),
            Self::MissingCheckpoint(n) => write!(f, "the checkpoint of event {n} is missing"),
            Self::BadCheckpoint(n) => write!(f, "the checkpoint of event {n} is not what the server signed"),
        }
    }
}

/// What a look at one log brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many events the chain has.
    pub chained: u64,
    /// How many of them were erased in part.
    pub erased: u64,
    /// How many events are from before the chain.
    pub unchained: u64,
    /// How many events were removed because they were old.
    pub removed: u64,
    /// How many signed checkpoints there are.
    pub checkpoints: u64,
    /// What isn't as it was written.
    pub findings: Vec<Finding>,
}

/// Looks at the log of one owner: a tenant's id, or the platform's name.
///
/// # Errors
/// When the database is away.
pub async fn verify(scope: &Scope, (master, owner): (&SealingKey, &str)) -> Result<Report, StorageError> {
    let mut report = Report::default();
    let total = Query { limit: 1, count: Count::Exact, ..Query::all("audit_event") };
    let total = scope.records::<AuditEvent>().page(total).await;
    let head = match scope.records::<AuditHead>().get(AuditHead::ID).await {
        Err(StorageError::Corrupt(_)) => {
            report.findings.push(Finding::BadHead);
            return Ok(report);
        }
        found => found?,
    };
    let Some(head) = head else {
        report.unchained = total?.total;
        if find_linked(scope).await?.is_some() {
            report.findings.push(Finding::NoHead);
        }
        return Ok(report);
    };
    let Ok(chain) = Chain::open(master, owner, &head.key) else {
        report.findings.push(Finding::BadHead);
        return Ok(report);
    };
    if chain.seal_head(&head) != head.seal {
        report.findings.push(Finding::BadHead);
    }
    (report.chained, report.unchained) = (head.sequence - head.removed, head.unchained);
    report.removed = head.removed;
    follow(scope, &chain, &head, &mut report).await?;
    check_checkpoints(scope, (&chain, owner), &head, &mut report).await?;
    let missing = report.findings.iter().map(|finding| match finding {
        Finding::Missing(_) => 1,
        Finding::Truncated(from, to) => to - from + 1,
        _ => 0,
    });
    let expected = report.chained + head.unchained - missing.sum::<u64>();
    // Unreadable ones can't be counted with the rest, and were named.
    if total.map_or(true, |page| page.total != expected) {
        find_inserted(scope, &head, &mut report).await?;
    }
    Ok(report)
}

/// From the first event to the last, each by its number.
async fn follow(
    scope: &Scope,
    chain: &Chain,
    head: &AuditHead,
    report: &mut Report,
) -> Result<(), StorageError> {
    let reads = stream::iter(head.removed + 1..=head.sequence)
        .map(|n| async move { (n, scope.records::<AuditEvent>().find(&key(n)).await) });
    let mut reads = reads.buffered(SIDE_BY_SIDE);
    // What the next event must name as the one before; unknown after an event that isn't there or isn't right.
    let mut before = Some(head.removed_mac.clone());
    let mut missing = Vec::new();
    while let Some((n, found)) = reads.next().await {
        let event = match found {
            Ok(Some(event)) => event.record,
            Ok(None) => {
                missing.push(n);
                before = None;
                continue;
            }
            Err(StorageError::Corrupt(_)) => {
                report.findings.push(Finding::Unreadable(n));
                before = None;
                continue;
            }
            Err(e) => return Err(e),
        };
        let finding = match &event.link {
            Some(link) if !chain.is_genuine(&event, link) => Some(Finding::Changed(n, event.id.clone())),
            Some(link) if link.sequence != n || before.as_ref().is_some_and(|mac| *mac != link.prev) => {
                Some(Finding::Reordered(n, event.id.clone()))
            }
            Some(_) => None,
            None => Some(Finding::Changed(n, event.id.clone())),
        };
        report.erased += u64::from(event.link.as_ref().is_some_and(|link| link.erased.is_some()));
        before = event.link.filter(|_| finding.is_none()).map(|link| link.mac);
        report.findings.extend(finding);
    }
    if before.is_some_and(|mac| mac != head.mac) && !report.findings.contains(&Finding::BadHead) {
        report.findings.push(Finding::BadHead);
    }
    name_missing(&missing, head.sequence, report);
    Ok(())
}

/// Each checkpoint states what the log has, under a key that was the tenant's, and none between the first and the last is
/// missing.
async fn check_checkpoints(
    scope: &Scope,
    (chain, owner): (&Chain, &str),
    head: &AuditHead,
    report: &mut Report,
) -> Result<(), StorageError> {
    let mut next = head.checkpoint;
    while next > 0 && next >= head.removed {
        let made = match scope.records::<Checkpoint>().get(&checkpoint::id(next)).await {
            Ok(Some(made)) => made,
            Ok(None) => {
                report.findings.push(Finding::MissingCheckpoint(next));
                return Ok(());
            }
            Err(StorageError::Corrupt(_)) => {
                report.findings.push(Finding::BadCheckpoint(next));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let event = scope.records::<AuditEvent>().find(&key(next)).await;
        let mac = match event {
            _ if next == head.removed => Some(head.removed_mac.clone()),
            Ok(Some(event)) => event.link.as_ref().map(|link| link.mac.clone()),
            // Named already.
            Ok(None) | Err(StorageError::Corrupt(_)) => Some(made.mac.clone()),
            Err(error) => return Err(error),
        };
        let is_genuine = made.sequence == next && chain.seal_checkpoint(&made) == made.seal;
        let stated = VerifyingKey::from_jwk(&made.key).ok();
        let stated = stated.and_then(|key| Statement::read(&made.token, &key));
        let is_stated = stated.is_some_and(|stated| {
            stated.log == owner && stated.sequence == next && Some(&stated.mac) == mac.as_ref()
        });
        if !is_genuine || !is_stated {
            report.findings.push(Finding::BadCheckpoint(next));
            return Ok(());
        }
        report.checkpoints += 1;
        next = made.previous;
    }
    Ok(())
}

/// A gap at the end is a log that was cut.
fn name_missing(missing: &[u64], end: u64, report: &mut Report) {
    let tail = missing.iter().rev().zip((1..=end).rev()).take_while(|(a, b)| **a == *b).count();
    let (gaps, tail) = missing.split_at(missing.len() - tail);
    report.findings.extend(gaps.iter().map(|n| Finding::Missing(*n)));
    if let (Some(from), Some(to)) = (tail.first(), tail.last()) {
        report.findings.push(Finding::Truncated(*from, *to));
    }
}

fn oldest_first(offset: u64) -> Query {
    let sort = Sort { field: "created_at", descending: false };
    Query { sort, offset, limit: PAGE, ..Query::all("audit_event") }
}

/// An event that says it is part of a chain.
async fn find_linked(scope: &Scope) -> Result<Option<Stored<AuditEvent>>, StorageError> {
    let mut offset = 0;
    loop {
        let page = scope.records::<AuditEvent>().page(oldest_first(offset)).await?.items;
        let is_last = page.len() < PAGE as usize;
        if let Some(found) = page.into_iter().find(|event| event.link.is_some()) {
            return Ok(Some(found));
        }
        if is_last {
            return Ok(None);
        }
        offset += u64::from(PAGE);
    }
}

/// Names the events that are too many: linked beyond the end or under no number, or unlinked beyond those there were.
async fn find_inserted(scope: &Scope, head: &AuditHead, report: &mut Report) -> Result<(), StorageError> {
    let (mut offset, mut unlinked) = (0, 0);
    loop {
        let page = match scope.records::<AuditEvent>().page(oldest_first(offset)).await {
            // Named by its number, as far as it has one.
            Err(StorageError::Corrupt(_)) => return Ok(()),
            page => page?.items,
        };
        for event in &page {
            let is_extra = match &event.link {
                None => {
                    unlinked += 1;
                    unlinked > head.unchained
                }
                Some(link) => {
                    let at_place = scope.records::<AuditEvent>().find(&key(link.sequence)).await?;
                    link.sequence > head.sequence
                        || link.sequence <= head.removed
                        || at_place.is_none_or(|found| found.id != event.id)
                }
            };
            let is_named = report.findings.iter().any(
                |finding| matches!(finding, Finding::Changed(_, id) | Finding::Reordered(_, id) if *id == event.id),
            );
            if is_extra && !is_named {
                report.findings.push(Finding::Inserted(event.id.clone()));
            }
        }
        if page.len() < PAGE as usize {
            break;
        }
        offset += u64::from(PAGE);
    }
    if unlinked < head.unchained {
        report.findings.push(Finding::MissingUnchained(head.unchained - unlinked));
    }
    Ok(())
}
