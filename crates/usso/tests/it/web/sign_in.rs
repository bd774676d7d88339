//! Signing in with a password, page by page; and the forms that are refused (checklist HTTP-03, HTTP-08, AUTHZ-18).

use crate::app::{Browser, HOST, PASSWORD, Page, Requests, TestApp};

const ALICE: &str = "alice@example.com";

async fn at_password(browser: &Browser, path: &str) -> Page {
    let page = browser.open(path).await.expect(200, "name=\"identifier\"");
    browser.submit(&page, "login-form", &[("identifier", ALICE)]).await.expect(200, "name=\"password\"")
}

async fn with_password(browser: &Browser, page: &Page, password: &str) -> Page {
    browser.submit(page, "password-form", &[("password", password)]).await
}

async fn signed_in_at(app: &TestApp, path: &str) -> (Browser, Page) {
    let browser = app.browser();
    let page = at_password(&browser, path).await;
    let done = with_password(&browser, &page, PASSWORD).await;
    (browser, done)
}

#[tokio::test]
async fn a_password_signs_in_and_leads_on() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let (browser, done) = signed_in_at(&app, "/login").await;
    assert_eq!(done.path(), "/signed-in");
    assert!(done.has(ALICE) && done.answer.status == 200, "{}", done.html());
    assert_eq!(browser.get("/me").await.expect(200).json["identifiers"][0]["value"], ALICE);
    assert!(browser.cookie("usso-device").is_some() && browser.cookie("usso-login").is_none());
}

#[tokio::test]
async fn whoever_was_sent_to_sign_in_goes_back() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let (_, done) =
        signed_in_at(&app, "/login?return_to=%2Foauth%2Fauthorize%3Fclient_id%3Da%26state%3Db").await;
    assert!(done.way.contains(&"/oauth/authorize?client_id=a&state=b".to_owned()), "{:?}", done.way);
}

#[tokio::test]
async fn a_tenant_says_where_people_go_by_default() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.configure(
        "org_default",
        serde_json::json!({"default_redirect_url": "https://app.example.com/start"}),
    )
    .await;
    let (_, done) = signed_in_at(&app, "/login").await;
    assert_eq!(done.address(), "https://app.example.com/start");
}

#[tokio::test]
async fn a_wrong_password_is_told_above_the_form() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let browser = app.browser();
    let page = at_password(&browser, "/login").await;
    let again = with_password(&browser, &page, "canary-wrong-Horse-9!").await.expect(400, "role=\"alert\"");
    assert!(again.has("href=\"#password\"") && again.has("aria-invalid=\"true\""), "{}", again.html());
    assert!(again.has(ALICE) && !again.has("canary-wrong"), "{}", again.html());
    // From here it goes on.
    let done = with_password(&browser, &again, PASSWORD).await;
    assert_eq!(done.path(), "/signed-in");
}

#[tokio::test]
async fn too_many_wrong_passwords_are_told_how_long_to_wait() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let browser = app.browser();
    let mut page = at_password(&browser, "/login").await;
    for _ in 0..5 {
        page = with_password(&browser, &page, "canary-wrong-Horse-9!").await.expect(400, "role=\"alert\"");
    }
    let locked = with_password(&browser, &page, PASSWORD).await.expect(429, "Try again in");
    assert!(locked.answer.header("retry-after").is_some());
}

#[tokio::test]
async fn empty_fields_are_asked_for() {
    let app = TestApp::new().await;
    let browser = app.browser();
    let page = browser.open("/login").await;
    let again =
        browser.submit(&page, "login-form", &[("identifier", "  ")]).await.expect(400, "Enter who you are");
    let bad = browser.submit(&again, "login-form", &[("identifier", "a@b@c")]).await;
    bad.expect(400, "valid e-mail");
    let page = at_password(&browser, "/login").await;
    with_password(&browser, &page, "").await.expect(400, "Enter a password");
}

#[tokio::test]
async fn the_form_comes_back_with_a_hint_who_signs_in() {
    let app = TestApp::new().await;
    let page = app.browser().open("/login?login_hint=alice%40example.com").await;
    assert_eq!(page.value("login-form", "identifier"), ALICE);
}

#[tokio::test]
async fn authz_18_a_form_without_its_token_is_refused() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let browser = app.browser();
    let page = at_password(&browser, "/login").await;
    let (action, fields) = page.filled("password-form", &[("password", PASSWORD)]);
    let without: Vec<_> = fields.iter().filter(|(name, _)| name != "form_token").cloned().collect();
    let refused = browser.post_form(&action, &without).await;
    refused.expect(403, "FORM_EXPIRED");
    browser.get("/me").await.problem(401, "NOT_AUTHENTICATED");
    assert!(browser.cookie("usso-access-token").is_none());
}

