//! What needs a session that was begun lately (checklist WA-14, SES-01).

use crate::app::{PASSWORD, Requests, TestApp, User};
use serde_json::{Value, json};

async fn created(user: &User, path: &str, body: Value) -> u16 {
    user.post(path, body).await.status
}

#[tokio::test]
async fn ses_01_signing_in_again_opens_another_session_and_that_one_may() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    app.wait(601);
    let body = json!({"identifier": "other@example.com"});
    alice.post("/identifiers", body.clone()).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    // Refreshing is no signing in.
    let refreshed = app.anonymous().post("/auth/refresh", json!({"refresh_token": alice.refresh()})).await;
    let same = alice.clone().with_token(refreshed.expect(200).str("access_token"));
    same.post("/identifiers", body.clone()).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    let again = alice.again().await;
    assert_ne!(again.session_id(), alice.session_id());
    again.post("/identifiers", body).await.expect(201);
}

#[tokio::test]
async fn ways_in_are_changed_in_a_recent_session_only() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let added = alice.post("/identifiers", json!({"identifier": "b@example.com"})).await.expect(201);
    app.wait(601);
    let path = format!("/identifiers/{}", added.str("id"));
    alice.delete(&path).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    let path = format!("/users/{}/identifiers/{}", alice.id(), added.str("id"));
    alice.patch(&path, json!({"is_primary": true})).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    let body = json!({"method": "password", "secret": "another-Good-secret-9!"});
    alice.post("/credentials", body.clone()).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    alice.post("/credentials", json!({"method": "totp"})).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    alice.get("/credentials/webauthn").await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    // Whoever knows the old password needs no more.
    let body = json!({"old_password": PASSWORD, "new_password": "another-Good-secret-9!"});
    alice.post("/auth/password", body).await.expect(204);
}

#[tokio::test]
async fn how_recent_is_the_tenants_to_say() {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"token": {"secure_session_timeout": 60}})).await;
    let alice = app.user("alice").await;
    app.wait(60);
    let body = |name: &str| json!({"identifier": format!("{name}@example.com")});
    alice.post("/identifiers", body("b")).await.expect(201);
    app.wait(1);
    alice.post("/identifiers", body("c")).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
}

#[tokio::test]
async fn a_tenant_may_ask_for_a_recent_session_for_whatever_is_handed_on() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    app.configure("org_default", json!({"registration": {"allow_self_deactivate": true}})).await;
    app.wait(601);
    assert_eq!(created(&alice, "/apikeys", json!({"name": "k"})).await, 201);
    app.configure("org_default", json!({"auth": {"require_recent_authentication": true}})).await;
    alice.post("/apikeys", json!({"name": "k"})).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    alice.delete(&format!("/users/{}", alice.id())).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    let admin = app.system_admin().await;
    app.wait(601);
    let path = format!("/users/{}/impersonate", alice.id());
    admin.post(&path, ()).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    let again = alice.again().await;
    assert_eq!(created(&again, "/apikeys", json!({"name": "k"})).await, 201);
    again.delete(&format!("/users/{}", again.id())).await.expect(200);
}
