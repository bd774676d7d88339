//! How often a sign-in may fail, and what happens under overload (ruling D40).

use crate::app::{Anonymous, PASSWORD, Requests, TestApp};
use futures_util::future::join_all;
use serde_json::json;

const ALICE: &str = "alice@example.com";

async fn fail(who: &Anonymous, times: usize) {
    for n in 0..times {
        who.login(ALICE, &format!("wrong-{n}")).await.problem(401, "INVALID_CREDENTIALS");
    }
}

#[tokio::test]
async fn login_is_rejected_after_five_failures_until_the_window_has_passed() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let thief = app.anonymous();
    fail(&thief, 4).await;
    app.wait(100);
    fail(&thief, 1).await;
    let answer = thief.login(ALICE, PASSWORD).await;
    answer.problem(429, "RATE_LIMITED");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((200..=201).contains(&seconds), "the window began with the first failure: {seconds}");
    app.wait(seconds - 2);
    thief.login(ALICE, PASSWORD).await.is(429);
    app.wait(2);
    thief.login(ALICE, PASSWORD).await.is(200);
    fail(&thief, 5).await;
    thief.login(ALICE, PASSWORD).await.is(429);
}

#[tokio::test]
async fn successes_do_not_count() {
    let app = TestApp::new().await;
    app.user("alice").await;
    for _ in 0..8 {
        app.anonymous().login(ALICE, PASSWORD).await.is(200);
    }
    fail(&app.anonymous(), 4).await;
    for _ in 0..8 {
        app.anonymous().login(ALICE, PASSWORD).await.is(200);
    }
}

#[tokio::test]
async fn the_budget_is_per_identifier_and_client() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.user("bob").await;
    fail(&app.anonymous(), 5).await;
    app.anonymous().login(ALICE, PASSWORD).await.is(429);
    app.anonymous().login("bob@example.com", PASSWORD).await.is(200);
    app.anonymous().from_ip("198.51.100.7").login(ALICE, PASSWORD).await.is(200);
    // Another spelling is the same identifier.
    app.anonymous().login(" ALICE@Example.com ", PASSWORD).await.is(429);
    app.anonymous().post("/auth/login", json!({"email": ALICE, "password": PASSWORD})).await.is(429);
}

#[tokio::test]
async fn the_budget_is_per_tenant() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    tenant.user("alice").await;
    fail(&app.anonymous(), 5).await;
    app.anonymous().login(ALICE, PASSWORD).await.is(429);
    tenant.anonymous().login(ALICE, PASSWORD).await.is(200);
}

#[tokio::test]
async fn spoofed_forwarded_headers_give_no_fresh_budget() {
    let app = TestApp::new().await;
    app.user("alice").await;
    for n in 0..5 {
        let who = app.anonymous().with_header("x-forwarded-for", &format!("203.0.113.{n}"));
        who.login(ALICE, "wrong").await.is(401);
    }
    app.anonymous().with_header("x-forwarded-for", "203.0.113.99").login(ALICE, PASSWORD).await.is(429);
    // Behind the trusted proxy the header counts.
    let proxied =
        app.anonymous().from_ip(crate::app::TRUSTED_PROXY).with_header("x-forwarded-for", "192.0.2.1");
    proxied.login(ALICE, PASSWORD).await.is(429);
    proxied.with_header("x-forwarded-for", "203.0.113.5").login(ALICE, PASSWORD).await.is(200);
}

#[tokio::test]
async fn the_limits_are_the_tenants() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.configure("org_default", json!({"login_attempts_limit": 2, "login_attempts_window": 60})).await;
    fail(&app.anonymous(), 2).await;
    app.anonymous().login(ALICE, PASSWORD).await.is(429);
    app.wait(61);
    app.anonymous().login(ALICE, PASSWORD).await.is(200);
}

