//! What else is needed: second factors, and setting one up (checklist MFA; rulings D31, D39).

use crate::app::{Answer, Authenticator, Browser, PASSWORD, Page, Requests, TestApp};
use serde_json::json;

const ALICE: &str = "alice@example.com";

async fn first(browser: &Browser) -> Page {
    let page = browser.open("/login?return_to=/back").await;
    let page = browser.submit(&page, "login-form", &[("identifier", ALICE)]).await;
    browser.submit(&page, "password-form", &[("password", PASSWORD)]).await
}

#[tokio::test]
async fn mfa_01_the_authenticator_is_asked_for() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let authenticator = Authenticator::of(&app, &alice).await;
    let browser = app.browser();
    let page = first(&browser).await.expect(200, "authenticator app");
    browser.get("/me").await.problem(401, "NOT_AUTHENTICATED");
    let again =
        browser.submit(&page, "factor-form", &[("code", "000000")]).await.expect(400, "href=\"#code\"");
    let done = browser.submit(&again, "factor-form", &[("code", &authenticator.code())]).await;
    assert_eq!(done.way[0], "/back");
    assert_eq!(browser.get("/me").await.expect(200).json["amr"], json!(["password", "totp"]));
    assert!(browser.cookie("usso-login").is_none());
}

#[tokio::test]
async fn a_backup_code_replaces_the_authenticator() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    Authenticator::of(&app, &alice).await;
    let made = alice.post("/credentials", json!({"method": "backup_codes"})).await.expect(201);
    let code = made.json["codes"][0].as_str().expect("a code").to_owned();
    let browser = app.browser();
    let page = first(&browser).await.expect(200, "Backup code");
    let link = page.links().into_iter().find(|link| link.contains("via=backup_codes")).expect("a way");
    let page = browser.open(&link).await.expect(200, "Each works once");
    assert_eq!(browser.submit(&page, "factor-form", &[("code", &code)]).await.way[0], "/back");
}

#[tokio::test]
async fn a_code_is_sent_over_another_channel() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    app.change_user(&alice, |user| {
        user.identifiers[0].verified_at = Some(kernel::Timestamp::from_unix_seconds(1))
    })
    .await;
    app.configure("org_default", json!({"require_mfa": true})).await;
    let browser = app.browser();
    let page = first(&browser).await.expect(200, "a•••@example.com");
    assert!(!page.has(ALICE), "{}", page.html());
    let page = browser.submit(&page, "/login/factor/send", &[]).await.expect(200, "factor-form");
    let code = app.last_letter().await.code();
    let soon = browser.submit(&page, "/login/factor/send", &[]).await.expect(429, "factor-form");
    assert_eq!(browser.submit(&soon, "factor-form", &[("code", &code)]).await.way[0], "/back");
}

#[tokio::test]
async fn whoever_has_no_sign_in_under_way_begins_one() {
    let app = TestApp::new().await;
    for path in ["/login/factor?return_to=/back", "/login/enrol?return_to=/back"] {
        let page = app.browser().open(path).await.expect(200, "login-form");
        assert_eq!(page.address(), "/login?return_to=%2Fback");
    }
    let browser = app.browser();
    browser.keep("usso-login", "a.b.c");
    assert_eq!(browser.open("/login/factor").await.path(), "/login");
}

#[tokio::test]
async fn a_sign_in_that_comes_back_half_done_goes_on() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    Authenticator::of(&app, &alice).await;
    let browser = app.browser();
    let body = json!({"identifier": ALICE, "secret": PASSWORD});
    assert_eq!(browser.post("/auth/login", body).await.expect(200).json["status"], "mfa_required");
    let page = browser.open("/login?status=mfa_required&return_to=/back").await.expect(200, "factor-form");
    assert_eq!(page.path(), "/login/factor");
}

/// The authenticator whose secret a page shows.
fn shown(app: &TestApp, page: &Page) -> Authenticator {
    let html = page.html();
    let after = html.split("id=\"totp-secret\">").nth(1).expect("a secret");
    let secret = after.split('<').next().expect("a secret");
    let answer = Answer { json: json!({ "secret": secret }), ..page.answer.clone() };
    Authenticator::read(app, &answer)
}

#[tokio::test]
async fn d39_whoever_needs_a_second_factor_and_has_none_sets_one_up() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.configure("org_default", json!({"require_mfa": true})).await;
    let browser = app.browser();
    let page = first(&browser).await.expect(200, "authenticator app");
    assert_eq!(page.path(), "/login/enrol");
    let page = browser.submit(&page, "/login/enrol", &[]).await.expect(200, "totp-form");
    assert!(page.has("data:image/svg+xml;base64,") && page.has("otpauth://totp/"), "{}", page.html());
    let wrong = browser.submit(&page, "totp-form", &[("code", "000000")]).await.expect(400, "href=\"#code\"");
    let authenticator = shown(&app, &wrong);
    let done = browser.submit(&wrong, "totp-form", &[("code", &authenticator.code())]).await;
    assert_eq!(done.way[0], "/back");
    assert_eq!(browser.get("/me").await.expect(200).json["amr"], json!(["password", "totp"]));
    // From now on it is asked for.
    first(&app.browser()).await.expect(200, "factor-form");
}

#[tokio::test]
async fn an_authenticator_is_confirmed_by_who_began_it() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.configure("org_default", json!({"require_mfa": true})).await;
    let browser = app.browser();
    let page = first(&browser).await;
    let page = browser.submit(&page, "/login/enrol", &[]).await;
    let authenticator = shown(&app, &page);
    browser.forget("usso-login");
    let refused = browser.submit(&page, "totp-form", &[("code", &authenticator.code())]).await;
    assert_eq!(refused.path(), "/login");
    assert!(browser.cookie("usso-access-token").is_none());
}
