//! Several accounts in one browser, and signing out.

use crate::app::{Browser, PASSWORD, Page, Requests, TestApp};

async fn sign_in(browser: &Browser, name: &str) -> Page {
    let page = browser.open("/login").await;
    let page = browser.submit(&page, "login-form", &[("identifier", &format!("{name}@example.com"))]).await;
    browser.submit(&page, "password-form", &[("password", PASSWORD)]).await
}

async fn who(browser: &Browser) -> String {
    let me = browser.get("/me").await.expect(200);
    me.json["identifiers"][0]["value"].as_str().expect("an identifier").to_owned()
}

/// The session behind the button with a name on it.
fn session_of(page: &Page, name: &str) -> String {
    let buttons = page.elements("button").into_iter();
    let mut found =
        buttons.filter(|(_, after)| after.split("</button>").next().is_some_and(|text| text.contains(name)));
    let (own, _) = found.next_back().expect("an account");
    own.iter().find(|(n, _)| n == "value").expect("a session").1.clone()
}

async fn two(app: &TestApp) -> Browser {
    app.user("alice").await;
    app.user("bob").await;
    let browser = app.browser();
    sign_in(&browser, "alice").await;
    sign_in(&browser, "bob").await;
    assert_eq!(who(&browser).await, "bob@example.com");
    browser
}

#[tokio::test]
async fn an_account_is_chosen_of_those_that_are_signed_in() {
    let app = TestApp::new().await;
    let browser = two(&app).await;
    let page = browser.open("/accounts?return_to=/back").await.expect(200, "alice@example.com");
    assert!(page.has("bob@example.com"), "{}", page.html());
    let session = session_of(&page, "alice@");
    let done = browser.submit(&page, "accounts-form", &[("session", &session)]).await;
    assert_eq!(done.way[0], "/back");
    assert_eq!(who(&browser).await, "alice@example.com");
    // Nobody had to sign in again, and both are still there.
    let page = browser.open("/accounts").await;
    let done = browser.submit(&page, "accounts-form", &[("session", &session_of(&page, "bob@"))]).await;
    assert_eq!(done.path(), "/signed-in");
    assert_eq!(who(&browser).await, "bob@example.com");
}

#[tokio::test]
async fn a_session_that_has_ended_is_not_offered_nor_gone_on_with() {
    let app = TestApp::new().await;
    let browser = two(&app).await;
    let page = browser.open("/accounts").await;
    let session = session_of(&page, "alice@");
    let alice = app.user("alice").await;
    alice.delete(&format!("/sessions/{session}")).await.is_not(500);
    let page_after = browser.open("/accounts").await;
    assert!(!page_after.has("alice@example.com"), "{}", page_after.html());
    let refused = browser.submit(&page, "accounts-form", &[("session", &session)]).await;
    assert_eq!(refused.path(), "/login");
    assert_eq!(who(&browser).await, "bob@example.com");
}

#[tokio::test]
async fn a_session_of_another_browser_is_not_gone_on_with() {
    let app = TestApp::new().await;
    let browser = two(&app).await;
    let page = browser.open("/accounts").await;
    let session = session_of(&page, "alice@");
    let other = app.browser();
    app.user("carol").await;
    sign_in(&other, "carol").await;
    let own = other.open("/accounts").await;
    let refused = other.submit(&own, "accounts-form", &[("session", &session)]).await;
    assert_eq!(refused.path(), "/login");
    assert_eq!(who(&other).await, "carol@example.com");
    // Nor does another tenant read the cookie.
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let foreign = tenant.browser();
    foreign.keep("usso-accounts", &browser.cookie("usso-accounts").expect("accounts"));
    assert_eq!(foreign.open("/accounts").await.path(), "/login");
}

#[tokio::test]
async fn signing_out_ends_the_session_and_asks_first() {
    let app = TestApp::new().await;
    let browser = two(&app).await;
    let page = browser.open("/logout").await.expect(200, "confirm-form");
    assert_eq!(who(&browser).await, "bob@example.com");
    let access = browser.cookie("usso-access-token").expect("a token");
    browser.submit(&page, "confirm-form", &[]).await.expect(200, "You are signed out");
    browser.get("/me").await.problem(401, "NOT_AUTHENTICATED");
    app.anonymous().with_token(&access).get("/me").await.problem(401, "TOKEN_REVOKED");
    // The other account is still signed in.
    let page = browser.open("/accounts").await.expect(200, "alice@example.com");
    assert!(!page.has("bob@example.com"), "{}", page.html());
}

#[tokio::test]
async fn a_link_signs_nobody_out() {
    let app = TestApp::new().await;
    let browser = two(&app).await;
    browser.open("/logout").await;
    browser.post_form("/logout", &[]).await.expect(403, "FORM_EXPIRED");
    assert_eq!(who(&browser).await, "bob@example.com");
}

#[tokio::test]
async fn an_access_token_is_not_worth_a_session_to_go_on_with() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    // A program that was given it, and a browser that has nothing but the access cookie.
    let program = app.anonymous().with_token(alice.access()).with_header("accept", "text/html");
    let answer = program.get("ROOT/signed-in").await.expect(200);
    assert!(answer.cookies().iter().all(|cookie| cookie.name != "usso-accounts"));
    let browser = app.browser();
    browser.keep("usso-access-token", alice.access());
    let page = browser.open("/signed-in").await.expect(200, "alice@example.com");
    assert!(page.has("alice@example.com"));
    assert!(browser.cookie("usso-accounts").is_none());
}
