//! `/admin/tenants/{id}/<path>`: the system administrator in other tenants (ruling D22).

use crate::app::{PASSWORD, Requests, TestApp};
use crate::keys::{Forge, claims_of};
use serde_json::json;

#[tokio::test]
async fn the_system_administrator_acts_in_a_tenant_as_its_administrator() {
    let app = TestApp::new().await;
    let a = app.tenant("Company A", &["company-a.com"]).await;
    let alice = a.user("alice").await;
    let system = app.system_admin().await;
    for root in ["ROOT/admin", "/admin"] {
        let sessions = system.get(&format!("{root}/tenants/{}/sessions", a.id)).await.expect(200);
        assert!(sessions.items().iter().all(|s| s["tenant_id"] == json!(a.id)), "{}", sessions.text());
        assert!(sessions.items().iter().any(|s| s["id"] == json!(alice.session_id())));
    }
    let end = format!("/admin/tenants/{}/sessions/{}", a.id, alice.session_id());
    system.delete(&end).await.expect(200);
    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
    system.get("/me").await.expect(200);
    let brand = json!({"branding": {"company_name": "A"}});
    let changed = system.patch(&format!("/admin/tenants/{0}/tenants/{0}", a.id), brand).await.expect(200);
    assert_eq!(changed["branding"]["company_name"], "A");
    let listed = system.get(&format!("/admin/tenants/{}/tenants", a.id)).await.expect(200);
    assert_eq!((listed.items().len(), &listed.items()[0]["id"]), (1, &json!(a.id)));
}

#[tokio::test]
async fn operations_that_look_at_no_credential_are_the_tenants_too() {
    let app = TestApp::new().await;
    let a = app.tenant("Company A", &["company-a.com"]).await;
    let system = app.system_admin().await;
    let door = |path: &str| format!("/admin/tenants/{}{path}", a.id);
    let keys = system.get(&door("/.well-known/jwks.json")).await.expect(200);
    assert_eq!(keys["keys"], a.anonymous().get("ROOT/.well-known/jwks.json").await.expect(200)["keys"]);
    assert_eq!(system.get(&door("/tenants/config")).await.expect(200)["tenant_id"], json!(a.id));
    let made = json!({"identifier": "new@company-a.com", "secret": PASSWORD});
    let made = system.post(&door("/auth/register"), made).await.expect(201);
    assert_eq!(made["tenant_id"], json!(a.id));
    // Its cookies stay where they belong: the administrator's own are not replaced.
    assert!(made.cookies().iter().all(|c| c.attribute("path") == Some(&format!("/t/{}", a.id))));
}

#[tokio::test]
async fn every_call_is_an_event_of_the_tenant() {
    let app = TestApp::new().await;
    let a = app.tenant("Company A", &["company-a.com"]).await;
    let system = app.system_admin().await;
    let read = system.get(&format!("/admin/tenants/{}/sessions?user_id=x", a.id)).await.expect(200);
    system.get(&format!("/admin/tenants/{}/sessions/session:none", a.id)).await.problem(404, "NOT_FOUND");
    system.get(&format!("/admin/tenants/{}/nothing", a.id)).await.problem(404, "NOT_FOUND");
    let mut calls = app.audit(&a.id).await;
    calls.retain(|event| event.event == "admin.call");
    let seen: Vec<_> =
        calls.iter().map(|e| (e.result.as_str(), e.data["path"].clone(), e.data["status"].clone())).collect();
    let wanted = [
        ("success", json!("/api/sso/v1/sessions"), json!(200)),
        ("failure", json!("/api/sso/v1/sessions/session:none"), json!(404)),
        ("failure", json!("/api/sso/v1/nothing"), json!(404)),
    ];
    assert_eq!(seen, wanted);
    let first = calls.first().expect("an event");
    assert_eq!((first.actor.as_str(), first.target.as_str()), (system.id(), a.id.as_str()));
    assert_eq!(Some(first.request_id.as_str()), read.header("x-request-id"));
    assert_eq!(first.data["method"], "GET");
    assert!(app.audit("org_default").await.iter().all(|event| event.event != "admin.call"));
}

