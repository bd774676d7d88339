//! `usso storage copy`.

use super::Inhabited;
use super::faulty::{Faulty, Tamper};
use crate::app::{Database, Requests, StorageKind, TestApp};
use kernel::memory::MemoryStorage;
use kernel::{Effect, Revision, Storage, SystemScope, Topic};
use std::sync::Arc;
use usso::app::startup;
use usso::app::upkeep::copy::{CopyError, Outcome, copy};
use usso::identity::users::model::User as UserRecord;
use usso::tenant::one_time::OneTime;

/// Copies as the command does: the target is prepared first.
async fn copied(app: &TestApp, target: Arc<dyn Storage>) -> Result<Outcome, CopyError> {
    target.prepare(&startup::kinds()).await.expect("the target can be prepared");
    copy(
        (app.state.registry.system(), Some(app.state.registry.seal())),
        &app.platform_on(target),
        |_, _, _| (),
    )
    .await
}

async fn nothing() -> Arc<dyn Storage> {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    storage.prepare(&startup::kinds()).await.expect("an empty storage");
    storage
}

async fn count(system: &SystemScope) -> usize {
    let mut count = 0;
    for kind in startup::kinds() {
        let storage = &system.ports().storage;
        count += storage.scan(kind.kind, None, 10_000, system.now()).await.expect("a scan").len();
    }
    count
}

#[tokio::test]
async fn an_installation_moves_with_its_tokens_keys_and_secrets() {
    let chosen = StorageKind::from_environment();
    for (from, to) in [
        (StorageKind::Sqlite, chosen),
        (chosen, StorageKind::Sqlite),
        (StorageKind::Sqlite, StorageKind::Document),
        (StorageKind::Document, StorageKind::Memory),
    ] {
        let app = TestApp::on(from, |_| {}).await;
        let people = Inhabited::new(&app).await;
        let target = Arc::new(Database::open(to).await);
        let outcome = copied(&app, target.storage()).await.expect("the copy");
        assert!(outcome.is_same(), "{from:?} to {to:?}: {outcome:?}");
        let counts =
            |kind: &str| outcome.kinds.iter().find(|k| k.kind == kind).expect("the kind").target.count;
        assert_eq!((counts("installation"), counts("tenant")), (1, 2));
        assert!(counts("user") >= 4 && counts("session") >= 4 && counts("audit_event") >= 8, "{outcome:?}");
        assert!(counts("one_time") > 0);
        let total: u64 = outcome.kinds.iter().map(|k| k.target.count).sum();
        assert_eq!(outcome.written, total, "everything was written once");

        let moved = app.moved_to(&target).await;
        people.lives_on(&moved).await;
        let before = moved.audit("org_default").await.len();
        // Positions of effects begin anew in a new database: no event may be taken for one that was copied.
        for n in 0..before {
            let _ = moved.user(&format!("new-{n}")).await;
        }
        let after = moved.audit("org_default").await.len();
        assert_eq!(after - before, before * 2, "each registration is an event, and so is its session");
    }
}

#[tokio::test]
async fn a_copy_cut_off_at_any_write_is_finished_by_running_it_again() {
    // In memory: what is tried here is the order of writes, and it is tried often.
    let app = TestApp::on(StorageKind::Memory, |_| {}).await;
    let people = Inhabited::new(&app).await;
    let mut cuts = 0;
    for writes in 0.. {
        let database = Arc::new(Database::open(StorageKind::Memory).await);
        let target = database.storage();
        let cut = copied(&app, Faulty::after(writes, &target)).await;
        if cut.is_ok() {
            break;
        }
        cuts += 1;
        if writes > 0 {
            let refused = app.try_start(target.clone(), |_| {}).await.expect_err("half an installation");
            assert!(refused.contains("usso storage copy"), "after {writes} writes: {refused}");
        }
        let outcome = copied(&app, target).await.expect("the rest");
        assert!(outcome.is_same(), "after {writes} writes: {outcome:?}");
        if writes % 3 == 0 {
            people.alice.on(&app.moved_to(&database).await).get("/me").await.is(200);
        }
    }
    assert!(cuts >= 7, "a mark, a page for each kind, the installation, the mark again: {cuts}");
}

#[tokio::test]
async fn a_completed_copy_is_only_compared() {
    let app = TestApp::new().await;
    let people = Inhabited::new(&app).await;
    let database = Arc::new(Database::open(StorageKind::Document).await);
    let target = database.storage();
    assert!(copied(&app, target.clone()).await.expect("the copy").is_same());
    let again = copied(&app, target.clone()).await.expect("the comparison");
    assert!(again.is_same() && again.written == 0, "{again:?}");

    // The target lives on. What was ended there must not be brought back from the source.
    let moved = app.moved_to(&database).await;
    let alice = people.alice.on(&moved);
    let _ = alice.post("/auth/logout", ()).await;
    alice.get("/me").await.is(401);
    let after = copied(&app, target).await.expect("the comparison");
    assert!(!after.is_same() && after.written == 0, "a change in the target is seen: {after:?}");
    alice.get("/me").await.is(401);
}

