//! The other ways in: codes, links, passkeys, QR codes, others' accounts, captchas.

use crate::app::{Browser, PASSWORD, Page, Requests, TestApp};
use serde_json::json;

const ALICE: &str = "alice@example.com";

async fn to_ways(browser: &Browser, path: &str, identifier: &str) -> Page {
    let page = browser.open(path).await;
    browser.submit(&page, "login-form", &[("identifier", identifier)]).await
}

#[tokio::test]
async fn a_code_by_mail_signs_in() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let browser = app.browser();
    let page = to_ways(&browser, "/login?return_to=/back", ALICE).await;
    let page = browser.submit(&page, "/login/code/send", &[]).await.expect(200, "a code is on its way");
    let letter = app.last_letter().await;
    assert_eq!((letter.template.as_str(), letter.to.as_str()), ("email_otp", ALICE));
    let again = browser.submit(&page, "code-form", &[("code", "000000")]).await.expect(400, "href=\"#code\"");
    let done = browser.submit(&again, "code-form", &[("code", &letter.code())]).await;
    assert_eq!(done.way[0], "/back");
    browser.get("/me").await.expect(200);
}

#[tokio::test]
async fn a_code_by_text_signs_in() {
    let app = TestApp::new().await;
    let browser = app.browser();
    let page = to_ways(&browser, "/login", "+989121234567").await.expect(200, "Text me a code");
    let page = browser.submit(&page, "/login/code/send", &[]).await;
    let code = app.last_letter().await.code();
    let done = browser.submit(&page, "code-form", &[("code", &code)]).await;
    assert_eq!(done.path(), "/signed-in");
}

#[tokio::test]
async fn another_code_is_sent_after_a_pause() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let browser = app.browser();
    let page = to_ways(&browser, "/login", ALICE).await;
    let page = browser.submit(&page, "/login/code/send", &[]).await;
    // Too soon; the first one still works.
    let first = app.last_letter().await.code();
    let soon = browser.submit(&page, "/login/code/send", &[]).await.expect(429, "code-form");
    app.wait(61);
    let page = browser.submit(&soon, "/login/code/send", &[]).await.expect(200, "a code is on its way");
    let second = app.last_letter().await.code();
    let old = browser.submit(&page, "code-form", &[("code", &first)]).await;
    assert_eq!(old.answer.status, 400);
    assert_eq!(browser.submit(&old, "code-form", &[("code", &second)]).await.path(), "/signed-in");
}

#[tokio::test]
async fn a_link_by_mail_signs_in_by_a_button() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let browser = app.browser();
    let page = to_ways(&browser, "/login?return_to=/back", ALICE).await;
    browser.submit(&page, "/login/link", &[]).await.expect(200, "link is on its way");
    let link = app.last_letter().await.link();
    let path = link.strip_prefix("http://localhost:8000").expect("our address");
    // Scanners of mail follow it, as often as they like.
    for _ in 0..3 {
        app.browser().open(path).await.expect(200, "confirm-form");
    }
    let landing = browser.open(path).await;
    let done = browser.submit(&landing, "confirm-form", &[]).await;
    assert_eq!(done.way[0], "/back");
    browser.get("/me").await.expect(200);
    let again = app.browser();
    let landing = again.open(path).await;
    again.submit(&landing, "confirm-form", &[]).await.expect(401, "LINK_INVALID");
}

#[tokio::test]
async fn a_link_in_another_browser_takes_its_token_from_there() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let browser = app.browser();
    let page = to_ways(&browser, "/login", ALICE).await;
    browser.submit(&page, "/login/link", &[]).await;
    let token = app.last_letter().await.token();
    let other = app.browser();
    let landing = other.open(&format!("/magic-link?token={token}")).await;
    let (action, fields) = landing.filled("confirm-form", &[]);
    // Somebody who is led to submit it signs nobody in.
    app.browser().post_form(&action, &fields).await.expect(403, "FORM_EXPIRED");
    assert_eq!(other.post_form(&action, &fields).await.path(), "/signed-in");
}

