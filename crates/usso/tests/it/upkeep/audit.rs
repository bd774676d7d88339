//! `usso audit verify`: whatever was done to a log behind the server's back is found and named.

use super::faulty::Faulty;
use crate::app::{Requests, StorageKind, TestApp};
use kernel::{Record, Stored};
use protocol::jose::JwkSet;
use std::sync::Arc;
use usso::app::jobs;
use usso::app::upkeep::verify_audit;
use usso::tenant::TenantScope;
use usso::tenant::audit::chain::{AuditHead, key};
use usso::tenant::audit::checkpoint::{self, Checkpoint};
use usso::tenant::audit::verify::{Finding, Report};
use usso::tenant::audit::{AuditEvent, erasure, witness};

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

/// The table of what is kept how long stands in `docs/guide/audit.md` (checklist AUD-03).
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

const DAY: u64 = 86_400;

/// A log with a checkpoint after its first events, some more events, and another checkpoint.
async fn with_checkpoints() -> Log {
    let log = Log::new().await;
    for name in ["dave", "erin"] {
        log.app.wait(3_700);
        log.app.audit(TENANT).await;
        log.app.user(name).await;
        log.app.audit(TENANT).await;
    }
    log.app.wait(3_700);
    log.app.audit(TENANT).await;
    log
}

#[tokio::test]
async fn checkpoints_are_part_of_what_is_verified() {
    let log = with_checkpoints().await;
    let report = log.verify().await;
    assert_eq!((report.checkpoints, report.findings.len()), (3, 0), "{report:?}");
    let made = checkpoint::all(&log.scope).await.expect("the database");
    // Changed in any part, or signed with another key.
    let changes: [fn(&mut Checkpoint); 4] = [
        |made| made.mac = "changed".to_owned(),
        |made| made.token = made.token.replace('.', ".A"),
        |made| made.previous = 0,
        |made| made.seal.clear(),
    ];
    let records = log.scope.records::<Checkpoint>();
    for change in changes {
        let old = records.get(&made[2].id).await.expect("the database").expect("a checkpoint");
        let mut next = old.record.clone();
        change(&mut next);
        let changed = records.replace(&old, next, Vec::new()).await.expect("a write");
        assert_eq!(log.verify().await.findings, [Finding::BadCheckpoint(made[2].sequence)]);
        records.replace(&changed, old.record, Vec::new()).await.expect("a write");
    }
    let old = records.get(&made[1].id).await.expect("the database").expect("a checkpoint");
    records.delete(&old, Vec::new()).await.expect("a write");
    assert_eq!(log.verify().await.findings, [Finding::MissingCheckpoint(made[1].sequence)]);
}

/// What anybody may have: the export, and the key set.
async fn published(log: &Log) -> (String, JwkSet) {
    let admin = log.app.system_admin().await;
    let export = admin.get("/audit/export").await.expect(200).text();
    let keys = log.app.anonymous().get("ROOT/.well-known/jwks.json").await.expect(200).text();
    (export.to_owned(), JwkSet::from_slice(keys.as_bytes()).expect("a key set"))
}

#[tokio::test]
async fn who_has_only_the_public_key_sees_that_the_log_was_cut() {
    let log = with_checkpoints().await;
    let (export, keys) = published(&log).await;
    let keys = [keys];
    let seen = witness::check(&export, &keys, &[]).expect("an export");
    assert_eq!((seen.checkpoints, seen.findings.len()), (3, 0), "{seen:?}");
    let lines: Vec<&str> = export.lines().collect();
    let (events, checkpoints): (Vec<&str>, Vec<&str>) =
        lines.iter().partition(|line| !line.contains("\"checkpoint\":"));
    let look = |lines: &[&str], kept: &[String]| {
        witness::check(&lines.join("\n"), &keys, kept).expect("an export").findings
    };
    let cut = &events[..events.len() - 4];
    let findings = look(&[cut, &checkpoints].concat(), &[]);
    assert!(findings.len() == 2 && findings.iter().all(|f| f.contains("was cut")), "{findings:?}");
    // Cutting the checkpoints off as well helps nobody as long as somebody kept one.
    assert!(look(cut, &[]).is_empty());
    let kept = [checkpoints.join("\n")];
    assert!(look(cut, &kept)[0].contains("was cut"));
    assert!(look(&events, &kept).is_empty());
    // A gap, another beginning, another order.
    let gap: Vec<&str> = [&events[..3], &events[4..]].concat();
    assert!(look(&gap, &[]).iter().any(|finding| finding == "event 4 is missing"));
    assert!(look(&events[2..], &[]).iter().any(|finding| finding.contains("begins with 3")));
    // Rewritten from somewhere on, as by a server of its own.
    let rewritten: Vec<String> = events
        .iter()
        .map(|line| line.replace("\"mac\":\"", "\"mac\":\"x").replace("\"prev\":\"", "\"prev\":\"x"))
        .collect();
    let rewritten: Vec<&str> = rewritten.iter().map(String::as_str).collect();
    assert!(look(&rewritten, &kept).iter().any(|finding| finding.contains("not the one that was signed")));
    assert!(
        look(&rewritten, std::slice::from_ref(&export)).iter().any(|finding| finding.contains("another one"))
    );
    // Somebody else's signature.
    let other = log.app.tenant("Other", &[]).await;
    let others = other.anonymous().get("ROOT/.well-known/jwks.json").await.expect(200).text().to_owned();
    let others = [JwkSet::from_slice(others.as_bytes()).expect("a key set")];
    let findings = witness::check(&export, &others, &[]).expect("an export").findings;
    assert!(findings.iter().all(|finding| finding.contains("not signed by one of these keys")));
    assert_eq!(findings.len(), 3);
    assert!(witness::check("no export", &others, &[]).is_err());
}

