//! Races: what must hold when many ask for the same thing at once. Every test runs on every storage.

use crate::app::{Answer, PASSWORD, Requests, StorageKind, TenantHandle, TestApp, User};
use futures_util::future::join_all;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use usso::identity::users::model::User as UserRecord;

const STORAGES: [StorageKind; 3] = [StorageKind::Memory, StorageKind::Document, StorageKind::Sqlite];

async fn refresh(app: &TestApp, token: &str) -> Answer {
    app.anonymous().post("/auth/refresh", json!({"refresh_token": token})).await
}

/// All at once, on as many threads as there are.
async fn at_once<T: Send + 'static>(tasks: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let running: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    join_all(running).await.into_iter().map(|done| done.expect("no panic")).collect()
}

async fn generation(app: &TestApp, user: &User) -> u32 {
    app.restarted().await.session(user.tenant_id(), user.session_id()).await.expect("the session").generation
}

/// Every holder refreshes at once; those for whom `is_lost` holds never see their answer. Answers, in order.
async fn wave(app: &TestApp, held: &mut [String], is_lost: impl Fn(usize) -> bool) {
    let tasks = held.iter().cloned().map(|token| {
        let app = app.clone();
        async move { refresh(&app, &token).await }
    });
    let answers = at_once(tasks.collect()).await;
    for (place, answer) in answers.into_iter().enumerate() {
        let answer = answer.expect(200);
        if !is_lost(place) {
            held[place] = answer.str("refresh_token").to_owned();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_refreshes_with_lost_answers_log_nobody_out_and_advance_once() {
    for storage in STORAGES {
        let app = TestApp::on(storage, |_| {}).await;
        let user = app.user("alice").await;
        let mut held = vec![user.refresh().to_owned(); 200];
        for round in 1..=6u32 {
            let is_lost = |place: usize| (place + round as usize).is_multiple_of(3);
            wave(&app, &mut held, is_lost).await;
            assert_eq!(generation(&app, &user).await, round, "{storage:?}: one round is one generation");
            // Whoever got no answer asks again with what they hold: an earlier generation, and still welcome.
            let mut losers: Vec<String> =
                (0..held.len()).filter(|p| is_lost(*p)).map(|p| held[p].clone()).collect();
            wave(&app, &mut losers, |_| false).await;
            assert_eq!(generation(&app, &user).await, round, "{storage:?}: asking again advances nothing");
            for (place, token) in (0..held.len()).filter(|p| is_lost(*p)).zip(losers) {
                held[place] = token;
            }
            app.wait(7);
        }
        user.get("/me").await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn holders_of_two_generations_refresh_together() {
    for storage in STORAGES {
        let app = TestApp::on(storage, |_| {}).await;
        let user = app.user("alice").await;
        let mut held = vec![user.refresh().to_owned(); 200];
        wave(&app, &mut held, |place| place % 3 == 0).await;
        wave(&app, &mut held, |_| false).await;
        assert_eq!(generation(&app, &user).await, 2, "{storage:?}");
        user.get("/me").await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_instances_on_one_database_advance_once() {
    for storage in STORAGES {
        let app = TestApp::on(storage, |_| {}).await;
        let user = app.user("alice").await;
        let other = app.restarted().await;
        let tasks = (0..100).map(|place| {
            let (app, token) =
                (if place % 2 == 0 { app.clone() } else { other.clone() }, user.refresh().to_owned());
            async move { refresh(&app, &token).await.status }
        });
        let answers = at_once(tasks.collect()).await;
        assert!(answers.iter().all(|status| *status == 200), "{storage:?}: {answers:?}");
        assert_eq!(generation(&app, &user).await, 1, "{storage:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_replay_of_an_old_generation_ends_the_session() {
    for storage in STORAGES {
        let app = TestApp::on(storage, |_| {}).await;
        let user = app.user("alice").await;
        let mut newest = user.refresh().to_owned();
        for _ in 0..3 {
            newest = refresh(&app, &newest).await.expect(200).str("refresh_token").to_owned();
        }
        refresh(&app, user.refresh()).await.problem(401, "REFRESH_TOKEN_REUSED");
        user.get("/me").await.problem(401, "TOKEN_REVOKED");
        refresh(&app, &newest).await.problem(401, "TOKEN_REVOKED");
        refresh(&app, user.refresh()).await.problem(401, "TOKEN_REVOKED");
        let reused =
            app.audit("org_default").await.into_iter().filter(|e| e.event == "session.refresh_token_reused");
        assert_eq!(reused.count(), 1, "{storage:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_replays_end_the_session_once() {
    let app = TestApp::new().await;
    let user = app.user("alice").await;
    let mut newest = user.refresh().to_owned();
    for _ in 0..3 {
        newest = refresh(&app, &newest).await.expect(200).str("refresh_token").to_owned();
    }
    let tasks = (0..50).map(|_| {
        let (app, token) = (app.clone(), user.refresh().to_owned());
        async move { refresh(&app, &token).await }
    });
    for answer in at_once(tasks.collect()).await {
        assert!(matches!(answer.code(), "REFRESH_TOKEN_REUSED" | "TOKEN_REVOKED"), "{}", answer.text());
        answer.is(401);
    }
    let events = app.audit("org_default").await;
    assert_eq!(events.iter().filter(|e| e.event == "session.refresh_token_reused").count(), 1);
}

async fn accounts(app: &TestApp, address: &str) -> usize {
    let scope = app.scope("org_default").await;
    let mut query = kernel::Query::all("user");
    query.limit = 1_000;
    let page = scope.records::<UserRecord>().page(query).await.expect("the database");
    page.items.iter().filter(|user| user.identifiers.iter().any(|i| i.value == address)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_registrations_of_one_address_make_one_account() {
    for storage in STORAGES {
        let app = TestApp::on(storage, |_| {}).await;
        let tasks = (0..50).map(|place| {
            // Spelled differently, and the same.
            let address = if place % 2 == 0 { "racer@example.com" } else { " RACER@Example.com" };
            let (who, body) = (app.anonymous(), json!({"identifier": address, "secret": PASSWORD}));
            async move { who.post("/auth/register", body).await }
        });
        let answers = at_once(tasks.collect()).await;
        let made = answers.iter().filter(|a| a.status == 201).count();
        let taken = answers.iter().filter(|a| a.status == 409 && a.code() == "IDENTIFIER_EXISTS").count();
        assert_eq!((made, taken), (1, 49), "{storage:?}");
        assert_eq!(accounts(&app, "racer@example.com").await, 1, "{storage:?}");
        let events = app.audit("org_default").await;
        assert_eq!(
            events.iter().filter(|e| e.event == "user.registered" && e.actor != "system").count(),
            1,
            "{storage:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_sign_ins_that_may_register_make_one_account() {
    for storage in STORAGES {
        let app = TestApp::on(storage, |_| {}).await;
        let tasks = (0..50).map(|_| {
            let body = json!({"identifier": "racer@example.com", "secret": PASSWORD, "register": true});
            let who = app.anonymous();
            async move { who.post("/auth/login", body).await.expect(200) }
        });
        let answers = at_once(tasks.collect()).await;
        let users: BTreeSet<&str> = answers.iter().filter_map(|a| a["user"]["id"].as_str()).collect();
        let sessions: BTreeSet<&str> = answers.iter().filter_map(|a| a["session_id"].as_str()).collect();
        assert_eq!((users.len(), sessions.len()), (1, 50), "{storage:?}");
        assert_eq!(accounts(&app, "racer@example.com").await, 1, "{storage:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_logout_and_refresh_never_leave_a_live_session() {
    for storage in STORAGES {
        let app = TestApp::on(storage, |_| {}).await;
        let first = app.user("alice").await;
        for round in 0..12 {
            let user = first.again().await;
            let mut token = user.refresh().to_owned();
            if round % 2 == 1 {
                token = refresh(&app, &token).await.expect(200).str("refresh_token").to_owned();
            }
            let tasks = (0..9).map(|place| {
                let (who, token) = (app.anonymous(), token.clone());
                async move {
                    let path = if place == round % 9 { "/auth/logout" } else { "/auth/refresh" };
                    who.post(path, json!({"refresh_token": token})).await
                }
            });
            for answer in at_once(tasks.collect()).await {
                assert!(matches!(answer.status, 200 | 401), "{storage:?}: {}", answer.text());
                if let Some(access) = answer["access_token"].as_str() {
                    app.anonymous().with_token(access).get("/me").await.problem(401, "TOKEN_REVOKED");
                    refresh(&app, answer.str("refresh_token")).await.problem(401, "TOKEN_REVOKED");
                }
            }
            user.get("/me").await.problem(401, "TOKEN_REVOKED");
            let stored = app.session("org_default", user.session_id()).await.expect("the session");
            assert!(stored.revoked_at.is_some(), "{storage:?}");
        }
        let events = app.audit("org_default").await;
        assert_eq!(events.iter().filter(|e| e.event == "session.logged_out").count(), 12, "{storage:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_wrong_guesses_are_worth_no_more_than_one_by_one() {
    let app = TestApp::new().await;
    let user = app.user("alice").await;
    let tasks = (0..50).map(|place| {
        let (who, address) = (app.anonymous(), user.identifier.clone());
        async move { who.login(&address, &format!("wrong-Guess-{place}!")).await }
    });
    for answer in at_once(tasks.collect()).await {
        assert!(matches!(answer.status, 401 | 429), "{}", answer.text());
    }
    app.anonymous().login(&user.identifier, PASSWORD).await.problem(429, "RATE_LIMITED");
    app.anonymous().from_ip("192.0.2.99").login(&user.identifier, PASSWORD).await.is(200);
}

/// What one of a crowd does: sign in, refresh, look, again and again until they are told to stop.
async fn come_and_go(tenant: TenantHandle, user: User, stop: Arc<AtomicBool>) -> Vec<Answer> {
    let (mut answers, mut token) = (Vec::new(), user.refresh().to_owned());
    while !stop.load(Ordering::SeqCst) {
        let who = tenant.anonymous();
        let login = who.login(&user.identifier, PASSWORD).await;
        let refreshed = who.post("/auth/refresh", json!({"refresh_token": token})).await;
        if let Some(next) = refreshed["refresh_token"].as_str() {
            token = next.to_owned();
        }
        answers.extend([login, refreshed, user.get("/me").await]);
    }
    answers
}

/// From the answer to the suspension on, which is sooner than within five seconds (checklist TEN-06).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tenant_suspended_under_load_issues_nothing_more_and_all_its_sessions_end() {
    for storage in STORAGES {
        let app = TestApp::on(storage, |_| {}).await;
        let tenant = app.tenant("Company A", &["company-a.com"]).await;
        let system = app.system_admin().await;
        let mut users = Vec::new();
        for n in 0..8 {
            users.push(tenant.user(&format!("user{n}")).await);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let crowd =
            users.iter().map(|user| tokio::spawn(come_and_go(tenant.clone(), user.clone(), stop.clone())));
        let crowd: Vec<_> = crowd.collect();
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        system.patch("/tenants/org_company_a", json!({"is_active": false})).await.expect(200);
        // From here on nobody gets anything, whatever is still under way.
        for user in &users {
            user.get("/me").await.problem(403, "TENANT_INACTIVE");
            let who = tenant.anonymous();
            who.login(&user.identifier, PASSWORD).await.problem(403, "TENANT_INACTIVE");
            let body = json!({"refresh_token": user.refresh()});
            who.post("/auth/refresh", body).await.problem(403, "TENANT_INACTIVE");
        }
        stop.store(true, Ordering::SeqCst);
        let answers: Vec<Answer> =
            join_all(crowd).await.into_iter().flat_map(|done| done.expect("no panic")).collect();
        let issued: Vec<&Answer> = answers.iter().filter(|a| a["access_token"].is_string()).collect();
        assert!(!issued.is_empty(), "{storage:?}: there was a load");
        // What was issued until then, and while it happened, is worth nothing even when the tenant comes back.
        system.patch("/tenants/org_company_a", json!({"is_active": true})).await.expect(200);
        for answer in issued {
            let who = tenant.anonymous();
            who.clone().with_token(answer.str("access_token")).get("/me").await.problem(401, "TOKEN_REVOKED");
            let body = json!({"refresh_token": answer.str("refresh_token")});
            who.post("/auth/refresh", body).await.problem(401, "TOKEN_REVOKED");
        }
        tenant.anonymous().login(&users[0].identifier, PASSWORD).await.expect(200);
    }
}
