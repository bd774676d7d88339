//! Signing in by QR code (checklist SES-04).

use crate::app::{Answer, Authenticator, Browser, PASSWORD, Requests, TestApp, User};
use serde_json::{Value, json};

async fn ask(browser: &Browser) -> Answer {
    browser.get("/auth/qr").await.expect(200)
}

async fn scan(who: &User, asked: &Answer) -> Answer {
    who.post("/auth/qr", json!({"qr_code": asked.str("qr_code")})).await
}

async fn choose(who: &User, asked: &Answer, number: &Value) -> Answer {
    who.post("/auth/qr", json!({"qr_code": asked.str("qr_code"), "number": number})).await
}

async fn status(browser: &Browser, asked: &Answer) -> Answer {
    browser.get(&format!("/auth/qr/status?qr_token={}", asked.str("qr_token"))).await.expect(200)
}

fn is(answer: &Answer, wanted: &str) {
    assert_eq!(answer["status"], wanted, "{}", answer.text());
}

#[tokio::test]
async fn ses_04_a_device_that_is_signed_in_signs_a_browser_in() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let browser = app.browser().from_ip("198.51.100.7").with_header("user-agent", "Desk/1");
    let asked = ask(&browser).await;
    assert_eq!(asked["expires_in"], 120);
    assert!(
        asked.str("qr").starts_with("data:image/svg+xml;base64,")
            && asked.str("url").contains("/qr?qr_code=")
    );
    is(&status(&browser, &asked).await, "pending");

    let seen = scan(&alice, &asked).await.expect(200);
    assert_eq!((&seen["ip"], &seen["user_agent"]), (&json!("198.51.100.7"), &json!("Desk/1")));
    let choices = seen["choices"].as_array().expect("choices");
    assert!(choices.len() == 3 && choices.contains(&asked["number"]), "{}", seen.text());
    is(&seen, "scanned");
    is(&status(&browser, &asked).await, "scanned");

    is(&choose(&alice, &asked, &asked["number"]).await.expect(200), "completed");
    let done = status(&browser, &asked).await;
    is(&done, "authenticated");
    done.cookie("usso-access-token");
    assert_eq!((&done["user"]["id"], &done["amr"]), (&json!(alice.id()), &json!(["qr"])));
    browser.get("/me").await.expect(200);
    is(&status(&browser, &asked).await, "expired");
}