#[tokio::test]
async fn a_target_that_holds_something_else_is_found_out_and_does_not_serve() {
    let tampers: [(&str, Tamper); 5] = [
        ("a document is missing", |page| {
            page.retain(|l| l.document.kind != "user" || !l.document.body.contains("alice"));
        }),
        ("a body differs", |page| {
            for l in page.iter_mut().filter(|l| l.document.kind == "tenant") {
                l.document.body = l.document.body.replace("Acme", "Acne");
            }
        }),
        ("a revision differs", |page| {
            for l in page.iter_mut().filter(|l| l.document.kind == "session") {
                l.document.revision = Revision::from_stored(l.document.revision.to_stored() / 2 + 1);
            }
        }),
        ("a tag is lost", |page| {
            for l in page.iter_mut().filter(|l| l.document.kind == "audit_event") {
                l.document.tags.pop();
            }
        }),
        ("a document lies elsewhere", |page| {
            for l in page.iter_mut().filter(|l| l.document.kind == "one_time") {
                l.partition = "org_elsewhere".to_owned();
            }
        }),
    ];
    let app = TestApp::new().await;
    Inhabited::new(&app).await;
    for (what, tamper) in tampers {
        let target = nothing().await;
        let outcome = copied(&app, Faulty::tampering(tamper, &target)).await.expect("it is compared");
        let wrong: Vec<&str> = outcome.kinds.iter().filter(|k| !k.is_same()).map(|k| k.kind).collect();
        assert_eq!(wrong.len(), 2, "{what}: {wrong:?}");
        assert!(
            wrong.contains(&"installation"),
            "{what}: the installation comes last, and not at all: {wrong:?}"
        );
        let refused = app.try_start(target, |_| {}).await.expect_err("a wrong copy");
        assert!(refused.contains("usso storage copy"), "{what}: {refused}");
    }
}

#[tokio::test]
async fn a_target_with_something_in_it_is_refused_and_left_alone() {
    let app = TestApp::new().await;
    Inhabited::new(&app).await;
    // Another installation, of the same master key even.
    let other = TestApp::new().await;
    let before = count(other.state.registry.system()).await;
    let storage = other.state.registry.system().ports().storage.clone();
    assert!(matches!(copied(&app, storage).await, Err(CopyError::NotEmpty)));
    assert_eq!(count(other.state.registry.system()).await, before);

    // Half of another one.
    let target = nothing().await;
    assert!(copied(&other, Faulty::after(3, &target)).await.is_err());
    let before = count(&app.platform_on(target.clone())).await;
    assert!(matches!(copied(&app, target.clone()).await, Err(CopyError::NotEmpty)));
    assert_eq!(count(&app.platform_on(target.clone())).await, before);

    // A database that isn't an installation, but isn't empty.
    let target = nothing().await;
    let platform = app.platform_on(target.clone());
    platform.records::<OneTime>().insert(super::note("n", &platform), Vec::new()).await.expect("a record");
    assert!(matches!(copied(&app, target).await, Err(CopyError::NotEmpty)));
}

#[tokio::test]
async fn a_source_with_events_that_cannot_be_carried_out_is_not_copied() {
    let app = TestApp::new().await;
    let system = app.state.registry.system();
    let effect = Effect { topic: Topic::Webhook, payload: serde_json::json!({}), due_at: system.now() };
    system.records::<OneTime>().insert(super::note("n", system), vec![effect]).await.expect("a record");
    let target = nothing().await;
    assert!(matches!(copied(&app, target.clone()).await, Err(CopyError::Pending)));
    assert_eq!(count(&app.platform_on(target)).await, 0, "nothing was written");
}

#[tokio::test]
async fn events_under_way_are_carried_out_before_the_copy() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let database = Arc::new(Database::open(StorageKind::Memory).await);
    let outcome = copied(&app, database.storage()).await.expect("the copy");
    let events = outcome.kinds.iter().find(|k| k.kind == "audit_event").expect("events").target.count;
    assert!(events >= 2, "nobody drained before: {outcome:?}");
    let moved = app.moved_to(&database).await;
    assert!(moved.audit(alice.tenant_id()).await.iter().any(|event| event.target == alice.id()));
}

#[tokio::test]
async fn counts_and_checkpoints_for_later_are_not_lost_by_a_copy() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    for _ in 0..5 {
        alice.get("/audit").await.is(403);
    }
    let database = Arc::new(Database::open(StorageKind::Memory).await);
    copied(&app, database.storage()).await.expect("the copy");
    let moved = app.moved_to(&database).await;
    let denied = moved.audit(alice.tenant_id()).await.into_iter().filter(|e| e.event == "permission.denied");
    let counts: Vec<u64> =
        denied.map(|e| e.data.get("count").map_or(1, |n| n.as_u64().expect("a number"))).collect();
    assert_eq!(counts.iter().sum::<u64>(), 5, "{counts:?}");
    let scope = moved.scope(alice.tenant_id()).await;
    assert!(!usso::tenant::audit::checkpoint::all(&scope).await.expect("the database").is_empty());
    crate::upkeep::audit_is_whole(&moved).await;
}

#[tokio::test]
async fn an_empty_source_is_refused() {
    let app = TestApp::new().await;
    let empty = app.platform_on(nothing().await);
    let refused =
        copy((&empty, Some(app.state.registry.seal())), &app.platform_on(nothing().await), |_, _, _| ())
            .await;
    assert!(matches!(refused, Err(CopyError::NoSource)), "{refused:?}");
}

#[tokio::test]
async fn the_copied_records_are_the_same_records() {
    let app = TestApp::on(StorageKind::Sqlite, |_| {}).await;
    let alice = app.user("alice").await;
    let database = Arc::new(Database::open(StorageKind::from_environment()).await);
    copied(&app, database.storage()).await.expect("the copy");
    let there = app.moved_to(&database).await;
    let (old, new) = (app.scope("org_default").await, there.scope("org_default").await);
    let old = old.records::<UserRecord>().get(alice.id()).await.expect("the database").expect("alice");
    let new = new.records::<UserRecord>().get(alice.id()).await.expect("the database").expect("alice");
    assert_eq!(old, new, "revision and times included: an ETag from before is still good");
}
