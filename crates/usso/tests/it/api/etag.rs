//! Revisions: `ETag` and `If-Match` (ruling D35).

use crate::app::{Requests, TestApp};
use serde_json::json;

#[tokio::test]
async fn a_change_is_rejected_when_the_object_has_another_revision() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let path = format!("/sessions/{}", alice.session_id());
    let first = alice.get(&path).await.expect(200).header("etag").unwrap().to_owned();
    assert!(first.starts_with('"') && first.ends_with('"') && first.len() > 4, "a strong tag: {first}");
    let fits = alice.clone().with_header("if-match", &first);
    let second = fits
        .patch(&path, json!({"meta_data": {"n": 1}}))
        .await
        .expect(200)
        .header("etag")
        .unwrap()
        .to_owned();
    assert_ne!(first, second);
    fits.patch(&path, json!({"meta_data": {"n": 2}})).await.problem(412, "PRECONDITION_FAILED");
    fits.delete(&path).await.problem(412, "PRECONDITION_FAILED");
    assert_eq!(alice.get(&path).await["meta_data"], json!({"n": 1}));
    alice.clone().with_header("if-match", "*").patch(&path, json!({"meta_data": {"n": 3}})).await.is(200);
    for odd in ["", "nonsense", "W/\"x\"", "\"\""] {
        alice.clone().with_header("if-match", odd).delete(&path).await.problem(412, "PRECONDITION_FAILED");
    }
    alice.get("/me").await.is(200);
    let current = alice.get(&path).await.header("etag").unwrap().to_owned();
    alice.clone().with_header("if-match", &current).delete(&path).await.is(200);
}

#[tokio::test]
async fn a_tenant_has_a_revision_too() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let admin = tenant.admin();
    let path = "/tenants/org_company_a";
    let first = admin.get(path).await.expect(200).header("etag").unwrap().to_owned();
    let fits = admin.clone().with_header("if-match", &first);
    fits.patch(path, json!({"name": "A"})).await.expect(200);
    fits.patch(path, json!({"name": "B"})).await.problem(412, "PRECONDITION_FAILED");
    assert_eq!(admin.get(path).await["name"], "A");
}

#[tokio::test]
async fn creating_tells_the_revision() {
    let app = TestApp::new().await;
    let system = app.system_admin().await;
    let created = system.post("/tenants", json!({"name": "Company A"})).await.expect(201);
    let seen = system.get("/tenants/org_company_a").await.expect(200);
    assert_eq!(created.header("etag"), seen.header("etag"));
}

#[tokio::test]
async fn reading_does_not_change_the_revision_and_a_refresh_does() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let path = format!("/sessions/{}", alice.session_id());
    let tag = || async { alice.get(&path).await.header("etag").unwrap().to_owned() };
    let (first, second) = (tag().await, tag().await);
    assert_eq!(first, second);
    app.anonymous().post("/auth/refresh", json!({"refresh_token": alice.refresh()})).await.expect(200);
    assert_ne!(tag().await, second);
}
