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
