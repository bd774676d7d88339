//! A new password, and proving an address (checklist REC-01).

use crate::app::{PASSWORD, Requests, TestApp};

const ALICE: &str = "alice@example.com";
const OTHER: &str = "canary-another-Horse-9!";

#[tokio::test]
async fn rec_01_a_link_leads_to_a_new_password_once() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let browser = app.browser();
    let login = browser.open("/login").await;
    let page = browser.submit(&login, "login-form", &[("identifier", ALICE)]).await;
    let link = page.links().into_iter().find(|link| link.starts_with("/reset-password")).expect("a link");
    let page = browser.open(&link).await;
    assert_eq!(page.value("reset-form", "identifier"), ALICE);
    browser.submit(&page, "reset-form", &[]).await.expect(200, "If there is an account");
    let letter = app.last_letter().await;
    let path = letter.link().strip_prefix("http://localhost:8000").expect("our address").to_owned();
    let page = browser.open(&path).await.expect(200, "Choose a new password");
    let weak =
        browser.submit(&page, "password-form", &[("password", "short")]).await.expect(400, "at least 8");
    let done = browser.submit(&weak, "password-form", &[("password", OTHER)]).await;
    done.expect(200, "Password set");
    app.anonymous().login(ALICE, OTHER).await.expect(200);
    app.anonymous().login(ALICE, PASSWORD).await.is(401);
    browser.submit(&page, "password-form", &[("password", PASSWORD)]).await.expect(401, "LINK_INVALID");
}

#[tokio::test]
async fn a_code_by_text_leads_to_a_new_password() {
    let app = TestApp::new().await;
    let body = serde_json::json!({"identifier": "+989121234567", "secret": PASSWORD});
    app.anonymous().post("/auth/register", body).await.expect(201);
    let browser = app.browser();
    let page = browser.open("/reset-password").await;
    let page = browser
        .submit(&page, "reset-form", &[("identifier", "+989121234567")])
        .await
        .expect(200, "code-form");
    let code = app.last_letter().await.code();
    let wrong = [("code", "000000"), ("password", OTHER)];
    let page = browser.submit(&page, "code-form", &wrong).await.expect(400, "href=\"#code\"");
    let weak = [("code", code.as_str()), ("password", "short")];
    let page = browser.submit(&page, "code-form", &weak).await.expect(400, "href=\"#password\"");
    let right = [("code", code.as_str()), ("password", OTHER)];
    browser.submit(&page, "code-form", &right).await.expect(200, "Password set");
    app.anonymous().login("+989121234567", OTHER).await.expect(200);
}

#[tokio::test]
async fn an_address_is_proven_by_a_code() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let browser = app.browser();
    let page = browser.open("/verify-email?identifier=alice%40example.com").await;
    let page = browser.submit(&page, "reset-form", &[]).await.expect(200, "code-form");
    let code = app.last_letter().await.code();
    let page = browser.submit(&page, "code-form", &[("code", "000000")]).await.expect(400, "href=\"#code\"");
    browser.submit(&page, "code-form", &[("code", &code)]).await.expect(200, "Confirmed");
}
