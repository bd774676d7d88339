//! The pages of the authorization server: consent, and the choice of an account (checklist AUTHZ-14).

use crate::app::{Browser, PASSWORD, Page, Requests, TestApp};
use crate::oidc::{CALLBACK, Rp};
use serde_json::json;

const ALICE: &str = "alice@example.com";

async fn sign_in(browser: &Browser, login: &Page, who: &str) -> Page {
    let page = browser.submit(login, "login-form", &[("identifier", who)]).await;
    browser.submit(&page, "password-form", &[("password", PASSWORD)]).await
}

/// A client that must ask, and a browser it sent to sign in as Alice: at the question.
async fn asked(app: &TestApp, scope: &str) -> (Rp, Browser, Page) {
    app.user("alice").await;
    let rp = Rp::foreign(&app.system_admin().await).await;
    let browser = app.browser();
    let login = browser.open(&format!("/oauth/authorize?{}", rp.request(&[("scope", scope)]))).await;
    let page = sign_in(&browser, &login.expect(200, "login-form"), ALICE).await;
    (rp, browser, page)
}

#[tokio::test]
async fn authz_14_consent_names_client_scopes_and_time() {
    let app = TestApp::new().await;
    let (_, browser, page) = asked(&app, "openid email offline_access").await;
    let page = page.expect(200, "consent-form");
    assert!(page.has("Shop asks for access") && page.has(ALICE), "{}", page.html());
    for scope in ["openid", "email", "offline_access"] {
        assert!(page.has(&format!("data-scope=\"{scope}\"")), "{}", page.html());
    }
    assert!(page.has("see your e-mail address") && page.has("for 30 days"), "{}", page.html());
    let callback: http::Uri = CALLBACK.parse().expect("an address");
    assert!(page.has(&format!("go on to {}", callback.authority().expect("a host"))), "{}", page.html());
    assert!(!page.has("registered itself"), "an administrator made it");
    let done = browser.submit(&page, "consent-form", &[("consent", "allow")]).await;
    assert!(done.address().starts_with(&format!("{CALLBACK}?code=")), "{}", done.address());
    // Once.
    browser.submit(&page, "consent-form", &[("consent", "allow")]).await.expect(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn authz_14_of_a_client_that_registered_itself_people_are_told() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.configure("org_default", json!({"oauth": {"registration": "open"}})).await;
    let said = json!({"client_name": "Stranger", "redirect_uris": [CALLBACK], "scope": "openid"});
    let made = app.anonymous().post("ROOT/oauth/register", said).await.expect(201);
    let rp = Rp { id: made.str("client_id").to_owned(), ..Rp::foreign(&app.system_admin().await).await };
    let browser = app.browser();
    let login = browser.open(&format!("/oauth/authorize?{}", rp.request(&[]))).await;
    let page = sign_in(&browser, &login.expect(200, "login-form"), ALICE).await.expect(200, "consent-form");
    assert!(page.has("Stranger registered itself"), "{}", page.html());
}

#[tokio::test]
async fn authz_14_who_refuses_goes_back_with_that() {
    let app = TestApp::new().await;
    let (_, browser, page) = asked(&app, "openid").await;
    let page = page.expect(200, "minutes, while you are signed in");
    browser.submit(&page, "consent-form", &[("consent", "perhaps")]).await.expect(400, "VALIDATION_ERROR");
    let done = browser.submit(&page, "consent-form", &[("consent", "deny")]).await;
    assert!(done.address().starts_with(&format!("{CALLBACK}?error=access_denied")), "{}", done.address());
}

#[tokio::test]
async fn authz_18_nobody_consents_by_a_form_of_another_page() {
    let app = TestApp::new().await;
    let (_, browser, page) = asked(&app, "openid").await;
    let (action, fields) = page.filled("consent-form", &[("consent", "allow")]);
    let without: Vec<_> = fields.into_iter().filter(|(name, _)| name != "form_token").collect();
    browser.post_form(&action, &without).await.expect(403, "FORM_EXPIRED");
}

#[tokio::test]
async fn whoever_is_not_signed_in_is_asked_nothing() {
    let app = TestApp::new().await;
    let (_, _, page) = asked(&app, "openid").await;
    let other = app.browser().open(page.address()).await.expect(200, "login-form");
    assert!(
        other.address().starts_with("/login?return_to=%2Foauth%2Fauthorize%3Fstate%3D"),
        "{}",
        other.address()
    );
    app.browser().open("/oauth/consent").await.expect(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn select_account_offers_those_that_are_signed_in() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.user("bob").await;
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let browser = app.browser();
    for who in [ALICE, "bob@example.com"] {
        sign_in(&browser, &browser.open("/login").await, who).await;
    }
    let asked = format!("/oauth/authorize?{}", rp.request(&[("prompt", "select_account")]));
    let page = browser.open(&asked).await.expect(200, "accounts-form");
    let session = page.button_value("session");
    let done = browser.submit(&page, "accounts-form", &[("session", &session)]).await;
    assert!(done.address().starts_with(&format!("{CALLBACK}?code=")), "{:?}", done.way);
    // Or another one.
    let page = browser.open(&asked).await.expect(200, "accounts-form");
    let another = page.links().into_iter().find(|link| link.contains("another=1")).expect("a link");
    let login = browser.open(&another).await.expect(200, "login-form");
    // Whoever signs in after the request has come has chosen.
    app.wait(1);
    let done = sign_in(&browser, &login, ALICE).await;
    assert!(done.address().starts_with(&format!("{CALLBACK}?code=")), "{:?}", done.way);
}
