//! The end of users: deleting, restoring, erasing (checklist AUD-03).

use crate::app::{PASSWORD, Requests, TestApp, User};
use serde_json::json;
use usso::app::jobs;

const DAY: u64 = 86_400;

fn path(user: &User) -> String {
    format!("/users/{}", user.id())
}

#[tokio::test]
async fn a_deleted_user_can_be_restored_for_thirty_days() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let (admin, alice) = (tenant.admin(), tenant.user("alice").await);
    let key = alice.post("/apikeys", json!({})).await.expect(201);
    let by_key = tenant.anonymous().with_header("x-api-key", key.str("api_key"));
    by_key.get("/me").await.expect(200);
    let deleted = admin.delete(&path(&alice)).await.expect(200);
    assert_eq!((&deleted["is_deleted"], deleted.str("id")), (&json!(true), alice.id()));
    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
    by_key.get("/me").await.problem(401, "API_KEY_INVALID");
    let login = json!({"identifier": alice.identifier, "secret": PASSWORD});
    tenant.anonymous().post("/auth/login", login.clone()).await.problem(403, "ACCOUNT_INACTIVE");
    // The identifier stays reserved (ruling D23), and lists show the user to nobody who doesn't ask for the deleted.
    admin.post("/users", json!({"identifier": alice.identifier})).await.problem(409, "IDENTIFIER_EXISTS");
    assert!(!admin.get("/users?limit=100").await.expect(200).text().contains(alice.id()));
    assert_eq!(admin.get("/users?is_deleted=true").await.expect(200).items()[0]["id"], json!(alice.id()));
    admin.get(&path(&alice)).await.expect(200);
    for refused in [
        admin.patch(&path(&alice), json!({"name": "x"})).await,
        admin.delete(&path(&alice)).await,
        admin.get(&format!("{}/identifiers", path(&alice))).await,
        admin.post(&format!("{}/impersonate", path(&alice)), ()).await,
    ] {
        refused.problem(404, "NOT_FOUND");
    }

    app.wait(29 * DAY);
    let admin = admin.again().await;
    jobs::purge(&app.state).await.expect("the database");
    let restored = admin.post(&format!("{}/restore", path(&alice)), ()).await.expect(200);
    assert_eq!(restored["is_deleted"], json!(false));
    tenant.anonymous().post("/auth/login", login.clone()).await.expect(200);
    // What was ended stays ended, and the day of the erasure passes without one.
    by_key.get("/me").await.problem(401, "API_KEY_INVALID");
    admin.post(&format!("{}/restore", path(&alice)), ()).await.problem(404, "NOT_FOUND");
    app.wait(2 * DAY);
    jobs::purge(&app.state).await.expect("the database");
    tenant.anonymous().post("/auth/login", login).await.expect(200);
}

#[tokio::test]
async fn after_thirty_days_a_deleted_user_is_erased() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let (admin, alice) = (tenant.admin(), tenant.user("alice").await);
    admin.delete(&path(&alice)).await.expect(200);
    app.wait(30 * DAY);
    let admin = admin.again().await;
    jobs::purge(&app.state).await.expect("the database");
    admin.get(&path(&alice)).await.problem(404, "NOT_FOUND");
    assert!(admin.get("/users?is_deleted=true").await.expect(200).items().is_empty());
    admin.post("/users", json!({"identifier": alice.identifier})).await.expect(201);
    let events = app.audit(&tenant.id).await;
    assert!(events.iter().any(|e| e.event == "user.erased" && e.target == alice.id() && e.actor == "system"));
}

#[tokio::test]
async fn erasing_leaves_nothing_of_a_user() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let (admin, alice) = (tenant.admin(), tenant.user("alice").await);
    alice.post("/apikeys", json!({})).await.expect(201);
    alice.patch("/profiles/mine", json!({"locale": "fa"})).await.expect(200);
    assert_eq!(admin.post(&format!("{}/erase", path(&alice)), ()).await.status, 204);
    admin.post(&format!("{}/erase", path(&alice)), ()).await.problem(404, "NOT_FOUND");
    for of in ["/users/", "/profiles/"] {
        admin.get(&format!("{of}{}", alice.id())).await.problem(404, "NOT_FOUND");
    }
    for of in ["sessions", "apikeys"] {
        let left = admin.get(&format!("/{of}?user_id={}", alice.id())).await.expect(200);
        assert!(left.items().is_empty(), "{of}: {}", left.text());
    }
    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
    let login = json!({"identifier": alice.identifier, "secret": PASSWORD});
    tenant.anonymous().post("/auth/login", login).await.problem(401, "INVALID_CREDENTIALS");
    admin.post("/users", json!({"identifier": alice.identifier})).await.expect(201);

    // Within a minute the audit log knows no more of them than an id that names nobody, and its chain is whole.
    let of_alice = |e: &usso::tenant::audit::AuditEvent| e.actor == alice.id() || e.target == alice.id();
    jobs::drain(&app.state).await.expect("the database");
    assert!(app.audit(&tenant.id).await.iter().filter(|e| of_alice(e)).any(|e| !e.ip.is_empty()));
    jobs::purge(&app.state).await.expect("the database");
    let left: Vec<_> = app.audit(&tenant.id).await.into_iter().filter(|e| of_alice(e)).collect();
    assert!(!left.is_empty());
    for event in &left {
        assert!(event.ip.is_empty() && event.user_agent.is_none() && event.data.is_empty(), "{event:?}");
    }
}

