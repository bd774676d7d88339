//! `/agents/registration-keys` and `/agents/register`.

use crate::app::{Answer, Requests, TenantHandle, TestApp, User};
use protocol::jose::pem::Ed25519Public;
use protocol::jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

/// A tenant, and somebody of it who holds these scopes.
async fn holder(app: &TestApp, scopes: &[&str]) -> (TenantHandle, User) {
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let user = tenant.user("alice").await;
    app.change_user(&user, |u| u.scopes = scopes.iter().map(|s| (*s).to_owned()).collect()).await;
    (tenant, user.again().await)
}

fn body(key: &str, scopes: Value) -> Value {
    let pem = Ed25519Public::of(&SigningKey::generate(Algorithm::EdDsa).unwrap()).unwrap().to_pem();
    json!({"registration_key": key, "name": "Media", "scopes": scopes, "alg": "ED25519", "verify_key": pem})
}

async fn key(user: &User, body: Value) -> String {
    user.post("/agents/registration-keys", body).await.expect(201).str("registration_key").to_owned()
}

async fn register(tenant: &TenantHandle, key: &str, scopes: Value) -> Answer {
    tenant.anonymous().post("/agents/register", body(key, scopes)).await
}

#[tokio::test]
async fn a_service_registers_itself_with_a_key_a_user_handed_it() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["create:agents", "read:files"]).await;
    let made = alice.post("/agents/registration-keys", json!({"scopes": ["read:files"]})).await.expect(201);
    assert_eq!(
        (&made["scopes"], made.str("expires_at")),
        (&json!(["read:files"]), "2027-01-16T08:00:00.000000Z")
    );
    let agent = register(&tenant, made.str("registration_key"), json!(["read:files"])).await.expect(201);
    assert!(agent.str("id").starts_with("service:") && agent["private_key"].is_null());
    assert_eq!((agent.str("user_id"), &agent["scopes"]), (alice.id(), &json!(["read:files"])));
    let events = app.audit(&tenant.id).await;
    assert!(!format!("{events:?}").contains(made.str("registration_key")));
    assert!(events.iter().any(|e| e.event == "agent.registration_key_created" && e.actor == alice.id()));
}

#[tokio::test]
async fn a_registration_key_is_used_once() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["create:agents"]).await;
    let key = key(&alice, json!({})).await;
    let answers = futures_util::future::join_all((0..6).map(|_| register(&tenant, &key, json!([])))).await;
    assert_eq!(answers.iter().filter(|a| a.status == 201).count(), 1);
    for refused in answers.iter().filter(|a| a.status != 201) {
        refused.problem(410, "GONE");
    }
    register(&tenant, &key, json!([])).await.problem(410, "GONE");
}

#[tokio::test]
async fn a_registration_key_expires_after_a_day_or_when_asked() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["create:agents"]).await;
    let (day, hour) = (key(&alice, json!({})).await, key(&alice, json!({"expires_in": 3_600})).await);
    app.wait(3_600);
    register(&tenant, &hour, json!([])).await.problem(410, "GONE");
    app.wait(86_400 - 3_600);
    register(&tenant, &day, json!([])).await.problem(410, "GONE");
    let alice = alice.again().await;
    for seconds in [0, 59, 2_592_001] {
        let body = json!({"expires_in": seconds});
        alice.post("/agents/registration-keys", body).await.problem(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_registration_key_is_worth_nothing_in_another_tenant() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["create:agents"]).await;
    let b = app.tenant("Company B", &["company-b.com"]).await;
    let key = key(&alice, json!({})).await;
    register(&b, &key, json!([])).await.problem(410, "GONE");
    register(&tenant, "usso_rk_nobodys", json!([])).await.problem(410, "GONE");
    register(&tenant, &key, json!([])).await.expect(201);
}

#[tokio::test]
async fn nobody_makes_a_registration_key_without_the_permission_or_for_more_than_they_hold() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["create:agents", "read:files"]).await;
    let wide = json!({"scopes": ["update:files"]});
    alice.post("/agents/registration-keys", wide).await.problem(403, "SCOPE_NOT_DELEGABLE");
    let bob = tenant.user("bob").await;
    bob.post("/agents/registration-keys", json!({})).await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn a_service_gets_no_more_than_the_key_and_its_maker_may_now() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["create:agents", "update:files", "read:mail"]).await;
    let narrow = key(&alice, json!({"scopes": ["read:files"]})).await;
    let agent = register(&tenant, &narrow, json!(["update:files", "read:mail"])).await.expect(201);
    assert_eq!(agent["scopes"], json!(["read:files"]));
    let all = key(&alice, json!({})).await;
    app.change_user(&alice, |u| u.scopes = vec!["read:files".into()]).await;
    let agent = register(&tenant, &all, json!(["update:files", "read:mail", "*:*"])).await.expect(201);
    assert_eq!(agent["scopes"], json!(["read:files"]));
}

#[tokio::test]
async fn the_key_of_somebody_who_may_not_sign_in_registers_nothing() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["create:agents"]).await;
    let key = key(&alice, json!({})).await;
    app.change_user(&alice, |u| u.is_active = false).await;
    register(&tenant, &key, json!([])).await.problem(410, "GONE");
}

#[tokio::test]
async fn a_request_that_is_refused_for_what_it_says_does_not_use_the_key_up() {
    let app = TestApp::new().await;
    let (tenant, alice) = holder(&app, &["create:agents"]).await;
    let key = key(&alice, json!({})).await;
    let taken = alice.post("/agents", json!({"name": "x"})).await.expect(201);
    for (name, value, status, code) in [
        ("verify_key", json!("nonsense"), 400, "VALIDATION_ERROR"),
        ("alg", json!("RS256"), 400, "VALIDATION_ERROR"),
        ("name", json!(" "), 400, "VALIDATION_ERROR"),
        ("verify_key", taken["verify_key"].clone(), 409, "CONFLICT"),
    ] {
        let mut body = body(&key, json!([]));
        body[name] = value;
        tenant.anonymous().post("/agents/register", body).await.problem(status, code);
    }
    register(&tenant, &key, json!([])).await.expect(201);
}
