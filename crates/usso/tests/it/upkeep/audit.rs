//! `usso audit verify`: whatever was done to a log behind the server's back is found and named.

use super::faulty::Faulty;
use crate::app::{Requests, StorageKind, TestApp};
use kernel::{Record, Stored};
use std::sync::Arc;
use usso::app::jobs;
use usso::app::upkeep::verify_audit;
use usso::tenant::TenantScope;
use usso::tenant::audit::chain::{AuditHead, key};
use usso::tenant::audit::verify::{Finding, Report};
use usso::tenant::audit::{AuditEvent, erasure};

const TENANT: &str = "org_default";

/// A server with a log of some events.
struct Log {
    app: TestApp,
    scope: Arc<TenantScope>,
    length: u64,
}

impl Log {
    async fn new() -> Self {
        let app = TestApp::new().await;
        for name in ["alice", "bob", "carol"] {
            let user = app.user(name).await;
            // Several batches, so that the head doesn't carry all of them.
            app.audit(TENANT).await;
            app.wait(1);
            user.signed_out().login(&user.identifier, "wrong").await.is(401);
        }
        app.audit(TENANT).await;
        let scope = app.scope(TENANT).await;
        let head = scope.records::<AuditHead>().get(AuditHead::ID).await.expect("the database");
        let length = head.expect("a head").sequence;
        assert!(length >= 9, "{length}");
        Self { app, scope, length }
    }

    async fn event(&self, n: u64) -> Stored<AuditEvent> {
        self.scope.records().find(&key(n)).await.expect("the database").expect("the event")
    }

    async fn change(&self, n: u64, change: impl FnOnce(&mut AuditEvent)) {
        let event = self.event(n).await;
        let mut next = event.record.clone();
        change(&mut next);
        self.scope.records::<AuditEvent>().replace(&event, next, Vec::new()).await.expect("a write");
    }

    async fn delete(&self, n: u64) -> AuditEvent {
        let event = self.event(n).await;
        self.scope.records().delete(&event, Vec::new()).await.expect("a write");
        event.record
    }

    async fn insert<R: Record>(&self, record: R) {
        self.scope.records().insert(record, Vec::new()).await.expect("a write");
    }

    async fn change_head(&self, change: impl Fn(&mut AuditHead)) {
        let records = self.scope.records::<AuditHead>();
        let head = records.get(AuditHead::ID).await.expect("the database").expect("a head");
        let mut next = head.record.clone();
        change(&mut next);
        records.replace(&head, next, Vec::new()).await.expect("a write");
    }

    async fn verify(&self) -> Report {
        verify(&self.app).await
    }
}

async fn verify(app: &TestApp) -> Report {
    let registry = &app.state.registry;
    let reports = verify_audit::verify(registry.system(), registry.seal(), None).await.expect("a look");
    let (mut own, others): (Vec<_>, Vec<_>) = reports.into_iter().partition(|(owner, _)| owner == TENANT);
    assert!(others.iter().any(|(owner, report)| owner == "platform" && report.chained > 0));
    assert!(others.iter().all(|(_, report)| report.findings.is_empty()), "{others:?}");
    own.pop().expect("a report").1
}

#[tokio::test]
async fn a_log_nobody_touched_is_as_it_was_written() {
    let log = Log::new().await;
    let report = log.verify().await;
    assert_eq!(report, Report { chained: log.length, ..Report::default() });
}

#[tokio::test]
async fn a_changed_event_is_named() {
    let changes: [fn(&mut AuditEvent); 9] = [
        |e| e.event = "user.activated".to_owned(),
        |e| e.at = e.at.plus_seconds(1),
        |e| e.actor = "user:nobody".to_owned(),
        |e| e.target = "user:nobody".to_owned(),
        |e| e.result = "failure ".to_owned(),
        |e| e.ip = "203.0.113.9".to_owned(),
        |e| e.user_agent = Some("none".to_owned()),
        |e| e.request_id = "req_0".to_owned(),
        |e| drop(e.data.insert("more".to_owned(), true.into())),
    ];
    for change in changes {
        let log = Log::new().await;
        log.change(3, change).await;
        let id = log.event(3).await.record.id;
        assert_eq!(log.verify().await.findings, [Finding::Changed(3, id)]);
    }
}