#[tokio::test]
async fn removing_users_needs_the_permission() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let (alice, bob) = (tenant.user("alice").await, tenant.user("bob").await);
    app.change_user(&alice, |u| u.scopes = vec!["update:users".to_owned()]).await;
    let alice = alice.again().await;
    alice.delete(&path(&bob)).await.problem(403, "PERMISSION_DENIED");
    for what in ["restore", "erase"] {
        alice.post(&format!("{}/{what}", path(&bob)), ()).await.problem(403, "PERMISSION_DENIED");
        bob.post(&format!("{}/{what}", path(&bob)), ()).await.problem(403, "PERMISSION_DENIED");
    }
    bob.get("/me").await.expect(200);
}

#[tokio::test]
async fn users_may_leave_where_the_tenant_lets_them() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let alice = tenant.user("alice").await;
    alice.delete(&path(&alice)).await.problem(403, "PERMISSION_DENIED");
    app.configure(&tenant.id, json!({"registration": {"allow_self_deactivate": true}})).await;
    let key = alice.post("/apikeys", json!({})).await.expect(201);
    let by_key = tenant.anonymous().with_header("x-api-key", key.str("api_key"));
    by_key.delete(&path(&alice)).await.problem(403, "PERMISSION_DENIED");
    alice.delete(&path(&alice)).await.expect(200);
    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn a_user_moves_with_their_password_and_leaves_their_rights_behind() {
    let app = TestApp::new().await;
    let (a, b) =
        (app.tenant("Company A", &["company-a.com"]).await, app.tenant("Company B", &["b.com"]).await);
    let alice = a.user("alice").await;
    app.change_user(&alice, |u| {
        u.roles = vec!["admin".to_owned()];
        u.scopes = vec!["read:x".to_owned()];
        u.workspace_ids = vec!["ws_a".to_owned()];
    })
    .await;
    let alice = alice.again().await;
    let key = alice.post("/apikeys", json!({})).await.expect(201);
    alice.patch("/profiles/mine", json!({"locale": "fa"})).await.expect(200);
    let there = format!("/admin/tenants/{}{}/move", a.id, path(&alice));
    let to_b = json!({"tenant_id": b.id});
    a.admin().post(&format!("{}/move", path(&alice)), to_b.clone()).await.problem(403, "PERMISSION_DENIED");
    let system = app.system_admin().await;
    let moved = system.post(&there, to_b.clone()).await.expect(200);
    assert_eq!((moved.str("id"), moved.str("tenant_id")), (alice.id(), b.id.as_str()));
    assert_eq!(
        (&moved["roles"], &moved["scopes"], &moved["workspace_ids"]),
        (&json!([]), &json!([]), &json!([]))
    );

    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
    a.anonymous()
        .with_header("x-api-key", key.str("api_key"))
        .get("/me")
        .await
        .problem(401, "API_KEY_INVALID");
    let login = json!({"identifier": alice.identifier, "secret": PASSWORD});
    a.anonymous().post("/auth/login", login.clone()).await.problem(401, "INVALID_CREDENTIALS");
    b.anonymous().post("/auth/login", login).await.expect(200);
    b.admin().get(&format!("/profiles/{}", alice.id())).await.expect(200);
    a.admin().get(&path(&alice)).await.problem(404, "NOT_FOUND");
    // Asked again it is gone from there.
    system.post(&there, to_b).await.problem(404, "NOT_FOUND");
    for (tenant, event) in [(&a.id, "user.moved_out"), (&b.id, "user.moved_in")] {
        assert!(
            app.audit(tenant).await.iter().any(|e| e.event == event && e.target == alice.id()),
            "{event}"
        );
    }
}

#[tokio::test]
async fn a_user_stays_when_the_other_tenant_has_their_identifier() {
    let app = TestApp::new().await;
    let (a, b) =
        (app.tenant("Company A", &["company-a.com"]).await, app.tenant("Company B", &["b.com"]).await);
    let alice = a.user("alice").await;
    b.admin().post("/users", json!({"identifier": alice.identifier})).await.expect(201);
    let system = app.system_admin().await;
    let there = format!("/admin/tenants/{}{}/move", a.id, path(&alice));
    system.post(&there, json!({"tenant_id": b.id})).await.problem(409, "IDENTIFIER_EXISTS");
    let login = json!({"identifier": alice.identifier, "secret": PASSWORD});
    a.anonymous().post("/auth/login", login).await.expect(200);
    system.post(&there, json!({"tenant_id": a.id})).await.problem(400, "VALIDATION_ERROR");
    system.post(&there, json!({"tenant_id": "org_nobody"})).await.problem(400, "TENANT_NOT_FOUND");
    let own = format!("/users/{}/move", system.id());
    system.post(&own, json!({"tenant_id": b.id})).await.problem(409, "CONFLICT");
}

#[tokio::test]
async fn the_system_administrator_lists_another_tenants_users() {
    let app = TestApp::new().await;
    let a = app.tenant("Company A", &["company-a.com"]).await;
    let alice = a.user("alice").await;
    let list = app.system_admin().await.get(&format!("/admin/tenants/{}/users", a.id)).await.expect(200);
    assert_eq!(list["users"], list["items"]);
    assert!(list.text().contains(alice.id()));
}
