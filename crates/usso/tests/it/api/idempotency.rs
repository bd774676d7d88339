//! `Idempotency-Key` (ruling D35, checklist API-04).

use crate::app::{PASSWORD, Requests, TestApp};
use futures_util::future::join_all;
use serde_json::{Value, json};

fn alice() -> Value {
    json!({"identifier": "alice@example.com", "secret": PASSWORD})
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_happens_once() {
    let app = TestApp::new().await;
    let who = app.anonymous().with_header("idempotency-key", "k-1");
    let first = who.post("/auth/register", alice()).await.expect(201);
    assert_eq!(first.header("idempotency-replayed"), None);
    app.wait(60);
    let second = who.post("/auth/register", alice()).await.expect(201);
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.body, second.body);
    assert_eq!(first.cookies(), second.cookies());
    let registered = app.audit("org_default").await.iter().filter(|e| e.event == "session.opened").count();
    assert_eq!(registered, 1);
}

#[tokio::test]
async fn a_repeat_after_a_restart_gets_the_first_answer() {
    let app = TestApp::new().await;
    let who = app.anonymous().with_header("idempotency-key", "k-1");
    let first = who.post("/auth/register", alice()).await.expect(201);
    let second = who.at(&app.restarted().await).post("/auth/register", alice()).await.expect(201);
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn a_repeat_is_rejected_when_its_body_differs() {
    let app = TestApp::new().await;
    let who = app.anonymous().with_header("idempotency-key", "k-1");
    who.post("/auth/register", alice()).await.expect(201);
    let other = json!({"identifier": "bob@example.com", "secret": PASSWORD});
    who.post("/auth/register", other).await.problem(409, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn keys_of_different_callers_operations_and_tenants_are_different_keys() {
    let app = TestApp::new().await;
    let (first, second) = (app.system_admin().await, app.system_admin().await);
    let body = json!({"name": "Company A"});
    first.clone().with_header("idempotency-key", "k").post("/tenants", body.clone()).await.expect(201);
    second.with_header("idempotency-key", "k").post("/tenants", body.clone()).await.problem(409, "CONFLICT");
    first.clone().with_header("idempotency-key", "k").post("/tenants", body).await.is(201);
    first.with_header("idempotency-key", "k").post("/auth/register", alice()).await.is(201);
    let tenant = app.tenant("Company B", &["company-b.com"]).await;
    let there = tenant
        .anonymous()
        .with_header("idempotency-key", "k")
        .post("/auth/register", alice())
        .await
        .expect(201);
    assert_eq!(there.header("idempotency-replayed"), None);
}

#[tokio::test]
async fn a_failed_request_frees_its_key() {
    let app = TestApp::new().await;
    let who = app.anonymous().with_header("idempotency-key", "k");
    let weak = json!({"identifier": "alice@example.com", "secret": "weak"});
    who.post("/auth/register", weak).await.problem(400, "WEAK_PASSWORD");
    who.post("/auth/register", alice()).await.is(201);
}

#[tokio::test]
async fn parallel_repeats_happen_once() {
    let app = TestApp::new().await;
    let who = app.anonymous().with_header("idempotency-key", "k");
    let answers = join_all((0..10).map(|_| who.post("/auth/register", alice()))).await;
    assert!(answers.iter().all(|a| a.status == 201 || a.code() == "CONFLICT"), "{answers:?}");
    let firsts =
        answers.iter().filter(|a| a.status == 201 && a.header("idempotency-replayed").is_none()).count();
    assert_eq!(firsts, 1);
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day() {
    let app = TestApp::new().await;
    let who = app.anonymous().with_header("idempotency-key", "k");
    who.post("/auth/register", alice()).await.expect(201);
    app.wait(86_399);
    who.post("/auth/register", alice()).await.is(201);
    app.wait(2);
    who.post("/auth/register", alice()).await.problem(409, "IDENTIFIER_EXISTS");
}

#[tokio::test]
async fn a_key_is_rejected_when_it_is_empty_or_too_long() {
    let app = TestApp::new().await;
    for key in ["", &"k".repeat(256)] {
        let who = app.anonymous().with_header("idempotency-key", key);
        who.post("/auth/register", alice()).await.problem(400, "VALIDATION_ERROR");
    }
    app.anonymous()
        .with_header("idempotency-key", &"k".repeat(255))
        .post("/auth/register", alice())
        .await
        .is(201);
}

#[tokio::test]
async fn a_kept_answer_is_sealed() {
    let app = TestApp::new().await;
    let who = app.anonymous().with_header("idempotency-key", "k");
    let answer = who.post("/auth/register", alice()).await.expect(201);
    let scope = app.scope("org_default").await;
    let mut query = kernel::Query::all("one_time");
    query.limit = 100;
    let page = scope.records::<usso::tenant::one_time::OneTime>().page(query).await.unwrap();
    let text = page.items.iter().map(|item| format!("{:?}", item.record)).collect::<String>();
    assert!(!text.is_empty());
    for secret in [answer.str("access_token"), answer.str("refresh_token"), PASSWORD, "alice@example.com"] {
        assert!(!text.contains(secret));
    }
}
