//! The page where a device's code is entered (RFC 8628 §3.3, DEV-03).

use crate::app::{Anonymous, Answer, Browser, PASSWORD, Requests, TestApp};
use serde_json::json;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A television: who talks for it, its client's id, and the codes it was given.
async fn television(app: &TestApp) -> (Anonymous, String, Answer) {
    let admin = app.system_admin().await;
    let said = json!({
        "client_name": "Television", "token_endpoint_auth_method": "none", "grant_types": [GRANT],
    });
    let id = admin.post("/oauth/clients", said).await.expect(201).str("client_id").to_owned();
    let who = admin.signed_out();
    let fields = [("client_id", id.as_str()), ("scope", "openid profile")];
    let codes = who.form("ROOT/oauth/device_authorization", &fields).await.expect(200);
    (who, id, codes)
}

async fn poll(app: &TestApp, (who, id, codes): &(Anonymous, String, Answer)) -> Answer {
    app.wait(6);
    let fields =
        [("client_id", id.as_str()), ("grant_type", GRANT), ("device_code", codes.str("device_code"))];
    who.form("ROOT/oauth/token", &fields).await
}

async fn alice(app: &TestApp) -> Browser {
    let user = app.user("alice").await;
    let browser = app.browser();
    let body = json!({"identifier": user.identifier, "secret": PASSWORD});
    browser.post("/auth/login", body).await.expect(200);
    browser
}

#[tokio::test]
async fn dev_03_somebody_says_yes_even_when_the_code_came_in_the_address() {
    let app = TestApp::new().await;
    let device = television(&app).await;
    let browser = alice(&app).await;
    let complete =
        device.2.str("verification_uri_complete").trim_start_matches(crate::app::ORIGIN).to_owned();
    let page = browser.open(&complete).await.expect(200, "Television asks for this in your name");
    assert!(page.has("profile") && page.has(device.2.str("user_code")), "{}", page.html());
    assert_eq!(poll(&app, &device).await.str("error"), "authorization_pending");
    browser
        .submit(&page, "device-form", &[("answer", "connect")])
        .await
        .expect(200, "The device is connected");
    assert_eq!(poll(&app, &device).await.status, 200);
}

#[tokio::test]
async fn dev_03_a_code_is_entered_and_refused() {
    let app = TestApp::new().await;
    let device = television(&app).await;
    let browser = alice(&app).await;
    let page = browser.open("/device").await.expect(200, "Enter the code");
    let typed = device.2.str("user_code").to_lowercase();
    let page = browser.submit(&page, "device-form", &[("user_code", &typed)]).await;
    let page = page.expect(200, "Television asks for this in your name");
    browser.submit(&page, "device-form", &[("answer", "refuse")]).await.expect(200, "was not connected");
    assert_eq!(poll(&app, &device).await.str("error"), "access_denied");
}

#[tokio::test]
async fn dev_03_who_is_not_signed_in_signs_in_first_and_a_wrong_code_is_told() {
    let app = TestApp::new().await;
    let stranger = app.browser().open("/device?user_code=BBBB-BBBB").await;
    assert_eq!(stranger.path(), "/login");
    let browser = alice(&app).await;
    browser.open("/device?user_code=BBBB-BBBB").await.expect(400, "There is no such code");
    for _ in 0..4 {
        browser.open("/device?user_code=BBBB-BBBC").await.expect(400, "There is no such code");
    }
    browser.open("/device?user_code=BBBB-BBBD").await.expect(429, "");
}