#[tokio::test]
async fn authz_18_a_form_of_another_browser_is_refused() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let (mallory, victim) = (app.browser(), app.browser());
    let page = at_password(&mallory, "/login").await;
    victim.open("/login").await;
    let (action, fields) = page.filled("password-form", &[("password", PASSWORD)]);
    victim.post_form(&action, &fields).await.expect(403, "FORM_EXPIRED");
    assert!(victim.cookie("usso-access-token").is_none());
    // Nor without any cookie, nor with one somebody made up.
    app.browser().post_form(&action, &fields).await.expect(403, "FORM_EXPIRED");
    victim.keep("usso-form", &"A".repeat(43));
    victim.post_form(&action, &fields).await.expect(403, "FORM_EXPIRED");
}

#[tokio::test]
async fn http_08_a_form_of_another_site_is_refused() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let browser = app.browser();
    let page = at_password(&browser, "/login").await;
    let (action, fields) = page.filled("password-form", &[("password", PASSWORD)]);
    for origin in ["https://evil.example", "null"] {
        let evil = browser.clone().with_header("origin", origin);
        evil.post_form(&action, &fields).await.expect(403, "ORIGIN_NOT_ALLOWED");
    }
    // A browser that tells no origin is believed by the token.
    let silent = browser.clone().without_header("origin");
    assert_eq!(silent.post_form(&action, &fields).await.path(), "/signed-in");
}

#[tokio::test]
async fn authz_18_session_and_form_secret_change_at_sign_in() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let browser = app.browser();
    browser.keep("usso-access-token", "chosen.by.mallory");
    let page = at_password(&browser, "/login").await;
    let before = browser.cookie("usso-form").expect("a secret");
    let done = with_password(&browser, &page, PASSWORD).await;
    assert_eq!(done.path(), "/signed-in");
    assert_ne!(browser.cookie("usso-access-token").as_deref(), Some("chosen.by.mallory"));
    assert_ne!(browser.cookie("usso-form").expect("a secret"), before);
    let (action, fields) = page.filled("password-form", &[("password", PASSWORD)]);
    browser.post_form(&action, &fields).await.expect(403, "FORM_EXPIRED");
    // A second sign-in is a second session.
    let first = browser.get("/me").await.expect(200).json["jti"].clone();
    let page = at_password(&browser, "/login").await;
    with_password(&browser, &page, PASSWORD).await;
    assert_ne!(browser.get("/me").await.expect(200).json["jti"], first);
}

#[tokio::test]
async fn a_form_is_a_form_and_has_each_field_once() {
    let app = TestApp::new().await;
    let browser = app.browser().with_header("accept", "text/html");
    let json = browser.post("ROOT/login", serde_json::json!({"identifier": ALICE})).await;
    assert_eq!(json.status, 415, "{}", json.text());
    let page = app.browser().open("/login").await;
    let (action, mut fields) = page.filled("login-form", &[("identifier", ALICE)]);
    fields.push(("identifier".to_owned(), "bob@example.com".to_owned()));
    app.browser().post_form(&action, &fields).await.expect(400, "VALIDATION_ERROR");
    let long = vec![("identifier".to_owned(), "a".repeat(70_000))];
    app.browser().post_form("/login", &long).await.expect(413, "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn a_flow_is_sealed_and_ends() {
    let app = TestApp::new().await;
    let browser = app.browser();
    let page = at_password(&browser, "/login").await;
    assert!(!page.address().contains("alice"), "{}", page.address());
    // What is made up, or another tenant's, or too old begins anew.
    assert_eq!(browser.open("/login/password?flow=abc").await.path(), "/login");
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    assert_eq!(tenant.browser().open(page.address()).await.path(), "/login");
    app.wait(3_601);
    assert_eq!(browser.open(page.address()).await.path(), "/login");
}

#[tokio::test]
async fn pages_below_a_tenants_path_stay_there() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &[]).await;
    tenant.user("alice").await;
    let browser = Browser::new(&app, HOST);
    let base = format!("/t/{}", tenant.id);
    let page = browser.open(&format!("{base}/login")).await.expect(200, "Company A");
    let links: Vec<String> = page.links().into_iter().filter(|link| link.starts_with('/')).collect();
    assert!(links.len() >= 2 && links.iter().all(|link| link.starts_with(&base)), "{links:?}");
    let page = browser.submit(&page, "login-form", &[("identifier", ALICE)]).await;
    let done = with_password(&browser, &page, PASSWORD).await;
    assert_eq!(done.path(), format!("{base}/signed-in"));
    for name in ["usso-access-token", "usso-form", "usso-accounts"] {
        assert_eq!(browser.path_of(name).as_deref(), Some(base.as_str()), "{name}");
    }
    browser.get(&format!("ROOT{base}/api/sso/v1/me")).await.expect(200);
    browser.get("/me").await.problem(401, "NOT_AUTHENTICATED");
}

#[tokio::test]
async fn an_own_domain_has_its_own_pages() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    tenant.user("alice").await;
    let browser = tenant.browser();
    let page = browser.open("/login").await.expect(200, "Company A");
    let page = browser.submit(&page, "login-form", &[("identifier", ALICE)]).await;
    let done = with_password(&browser, &page, PASSWORD).await;
    assert_eq!(done.path(), "/signed-in");
    browser.get("/me").await.expect(200);
}
