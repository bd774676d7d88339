//! Second factors: authenticators, backup codes, and sign-ins that need more than one proof (checklist MFA, OTP).

use crate::app::{Anonymous, Answer, Authenticator, PASSWORD, Requests, TestApp, User};
use serde_json::{Value, json};

const ALICE: &str = "alice@example.com";

async fn with_password(who: &Anonymous) -> Answer {
    who.login(ALICE, PASSWORD).await
}

fn temporary(answer: &Answer) -> String {
    answer.json["tokens"]["temporary"].as_str().expect("a temporary token").to_owned()
}

async fn second(app: &TestApp, token: &str, method: &str, secret: &str) -> Answer {
    let who = app.anonymous().with_token(token);
    who.post("/auth/login", json!({"identifier": ALICE, "method": method, "secret": secret})).await
}

async fn alice_with_authenticator() -> (TestApp, User, Authenticator) {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let authenticator = Authenticator::of(&app, &alice).await;
    (app, alice, authenticator)
}

#[tokio::test]
async fn an_authenticator_counts_once_it_is_confirmed() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let begun = alice.post("/credentials", json!({"method": "totp"})).await.expect(201);
    assert_eq!((&begun.json["is_active"], &begun.json["method"]), (&json!(false), &json!("totp")));
    let url = begun.str("otpauth_url");
    assert!(url.starts_with("otpauth://totp/") && url.contains(begun.str("secret")), "{url}");
    assert!(begun.str("qr").starts_with("data:image/svg+xml;base64,"));
    with_password(&app.anonymous()).await.expect(200).str("access_token");

    let path = format!("/users/{}/credentials/{}/confirm", alice.id(), begun.str("id"));
    alice.post(&path, json!({"code": "000000"})).await.problem(400, "VALIDATION_ERROR");
    let code = Authenticator::read(&app, &begun).code();
    let confirmed = alice.post(&path, json!({"code": code})).await.expect(200);
    assert_eq!(confirmed.json["is_active"], true);
    assert!(confirmed.json.get("secret").is_none());
    let shown = alice.get("/credentials").await.expect(200).text();
    assert!(!shown.contains(begun.str("secret")) && !shown.contains("sealed"), "{shown}");
    assert_eq!(with_password(&app.anonymous()).await.expect(200).json["status"], "mfa_required");
}

#[tokio::test]
async fn two_factors_sign_in_where_one_does_not() {
    let (app, alice, authenticator) = alice_with_authenticator().await;
    let first = with_password(&app.anonymous()).await.expect(200);
    assert_eq!(first.json["status"], "mfa_required");
    assert_eq!(first.json["next_step"], json!({"methods": ["totp"], "required_num": 1}));
    assert_eq!((&first.json["amr"], &first.json["token_type"]), (&json!(["password"]), &json!("temporary")));
    assert!(first.json.get("access_token").is_none() && first.json.get("user").is_none());
    let done = second(&app, &temporary(&first), "totp", &authenticator.code()).await.expect(200);
    assert_eq!((&done.json["status"], &done.json["acr"]), (&json!("completed"), &json!("usso:acr:2")));
    assert_eq!(done.json["amr"], json!(["password", "totp"]));
    assert_eq!(done.json["user"]["id"], alice.id());
}

#[tokio::test]
async fn browsers_go_on_by_cookie_alone() {
    let (app, _, authenticator) = alice_with_authenticator().await;
    let browser = app.browser();
    let body = json!({"identifier": ALICE, "secret": PASSWORD});
    browser.post("/auth/login", body).await.expect(200).cookie("usso-login");
    let body = json!({"identifier": ALICE, "method": "totp", "secret": authenticator.code()});
    browser.post("/auth/login", body).await.expect(200).cookie("usso-access-token");
    browser.get("/me").await.expect(200);
}