#[tokio::test]
async fn anybody_else_is_told_nothing_of_whether_the_tenant_exists() {
    let app = TestApp::new().await;
    let a = app.tenant("Company A", &["company-a.com"]).await;
    let path = |id: &str| format!("/admin/tenants/{id}/sessions");
    let mut claims = claims_of(a.admin().access());
    claims["scopes"] = json!(["superadmin:*"]);
    let forged = a.anonymous().with_token(&Forge::of(&app, &a.id).await.sign(&claims));
    for id in [a.id.as_str(), "org_nobody", "not-an-id", "org_default"] {
        app.anonymous().get(&path(id)).await.problem(401, "NOT_AUTHENTICATED");
        app.user("bob").await.get(&path(id)).await.problem(403, "PERMISSION_DENIED");
        a.admin().get(&path(id)).await.problem(403, "PERMISSION_DENIED");
        forged.get(&path(id)).await.problem(403, "PERMISSION_DENIED");
        a.admin().on_host("localhost:8000").get(&path(id)).await.problem(401, "TOKEN_INVALID");
    }
    let calls = app.audit(&a.id).await;
    assert!(calls.iter().all(|event| event.event != "admin.call"));
}

#[tokio::test]
async fn an_unknown_or_suspended_tenant_cant_be_entered() {
    let app = TestApp::new().await;
    let a = app.tenant("Company A", &[]).await;
    let system = app.system_admin().await;
    for id in ["org_nobody", "nobody", "org_%21", "%FF"] {
        system.get(&format!("/admin/tenants/{id}/sessions")).await.problem(404, "NOT_FOUND");
    }
    system.patch(&format!("/tenants/{}", a.id), json!({"is_active": false})).await.expect(200);
    let login = json!({"identifier": "admin@example.com", "secret": PASSWORD});
    let door = format!("/admin/tenants/{}/auth/login", a.id);
    system.post(&door, login).await.problem(403, "TENANT_INACTIVE");
}

#[tokio::test]
async fn a_door_opens_no_second_door_and_the_path_alone_is_none() {
    let app = TestApp::new().await;
    let a = app.tenant("Company A", &[]).await;
    let system = app.system_admin().await;
    let twice = format!("/admin/tenants/org_default/admin/tenants/{}/sessions", a.id);
    system.get(&twice).await.problem(404, "NOT_FOUND");
    system.get(&format!("/admin/tenants/{}", a.id)).await.problem(404, "NOT_FOUND");
    // The tenant the request is addressed to says whose credential counts.
    let elsewhere = format!("ROOT/t/{}/admin/tenants/org_default/sessions", a.id);
    system.get(&elsewhere).await.problem(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn the_administrator_owns_nothing_in_the_tenant() {
    let app = TestApp::new().await;
    let a = app.tenant("Company A", &[]).await;
    let system = app.system_admin().await;
    system.get(&format!("/admin/tenants/{}/me", a.id)).await.problem(404, "NOT_FOUND");
    system.post(&format!("/admin/tenants/{}/apikeys", a.id), json!({})).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_cookie_needs_the_origin_of_the_tenant_it_is_for() {
    let app = TestApp::new().await;
    let a = app.tenant("Company A", &["company-a.com"]).await;
    let alice = a.user("alice").await;
    let cookie = format!("usso-access-token={}", app.system_admin().await.access());
    let browser = app.anonymous().with_header("cookie", &cookie);
    let end = format!("/admin/tenants/{}/sessions/{}", a.id, alice.session_id());
    let evil = browser.clone().with_header("origin", "http://company-a.com:8000");
    evil.delete(&end).await.problem(403, "ORIGIN_NOT_ALLOWED");
    browser.with_header("origin", "http://localhost:8000").delete(&end).await.expect(200);
}
