//! English and Persian, chosen by address, cookie, browser and tenant, in this order.

use crate::app::{PASSWORD, Requests, TestApp};
use serde_json::json;

const PERSIAN: &str = "<html lang=\"fa\" dir=\"rtl\">";
const ENGLISH: &str = "<html lang=\"en\" dir=\"ltr\">";

#[tokio::test]
async fn a_language_is_chosen_and_remembered() {
    let app = TestApp::new().await;
    let browser = app.browser();
    let page = browser.open("/login?return_to=/back").await.expect(200, ENGLISH);
    let link = page.links().into_iter().find(|link| link.contains("lang=fa")).expect("a link");
    assert_eq!(link, "/login?return_to=%2Fback&lang=fa");
    let page = browser.open(&link).await.expect(200, PERSIAN);
    assert!(page.has("ورود"), "{}", page.html());
    browser.open("/register").await.expect(200, PERSIAN);
    // What was chosen counts more than what the browser is set to.
    browser.clone().with_header("accept-language", "en").open("/login").await.expect(200, PERSIAN);
}

#[tokio::test]
async fn languages_come_in_order() {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"default_language": "fa"})).await;
    app.browser().open("/login").await.expect(200, PERSIAN);
    let english = app.browser().with_header("accept-language", "en-GB,en;q=0.9,fa;q=0.1");
    english.open("/login").await.expect(200, ENGLISH);
    english.open("/login?ui_locales=de%20fa").await.expect(200, PERSIAN);
    english.open("/login?return_to=%2Foauth%2Fauthorize%3Fui_locales%3Dfa").await.expect(200, PERSIAN);
}

#[tokio::test]
async fn errors_are_told_in_the_language_of_the_page() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let browser = app.browser().with_header("accept-language", "fa");
    let page = browser.open("/login").await;
    let page = browser.submit(&page, "login-form", &[("identifier", "alice@example.com")]).await;
    let page = browser.submit(&page, "password-form", &[("password", "canary-wrong-Horse-9!")]).await;
    let page = page.expect(400, "درست نیست");
    let done = browser.submit(&page, "password-form", &[("password", PASSWORD)]).await;
    assert_eq!(done.path(), "/signed-in");
    browser.open("/nothing").await.expect(404, "این صفحه وجود ندارد");
}
