//! Sending another code to an identifier, and resetting what only its owner knows (contract 5.3).

use crate::app::{Answer, Authenticator, PASSWORD, Requests, TestApp, User};
use serde_json::json;

fn identifier(user: &User, id: &str) -> String {
    format!("/users/{}/identifiers/{id}/resend", user.id())
}

fn credential(user: &User, id: &str) -> String {
    format!("/users/{}/credentials/{id}/reset", user.id())
}

async fn id_of(user: &User, path: &str, is_it: impl Fn(&serde_json::Value) -> bool) -> String {
    let list = user.get(path).await.expect(200);
    let found = list.items().iter().find(|item| is_it(item)).expect("it is there")["id"].clone();
    found.as_str().expect("a text").to_owned()
}

async fn second_address(user: &User) -> String {
    user.post("/identifiers", json!({"identifier": "second@example.com"}))
        .await
        .expect(201)
        .str("id")
        .to_owned()
}

#[tokio::test]
async fn another_code_goes_to_an_identifier_that_is_not_proven() {
    let app = TestApp::new().await;
    let user = app.user("alice").await;
    let id = second_address(&user).await;
    let sent = user.post(&identifier(&user, &id), ()).await.expect(200);
    assert_eq!((&sent["length"], &sent["resend_after"]), (&json!(6), &json!(60)));
    let letter = app.last_letter().await;
    assert_eq!((letter.template.as_str(), letter.to.as_str()), ("verification", "second@example.com"));
    user.post(&identifier(&user, &id), ()).await.problem(429, "RATE_LIMITED");
    let body = json!({"identifier": "second@example.com", "code": letter.code()});
    user.post("/auth/activate", body).await.expect(200);
    app.wait(61);
    user.post(&identifier(&user, &id), ()).await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_code_is_not_sent_again_for_others_or_to_what_is_not_reached() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let (alice, bob) = (tenant.user("alice").await, tenant.user("bob").await);
    let id = second_address(&alice).await;
    bob.post(&identifier(&alice, &id), ()).await.problem(403, "PERMISSION_DENIED");
    alice.post(&identifier(&alice, "identifier_nobodys"), ()).await.problem(404, "NOT_FOUND");
    let opened = tenant.admin().post(&format!("/users/{}/impersonate", alice.id()), ()).await.expect(200);
    let acting = tenant.anonymous().with_token(opened.str("access_token"));
    acting.post(&identifier(&alice, &id), ()).await.problem(403, "PERMISSION_DENIED");
    let path = format!("/users/{}/identifiers", alice.id());
    let name =
        tenant.admin().post(&path, json!({"identifier": "alice_2", "type": "username"})).await.expect(201);
    tenant.admin().post(&identifier(&alice, name.str("id")), ()).await.problem(400, "VALIDATION_ERROR");
    tenant.admin().post(&identifier(&alice, &id), ()).await.expect(200);
}

async fn status_of(app: &TestApp) -> Answer {
    app.anonymous().login("alice@example.com", PASSWORD).await.expect(200)
}

#[tokio::test]
async fn an_authenticator_gets_another_secret_and_the_old_one_is_worth_nothing() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let elsewhere = alice.again().await;
    let old = Authenticator::of(&app, &alice).await;
    assert_eq!(status_of(&app).await["status"], "mfa_required");
    let id = id_of(&alice, "/credentials", |c| c["method"] == "totp").await;
    let begun = alice.post(&credential(&alice, &id), ()).await.expect(200);
    assert_eq!((begun.str("id"), &begun["is_active"]), (id.as_str(), &json!(false)));
    assert!(begun.str("otpauth_url").contains(begun.str("secret")));
    // The session that did it goes on; the others end.
    alice.get("/me").await.is(200);
    elsewhere.get("/me").await.is(401);
    let confirm = format!("/users/{}/credentials/{id}/confirm", alice.id());
    alice.post(&confirm, json!({"code": old.code()})).await.problem(400, "VALIDATION_ERROR");
    let new = Authenticator::read(&app, &begun);
    alice.post(&confirm, json!({"code": new.code()})).await.expect(200);
    assert_eq!(status_of(&app).await["status"], "mfa_required");
}

#[tokio::test]
async fn backup_codes_are_made_anew_and_a_password_is_not_reset() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let made = alice.post("/credentials", json!({"method": "backup_codes"})).await.expect(201);
    let again = alice.post(&credential(&alice, made.str("id")), ()).await.expect(200);
    assert_eq!(again["codes"].as_array().map(Vec::len), Some(10));
    assert!(again["codes"][0] != made["codes"][0]);
    let password = id_of(&alice, "/credentials", |c| c["method"] == "password").await;
    alice.post(&credential(&alice, &password), ()).await.problem(400, "METHOD_NOT_AVAILABLE");
    alice.post(&credential(&alice, "credential_nobodys"), ()).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn nobody_else_resets_a_credential_and_nobody_does_long_after_signing_in() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let alice = tenant.user("alice").await;
    let made = alice.post("/credentials", json!({"method": "backup_codes"})).await.expect(201);
    let path = credential(&alice, made.str("id"));
    tenant.admin().post(&path, ()).await.problem(403, "PERMISSION_DENIED");
    let opened = tenant.admin().post(&format!("/users/{}/impersonate", alice.id()), ()).await.expect(200);
    let acting = tenant.anonymous().with_token(opened.str("access_token"));
    acting.post(&path, ()).await.problem(403, "PERMISSION_DENIED");
    app.wait(601);
    assert_eq!(alice.post(&path, ()).await.status, 403);
}