#[tokio::test]
async fn what_is_older_than_the_tenant_keeps_it_goes_and_a_checkpoint_stands_for_it() {
    let log = with_checkpoints().await;
    let before = log.verify().await;
    jobs::purge(&log.app.state).await.expect("a purge");
    assert_eq!(log.verify().await.removed, 0, "nothing is removed unless asked for");
    log.app.configure(TENANT, serde_json::json!({"audit": {"retention_days": 30}})).await;
    jobs::purge(&log.app.state).await.expect("a purge");
    assert_eq!(log.verify().await.removed, 0, "and nothing that is young");
    log.app.wait(29 * DAY);
    log.app.user("late").await;
    log.app.audit(TENANT).await;
    log.app.wait(DAY + 3_700);
    jobs::purge(&log.app.state).await.expect("a purge");
    let report = log.verify().await;
    assert!(report.findings.is_empty() && report.removed >= before.chained, "{report:?}");
    assert!(report.chained > 0 && report.checkpoints > 0, "{report:?}");
    let events = log.app.audit(TENANT).await;
    let first = events[0].link.as_ref().expect("a link").sequence;
    assert_eq!(first, report.removed + 1, "the rest is there");
    let told = events.iter().find(|e| e.event == "audit.removed").expect("an event");
    assert_eq!(told.data["up_to"], report.removed);
    // To those outside, too.
    let (export, keys) = published(&log).await;
    let seen = witness::check(&export, &[keys], &[]).expect("an export");
    assert!(seen.findings.is_empty(), "{seen:?}");
    // The chain goes on, and what was removed stays so.
    log.app.user("next").await;
    let report = log.verify().await;
    assert!(report.findings.is_empty(), "{report:?}");
    assert_eq!(log.app.audit(TENANT).await[0].link.as_ref().expect("a link").sequence, first);
    // The end of what was removed can't be moved behind the server's back.
    log.change_head(|head| head.removed += 1).await;
    assert!(log.verify().await.findings.contains(&Finding::BadHead));
}

#[tokio::test]
async fn a_removal_that_dies_anywhere_leaves_a_whole_chain() {
    let mut cuts = 0;
    for writes in 0.. {
        let log = with_checkpoints().await;
        log.app.configure(TENANT, serde_json::json!({"audit": {"retention_days": 30}})).await;
        log.app.wait(40 * DAY);
        let app = &log.app;
        app.audit(TENANT).await;
        let faulty =
            app.platform_on(Faulty::after(writes, &app.state.registry.system().ports().storage.clone()));
        let is_done = usso::app::recorder::remove_old(&faulty, app.state.registry.seal()).await.is_ok();
        let report = log.verify().await;
        assert!(report.findings.is_empty(), "after {writes} writes: {report:?}");
        app.user("later").await;
        usso::app::recorder::remove_old(app.state.registry.system(), app.state.registry.seal())
            .await
            .expect("the rest");
        let report = log.verify().await;
        assert!(report.findings.is_empty() && report.removed > 0, "after {writes} writes: {report:?}");
        if is_done {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 10, "{cuts}");
}

#[tokio::test]
async fn a_checkpoint_that_dies_anywhere_is_made_all_the_same() {
    let app = TestApp::on(StorageKind::Memory, |_| {}).await;
    app.user("alice").await;
    app.audit(TENANT).await;
    app.wait(3_700);
    let storage = app.state.registry.system().ports().storage.clone();
    for writes in 0..3 {
        let faulty = app.platform_on(Faulty::after(writes, &storage));
        drop(jobs::drain_effects(&faulty, app.state.registry.seal()).await);
        assert!(verify(&app).await.findings.is_empty(), "after {writes} writes");
        app.user(&format!("user-{writes}")).await;
    }
    app.wait(3_700);
    app.audit(TENANT).await;
    let report = verify(&app).await;
    assert!(report.findings.is_empty() && report.checkpoints > 0, "{report:?}");
}
