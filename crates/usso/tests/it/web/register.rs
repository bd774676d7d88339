//! Making an account, and using an invitation to one.

use crate::app::{Browser, PASSWORD, Page, Requests, TestApp};
use serde_json::json;

const ALICE: &str = "alice@example.com";

async fn register(browser: &Browser, path: &str, more: &[(&str, &str)]) -> Page {
    let page = browser.open(path).await.expect(200, "register-form");
    let mut typed = vec![("identifier", ALICE), ("name", "Alice"), ("password", PASSWORD)];
    typed.extend(more);
    browser.submit(&page, "register-form", &typed).await
}

#[tokio::test]
async fn an_account_is_made_and_signed_in() {
    let app = TestApp::new().await;
    let browser = app.browser();
    let login = browser.open("/login?return_to=/back").await;
    let link = login.links().into_iter().find(|link| link.starts_with("/register")).expect("a link");
    let done = register(&browser, &link, &[]).await;
    assert_eq!(done.way[0], "/back");
    assert_eq!(browser.get("/me").await.expect(200).json["name"], "Alice");
}

#[tokio::test]
async fn a_weak_password_is_told_by_rule() {
    let app = TestApp::new().await;
    let browser = app.browser();
    let page =
        register(&browser, "/register", &[("password", "short")]).await.expect(400, "at least 8 characters");
    assert!(page.has("special character") && page.has("href=\"#password\"") && !page.has("value=\"short\""));
    // What was typed besides is still there.
    assert_eq!(
        (page.value("register-form", "identifier"), page.value("register-form", "name")),
        (ALICE.into(), "Alice".into())
    );
    let done = browser.submit(&page, "register-form", &[("password", PASSWORD)]).await;
    assert_eq!(done.path(), "/signed-in");
}

#[tokio::test]
async fn whoever_has_an_account_is_told_to_sign_in() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let page = register(&app.browser(), "/register", &[]).await.expect(409, "Sign in instead");
    assert!(page.has("href=\"#identifier\""));
}

#[tokio::test]
async fn a_closed_registration_offers_nothing() {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"registration": {"is_allowed": false}})).await;
    app.browser().open("/register").await.expect(403, "REGISTRATION_DISABLED");
    let login = app.browser().open("/login").await;
    assert!(!login.links().iter().any(|link| link.starts_with("/register")));
}

#[tokio::test]
async fn where_people_must_be_brought_the_code_is_asked_for() {
    let app = TestApp::new().await;
    let bob = app.user("bob").await;
    let code = bob.post("/referrals", json!({})).await.expect(201).str("code").to_owned();
    app.configure("org_default", json!({"registration": {"invite_only": true}})).await;
    let browser = app.browser();
    register(&browser, "/register", &[("referral_code", "nonsense")])
        .await
        .expect(400, "href=\"#referral_code\"");
    let page = browser.open(&format!("/register?referral_code={code}")).await;
    assert_eq!(page.value("register-form", "referral_code"), code);
    let done = register(&browser, &format!("/register?referral_code={code}"), &[]).await;
    assert_eq!(done.path(), "/signed-in");
}

#[tokio::test]
async fn an_address_that_is_to_be_proven_is_proven_by_a_code() {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"registration": {"approval_mode": "identifier"}})).await;
    let browser = app.browser();
    let page = register(&browser, "/register?return_to=/back", &[]).await.expect(200, "code-form");
    browser.get("/me").await.problem(401, "NOT_AUTHENTICATED");
    let code = app.last_letter().await.code();
    let done = browser.submit(&page, "code-form", &[("code", &code)]).await;
    assert_eq!(done.way[0], "/back");
    // The password was kept.
    app.anonymous().login(ALICE, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_account_that_waits_for_approval_is_told_so() {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"registration": {"approval_mode": "manual_review"}})).await;
    register(&app.browser(), "/register", &[]).await.expect(403, "not active");
}

#[tokio::test]
async fn an_invitation_leads_to_a_password() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let body = json!({"name": "Company A", "domains": ["company-a.com"], "admin": {"identifier": "root@company-a.com"}});
    let made = admin.post("/tenants", body).await.expect(201);
    let url = made.str("invitation_url");
    let path = url.strip_prefix("http://company-a.com:8000").expect("its own address").to_owned();
    let browser = Browser::new(&app, "company-a.com");
    let page = browser.open(&path).await.expect(200, "root@company-a.com");
    let weak =
        browser.submit(&page, "password-form", &[("password", "short")]).await.expect(400, "at least 8");
    browser
        .submit(&weak, "password-form", &[("password", PASSWORD)])
        .await
        .expect(200, "Your account is ready");
    app.on_host("company-a.com").login("root@company-a.com", PASSWORD).await.expect(200);
    browser.open(&path).await.expect(410, "GONE");
}
