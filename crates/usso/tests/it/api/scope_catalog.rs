//! `/scope-catalog`.

use crate::app::{Answer, Requests, TestApp, User};
use serde_json::{Value, json};

async fn company(app: &TestApp) -> (User, User) {
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let (admin, alice) = (tenant.admin(), tenant.user("alice").await);
    (admin, alice)
}

async fn put(who: &impl Requests, service: &str, scopes: Value) -> Answer {
    who.send("PUT", &format!("/scope-catalog/{service}"), json!({"scopes": scopes})).await
}

fn media() -> Value {
    json!([{"scope": "read:media/files", "label": "Files", "label_fa": "پرونده‌ها", "description": "See files"},
        {"scope": "update:media/files"}])
}

#[tokio::test]
async fn a_service_registers_its_scopes_and_everybody_here_reads_them() {
    let app = TestApp::new().await;
    let (admin, alice) = company(&app).await;
    let made = put(&admin, "media", media()).await.expect(200);
    assert_eq!((made.str("id"), made.str("service"), &made["scopes"]), ("media", "media", &media()));
    assert_eq!(alice.get("/scope-catalog/media").await.expect(200).json, made.json);
    let all = alice.get("/scope-catalog").await.expect(200);
    assert_eq!((all.items().len(), &all.items()[0]), (1, &made.json));
    alice.get("/scope-catalog/other").await.problem(404, "NOT_FOUND");
    alice.signed_out().get("/scope-catalog").await.problem(401, "NOT_AUTHENTICATED");
}

#[tokio::test]
async fn putting_replaces_that_services_scopes_and_no_others() {
    let app = TestApp::new().await;
    let (admin, _) = company(&app).await;
    put(&admin, "media", media()).await.expect(200);
    put(&admin, "mail", json!([{"scope": "read:mail"}])).await.expect(200);
    let fewer = put(&admin, "media", json!([{"scope": "read:media"}])).await.expect(200);
    assert_eq!(fewer["scopes"], json!([{"scope": "read:media"}]));
    let mail = admin.get("/scope-catalog/mail").await.expect(200);
    assert_eq!(mail["scopes"], json!([{"scope": "read:mail"}]));
    // Every start of an application sends the same: that is no change.
    let same = put(&admin, "media", json!([{"scope": "read:media"}])).await.expect(200);
    assert_eq!(same.header("etag"), fewer.header("etag"));
    let events = app.audit("org_company_a").await;
    assert_eq!(events.iter().filter(|e| e.event == "scope_catalog.replaced").count(), 3);
}

#[tokio::test]
async fn registering_needs_the_permission_by_whatever_credential() {
    let app = TestApp::new().await;
    let (admin, alice) = company(&app).await;
    put(&alice, "media", media()).await.problem(403, "PERMISSION_DENIED");
    app.change_user(&alice, |u| u.scopes = vec!["manage:scope-catalog?service=media".into()]).await;
    let alice = alice.again().await;
    put(&alice, "media", media()).await.expect(200);
    put(&alice, "mail", media()).await.problem(403, "PERMISSION_DENIED");
    let body = json!({"name": "Media", "scopes": ["manage:scope-catalog"]});
    let agent = admin.post("/agents", body).await.expect(201);
    let key = admin.post("/apikeys", json!({"agent_id": agent["id"]})).await.expect(201);
    let by_key = alice.signed_out().with_header("x-api-key", key.str("api_key"));
    put(&by_key, "mail", media()).await.expect(200);
}

#[tokio::test]
async fn what_is_no_scope_or_no_service_is_refused() {
    let app = TestApp::new().await;
    let (admin, _) = company(&app).await;
    for scopes in [
        json!([{"scope": "read:[a]"}]),
        json!([{"scope": ""}, {"scope": ""}]),
        json!([{"scope": "read:a"}, {"scope": "read:a"}]),
        json!([{"scope": "read:a", "label": "x".repeat(501)}]),
        json!((0..501).map(|n| json!({"scope": format!("read:s{n}")})).collect::<Vec<_>>()),
    ] {
        put(&admin, "media", scopes).await.problem(400, "VALIDATION_ERROR");
    }
    for service in ["a%20b", "a%2Fb", &"x".repeat(65)] {
        put(&admin, service, json!([])).await.problem(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_catalog_that_was_changed_meanwhile_is_not_replaced() {
    let app = TestApp::new().await;
    let (admin, _) = company(&app).await;
    let first = put(&admin, "media", media()).await.expect(200);
    let old = admin.clone().with_header("if-match", first.header("etag").unwrap());
    put(&old, "media", json!([{"scope": "read:media"}])).await.expect(200);
    put(&old, "media", json!([])).await.problem(412, "PRECONDITION_FAILED");
}
