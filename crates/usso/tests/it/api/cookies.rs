//! The cookies of a sign-in (contract 1.5).

use crate::app::{PASSWORD, Requests, TRUSTED_PROXY, TestApp};
use serde_json::json;

const ALICE: &str = "alice@example.com";

#[tokio::test]
async fn a_sign_in_sets_three_cookies_with_exactly_these_attributes() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let answer = app.anonymous().login(ALICE, PASSWORD).await.expect(200);
    assert_eq!(answer.cookies().len(), 3);
    let expected =
        [("usso-access-token", "3600"), ("usso-refresh-token", "2592000"), ("usso-device", "34560000")];
    for (name, max_age) in expected {
        let age = format!("Max-Age={max_age}");
        assert_eq!(
            answer.cookie(name).attributes,
            ["Path=/", age.as_str(), "HttpOnly", "SameSite=Lax"],
            "{name}"
        );
    }
    assert_eq!(answer.cookie("usso-access-token").value, answer.str("access_token"));
    assert_eq!(answer.cookie("usso-refresh-token").value, answer.str("refresh_token"));
}

#[tokio::test]
async fn cookies_are_secure_when_the_client_spoke_tls_and_only_then() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let proxied = app.anonymous().from_ip(TRUSTED_PROXY).with_header("x-forwarded-for", "203.0.113.5");
    let cases = [
        (app.anonymous(), false),
        (app.anonymous().over_tls(), true),
        (app.anonymous().with_header("x-forwarded-proto", "https"), false),
        (proxied.clone().with_header("x-forwarded-proto", "https"), true),
        (proxied.clone().with_header("x-forwarded-proto", "http"), false),
        (proxied, false),
    ];
    for (who, is_secure) in cases {
        for cookie in who.login(ALICE, PASSWORD).await.expect(200).cookies() {
            assert_eq!(cookie.attribute("secure").is_some(), is_secure, "{cookie:?}");
        }
    }
}

#[tokio::test]
async fn only_the_access_cookie_is_shared_with_sibling_hosts() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["sso.company-a.com"]).await;
    app.configure(&tenant.id, json!({"cookie_domain": "company-a.com"})).await;
    let answer = tenant.anonymous().login("admin@sso.company-a.com", PASSWORD).await.expect(200);
    assert_eq!(answer.cookie("usso-access-token").attribute("domain"), Some("company-a.com"));
    assert_eq!(answer.cookie("usso-refresh-token").attribute("domain"), None);
    assert_eq!(answer.cookie("usso-device").attribute("domain"), None);
    let cleared =
        tenant.anonymous().with_token(answer.str("access_token")).post("/auth/logout", ()).await.expect(200);
    assert_eq!(cleared.cookie("usso-access-token").attribute("domain"), Some("company-a.com"));
}

#[tokio::test]
async fn cookies_below_a_tenants_path_stay_there() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &[]).await;
    let browser = app.browser();
    let login = json!({"identifier": "admin@example.com", "secret": PASSWORD});
    let answer = browser.post("ROOT/t/org_company_a/api/sso/v1/auth/login", login).await.expect(200);
    for cookie in answer.cookies() {
        assert_eq!(cookie.attribute("path"), Some("/t/org_company_a"), "{cookie:?}");
    }
    assert_eq!(
        browser.get("ROOT/t/org_company_a/api/sso/v1/me").await.expect(200)["tenant_id"],
        tenant.id.as_str()
    );
    browser.get("/me").await.problem(401, "NOT_AUTHENTICATED");
    let cleared = browser.post("ROOT/t/org_company_a/api/sso/v1/auth/logout", ()).await;
    assert_eq!(cleared.status, 200, "{}", cleared.text());
    assert_eq!(cleared.cookie("usso-access-token").attribute("path"), Some("/t/org_company_a"));
}

#[tokio::test]
async fn cookies_are_cleared_with_the_attributes_they_were_set_with() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let tls = app.anonymous().over_tls();
    let set = tls.login(ALICE, PASSWORD).await.expect(200);
    let cleared = tls.with_token(set.str("access_token")).post("/auth/logout", ()).await.expect(200);
    assert_eq!(cleared.cookies().len(), 2);
    for name in ["usso-access-token", "usso-refresh-token"] {
        let (before, after) = (set.cookie(name), cleared.cookie(name));
        let without_age = |attributes: &[String]| {
            attributes.iter().filter(|a| !a.starts_with("Max-Age")).cloned().collect::<Vec<_>>()
        };
        assert_eq!(without_age(&before.attributes), without_age(&after.attributes));
        assert_eq!((after.value.as_str(), after.attribute("max-age")), ("", Some("0")));
    }
}

#[tokio::test]
async fn a_failed_sign_in_sets_no_cookie() {
    let app = TestApp::new().await;
    app.user("alice").await;
    assert!(app.anonymous().login(ALICE, "wrong").await.cookies().is_empty());
    assert!(app.anonymous().get("/me").await.cookies().is_empty());
}

#[tokio::test]
async fn the_device_cookie_remembers_several_accounts_and_names_none() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let browser = app.browser();
    for user in [&alice, &bob, &alice] {
        let login = json!({"identifier": user.identifier, "secret": PASSWORD});
        browser.post("/auth/login", login).await.expect(200);
    }
    let value = browser.cookie("usso-device").unwrap();
    assert_eq!(value.split('~').count(), 3, "a device id and a tag per account: {value}");
    assert!(!value.contains(alice.id()) && !value.contains("alice"));
    for n in 0..10 {
        app.user(&format!("user{n}")).await;
        let login = json!({"identifier": format!("user{n}@example.com"), "secret": PASSWORD});
        browser.post("/auth/login", login).await.expect(200);
    }
    assert!(browser.cookie("usso-device").unwrap().len() < 512, "the cookie stays small");
}