#[tokio::test]
async fn only_what_a_tenant_allows_is_offered() {
    let app = TestApp::new().await;
    // Signed in before the password is closed.
    let admin = app.system_admin().await;
    let configure = |config: serde_json::Value| {
        let admin = admin.clone();
        async move { admin.patch("/tenants/org_default", json!({ "config": config })).await.is(200) }
    };
    let page = app.browser().open("/login").await.expect(200, "passkey-button");
    assert!(page.has("/login/qr") && !page.has("oauth/google"), "{}", page.html());
    configure(json!({"allowed_login_methods": ["password"]})).await;
    let page = app.browser().open("/login").await;
    assert!(!page.has("passkey-button") && !page.has("/login/qr"), "{}", page.html());
    let browser = app.browser();
    let page = to_ways(&browser, "/login", ALICE).await.expect(200, "password-form");
    assert!(!page.has("/login/code/send") && !page.has("/login/link"), "{}", page.html());
    configure(json!({"allowed_login_methods": ["email/otp"]})).await;
    let page = to_ways(&browser, "/login", ALICE).await.expect(200, "/login/code/send");
    assert!(!page.has("password-form"), "{}", page.html());
    let flow = json!({"auth": {"login_flow": {"allowed_identifiers": ["phone"], "steps": [{"methods": ["phone/otp"]}]}}});
    configure(flow).await;
    let page = browser.open("/login").await.expect(200, "Phone number");
    browser.submit(&page, "login-form", &[("identifier", ALICE)]).await.expect(400, "not open here");
}

#[tokio::test]
async fn providers_have_buttons_that_lead_to_them() {
    let app = TestApp::new().await;
    let providers = json!({"google": {"client_id": "a", "client_secret": "canary-provider-secret"}, "github": {"client_id": "b",
        "client_secret": "canary-provider-secret"}, "broken": {"client_id": "c"}, "corp": {"label": "Corp & Sons",
        "issuer": "https://id.corp.example", "client_id": "d", "client_secret": "canary-provider-secret"}});
    app.configure(
        "org_default",
        json!({"integration": {"oauth_providers": providers,
        "telegram": {"bot_token": "4711:canary-bot-token"}}}),
    )
    .await;
    let page = app.browser().open("/login?return_to=/back").await.expect(200, "Continue with Google");
    assert!(
        page.has("Continue with GitHub") && page.has("Corp &#38; Sons") && !page.has("Broken"),
        "{}",
        page.html()
    );
    assert!(page.has("Continue with Telegram") && !page.has("canary-"), "{}", page.html());
    let wanted =
        "/api/sso/v1/auth/oauth/google/authorize?return_to=%2Fsigned-in%3Freturn_to%3D%252Fback".to_owned();
    assert!(page.links().contains(&wanted), "{:?}", page.links());
    let link = page.links().into_iter().find(|link| link.contains("telegram")).expect("a link");
    let telegram = app.browser().open(&link).await;
    let start = telegram.data("telegram", "data-start");
    assert!(
        start.starts_with("https://oauth.telegram.org/auth?bot_id=4711&origin=http%3A%2F%2Flocalhost%3A8000"),
        "{start}"
    );
    assert!(!telegram.has("canary-"), "{}", telegram.html());
    assert_eq!(telegram.data("telegram", "data-expected"), "false");
}

#[tokio::test]
async fn what_telegram_sends_counts_only_in_the_browser_that_was_sent_there() {
    let app = TestApp::new().await;
    let own = json!({"integration": {"telegram": {"bot_token": "4711:canary-bot-token"}}});
    app.configure("org_default", own).await;
    let browser = app.browser();
    let page = browser.open("/login/telegram?return_to=/back").await;
    let start = page.data("telegram", "data-start");
    let query = start.split_once('?').expect("a query").1.as_bytes().to_owned();
    let (_, back) = form_urlencoded::parse(&query).find(|(name, _)| name == "return_to").expect("a way back");
    let back = back.strip_prefix("http://localhost:8000").expect("ours").to_owned();
    let expected = |page: Page| page.data("telegram", "data-expected");
    assert_eq!(expected(browser.open(&back).await), "true");
    // A link with a sign-in of whoever made it is followed by nobody.
    let other = app.browser();
    other.open("/login").await;
    assert_eq!(expected(other.open(&back).await), "false");
    assert_eq!(expected(browser.open("/login/telegram?state=x").await), "false");
}

#[tokio::test]
async fn a_provider_that_failed_is_told_in_words() {
    let app = TestApp::new().await;
    let page = app.browser().open("/oauth/failed?error=provider_unavailable").await;
    let page = page.expect(200, "doesn&#39;t answer");
    assert!(page.links().contains(&"/login".to_owned()));
    let odd = app.browser().open("/oauth/failed?error=%3Cscript%3E").await.expect(200, "didn&#39;t work");
    assert!(!odd.has("<script>"), "{}", odd.html());
}

async fn phone(app: &TestApp) -> Browser {
    app.user("alice").await;
    let phone = app.browser().from_ip("198.51.100.7");
    let page = to_ways(&phone, "/login", ALICE).await;
    phone.submit(&page, "password-form", &[("password", PASSWORD)]).await;
    phone
}