#[tokio::test]
async fn mfa_02_an_unfinished_sign_in_can_call_nothing() {
    let (app, alice, _) = alice_with_authenticator().await;
    let token = temporary(&with_password(&app.anonymous()).await.expect(200));
    let who = app.anonymous().with_token(&token);
    who.get("/me").await.problem(401, "TOKEN_TYPE_INVALID");
    who.get(&format!("/users/{}", alice.id())).await.problem(401, "TOKEN_TYPE_INVALID");
    who.post("/credentials", json!({"method": "totp"})).await.problem(401, "TOKEN_TYPE_INVALID");
    who.post("/auth/refresh", json!({"refresh_token": token})).await.is(401);
    who.post("/auth/verify-token", json!({"token": token})).await.is(401);
    // Nor set up a factor of its own: there is one.
    who.post("/auth/enrol", json!({"method": "totp"})).await.problem(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn otp_02_a_step_of_an_authenticator_counts_once() {
    let (app, _, authenticator) = alice_with_authenticator().await;
    let token = temporary(&with_password(&app.anonymous()).await);
    let code = authenticator.code();
    second(&app, &token, "totp", &code).await.expect(200).str("access_token");
    second(&app, &token, "totp", &code).await.problem(401, "INVALID_CREDENTIALS");
    app.wait(30);
    // One step late is the same code.
    second(&app, &token, "totp", &code).await.problem(401, "INVALID_CREDENTIALS");
    second(&app, &token, "totp", &authenticator.code()).await.expect(200);
}

#[tokio::test]
async fn otp_02_the_code_that_confirmed_an_authenticator_does_not_sign_in() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let begun = alice.post("/credentials", json!({"method": "totp"})).await.expect(201);
    let code = Authenticator::read(&app, &begun).code();
    let path = format!("/credentials/{}/confirm", begun.str("id"));
    alice.post(&path, json!({"code": code})).await.expect(200);
    let token = temporary(&with_password(&app.anonymous()).await);
    second(&app, &token, "totp", &code).await.problem(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn a_code_more_than_one_step_off_is_rejected() {
    let (app, _, authenticator) = alice_with_authenticator().await;
    app.wait(300);
    let token = temporary(&with_password(&app.anonymous()).await);
    for off in [-2, 2] {
        second(&app, &token, "totp", &authenticator.code_in(off)).await.problem(401, "INVALID_CREDENTIALS");
    }
    second(&app, &token, "totp", &authenticator.code_in(-1)).await.expect(200);
}

#[tokio::test]
async fn a_second_factor_alone_begins_nothing() {
    let (app, _, authenticator) = alice_with_authenticator().await;
    let body = json!({"identifier": ALICE, "method": "totp", "secret": authenticator.code()});
    app.anonymous().post("/auth/login", body).await.problem(400, "METHOD_NOT_AVAILABLE");
}

#[tokio::test]
async fn another_identifier_begins_anew() {
    let (app, _, authenticator) = alice_with_authenticator().await;
    app.user("bob").await;
    let token = temporary(&with_password(&app.anonymous()).await);
    let bob = app.anonymous().with_token(&token);
    let body = json!({"identifier": "bob@example.com", "method": "totp", "secret": authenticator.code()});
    bob.post("/auth/login", body).await.problem(400, "METHOD_NOT_AVAILABLE");
}

#[tokio::test]
async fn an_unfinished_sign_in_ends_with_time_and_with_a_new_password() {
    let (app, alice, authenticator) = alice_with_authenticator().await;
    let token = temporary(&with_password(&app.anonymous()).await);
    app.wait(301);
    second(&app, &token, "totp", &authenticator.code()).await.problem(400, "METHOD_NOT_AVAILABLE");

    let token = temporary(&with_password(&app.anonymous()).await);
    let new = json!({"method": "password", "secret": "another-Horse-battery-9!"});
    alice.post("/credentials", new).await.expect(201);
    second(&app, &token, "totp", &authenticator.code()).await.problem(400, "METHOD_NOT_AVAILABLE");
}

async fn backup_codes(alice: &User) -> Vec<String> {
    let made = alice.post("/credentials", json!({"method": "backup_codes"})).await.expect(201);
    made.json["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn otp_05_a_backup_code_signs_in_once_and_a_new_set_voids_the_old() {
    let (app, alice, _) = alice_with_authenticator().await;
    let codes = backup_codes(&alice).await;
    assert_eq!(codes.len(), 10);
    assert!(codes.iter().all(|code| code.len() == 19), "80 bits each: {codes:?}");
    let token = temporary(&with_password(&app.anonymous()).await);
    let done = second(&app, &token, "backup_codes", &codes[0].to_lowercase()).await.expect(200);
    assert_eq!(done.json["amr"], json!(["password", "backup_codes"]));
    second(&app, &token, "backup_codes", &codes[0]).await.problem(401, "INVALID_CREDENTIALS");
    let fresh = backup_codes(&alice).await;
    second(&app, &token, "backup_codes", &codes[1]).await.problem(401, "INVALID_CREDENTIALS");
    second(&app, &token, "backup_codes", &fresh[1]).await.expect(200);
    let shown = alice.get("/credentials").await.expect(200).text();
    assert!(!shown.contains("codes\":["), "{shown}");
}

#[tokio::test]
async fn nobody_makes_second_factors_for_somebody_else() {
    let (app, alice, _) = alice_with_authenticator().await;
    let admin = app.system_admin().await;
    for method in ["totp", "backup_codes"] {
        let path = format!("/users/{}/credentials", alice.id());
        admin.post(&path, json!({"method": method})).await.problem(403, "PERMISSION_DENIED");
    }
}

#[tokio::test]
async fn setting_up_an_authenticator_needs_a_recent_sign_in() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    app.wait(601);
    let refused = alice.post("/credentials", json!({"method": "totp"})).await;
    refused.problem(403, "RECENT_SIGN_IN_REQUIRED");
}

#[tokio::test]
async fn require_mfa_makes_who_has_no_second_factor_set_one_up() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.configure("org_default", json!({"require_mfa": true})).await;
    let first = with_password(&app.anonymous()).await.expect(200);
    assert_eq!(first.json["status"], "mfa_required");
    let next = &first.json["next_step"];
    assert_eq!((&next["methods"], &next["enrol"]), (&json!([]), &json!(["totp", "webauthn"])));
    let who = app.anonymous().with_token(&temporary(&first));
    who.post("/auth/enrol", json!({"method": "password"})).await.problem(400, "METHOD_NOT_AVAILABLE");
    let begun = who.post("/auth/enrol", json!({"method": "totp"})).await.expect(201);
    let authenticator = Authenticator::read(&app, &begun);
    let confirm = |code: String| json!({"credential_id": begun.str("id"), "code": code});
    let wrong = who.post("/auth/enrol/confirm", confirm("000000".to_owned())).await;
    wrong.problem(401, "INVALID_CREDENTIALS");
    let done = who.post("/auth/enrol/confirm", confirm(authenticator.code())).await.expect(200);
    assert_eq!((&done.json["acr"], &done.json["amr"]), (&json!("usso:acr:2"), &json!(["password", "totp"])));
    // From now on it is asked for, and the token sets up no other.
    who.post("/auth/enrol", json!({"method": "totp"})).await.problem(401, "TOKEN_INVALID");
    let next = with_password(&app.anonymous()).await.expect(200);
    assert_eq!(next.json["next_step"]["methods"], json!(["totp"]));
}

#[tokio::test]
async fn enrolling_is_refused_to_anything_but_the_token_that_offers_it() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    for who in
        [app.anonymous(), app.anonymous().with_token(alice.access()), app.anonymous().with_token("a.b.c")]
    {
        who.post("/auth/enrol", json!({"method": "totp"})).await.problem(401, "TOKEN_INVALID");
        let body = json!({"credential_id": "credential_x", "code": "000000"});
        who.post("/auth/enrol/confirm", body).await.problem(401, "TOKEN_INVALID");
    }
}

#[tokio::test]
async fn mfa_01_a_session_of_one_factor_is_not_refreshed_where_two_are_required() {
    let (app, alice, authenticator) = alice_with_authenticator().await;
    let token = temporary(&with_password(&app.anonymous()).await);
    let strong = second(&app, &token, "totp", &authenticator.code()).await.expect(200);
    app.configure("org_default", json!({"require_mfa": true})).await;
    let refresh = |token: &str| json!({"refresh_token": token});
    let weak = app.anonymous().post("/auth/refresh", refresh(alice.refresh())).await;
    weak.problem(401, "MFA_REQUIRED");
    app.anonymous().post("/auth/refresh", refresh(strong.str("refresh_token"))).await.expect(200);
}

#[tokio::test]
async fn mfa_01_registering_opens_no_session_where_two_factors_are_required() {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"require_mfa": true})).await;
    for (path, name) in [("/auth/register", "a"), ("/auth/login", "b")] {
        let body = json!({"identifier": format!("{name}@example.com"), "secret": PASSWORD, "register": true});
        let answer = app.anonymous().post(path, body).await;
        assert_eq!(answer.json["status"], "mfa_required", "{path}: {}", answer.text());
        assert!(answer.json.get("access_token").is_none());
    }
}

