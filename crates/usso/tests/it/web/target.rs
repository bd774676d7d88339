//! Open redirection is impossible: what a page is told to lead to is a path of its own origin (checklist HTTP-11).

use crate::app::{PASSWORD, TestApp};

/// What has fooled somebody once.
const PAYLOADS: [&str; 64] = [
    "https://evil.example",
    "http://evil.example/",
    "HTTPS://EVIL.EXAMPLE",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\\/evil.example",
    "//\\evil.example",
    "\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    "\t//evil.example",
    " //evil.example",
    "\u{0}//evil.example",
    "/\u{0}/evil.example",
    "/%5cevil.example",
    "/%5Cevil.example",
    "/%2fevil.example",
    "/%2F%2Fevil.example",
    "%2f%2fevil.example",
    "%5c%5cevil.example",
    "/%09/evil.example",
    "/%00/evil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/./evil.example",
    "/;//evil.example",
    "/@evil.example",
    "@evil.example",
    ":@evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https://localhost:8000@evil.example/",
    "https://localhost:8000.evil.example/",
    "https://localhost:8000%40evil.example/",
    "https://localhost%2eevil.example",
    "http://localhost:8000#@evil.example/",
    "http://localhost:8000\\@evil.example/",
    "http://[::ffff:203.0.113.1]/",
    "http://3405803777/",
    "http://0xcb007101/",
    "//evil\u{3002}example",
    "//\u{ff45}vil.example",
    "//xn--vil-6na.example",
    "/\u{2215}evil.example",
    "/\u{ff0f}evil.example",
    "\u{feff}//evil.example",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "blob:https://evil.example/x",
    "ftp://evil.example/",
    "ws://evil.example/",
    "mailto:a@evil.example",
    "evil.example",
    "?//evil.example",
    "#//evil.example",
];

fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
async fn http_11_no_target_leads_to_another_site() {
    let app = TestApp::new().await;
    app.user("alice").await;
    for payload in PAYLOADS {
        let browser = app.browser();
        let page =
            browser.open(&format!("/login?return_to={}", encode(payload))).await.expect(200, "login-form");
        let page = browser.submit(&page, "login-form", &[("identifier", "alice@example.com")]).await;
        let done = browser.submit(&page, "password-form", &[("password", PASSWORD)]).await;
        assert_eq!(done.way, ["/signed-in"], "{payload:?}");
        // Nor from where a script arrives, nor from the choice of an account.
        let arrived = browser.open(&format!("/signed-in?return_to={}", encode(payload))).await;
        assert_eq!((arrived.answer.status, arrived.way.len()), (200, 0), "{payload:?}");
        let chooser = browser.open(&format!("/accounts?return_to={}", encode(payload))).await;
        assert_eq!(chooser.value("accounts-form", "return_to"), "", "{payload:?}");
        let (action, mut fields) = chooser.filled("accounts-form", &[("return_to", payload)]);
        fields.push(("session".to_owned(), chooser.button_value("session")));
        assert_eq!(browser.post_form(&action, &fields).await.way, ["/signed-in"], "{payload:?}");
    }
    println!("{} targets, none of them left the site", PAYLOADS.len());
}
