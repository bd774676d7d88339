//! No page tells whether there is an account: existing and unknown ones get the same bytes (ruling D28).

use crate::app::{Browser, PASSWORD, Page, TestApp};
use serde_json::json;

/// Two names of one length.
const NAMES: [&str; 2] = ["alice@example.com", "nobod@example.com"];

/// A page without what is random in it: what is sealed, tokens, the id of the request.
fn bare(page: &Page, name: &str) -> String {
    let html = page.html().replace(name, "NAME").replace(&name.replace('@', "%40"), "NAME");
    let mut out = String::new();
    for word in html.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))) {
        let bare = word.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
        let is_random = bare.len() >= 40 && !bare.contains('/');
        out.push_str(&if is_random {
            word.replace(bare, &format!("[{}]", bare.len()))
        } else {
            word.to_owned()
        });
    }
    out
}

async fn both<F, Fut>(app: &TestApp, path: F)
where
    F: Fn(Browser, &'static str) -> Fut,
    Fut: Future<Output = Vec<Page>>,
{
    let mut seen = Vec::new();
    for name in NAMES {
        let pages = path(app.browser(), name).await;
        let told = |page: &Page| {
            let way: Vec<String> =
                page.way.iter().map(|url| url.split('?').next().unwrap_or_default().to_owned()).collect();
            (page.answer.status, way, bare(page, name))
        };
        seen.push(pages.iter().map(told).collect::<Vec<_>>());
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].iter().all(|(_, _, html)| html.len() > 500));
}

async fn to_password(browser: &Browser, name: &str) -> Page {
    let page = browser.open("/login").await;
    browser.submit(&page, "login-form", &[("identifier", name)]).await
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_account_look_alike() {
    let app = TestApp::new().await;
    app.user("alice").await;
    both(&app, |browser, name| async move {
        let asked = to_password(&browser, name).await;
        let refused = browser.submit(&asked, "password-form", &[("password", "canary-wrong-Horse-9!")]).await;
        vec![asked, refused.expect(400, "role=\"alert\"")]
    })
    .await;
}

#[tokio::test]
async fn codes_and_links_tell_nothing() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.configure("org_default", json!({"registration": {"is_allowed": false}})).await;
    both(&app, |browser, name| async move {
        let asked = to_password(&browser, name).await;
        let sent = browser.submit(&asked, "/login/code/send", &[]).await.expect(200, "code-form");
        let wrong =
            browser.submit(&sent, "code-form", &[("code", "000000")]).await.expect(400, "role=\"alert\"");
        let asked_again = to_password(&browser, name).await;
        let link = browser.submit(&asked_again, "/login/link", &[]).await.expect(200, "link is on its way");
        vec![sent, wrong, link]
    })
    .await;
}

#[tokio::test]
async fn recovery_tells_nothing() {
    let app = TestApp::new().await;
    app.user("alice").await;
    both(&app, |browser, name| async move {
        let page = browser.open("/reset-password").await;
        let sent = browser.submit(&page, "reset-form", &[("identifier", name)]).await;
        let soon = browser
            .submit(&browser.open("/reset-password").await, "reset-form", &[("identifier", name)])
            .await;
        vec![sent.expect(200, "If there is an account"), soon.expect(429, "Try again in")]
    })
    .await;
}

#[tokio::test]
async fn registering_where_the_address_is_to_be_proven_tells_nothing() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.configure("org_default", json!({"registration": {"approval_mode": "identifier"}})).await;
    both(&app, |browser, name| async move {
        let page = browser.open("/register").await;
        let typed = [("identifier", name), ("name", "Somebody"), ("password", PASSWORD)];
        vec![browser.submit(&page, "register-form", &typed).await.expect(200, "code-form")]
    })
    .await;
}