#[tokio::test]
async fn the_budget_survives_a_restart() {
    let app = TestApp::new().await;
    app.user("alice").await;
    fail(&app.anonymous(), 5).await;
    app.restarted().await.anonymous().login(ALICE, PASSWORD).await.is(429);
}

#[tokio::test]
async fn a_known_device_is_not_locked_out_by_strangers_at_its_address() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let browser = app.browser();
    let right = json!({"identifier": ALICE, "secret": PASSWORD});
    browser.post("/auth/login", right.clone()).await.expect(200);
    fail(&app.anonymous(), 5).await;
    app.anonymous().login(ALICE, PASSWORD).await.is(429);
    browser.post("/auth/login", right.clone()).await.is(200);
    // Its own budget is as small.
    for _ in 0..5 {
        browser.post("/auth/login", json!({"identifier": ALICE, "secret": "wrong"})).await.is(401);
    }
    browser.post("/auth/login", right).await.is(429);
}

#[tokio::test]
async fn a_device_cookie_is_ignored_when_it_is_another_accounts_forged_or_of_another_tenant() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    tenant.user("alice").await;
    let bob = app.user("bob").await;
    let of_bob = bob.signed_out().login("bob@example.com", PASSWORD).await.cookie("usso-device").value;
    let foreign = tenant.anonymous().login(ALICE, PASSWORD).await.cookie("usso-device").value;
    let own = app.anonymous().login(ALICE, PASSWORD).await.cookie("usso-device").value;
    let moved = format!("{}~{}", "A".repeat(22), own.split('~').nth(1).unwrap());
    fail(&app.anonymous(), 5).await;
    for value in [&of_bob, &foreign, &moved, "A", "~~~~", &"x~".repeat(2_000)] {
        let who = app.anonymous().with_header("cookie", &format!("usso-device={value}"));
        who.login(ALICE, PASSWORD).await.problem(429, "RATE_LIMITED");
    }
    app.anonymous().with_header("cookie", &format!("usso-device={own}")).login(ALICE, PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_burst_of_parallel_guesses_gains_nothing() {
    // Hashing takes its time here, as it does in production, so that failures are on record before the last guess.
    let app = TestApp::with(|config| {
        config.hashing.threads = 1;
        config.hashing.memory_kib = 8_192;
    })
    .await;
    app.user("alice").await;
    let guesses = (0..51).map(|n| {
        let (who, guess) =
            (app.anonymous(), if n == 50 { PASSWORD.to_owned() } else { format!("wrong-{n}") });
        async move { who.login(ALICE, &guess).await }
    });
    let answers = join_all(guesses).await;
    answers[50].problem(429, "RATE_LIMITED");
    // Whatever was guessed: five answers say wrong, every later one says too many.
    let of = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((of(401), of(429)), (5, 46));
    let later = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(answers[50].header("retry-after"), later.header("retry-after"));
    app.anonymous().login(ALICE, PASSWORD).await.is(429);
    assert!(answers[50].cookies().is_empty());
}

#[tokio::test]
async fn overload_is_503_and_counts_for_nobody() {
    let app = TestApp::with(|config| {
        config.hashing.threads = 1;
        config.hashing.queue_limit = 1;
        config.hashing.memory_kib = 65_536;
    })
    .await;
    app.user("alice").await;
    let answers = join_all((0..20).map(|_| {
        let who = app.anonymous();
        async move { who.login(ALICE, "wrong").await }
    }))
    .await;
    let shed: Vec<_> = answers.iter().filter(|a| a.status == 503).collect();
    assert!(shed.len() >= 10, "{}", shed.len());
    shed.iter().for_each(|answer| answer.problem(503, "SERVICE_UNAVAILABLE"));
    let failed = answers.iter().filter(|a| a.status == 401).count();
    assert_eq!(failed + shed.len(), 20);
    for _ in failed..5 {
        app.anonymous().login(ALICE, "wrong").await.problem(401, "INVALID_CREDENTIALS");
    }
    app.anonymous().login(ALICE, "wrong").await.is(429);
}