/// A browser's picture: its page, and the path it holds.
async fn picture(app: &TestApp, browser: &Browser) -> (Page, String) {
    let page = browser.open("/login/qr").await.expect(200, "qr-number");
    let picture = page
        .elements("img")
        .into_iter()
        .find(|(own, _)| own.iter().any(|(_, v)| v == "qr"))
        .expect("a picture");
    assert!(picture.0.iter().any(|(name, value)| name == "src" && value.starts_with("data:image/svg+xml")));
    // What the picture holds is told by the API, too; here another request is made to read it.
    let asked = browser.get("/auth/qr").await.expect(200);
    let path = asked.str("url").strip_prefix("http://localhost:8000").expect("our address").to_owned();
    let _ = app;
    (page, path)
}

#[tokio::test]
async fn a_phone_is_asked_who_asks_and_which_number() {
    let app = TestApp::new().await;
    let phone = phone(&app).await;
    let browser = app.browser().with_header("user-agent", "Desk/1.0");
    let (_, path) = picture(&app, &browser).await;
    let asked = phone.open(&path).await.expect(200, "approve-form");
    assert!(asked.has("192.0.2.1") && asked.has("Desk/1.0") && asked.has(ALICE), "{}", asked.html());
    let numbers = asked
        .elements("button")
        .into_iter()
        .filter(|(own, _)| own.iter().any(|(_, v)| v.contains("number-choice")));
    assert_eq!(numbers.count(), 3);
    // Refused is refused.
    let done = phone.submit(&asked, "approve-form", &[("number", "none")]).await;
    done.expect(200, "was not signed in");
    phone.submit(&asked, "approve-form", &[("number", "11")]).await.expect(401, "LINK_INVALID");
}

#[tokio::test]
async fn the_right_number_signs_the_other_browser_in() {
    let app = TestApp::new().await;
    let phone = phone(&app).await;
    let browser = app.browser();
    let asked = browser.get("/auth/qr").await.expect(200);
    let path = asked.str("url").strip_prefix("http://localhost:8000").expect("our address").to_owned();
    let question = phone.open(&path).await.expect(200, "approve-form");
    let number = asked.json["number"].to_string();
    phone.submit(&question, "approve-form", &[("number", &number)]).await.expect(200, "is signed in");
    let told = browser.get(&format!("/auth/qr/status?qr_token={}", asked.str("qr_token"))).await.expect(200);
    assert_eq!(told.json["status"], "authenticated");
    let arrived = browser.open("/signed-in?return_to=/back").await;
    assert_eq!(arrived.way[0], "/back");
}

#[tokio::test]
async fn a_phone_that_is_not_signed_in_signs_in_first() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let (_, path) = picture(&app, &app.browser()).await;
    let phone = app.browser();
    let login = phone.open(&path).await.expect(200, "login-form");
    let page = phone.submit(&login, "login-form", &[("identifier", ALICE)]).await;
    let done = phone.submit(&page, "password-form", &[("password", PASSWORD)]).await;
    done.expect(200, "approve-form");
    phone.open("/qr?qr_code=abc").await.expect(401, "LINK_INVALID");
}

#[tokio::test]
async fn d32_without_a_script_waiting_stands_for_the_captcha() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.configure("org_default", json!({"captcha": {"mode": "always"}})).await;
    let browser = app.browser();
    let page = to_ways(&browser, "/login", ALICE).await.expect(200, "id=\"captcha\"");
    let soon = browser.submit(&page, "password-form", &[("password", PASSWORD)]).await;
    let soon = soon.expect(403, "One more check is needed");
    app.wait(11);
    assert_eq!(browser.submit(&soon, "password-form", &[("password", PASSWORD)]).await.path(), "/signed-in");
    // Having waited counts once, and for a while.
    let other = app.browser();
    let page = to_ways(&other, "/login", ALICE).await;
    let (action, fields) = page.filled("password-form", &[("password", "canary-wrong-Horse-9!")]);
    app.wait(11);
    other.post_form(&action, &fields).await.expect(400, "isn&#39;t right");
    other.post_form(&action, &fields).await.expect(403, "One more check is needed");
    // Nobody makes it up.
    let forged: Vec<_> = fields
        .iter()
        .map(|(n, v)| (n.clone(), if n == "wait" { format!("{}x", &v[..v.len() - 1]) } else { v.clone() }))
        .collect();
    other.post_form(&action, &forged).await.expect(403, "One more check is needed");
}