#[tokio::test]
async fn the_steps_a_tenant_configured_are_taken_and_no_others() {
    let (app, _, authenticator) = alice_with_authenticator().await;
    let steps = json!([{"methods": ["password"]}, {"methods": ["totp"]}]);
    let flow = json!({"allowed_identifiers": ["email"], "steps": steps});
    app.configure("org_default", json!({"auth": {"login_flow": flow}})).await;
    let opened = app.anonymous().post("/auth/login", json!({"identifier": ALICE})).await.expect(200);
    assert_eq!(opened.json["next_step"]["methods"], json!(["password"]));
    app.anonymous().login("admin", "whatever").await.problem(400, "METHOD_NOT_AVAILABLE");
    let first = with_password(&app.anonymous()).await.expect(200);
    assert_eq!(first.json["next_step"]["methods"], json!(["totp"]));
    let done = second(&app, &temporary(&first), "totp", &authenticator.code()).await.expect(200);
    assert_eq!(done.json["acr"], "usso:acr:2");
    let config = app.anonymous().get("/tenants/config").await.expect(200);
    assert_eq!(config.json["auth"]["require_mfa"], true);
}

#[tokio::test]
async fn pw_08_a_factor_rests_after_a_hundred_failures_in_a_row_and_a_known_device_does_not_care() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let device = app.browser();
    let right = json!({"identifier": ALICE, "secret": PASSWORD});
    device.post("/auth/login", right.clone()).await.expect(200);
    // As slowly as the pauses want.
    for n in 0..100 {
        let thief = app.anonymous().from_ip(&format!("198.51.100.{}", n % 25));
        thief.login(ALICE, "wrong").await.problem(401, "INVALID_CREDENTIALS");
        app.wait(901);
    }
    // From nowhere, and not with the right password either.
    let answer = app.anonymous().from_ip("203.0.113.9").login(ALICE, PASSWORD).await;
    answer.problem(429, "RATE_LIMITED");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(seconds > 85_000, "{seconds}");
    device.post("/auth/login", right).await.expect(200);
    app.wait(seconds);
    app.anonymous().login(ALICE, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_success_ends_the_row_of_failures() {
    let app = TestApp::new().await;
    app.user("alice").await;
    for _ in 0..30 {
        for _ in 0..4 {
            app.anonymous().login(ALICE, "wrong").await.is(401);
        }
        app.anonymous().login(ALICE, PASSWORD).await.expect(200);
        app.wait(301);
    }
}

#[tokio::test]
async fn unknown_accounts_have_the_same_long_budget() {
    let app = TestApp::new().await;
    let mut answers: Vec<Value> = Vec::new();
    for n in 0..101 {
        let thief = app.anonymous().from_ip(&format!("198.51.100.{}", n % 250));
        let answer = thief.login("nobody@example.com", "wrong").await;
        answers.push(answer.json["code"].clone());
        app.wait(901);
    }
    assert!(answers[..100].iter().all(|code| code == "INVALID_CREDENTIALS"));
    assert_eq!(answers[100], "RATE_LIMITED");
}
