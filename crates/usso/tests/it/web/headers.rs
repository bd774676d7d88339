//! What every page says of itself (checklist HTTP-04, HTTP-06), and what it is dressed in.

use crate::app::{Browser, Requests, TestApp};
use serde_json::json;

const PAGES: [&str; 12] = [
    "/login",
    "/register",
    "/reset-password",
    "/reset-password?token=a.b.c",
    "/magic-link?token=a.b.c",
    "/verify-email",
    "/login/qr",
    "/accounts",
    "/logout",
    "/logged-out",
    "/oauth/failed?error=access_denied",
    "/login/factor",
];

#[tokio::test]
async fn http_04_pages_are_not_framed_and_run_no_foreign_script() {
    let app = TestApp::new().await;
    for path in PAGES {
        let page = app.browser().open(path).await.expect(200, "<main");
        let header = |name: &str| page.answer.header(name).unwrap_or_default().to_owned();
        let policy = header("content-security-policy");
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path} {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path} {policy}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        // To its own origin a page tells where it is from; else its forms would come from nowhere.
        assert_eq!(header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(header("content-type"), "text/html; charset=utf-8", "{path}");
        let html = page.html();
        assert!(
            !html.contains(" style=") && !html.contains("<style") && !html.contains(" onclick"),
            "{path}"
        );
        for (script, inside) in page.elements("script") {
            assert!(
                script.iter().any(|(name, value)| name == "src" && value.starts_with("/static/")),
                "{path}"
            );
            assert!(inside.starts_with("</script>"), "{path}");
        }
    }
}

#[tokio::test]
async fn http_06_a_page_whose_address_holds_a_secret_loads_nothing_from_elsewhere() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let branding = json!({"branding": {"logo_url": "https://cdn.example.com/logo.svg", "favicon": "https://cdn.example.com/icon.svg"}});
    admin.patch("/tenants/org_default", branding).await.expect(200);
    let login = app.browser().open("/login").await.expect(200, "https://cdn.example.com/logo.svg");
    let policy = login.answer.header("content-security-policy").expect("a policy").to_owned();
    assert!(policy.contains("img-src 'self' data: https://cdn.example.com"), "{policy}");
    for path in ["/magic-link?token=a.b.c", "/reset-password?token=a.b.c"] {
        let page = app.browser().open(path).await.expect(200, "<form");
        assert!(!page.has("cdn.example.com"), "{path}");
        assert!(
            !page.answer.header("content-security-policy").expect("a policy").contains("https://"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn files_are_named_by_their_content_and_kept_for_ever() {
    let app = TestApp::new().await;
    let page = app.browser().open("/login").await;
    let sheets =
        page.elements("link").into_iter().filter(|(own, _)| own.iter().any(|(_, v)| v == "stylesheet"));
    let mut addresses: Vec<String> = sheets
        .map(|(own, _)| own.iter().find(|(name, _)| name == "href").expect("an address").1.clone())
        .collect();
    addresses.extend(page.elements("script").into_iter().map(|(own, _)| own[0].1.clone()));
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    for address in &addresses {
        let file = app.anonymous().get(&format!("ROOT{address}")).await.expect(200);
        assert_eq!(file.header("cache-control"), Some("public, max-age=31536000, immutable"), "{address}");
    }
    app.anonymous().get("ROOT/static/style.css").await.problem(404, "NOT_FOUND");
    app.anonymous().get("ROOT/static/style-000000000000.css").await.problem(404, "NOT_FOUND");
}

async fn sheet(browser: &Browser, prefix: &str) -> String {
    let page = browser.open(&format!("{prefix}/login")).await;
    let links =
        page.elements("link").into_iter().filter_map(|(own, _)| own.into_iter().find(|(n, _)| n == "href"));
    let address = links.map(|(_, href)| href).find(|href| href.contains("tenant.css")).expect("a sheet");
    assert!(address.starts_with(prefix), "{address}");
    browser.get(&format!("ROOT{address}")).await.expect(200).text()
}

#[tokio::test]
async fn a_tenants_colours_can_be_read_and_its_own_rules_stay_on_its_own_domain() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let branding = json!({"branding": {"primary_color": "#ffe600", "font_family": "Inter, sans-serif", "custom_css": ".card{border:0}"}});
    app.system_admin().await.patch(&format!("/tenants/{}", tenant.id), branding).await.expect(200);
    let own = sheet(&tenant.browser(), "").await;
    assert!(own.contains("--font:Inter, sans-serif") && own.contains(".card{border:0}"), "{own}");
    // On a bright yellow the text is black.
    assert!(own.contains("--on-brand:#000000"), "{own}");
    let shared = sheet(&app.browser(), &format!("/t/{}", tenant.id)).await;
    assert!(shared.contains("--brand:") && !shared.contains(".card{border:0}"), "{shared}");
}

#[tokio::test]
async fn what_an_administrator_types_does_not_leave_its_place() {
    let app = TestApp::new().await;
    let branding = json!({"branding": {"company_name": "<script>alert(1)</script>\"'", "logo_url": "javascript:alert(1)",
        "primary_color": "red;}body{display:none", "font_family": "x;}body{background:url(https://evil.example)"}});
    app.system_admin().await.patch("/tenants/org_default", branding).await.expect(200);
    let page = app.browser().open("/login").await.expect(200, "&#60;script&#62;");
    assert!(!page.has("<script>alert") && !page.has("javascript:"), "{}", page.html());
    assert_eq!(sheet(&app.browser(), "").await, "");
}

#[tokio::test]
async fn errors_are_pages_for_browsers_and_json_for_programs() {
    let app = TestApp::new().await;
    let page = app.browser().open("/nothing").await.expect(404, "id=\"error-code\"");
    assert!(page.has("doesn&#39;t exist") && page.has("NOT_FOUND"), "{}", page.html());
    app.anonymous().get("ROOT/nothing").await.problem(404, "NOT_FOUND");
    let stranger = app.on_host("nobody.example").with_header("accept", "text/html");
    let lost = stranger.get("ROOT/login").await;
    assert_eq!(lost.status, 400);
    assert!(lost.text().contains("TENANT_NOT_FOUND"), "{}", lost.text());
}
