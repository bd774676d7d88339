//! Codes: to sign in with, and to prove an address or number with (checklist OTP; rulings D18, D23, D28).

use crate::app::{Anonymous, Answer, Authenticator, PASSWORD, Requests, TestApp};
use futures_util::future::join_all;
use serde_json::{Value, json};

const ALICE: &str = "alice@example.com";

async fn ask(who: &Anonymous, identifier: &str) -> Answer {
    who.post("/auth/request-otp", json!({"identifier": identifier})).await
}

async fn by_code(who: &Anonymous, identifier: &str, code: &str) -> Answer {
    who.post("/auth/login", json!({"identifier": identifier, "method": "otp", "secret": code})).await
}

#[tokio::test]
async fn a_code_signs_in_and_proves_the_address() {
    let app = TestApp::new().await;
    let asked = ask(&app.anonymous(), ALICE).await.expect(200);
    assert_eq!((&asked.json["length"], &asked.json["expires_in"]), (&json!(6), &json!(300)));
    assert_eq!(asked.json["resend_after"], 60);
    let letter = app.last_letter().await;
    assert_eq!((letter.template.as_str(), letter.to.as_str()), ("email_otp", ALICE));
    let done = by_code(&app.anonymous(), ALICE, &letter.code()).await.expect(200);
    assert_eq!((&done.json["status"], &done.json["amr"]), (&json!("completed"), &json!(["email/otp"])));
    assert_eq!(done.json["user"]["identifiers"][0]["verified"], true);
    assert_eq!(done.json["user"]["credentials"], json!([]));
    // The next time it is the same account.
    app.wait(61);
    ask(&app.anonymous(), ALICE).await.expect(200);
    let code = app.last_letter().await.code();
    let again = by_code(&app.anonymous(), ALICE, &code).await.expect(200);
    assert_eq!(again.json["user"]["id"], done.json["user"]["id"]);
}

#[tokio::test]
async fn a_code_by_text_signs_in_too() {
    let app = TestApp::new().await;
    let who = app.anonymous();
    ask(&who, "+989121234567").await.expect(200);
    let letter = app.last_letter().await;
    assert_eq!((letter.channel.as_str(), letter.template.as_str()), ("sms", "sms_otp"));
    let body = json!({"phone": "+98 912 123 4567", "method": "phone/otp", "secret": letter.code()});
    who.post("/auth/login", body).await.expect(200).str("access_token");
}

#[tokio::test]
async fn otp_01_a_code_counts_once() {
    let app = TestApp::new().await;
    ask(&app.anonymous(), ALICE).await.expect(200);
    let code = app.last_letter().await.code();
    let app = &app;
    let tries = join_all((0..50).map(|n| {
        let code = &code;
        async move {
            let who = app.anonymous().from_ip(&format!("198.51.100.{n}"));
            by_code(&who, ALICE, code).await.status
        }
    }))
    .await;
    assert_eq!(tries.iter().filter(|status| **status == 200).count(), 1, "{tries:?}");
    by_code(&app.anonymous(), ALICE, &code).await.is_not(200);
}

