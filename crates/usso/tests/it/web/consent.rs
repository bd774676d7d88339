//! Consent, as a page (checklist AUTHZ-14, AUTHZ-16).

use crate::app::{Browser, PASSWORD, Page, Requests, TestApp};
use serde_json::json;

const BACK: &str = "https://app.example.com/callback";

/// Somebody signed in, on the page where a client asks for something.
async fn asked(app: &TestApp, more: &str) -> (Browser, Page) {
    let client = json!({"client_name": "Shop <b>", "redirect_uris": [BACK], "scope": "openid email"});
    let made = app.system_admin().await.post("/oauth/clients", client).await.expect(201);
    let (user, browser) = (app.user("alice").await, app.browser());
    let body = json!({"identifier": user.identifier, "secret": PASSWORD});
    browser.post("/auth/login", body).await.expect(200);
    let id = made.str("client_id");
    let path = format!(
        "/oauth/authorize?client_id={id}&redirect_uri={BACK}&response_type=code&scope=openid+email&state=s{more}"
    );
    let page = browser.open(&path).await.expect(200, "id=\"consent-form\"");
    (browser, page)
}

#[tokio::test]
async fn authz_14_the_page_names_the_client_and_what_it_asks_for() {
    let app = TestApp::new().await;
    let (_, page) = asked(&app, "").await;
    let html = page.html();
    assert!(html.contains("Shop &#60;b&#62;") && !html.contains("Shop <b>"), "{html}");
    assert!(html.contains("see your e-mail address") && html.contains("know who you are"), "{html}");
}

#[tokio::test]
async fn authz_16_allowing_gives_a_code_and_denying_does_not() {
    let app = TestApp::new().await;
    let (browser, page) = asked(&app, "").await;
    let denied = browser.submit(&page, "consent-form", &[("consent", "false")]).await;
    let told = denied.address();
    assert!(
        told.starts_with(BACK) && told.contains("error=access_denied") && told.contains("state=s"),
        "{told}"
    );
    let (browser, page) = asked(&app, "").await;
    let allowed = browser.submit(&page, "consent-form", &[("consent", "true")]).await;
    let told = allowed.address();
    assert!(told.starts_with(BACK) && told.contains("code=") && !told.contains("error="), "{told}");
    // Once.
    browser.submit(&page, "consent-form", &[("consent", "true")]).await.expect(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn a_client_that_wants_a_form_gets_one_after_consent() {
    let app = TestApp::new().await;
    let (browser, page) = asked(&app, "&response_mode=form_post").await;
    let done = browser.submit(&page, "consent-form", &[("consent", "true")]).await;
    assert!(
        done.html().contains(&format!("action=\"{BACK}\"")) && done.html().contains("name=\"code\""),
        "{}",
        done.html()
    );
}

#[tokio::test]
async fn http_08_an_answer_from_another_page_counts_for_nothing() {
    let app = TestApp::new().await;
    let (browser, page) = asked(&app, "").await;
    let forged = [("consent", "true"), ("form_token", "x")];
    browser.submit(&page, "consent-form", &forged).await.expect(403, "FORM_EXPIRED");
}