#[tokio::test]
async fn an_event_that_claims_to_be_erased_is_named() {
    let log = Log::new().await;
    log.change(3, |event| {
        event.ip.clear();
        event.user_agent = None;
        event.data.clear();
        if let Some(link) = &mut event.link {
            link.salt = None;
            link.erased = Some(link.mac.clone());
        }
    })
    .await;
    assert!(matches!(log.verify().await.findings.as_slice(), [Finding::Changed(3, _)]));
}

#[tokio::test]
async fn a_deleted_event_is_named() {
    for n in [1, 4] {
        let log = Log::new().await;
        log.delete(n).await;
        assert_eq!(log.verify().await.findings, [Finding::Missing(n)]);
    }
}

#[tokio::test]
async fn a_log_that_was_cut_is_named() {
    let log = Log::new().await;
    for n in log.length - 2..=log.length {
        log.delete(n).await;
    }
    let cut = Finding::Truncated(log.length - 2, log.length);
    assert_eq!(log.verify().await.findings, [cut]);
    // Nor does it help to write the end down as another.
    let last = log.event(log.length - 3).await.record.link.expect("a link");
    let end = log.length - 3;
    log.change_head(|head| {
        (head.sequence, head.mac) = (end, last.mac.clone());
    })
    .await;
    assert_eq!(log.verify().await.findings, [Finding::BadHead]);
}

#[tokio::test]
async fn events_in_each_others_place_are_named() {
    let log = Log::new().await;
    let (mut third, mut fifth) = (log.delete(3).await, log.delete(5).await);
    if let (Some(a), Some(b)) = (&mut third.link, &mut fifth.link) {
        std::mem::swap(&mut a.sequence, &mut b.sequence);
    }
    let ids = (third.id.clone(), fifth.id.clone());
    log.insert(third).await;
    log.insert(fifth).await;
    let findings = log.verify().await.findings;
    assert_eq!(findings, [Finding::Changed(3, ids.1), Finding::Changed(5, ids.0)]);
}

#[tokio::test]
async fn an_event_the_server_never_wrote_is_named() {
    let log = Log::new().await;
    let mut invented = log.event(2).await.record;
    invented.id = "event_00000000000000000001_invented".to_owned();
    invented.link = None;
    log.insert(invented.clone()).await;
    assert_eq!(log.verify().await.findings.len(), 1, "from before the chain, as it seems");
    let mut beyond = log.event(2).await.record;
    beyond.id = "event_00000000000000000002_invented".to_owned();
    if let Some(link) = &mut beyond.link {
        link.sequence = log.length + 1;
    }
    log.insert(beyond.clone()).await;
    let findings = log.verify().await.findings;
    assert!(findings.contains(&Finding::Inserted(beyond.id)), "{findings:?}");
}

#[tokio::test]
async fn a_chain_without_its_end_is_named() {
    let log = Log::new().await;
    let records = log.scope.records::<AuditHead>();
    let head = records.get(AuditHead::ID).await.expect("the database").expect("a head");
    records.delete(&head, Vec::new()).await.expect("a write");
    assert_eq!(log.verify().await.findings, [Finding::NoHead]);
}

#[tokio::test]
async fn events_from_before_the_chain_stay_valid() {
    let log = Log::new().await;
    // As an installation of a version without chains left it.
    let records = log.scope.records::<AuditHead>();
    let head = records.get(AuditHead::ID).await.expect("the database").expect("a head");
    records.delete(&head, Vec::new()).await.expect("a write");
    for n in 1..=log.length {
        log.change(n, |event| event.link = None).await;
    }
    assert_eq!(log.verify().await, Report { unchained: log.length, ..Report::default() });
    log.app.user("dave").await;
    let report = log.verify().await;
    assert!(report.chained > 0 && report.findings.is_empty(), "{report:?}");
    assert_eq!(report.unchained, log.length);
    let events = log.app.system_admin().await.get("/audit?sort=created_at").await.expect(200);
    assert!(events.items()[0]["sequence"].is_null());
}

