//! Several instances on one database: what each keeps in memory must not outlive a change made by another.

use crate::app::{PASSWORD, Requests, StorageKind, TestApp, User};
use kernel::SystemScope;
use serde_json::json;
use std::time::Duration;
use usso::app::lease::{Lease, LeaseError, end_turn, has_turn};

/// Waits until messages under way have arrived: they leave by tasks of their own.
async fn until_refused(app: &TestApp, user: &User) {
    for _ in 0..10_000 {
        if user.clone().at(app).get("/me").await.status == 401 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the other instance still lets them in");
}

#[tokio::test]
async fn a_session_ended_on_one_instance_is_refused_by_the_others_at_once() {
    let app = TestApp::new().await;
    let other = app.joined().await;
    let user = app.user("alice").await;
    user.clone().at(&other).get("/me").await.is(200);
    user.post("/auth/logout", json!({})).await.is(200);
    until_refused(&other, &user).await;
}

#[tokio::test]
async fn a_session_ended_on_one_instance_is_refused_by_the_others_when_messages_are_cut() {
    let app = TestApp::new().await;
    let other = app.joined_unheard().await;
    let user = app.user("alice").await;
    user.clone().at(&other).get("/me").await.is(200);
    user.post("/auth/logout", json!({})).await.is(200);
    user.clone().at(&other).get("/me").await.is(200);
    other.read_feed().await;
    user.clone().at(&other).get("/me").await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn a_tenant_switched_off_on_one_instance_is_off_on_the_others() {
    let app = TestApp::new().await;
    let other = app.joined_unheard().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let bob = tenant.user("bob").await;
    bob.clone().at(&other).get("/me").await.is(200);
    let path = format!("/tenants/{}", tenant.id);
    app.system_admin().await.patch(&path, json!({"is_active": false})).await.is(200);
    other.read_feed().await;
    bob.clone().at(&other).get("/me").await.problem(403, "TENANT_INACTIVE");
}

#[tokio::test]
async fn what_is_in_memory_counts_for_a_minute_after_the_feed_was_read() {
    let app = TestApp::new().await;
    let other = app.joined_unheard().await;
    let user = app.user("alice").await;
    user.clone().at(&other).get("/me").await.is(200);
    user.post("/auth/logout", json!({})).await.is(200);
    app.clock.advance(Duration::from_secs(61));
    user.clone().at(&other).get("/me").await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn an_instance_that_missed_what_the_feed_keeps_forgets_everything() {
    let app = TestApp::new().await;
    let other = app.joined_unheard().await;
    let user = app.user("alice").await;
    user.clone().at(&other).get("/me").await.is(200);
    user.post("/auth/logout", json!({})).await.is(200);
    app.clock.advance(Duration::from_secs(11 * 60));
    usso::app::jobs::purge(&app.state).await.unwrap();
    other.read_feed().await;
    user.clone().at(&other).get("/me").await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn a_session_used_on_one_instance_is_not_idle_on_another() {
    let app = TestApp::new().await;
    let other = app.joined_unheard().await;
    let settings = json!({"config": {"session_inactivity_timeout": 600}});
    app.system_admin().await.patch("/tenants/org_default", settings).await.is(200);
    other.read_feed().await;
    let user = app.user("alice").await;
    user.clone().at(&other).get("/me").await.is(200);
    app.wait(400);
    user.post("/auth/refresh", json!({"refresh_token": user.refresh()})).await.is(200);
    app.wait(400);
    other.read_feed().await;
    user.clone().at(&other).get("/me").await.is(200);
}

#[tokio::test]
async fn a_change_of_password_lets_the_user_in_again_on_every_instance() {
    let app = TestApp::new().await;
    let other = app.joined_unheard().await;
    let admin = app.system_admin().await;
    admin.clone().at(&other).get("/me").await.is(200);
    usso::app::bootstrap::reset_system_password(&app.state, Some(PASSWORD.into())).await.unwrap();
    let again = User::sign_in(app.anonymous(), "admin", PASSWORD).await;
    // The other instance has yet to hear of the new epoch.
    again.clone().at(&other).get("/me").await.is(200);
    admin.clone().at(&other).get("/me").await.problem(401, "TOKEN_REVOKED");
}

/// On a clock that stands still unless pushed, so nothing may wait for another process.
fn system(app: &TestApp) -> &SystemScope {
    app.state.registry.system()
}

#[tokio::test(start_paused = true)]
async fn a_second_instance_without_redis_is_refused_and_told_what_to_set() {
    let app = TestApp::on(StorageKind::Memory, |_| {}).await;
    let first = Lease::take(system(&app), true).await.unwrap();
    for is_alone in [true, false] {
        let refused = Lease::take(system(&app), is_alone).await.unwrap_err();
        assert!(refused.to_string().contains("REDIS_URI"), "{refused}");
    }
    first.renew(system(&app)).await.unwrap();
    first.release(system(&app)).await.unwrap();
    Lease::take(system(&app), true).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_instance_without_redis_is_refused_beside_those_that_share_one() {
    let app = TestApp::on(StorageKind::Memory, |_| {}).await;
    let shared = Lease::take(system(&app), false).await.unwrap();
    let another = Lease::take(system(&app), false).await.unwrap();
    assert!(matches!(Lease::take(system(&app), true).await, Err(LeaseError::NotAlone)));
    shared.renew(system(&app)).await.unwrap();
    another.renew(system(&app)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_an_instance_that_died_is_waited_for() {
    let app = TestApp::on(StorageKind::Memory, |_| {}).await;
    let _dead = Lease::take(system(&app), true).await.unwrap();
    let clock = app.clock.clone();
    tokio::spawn(async move {
        for _ in 0..11 {
            tokio::time::advance(Duration::from_secs(1)).await;
            clock.advance(Duration::from_secs(1));
        }
    });
    Lease::take(system(&app), true).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_instance_whose_place_was_taken_while_it_slept_must_stop() {
    let app = TestApp::on(StorageKind::Memory, |_| {}).await;
    let sleeper = Lease::take(system(&app), true).await.unwrap();
    app.clock.advance(Duration::from_secs(11));
    let successor = Lease::take(system(&app), true).await.unwrap();
    assert!(matches!(sleeper.renew(system(&app)).await, Err(LeaseError::NotAlone)));
    successor.renew(system(&app)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_ended_while_nobody_came_is_taken_again() {
    let app = TestApp::on(StorageKind::Memory, |_| {}).await;
    let lease = Lease::take(system(&app), true).await.unwrap();
    app.clock.advance(Duration::from_secs(60));
    lease.renew(system(&app)).await.unwrap();
    lease.renew(system(&app)).await.unwrap();
}

#[tokio::test]
async fn one_instance_at_a_time_has_the_turn() {
    let app = TestApp::new().await;
    let system = system(&app);
    assert!(has_turn(system, "jobs", "a").await.unwrap());
    assert!(!has_turn(system, "jobs", "b").await.unwrap());
    app.clock.advance(Duration::from_secs(7));
    assert!(has_turn(system, "jobs", "a").await.unwrap(), "renewed");
    app.clock.advance(Duration::from_secs(7));
    assert!(!has_turn(system, "jobs", "b").await.unwrap());
    app.clock.advance(Duration::from_secs(4));
    assert!(has_turn(system, "jobs", "b").await.unwrap(), "a died");
    assert!(!has_turn(system, "jobs", "a").await.unwrap());
    end_turn(system, "jobs", "b").await.unwrap();
    assert!(has_turn(system, "jobs", "a").await.unwrap());
}

#[tokio::test]
async fn the_key_set_and_confirmed_sessions_go_on_while_the_database_is_away() {
    let app = TestApp::new().await;
    let other = app.joined().await;
    let user = app.user("alice").await.at(&other);
    user.get("/me").await.is(200);
    app.state.registry.system().ports().storage.close().await;
    other.anonymous().get("ROOT/.well-known/jwks.json").await.is(200);
    user.get("/me").await.is(200);
    let refused = user.post("/auth/refresh", json!({"refresh_token": user.refresh()})).await;
    refused.problem(503, "SERVICE_UNAVAILABLE");
    assert_eq!(refused.header("retry-after"), Some("1"));
    app.clock.advance(Duration::from_secs(61));
    user.get("/me").await.problem(503, "SERVICE_UNAVAILABLE");
    let keys = other.anonymous().get("ROOT/.well-known/jwks.json").await;
    keys.is(200);
    assert_eq!(
        keys.header("cache-control"),
        Some("no-cache"),
        "a newer key may have been published elsewhere"
    );
}

#[tokio::test(start_paused = true)]
async fn an_instance_stops_beside_one_that_took_its_lease_for_ended_by_a_clock_that_runs_ahead() {
    let app = TestApp::on(StorageKind::Memory, |_| {}).await;
    let lease = Lease::take(system(&app), false).await.unwrap();
    app.clock.advance(Duration::from_secs(11));
    let _ahead = Lease::take(system(&app), true).await.unwrap();
    let now = system(&app).now();
    app.clock.set(now.plus_seconds(-11));
    assert!(matches!(lease.renew(system(&app)).await, Err(LeaseError::NotAlone)));
}
