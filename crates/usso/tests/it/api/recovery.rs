//! A new password for who can't sign in (checklist REC, PW-07).

use crate::app::{Answer, Authenticator, Letter, PASSWORD, Requests, TestApp};
use futures_util::future::join_all;
use serde_json::{Value, json};

const ALICE: &str = "alice@example.com";
const NEW: &str = "another-Horse-battery-9!";

async fn post(app: &TestApp, body: Value) -> Answer {
    app.anonymous().post("/auth/reset-password", body).await
}

async fn asked(app: &TestApp) -> Letter {
    post(app, json!({"identifier": ALICE})).await.expect(200);
    let letter = app.last_letter().await;
    assert_eq!((letter.template.as_str(), letter.to.as_str()), ("reset_password", ALICE));
    letter
}

#[tokio::test]
async fn rec_02_a_link_lets_its_owner_choose_a_new_password_and_ends_every_session() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let letter = asked(&app).await;
    assert!(letter.link().starts_with("http://localhost:8000/reset-password?token="));
    post(&app, json!({"token": letter.token(), "new_password": "weak"})).await.problem(400, "WEAK_PASSWORD");
    let done = post(&app, json!({"secure_token": letter.token(), "new_password": NEW})).await.expect(200);
    assert!(done.json.get("access_token").is_none() && done.cookies().is_empty(), "it opens no session");
    app.anonymous().login(ALICE, PASSWORD).await.problem(401, "INVALID_CREDENTIALS");
    app.anonymous().login(ALICE, NEW).await.expect(200);
    // REC-02: every session has ended.
    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
    app.anonymous().post("/auth/refresh", json!({"refresh_token": alice.refresh()})).await.is(401);
}

#[tokio::test]
async fn rec_01_a_link_works_once_and_only_while_it_is_the_newest() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let old = asked(&app).await.token();
    app.wait(61);
    let new = asked(&app).await.token();
    post(&app, json!({"token": old, "new_password": NEW})).await.problem(401, "LINK_INVALID");
    let tries = join_all((0..20).map(|_| post(&app, json!({"token": new, "new_password": NEW})))).await;
    assert_eq!(tries.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test]
async fn rec_01_a_link_ends_with_time_with_another_password_and_with_the_address() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let token = asked(&app).await.token();
    app.wait(1_801);
    post(&app, json!({"token": token, "new_password": NEW})).await.problem(401, "LINK_INVALID");

    let alice = alice.again().await;
    let token = asked(&app).await.token();
    alice.post("/credentials", json!({"method": "password", "secret": NEW})).await.expect(201);
    post(&app, json!({"token": token, "new_password": PASSWORD})).await.problem(401, "LINK_INVALID");

    app.wait(61);
    let token = asked(&app).await.token();
    alice.post("/identifiers", json!({"identifier": "other@example.com"})).await.expect(201);
    let first = alice.login["user"]["identifiers"][0]["id"].as_str().unwrap().to_owned();
    alice.delete(&format!("/identifiers/{first}")).await.expect(200);
    post(&app, json!({"token": token, "new_password": PASSWORD})).await.problem(401, "LINK_INVALID");
}

#[tokio::test]
async fn rec_01_a_new_password_does_not_replace_the_second_factor() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    alice.post("/auth/activate", json!({"identifier": ALICE})).await.expect(200);
    let code = app.last_letter().await.code();
    alice.post("/auth/activate", json!({"identifier": ALICE, "code": code})).await.expect(200);
    Authenticator::of(&app, &alice).await;
    let token = asked(&app).await.token();
    post(&app, json!({"token": token, "new_password": NEW})).await.expect(200);
    let first = app.anonymous().login(ALICE, NEW).await.expect(200);
    assert_eq!(
        (&first.json["status"], &first.json["next_step"]["methods"][0]),
        (&json!("mfa_required"), &json!("email/otp"))
    );
    assert!(first.json["next_step"]["methods"].as_array().unwrap().contains(&json!("totp")));
}

#[tokio::test]
async fn a_number_gets_a_code_instead() {
    let app = TestApp::new().await;
    let phone = "+989121234567";
    let body = json!({"identifier": phone, "secret": PASSWORD});
    app.anonymous().post("/auth/register", body).await.expect(201);
    post(&app, json!({"identifier": phone})).await.expect(200);
    let code = app.last_letter().await.code();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    post(&app, json!({"identifier": phone, "code": wrong, "new_password": NEW}))
        .await
        .problem(401, "INVALID_CREDENTIALS");
    post(&app, json!({"identifier": phone, "code": code, "new_password": NEW})).await.expect(200);
    post(&app, json!({"identifier": phone, "code": code, "new_password": PASSWORD}))
        .await
        .problem(401, "INVALID_CREDENTIALS");
    app.anonymous().login(phone, NEW).await.expect(200);
}

#[tokio::test]
async fn d28_asking_tells_nothing_about_accounts() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let known = post(&app, json!({"identifier": ALICE})).await.expect(200);
    let unknown = post(&app, json!({"identifier": "nobody@example.com"})).await.expect(200);
    assert_eq!(known.json, unknown.json);
    assert_eq!(app.outbox().await.len(), 1);
}

#[tokio::test]
async fn pw_07_who_is_signed_in_changes_their_password_with_the_old_one_or_lately() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let other = alice.again().await;
    app.wait(601);
    let change = |old: &str, new: &str| json!({"old_password": old, "new_password": new});
    alice.post("/auth/password", change("wrong", NEW)).await.problem(401, "INVALID_CREDENTIALS");
    alice.post("/auth/password", json!({"new_password": NEW})).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    alice.post("/auth/password", change(PASSWORD, NEW)).await.is(204);
    alice.get("/me").await.expect(200);
    // PW-07: the others end.
    other.get("/me").await.problem(401, "TOKEN_REVOKED");
    app.anonymous().post("/auth/password", change(NEW, PASSWORD)).await.is(401);
    let again = app.anonymous().login(ALICE, NEW).await.expect(200);
    let again = app.anonymous().with_token(again.str("access_token"));
    again.post("/auth/reset-password", json!({"new_password": PASSWORD})).await.expect(200);
    app.anonymous().login(ALICE, PASSWORD).await.expect(200);
    app.anonymous()
        .post("/auth/reset-password", json!({"new_password": PASSWORD}))
        .await
        .problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn rec_03_a_change_is_told_at_the_addresses_there_were_before() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    alice.post("/auth/activate", json!({"identifier": ALICE})).await.expect(200);
    let code = app.last_letter().await.code();
    alice.post("/auth/activate", json!({"identifier": ALICE, "code": code})).await.expect(200);
    let sent = async || app.outbox().await.into_iter().filter(|letter| letter.template == "security_notice");
    alice.post("/identifiers", json!({"identifier": "new@example.com"})).await.expect(201);
    alice.post("/auth/password", json!({"old_password": PASSWORD, "new_password": NEW})).await.is(204);
    let told: Vec<(String, String)> = sent().await.map(|letter| (letter.to, letter.text)).collect();
    assert_eq!(told.len(), 2, "not to the address nobody has proven: {told:?}");
    assert!(told.iter().all(|(to, _)| to == ALICE));
    assert!(told[0].1.contains("address or number was added") && told[1].1.contains("new password"));
}
