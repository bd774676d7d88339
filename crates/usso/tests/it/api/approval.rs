//! Registering where somebody has to approve it: the identifier's owner, or an administrator (ruling D28).

use crate::app::{Answer, PASSWORD, Requests, TestApp};
use serde_json::{Value, json};

const ALICE: &str = "alice@example.com";

async fn app() -> TestApp {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"registration": {"approval_mode": "identifier"}})).await;
    app
}

async fn register(app: &TestApp, identifier: &str) -> Answer {
    app.anonymous().post("/auth/register", json!({"identifier": identifier, "secret": PASSWORD})).await
}

fn shape(answer: &Answer) -> (u16, Value, Value, Vec<String>) {
    let keys = answer.json.as_object().unwrap().keys().cloned().collect();
    (answer.status, answer.json["status"].clone(), answer.json["next_step"].clone(), keys)
}

#[tokio::test]
async fn an_account_becomes_active_with_its_code_and_keeps_its_password() {
    let app = app().await;
    let asked = register(&app, ALICE).await;
    assert_eq!(asked.json["status"], "verification_required");
    assert_eq!(asked.json["next_step"]["methods"], json!(["email/otp"]));
    app.anonymous().login(ALICE, PASSWORD).await.problem(403, "ACCOUNT_INACTIVE");
    let code = app.last_letter().await.code();
    let who = app.anonymous().with_token(asked.json["tokens"]["temporary"].as_str().unwrap());
    let body = json!({"identifier": ALICE, "method": "otp", "secret": code});
    let done = who.post("/auth/login", body).await.expect(200);
    assert_eq!(done.json["user"]["credential_methods"], json!(["password"]));
    app.anonymous().login(ALICE, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn without_the_transaction_the_password_is_not_taken_over() {
    let app = app().await;
    // Somebody registers an address that isn't theirs; its owner comes by code alone.
    register(&app, ALICE).await;
    let code = app.last_letter().await.code();
    let body = json!({"identifier": ALICE, "method": "otp", "secret": code});
    let done = app.anonymous().post("/auth/login", body).await.expect(200);
    assert_eq!(done.json["user"]["credential_methods"], json!([]));
    app.anonymous().login(ALICE, PASSWORD).await.problem(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn d28_registering_tells_nothing_about_accounts() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.configure("org_default", json!({"registration": {"approval_mode": "identifier"}})).await;
    let known = register(&app, ALICE).await;
    let unknown = register(&app, "bob@example.com").await;
    assert_eq!(shape(&known), shape(&unknown));
    let letters = app.outbox().await;
    let told: Vec<_> = letters.iter().map(|l| (l.template.as_str(), l.to.as_str())).collect();
    assert_eq!(told, [("account_exists", ALICE), ("email_otp", "bob@example.com")]);
    // The token that came with it goes nowhere.
    let who = app.anonymous().with_token(known.json["tokens"]["temporary"].as_str().unwrap());
    who.get("/me").await.problem(401, "TOKEN_TYPE_INVALID");
    app.wait(61);
    let weak = |identifier| json!({"identifier": identifier, "secret": "weak"});
    for identifier in [ALICE, "carol@example.com"] {
        let refused = app.anonymous().post("/auth/register", weak(identifier)).await;
        refused.problem(400, "WEAK_PASSWORD");
    }
}

#[tokio::test]
async fn manual_review_waits_for_an_administrator() {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"registration": {"approval_mode": "manual_review"}})).await;
    register(&app, ALICE).await.problem(403, "ACCOUNT_INACTIVE");
    app.anonymous().login(ALICE, PASSWORD).await.problem(403, "ACCOUNT_INACTIVE");
    let admin = app.system_admin().await;
    let found = admin.get(&format!("/users?search={ALICE}")).await.expect(200);
    let id = found.items()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(found.items()[0]["activation_status"], "pending");
    admin.patch(&format!("/users/{id}"), json!({"activation_status": "active"})).await.expect(200);
    app.anonymous().login(ALICE, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn invite_only_lets_in_who_was_brought() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let code = alice.post("/referrals", json!({})).await.expect(201).str("code").to_owned();
    app.configure("org_default", json!({"registration": {"invite_only": true}})).await;
    register(&app, "bob@example.com").await.problem(403, "REGISTRATION_DISABLED");
    let body = json!({"identifier": "bob@example.com", "secret": PASSWORD, "referral_code": code});
    app.anonymous().post("/auth/register", body).await.expect(201);
    let asked = json!({"identifier": "carol@example.com"});
    app.anonymous().post("/auth/request-otp", asked).await.expect(200);
    assert!(app.outbox().await.is_empty(), "nobody becomes somebody by a code either");
}