#[tokio::test]
async fn ses_04_a_code_is_good_for_two_minutes() {
    let app = TestApp::new().await;
    let (alice, browser) = (app.user("alice").await, app.browser());
    let asked = ask(&browser).await;
    scan(&alice, &asked).await.expect(200);
    app.wait(120);
    is(&status(&browser, &asked).await, "expired");
    choose(&alice, &asked, &asked["number"]).await.problem(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn ses_04_a_wrong_number_ends_it() {
    let app = TestApp::new().await;
    let (alice, browser) = (app.user("alice").await, app.browser());
    let asked = ask(&browser).await;
    let seen = scan(&alice, &asked).await.expect(200);
    let wrong = seen["choices"].as_array().expect("choices").iter().find(|own| **own != asked["number"]);
    is(&choose(&alice, &asked, wrong.expect("another")).await.expect(200), "rejected");
    is(&status(&browser, &asked).await, "rejected");
    choose(&alice, &asked, &asked["number"]).await.problem(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn ses_04_whoever_relays_the_picture_gets_nothing_without_the_number() {
    let app = TestApp::new().await;
    let (victim, attacker) = (app.user("alice").await, app.browser());
    let asked = ask(&attacker).await;
    // The victim scans, and approves without a number, as older apps would.
    let body = json!({"qr_code": asked.str("qr_code"), "approve": true});
    is(&victim.post("/auth/qr", body).await.expect(200), "scanned");
    let polled = status(&attacker, &asked).await;
    is(&polled, "scanned");
    assert!(polled.json.get("access_token").is_none());
    // Nothing the victim's device has holds the number.
    let seen = scan(&victim, &asked).await.expect(200);
    assert!(seen.json.get("number").is_none());
}

#[tokio::test]
async fn ses_04_the_approver_may_refuse() {
    let app = TestApp::new().await;
    let (alice, browser) = (app.user("alice").await, app.browser());
    let asked = ask(&browser).await;
    let body = json!({"qr_code": asked.str("url"), "approve": false, "number": asked["number"]});
    is(&alice.post("/auth/qr", body).await.expect(200), "rejected");
    is(&status(&browser, &asked).await, "rejected");
}

#[tokio::test]
async fn ses_04_the_first_device_to_scan_is_the_only_one() {
    let app = TestApp::new().await;
    let (alice, bob, browser) = (app.user("alice").await, app.user("bob").await, app.browser());
    let asked = ask(&browser).await;
    scan(&alice, &asked).await.expect(200);
    scan(&bob, &asked).await.problem(401, "INVALID_CREDENTIALS");
    choose(&bob, &asked, &asked["number"]).await.problem(401, "INVALID_CREDENTIALS");
    choose(&alice.again().await, &asked, &asked["number"]).await.problem(401, "INVALID_CREDENTIALS");
    is(&choose(&alice, &asked, &asked["number"]).await.expect(200), "completed");
}

#[tokio::test]
async fn ses_04_the_approver_must_have_signed_in_lately() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    app.wait(601);
    let asked = ask(&app.browser()).await;
    scan(&alice, &asked).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    let nobody = app.anonymous();
    nobody.post("/auth/qr", json!({"qr_code": asked.str("qr_code")})).await.problem(401, "NOT_AUTHENTICATED");
    let again = alice.again().await;
    let key = again.post("/apikeys", json!({})).await.expect(201);
    let by_key = app.anonymous().with_header("x-api-key", key.str("api_key"));
    by_key.post("/auth/qr", json!({"qr_code": asked.str("qr_code")})).await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn an_approval_ends_with_its_session() {
    let app = TestApp::new().await;
    let (alice, browser) = (app.user("alice").await, app.browser());
    let asked = ask(&browser).await;
    is(&choose(&alice, &asked, &asked["number"]).await.expect(200), "completed");
    alice.post("/auth/logout", json!({})).await.expect(200);
    is(&status(&browser, &asked).await, "expired");
}

#[tokio::test]
async fn approved_on_one_instance_and_polled_fifty_times_on_others_it_is_one_session() {
    let app = TestApp::new().await;
    let (alice, browser) = (app.user("alice").await, app.browser());
    let asked = ask(&browser).await;
    let other = app.restarted().await;
    is(&choose(&alice.at(&other), &asked, &asked["number"]).await.expect(200), "completed");
    let answers = futures_util::future::join_all((0..50).map(|_| status(&browser, &asked))).await;
    assert_eq!(answers.iter().filter(|answer| answer["status"] == "authenticated").count(), 1);
}

#[tokio::test]
async fn nobody_is_signed_in_by_a_link_to_somebody_elses_approval() {
    let app = TestApp::new().await;
    let (alice, attacker, victim) = (app.user("alice").await, app.browser(), app.browser());
    let asked = ask(&attacker).await;
    is(&choose(&alice, &asked, &asked["number"]).await.expect(200), "completed");
    status(&victim, &asked).await;
    assert!(victim.cookie("usso-access-token").is_none());
}

#[tokio::test]
async fn mfa_01_an_approval_is_worth_as_many_factors_as_the_session_it_comes_from() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let authenticator = Authenticator::of(&app, &alice).await;
    // The session is from before, with one factor.
    let browser = app.browser();
    let asked = ask(&browser).await;
    is(&choose(&alice, &asked, &asked["number"]).await.expect(200), "completed");
    is(&status(&browser, &asked).await, "mfa_required");

    app.wait(30);
    let first = app.anonymous().login("alice@example.com", PASSWORD).await.expect(200);
    let token = first["tokens"]["temporary"].as_str().expect("a token").to_owned();
    let body = json!({"identifier": "alice@example.com", "method": "totp", "secret": authenticator.code()});
    let done = app.anonymous().with_token(&token).post("/auth/login", body).await.expect(200);
    let strong = alice.clone().with_token(done.str("access_token"));
    let asked = ask(&browser).await;
    is(&choose(&strong, &asked, &asked["number"]).await.expect(200), "completed");
    let answer = status(&browser, &asked).await;
    is(&answer, "authenticated");
    assert_eq!(answer["acr"], "usso:acr:2");
}

#[tokio::test]
async fn another_tenants_code_is_none() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let tenant = app.tenant("Other", &["other.example"]).await;
    let asked = tenant.anonymous().get("/auth/qr").await.expect(200);
    scan(&alice, &asked).await.problem(401, "INVALID_CREDENTIALS");
    is(&status(&app.browser(), &asked).await, "expired");
}