#[tokio::test]
async fn otp_01_a_code_is_void_after_five_wrong_guesses() {
    let app = TestApp::new().await;
    ask(&app.anonymous(), ALICE).await.expect(200);
    let code = app.last_letter().await.code();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for n in 0..5 {
        let who = app.anonymous().from_ip(&format!("198.51.100.{n}"));
        by_code(&who, ALICE, wrong).await.problem(401, "INVALID_CREDENTIALS");
    }
    by_code(&app.anonymous(), ALICE, &code).await.problem(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn otp_01_a_new_code_voids_the_old_and_time_voids_any() {
    let app = TestApp::new().await;
    ask(&app.anonymous(), ALICE).await.expect(200);
    let old = app.last_letter().await.code();
    app.wait(61);
    ask(&app.anonymous(), ALICE).await.expect(200);
    let new = app.last_letter().await.code();
    if old != new {
        by_code(&app.anonymous(), ALICE, &old).await.problem(401, "INVALID_CREDENTIALS");
    }
    app.wait(300);
    by_code(&app.anonymous(), ALICE, &new).await.problem(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn otp_01_a_code_is_bound_to_identifier_tenant_and_purpose() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    ask(&app.anonymous(), ALICE).await.expect(200);
    let code = app.last_letter().await.code();
    by_code(&app.anonymous(), "bob@example.com", &code).await.problem(401, "INVALID_CREDENTIALS");
    by_code(&tenant.anonymous(), ALICE, &code).await.problem(401, "INVALID_CREDENTIALS");
    let activate = json!({"identifier": ALICE, "code": code});
    app.anonymous().post("/auth/activate", activate).await.problem(401, "INVALID_CREDENTIALS");
    by_code(&app.anonymous(), ALICE, &code).await.expect(200);
}

#[tokio::test]
async fn codes_are_kept_as_digests_and_messages_sealed() {
    let app = TestApp::new().await;
    ask(&app.anonymous(), ALICE).await.expect(200);
    let scope = app.scope("org_default").await;
    let due = app.state.registry.system().effects_due(100).await.unwrap();
    let dump = format!("{due:?}");
    let code = app.last_letter().await.code();
    assert!(!dump.contains(&code) && !dump.contains(ALICE), "{dump}");
    let kept = scope.records::<usso::tenant::one_time::OneTime>();
    let all = kept.page(kernel::Query::all("one_time")).await.unwrap().items;
    let dump = format!("{all:?}");
    assert!(!dump.contains(&code) && !dump.contains(ALICE), "{dump}");
}

#[tokio::test]
async fn otp_03_messages_have_budgets() {
    let app = TestApp::new().await;
    let who = app.anonymous();
    ask(&who, ALICE).await.expect(200);
    let again = ask(&who, ALICE).await;
    again.problem(429, "RATE_LIMITED");
    assert!(again.header("retry-after").is_some());
    for _ in 0..2 {
        app.wait(61);
        ask(&who, ALICE).await.expect(200);
    }
    app.wait(61);
    ask(&who, ALICE).await.problem(429, "RATE_LIMITED");
}

#[tokio::test]
async fn otp_03_a_thousand_requests_send_no_more_than_the_budgets_allow() {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"messages_per_day": 30})).await;
    let mut accepted = 0;
    for n in 0..1_000 {
        let who = app.anonymous().from_ip(&format!("198.51.{}.{}", n / 200, n % 200));
        accepted += usize::from(ask(&who, &format!("u{n}@example.com")).await.status == 200);
    }
    assert_eq!((accepted, app.outbox().await.len()), (30, 30));
    // One address asks for twenty at most.
    let app = TestApp::new().await;
    let mut sent = 0;
    for n in 0..100 {
        sent += usize::from(ask(&app.anonymous(), &format!("u{n}@example.com")).await.status == 200);
    }
    assert_eq!(sent, 20);
}

