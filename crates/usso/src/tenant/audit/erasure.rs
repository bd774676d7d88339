//! Taking a person out of the audit log, while the chain stays whole.

use super::AuditEvent;
use super::chain::{AuditHead, Chain};
use kernel::{Change, Query, Scope, StorageError, TagMatch};
use protocol::seal::SealingKey;

/// How many events are read at once.
const PAGE: u32 = 200;

/// Erases address, agent and further facts of all events by or on somebody (a user's id). Who, what, when and the result
/// stay, under an id that names nobody any more. Events that are still to be carried out should have been.
///
/// # Errors
/// When the database is away, or the chain's key doesn't open; running it again goes on.
pub async fn erase(
    scope: &Scope,
    (master, owner): (&SealingKey, &str),
    subject: &str,
) -> Result<u64, StorageError> {
    let Some(head) = scope.records::<AuditHead>().get(AuditHead::ID).await? else { return Ok(0) };
    let chain = Chain::open(master, owner, &head.key).map_err(|e| StorageError::Corrupt(e.to_string()))?;
    super::recorder::write_last(scope, &head).await?;
    let is_theirs = |event: &AuditEvent| event.actor == subject || event.target == subject;
    scope
        .records::<AuditHead>()
        .update::<StorageError>(AuditHead::ID, |head| {
            let last = head.last.iter();
            let last = last.map(|event| if is_theirs(event) { chain.erase(event) } else { event.clone() });
            let last: Vec<AuditEvent> = last.collect();
            let is_same = last == head.last;
            Ok(if is_same {
                Change::Keep
            } else {
                Change::Put(AuditHead { last, ..head.record.clone() }, Vec::new())
            })
        })
        .await?;
    let mut query = Query { limit: PAGE, ..Query::all("audit_event") };
    let tags = ["actor", "target"].map(|who| vec![TagMatch::Is(format!("{who}:{subject}"))]);
    query.any_of = tags.to_vec();
    query.sort.descending = false;
    let mut count = 0;
    loop {
        let page = scope.records::<AuditEvent>().page(query.clone()).await?.items;
        for event in &page {
            let bare = chain.erase(event);
            if bare != event.record {
                scope.records::<AuditEvent>().replace(event, bare, Vec::new()).await?;
                count += 1;
            }
        }
        if page.len() < PAGE as usize {
            return Ok(count);
        }
        query.offset += u64::from(PAGE);
    }
}