#[tokio::test]
async fn a_worker_that_dies_anywhere_leaves_a_whole_chain() {
    let app = TestApp::on(StorageKind::Memory, |_| {}).await;
    let mut cuts = 0;
    for writes in 0.. {
        let name = format!("user-{writes}");
        let user = app.user(&name).await;
        user.signed_out().login(&user.identifier, "wrong").await.is(401);
        let storage = app.state.registry.system().ports().storage.clone();
        let faulty = app.platform_on(Faulty::after(writes, &storage));
        if jobs::drain_effects(&faulty, app.state.registry.seal()).await.is_ok() {
            break;
        }
        cuts += 1;
        let report = verify(&app).await;
        assert!(report.findings.is_empty(), "after {writes} writes: {report:?}");
    }
    assert!(cuts >= 4, "a head, three events: {cuts}");
    let events = app.audit(TENANT).await;
    let mut numbers: Vec<u64> = events.iter().map(|e| e.link.as_ref().expect("a link").sequence).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>(), "each event once");
}

#[tokio::test]
async fn two_workers_at_once_make_one_chain() {
    let app = TestApp::new().await;
    for round in 0..5 {
        app.user(&format!("user-{round}")).await;
        let drains = (0..4).map(|_| jobs::drain(&app.state));
        // Those that lost a race try again at their next turn.
        drop(futures_util::future::join_all(drains).await);
    }
    let report = verify(&app).await;
    assert!(report.findings.is_empty() && report.chained >= 10, "{report:?}");
    assert_eq!(report.chained, app.audit(TENANT).await.len() as u64);
}

#[tokio::test]
async fn a_person_can_be_erased_and_the_chain_stays_whole() {
    let log = Log::new().await;
    let user = log.app.user("erased").await.with_header("user-agent", "canary-agent-91");
    let user = user.again().await;
    log.app.audit(TENANT).await;
    let master = log.app.state.registry.seal();
    let count = erasure::erase(&log.scope, (master, TENANT), user.id()).await.expect("the erasure");
    assert!(count >= 2, "{count}");
    for event in log.app.audit(TENANT).await {
        let is_theirs = event.actor == user.id() || event.target == user.id();
        assert_eq!(is_theirs, event.ip.is_empty(), "{event:?}");
        assert!(!is_theirs || event.data.is_empty() && event.link.is_some_and(|l| l.salt.is_none()));
    }
    let head = log.scope.records::<AuditHead>().get(AuditHead::ID).await.expect("the database");
    assert!(!serde_json::to_string(&head.expect("a head").record).expect("JSON").contains("canary"));
    let report = log.verify().await;
    assert!(report.findings.is_empty() && report.erased == count, "{report:?}");
    // Doing it again changes nothing, and the chain goes on.
    assert_eq!(erasure::erase(&log.scope, (master, TENANT), user.id()).await.expect("nothing"), 0);
    log.app.user("next").await;
    assert!(log.verify().await.findings.is_empty());
}

#[tokio::test]
async fn another_master_key_doesnt_open_the_chain() {
    let log = Log::new().await;
    let other = protocol::seal::SealingKey::from_master(&[9; 32]).expect("a key");
    let refused = verify_audit::verify(log.app.state.registry.system(), &other, None).await;
    assert!(refused.is_err_and(|e| e.to_string().contains("MASTER_KEY")));
    let own = log.app.state.registry.seal();
    let none = verify_audit::verify(log.app.state.registry.system(), own, Some("org_none")).await;
    assert!(none.is_err_and(|e| e.to_string().contains("org_none")));
}