#[tokio::test]
async fn d28_asking_tells_nothing_about_accounts() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.configure("org_default", json!({"registration": {"is_allowed": false}})).await;
    let known = ask(&app.anonymous(), ALICE).await.expect(200);
    let unknown = ask(&app.anonymous(), "nobody@example.com").await.expect(200);
    assert_eq!(known.json, unknown.json);
    let letters = app.outbox().await;
    assert_eq!(letters.iter().map(|letter| letter.to.as_str()).collect::<Vec<_>>(), [ALICE]);
    let guess = by_code(&app.anonymous(), "nobody@example.com", "123456").await;
    guess.problem(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn d18_without_a_way_to_send_it_says_so() {
    let app = TestApp::with(|config| config.server.debug = false).await;
    ask(&app.anonymous(), ALICE).await.problem(503, "DELIVERY_UNAVAILABLE");
    let link = json!({"identifier": ALICE});
    app.anonymous().post("/auth/request-magic-link", link.clone()).await.problem(503, "DELIVERY_UNAVAILABLE");
    app.anonymous().post("/auth/reset-password", link).await.problem(503, "DELIVERY_UNAVAILABLE");
    // Nor is it offered.
    let opened = app.anonymous().post("/auth/login", json!({"identifier": ALICE})).await.expect(200);
    assert_eq!(opened.json["next_step"]["methods"], json!(["password", "webauthn"]));
}

#[tokio::test]
async fn a_user_name_gets_no_code() {
    let app = TestApp::new().await;
    ask(&app.anonymous(), "somebody").await.problem(400, "VALIDATION_ERROR");
    let wrong = json!({"identifier": ALICE, "channel_type": "sms"});
    app.anonymous().post("/auth/request-otp", wrong).await.problem(400, "VALIDATION_ERROR");
    let pigeon = json!({"identifier": ALICE, "channel_type": "pigeon"});
    app.anonymous().post("/auth/request-otp", pigeon).await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn d23_a_code_in_a_session_of_the_account_keeps_everything() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    alice.post("/auth/activate", json!({"identifier": ALICE})).await.expect(200);
    let code = app.last_letter().await.code();
    let done = alice.post("/auth/activate", json!({"identifier": ALICE, "code": code})).await.expect(200);
    assert_eq!((&done.json["status"], &done.json["user"]["id"]), (&json!("active"), &json!(alice.id())));
    alice.get("/me").await.expect(200);
    alice.again().await;
}

#[tokio::test]
async fn d23_an_address_proven_from_outside_takes_away_what_was_made_before() {
    let app = TestApp::new().await;
    // Somebody prepares an account with an address that isn't theirs.
    let thief = app.user("alice").await;
    let thief_key = thief.post("/apikeys", json!({"name": "k"})).await.expect(201);
    thief.post("/identifiers", json!({"identifier": "thief@example.com"})).await.expect(201);
    Authenticator::of(&app, &thief).await;
    thief.post("/credentials", json!({"method": "backup_codes"})).await.expect(201);

    ask(&app.anonymous(), ALICE).await.expect(200);
    let code = app.last_letter().await.code();
    let owner = by_code(&app.anonymous(), ALICE, &code).await.expect(200);
    assert_eq!(owner.json["user"]["id"], thief.id(), "the account is the owner's now");
    assert_eq!(owner.json["user"]["credentials"], json!([]));
    let values: Vec<&Value> =
        owner.json["user"]["identifiers"].as_array().unwrap().iter().map(|i| &i["value"]).collect();
    assert_eq!(values, [ALICE]);
    thief.get("/me").await.problem(401, "TOKEN_REVOKED");
    app.anonymous().post("/auth/refresh", json!({"refresh_token": thief.refresh()})).await.is(401);
    app.anonymous().with_header("x-api-key", thief_key.str("api_key")).get("/me").await.is(401);
    app.anonymous().login(ALICE, PASSWORD).await.problem(401, "INVALID_CREDENTIALS");
    app.wait(61);
    ask(&app.anonymous(), "thief@example.com").await.expect(200);
    let code = app.last_letter().await.code();
    let other = by_code(&app.anonymous(), "thief@example.com", &code).await.expect(200);
    assert_ne!(other.json["user"]["id"], thief.id());
}

#[tokio::test]
async fn a_mailed_code_is_a_second_factor_to_a_password_and_not_to_a_link() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    alice.post("/auth/activate", json!({"identifier": ALICE})).await.expect(200);
    let code = app.last_letter().await.code();
    alice.post("/auth/activate", json!({"identifier": ALICE, "code": code})).await.expect(200);
    app.configure("org_default", json!({"require_mfa": true})).await;
    let first = app.anonymous().login(ALICE, PASSWORD).await.expect(200);
    assert_eq!(first.json["next_step"]["methods"], json!(["email/otp", "magic_link"]));
    let token = first.json["tokens"]["temporary"].as_str().unwrap();
    ask(&app.anonymous(), ALICE).await.expect(200);
    let code = app.last_letter().await.code();
    let done = by_code(&app.anonymous().with_token(token), ALICE, &code).await.expect(200);
    assert_eq!(
        (&done.json["acr"], &done.json["amr"]),
        (&json!("usso:acr:2"), &json!(["password", "email/otp"]))
    );

    // D31: a link and a code to one mailbox are one factor.
    app.wait(61);
    ask(&app.anonymous(), ALICE).await.expect(200);
    let code = app.last_letter().await.code();
    let first = by_code(&app.anonymous(), ALICE, &code).await.expect(200);
    assert_eq!(first.json["next_step"]["methods"], json!(["password"]));
}

#[tokio::test]
async fn d39_who_only_reads_the_mailbox_sets_up_no_second_factor_of_their_own() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    alice.post("/auth/activate", json!({"identifier": ALICE})).await.expect(200);
    let code = app.last_letter().await.code();
    alice.post("/auth/activate", json!({"identifier": ALICE, "code": code})).await.expect(200);
    let flow =
        json!({"allowed_identifiers": ["email"], "steps": [{"methods": ["otp"]}, {"methods": ["totp"]}]});
    app.configure("org_default", json!({"auth": {"login_flow": flow}})).await;
    app.wait(61);
    ask(&app.anonymous(), ALICE).await.expect(200);
    let code = app.last_letter().await.code();
    by_code(&app.anonymous(), ALICE, &code).await.problem(403, "MFA_REQUIRED");
}
