//! `GET /health`.

use crate::app::{Requests, TestApp};

#[tokio::test]
async fn health_is_all_texts_and_needs_no_tenant() {
    let app = TestApp::new().await;
    for path in ["ROOT/health", "/health"] {
        let answer = app.on_host("nobody.example").get(path).await.expect(200);
        assert_eq!(
            (answer.str("status"), answer.str("database"), answer.str("cache")),
            ("healthy", "ok", "ok")
        );
        assert!(
            answer.json.as_object().unwrap().values().all(serde_json::Value::is_string),
            "{}",
            answer.json
        );
        assert!(answer.str("timestamp").ends_with('Z'));
        assert_eq!(answer.str("version"), env!("CARGO_PKG_VERSION"));
    }
}

#[tokio::test]
async fn health_is_503_while_the_instance_drains() {
    let app = TestApp::new().await;
    app.state.drain();
    let answer = app.anonymous().get("ROOT/health").await.expect(503);
    assert_eq!(answer.str("status"), "unhealthy");
}

#[tokio::test]
async fn everybody_the_harness_knows_can_talk() {
    let app = TestApp::new().await;
    assert_eq!(app.system_admin().await.get("/me").await.expect(200)["tenant_id"], "org_default");
    let alice = app.user("alice").await;
    assert_eq!(alice.get("/me").await.expect(200)["id"], alice.id());
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    assert_eq!(tenant.id, "org_company_a");
    assert_eq!(tenant.admin().get("/me").await.expect(200)["tenant_id"], "org_company_a");
    assert_eq!(tenant.user("alice").await.get("/me").await.expect(200)["tenant_id"], "org_company_a");
}

#[tokio::test]
async fn an_instance_that_stops_lives_on_but_is_not_ready() {
    let app = TestApp::new().await;
    let (live, ready, serving) = ("ROOT/health/live", "ROOT/health/ready", "ROOT/health/serving");
    for path in [live, ready, serving, "/health/live", "/health/ready", "/health/serving"] {
        assert_eq!(app.on_host("nobody.example").get(path).await.expect(200)["status"], "ok");
    }
    app.state.drain();
    app.anonymous().get(live).await.is(200);
    for path in [ready, serving] {
        assert_eq!(app.anonymous().get(path).await.expect(503).str("status"), "stopping");
    }
}

#[tokio::test]
async fn an_instance_without_its_database_lives_and_serves_on_but_is_not_ready() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.state.registry.system().ports().storage.close().await;
    app.anonymous().get("ROOT/health/live").await.is(200);
    app.anonymous().get("ROOT/health/serving").await.is(200);
    assert_eq!(app.anonymous().get("ROOT/health/ready").await.expect(503).str("status"), "unavailable");
    let health = app.anonymous().get("ROOT/health").await.expect(503);
    assert_eq!((health.str("status"), health.str("database")), ("unhealthy", "unavailable"));
}
