//! AUTHZ-01: a redirection URI is the registered one, byte for byte; only a native application's loopback port is free
//! (RFC 9700 §2.1, RFC 8252 §7.3).

use super::{Rp, location, signed_in};
use crate::app::{Requests, TestApp};
use serde_json::json;

/// Variants of `https://app.example.com/callback`, none of which is it.
const VARIANTS: [&str; 62] = [
    "http://app.example.com/callback",
    "HTTPS://app.example.com/callback",
    "https://APP.example.com/callback",
    "https://App.Example.Com/callback",
    "https://app.example.com/Callback",
    "https://app.example.com/CALLBACK",
    "https://app.example.com/callback/",
    "https://app.example.com//callback",
    "https://app.example.com/callback//",
    "https://app.example.com/./callback",
    "https://app.example.com/callback/.",
    "https://app.example.com/x/../callback",
    "https://app.example.com/callback/..",
    "https://app.example.com/callback/../callback",
    "https://app.example.com/%63allback",
    "https://app.example.com/callbac%6b",
    "https://app.example.com/callback%2f",
    "https://app.example.com/%2e/callback",
    "https://app.example.com/x/%2e%2e/callback",
    "https://app.example.com/callback%00",
    "https://app.example.com/callback%20",
    "https://app.example.com/callback%0d%0aLocation:x",
    "https://app.example.com/callback?",
    "https://app.example.com/callback?a=b",
    "https://app.example.com/callback?code=x",
    "https://app.example.com/callback&a=b",
    "https://app.example.com/callback;a=b",
    "https://app.example.com/callback#",
    "https://app.example.com/callback#a",
    "https://app.example.com/callback?#",
    "https://app.example.com:443/callback",
    "https://app.example.com:8443/callback",
    "https://app.example.com:/callback",
    "https://app.example.com:0/callback",
    "https://app.example.com./callback",
    "https://evil.app.example.com/callback",
    "https://app.example.com.evil.example/callback",
    "https://evil.example/https://app.example.com/callback",
    "https://evil.example/?https://app.example.com/callback",
    "https://evil.example#https://app.example.com/callback",
    "https://evil.example\\@app.example.com/callback",
    "https://app.example.com\\@evil.example/callback",
    "https://app.example.com@evil.example/callback",
    "https://user@app.example.com/callback",
    "https://user:pass@app.example.com/callback",
    "https://evil.example@app.example.com/callback",
    "https://app.example.com%2f@evil.example/callback",
    "https://app.example.com%40evil.example/callback",
    "https://app%2eexample.com/callback",
    "https://app.example.com%2fcallback",
    "https://app.example\u{3002}com/callback",
    "https://\u{430}pp.example.com/callback",
    "https://xn--pp-7kc.example.com/callback",
    "//app.example.com/callback",
    "/callback",
    "callback",
    "https:app.example.com/callback",
    "https:/app.example.com/callback",
    "https:///app.example.com/callback",
    " https://app.example.com/callback",
    "https://app.example.com/callback ",
    "javascript:alert(1)//https://app.example.com/callback",
];

/// Variants of a native application's `http://127.0.0.1:1/callback`, and whether they are it.
const LOOPBACK: [(&str, bool); 18] = [
    ("http://127.0.0.1:1/callback", true),
    ("http://127.0.0.1:49152/callback", true),
    ("http://127.0.0.1:65535/callback", true),
    ("http://127.0.0.1/callback", true),
    ("http://127.0.0.1:65536/callback", false),
    ("http://127.0.0.1:0/callback", false),
    ("http://127.0.0.1:/callback", false),
    ("http://127.0.0.1:x/callback", false),
    ("http://127.0.0.1:49152/callback/", false),
    ("http://127.0.0.1:49152/Callback", false),
    ("http://127.0.0.1:49152/callback?a", false),
    ("http://127.0.0.1:49152@evil.example/callback", false),
    ("http://127.0.0.2:1/callback", false),
    ("http://127.1:1/callback", false),
    ("http://2130706433:1/callback", false),
    ("http://localhost:1/callback", false),
    ("http://[::1]:1/callback", false),
    ("https://127.0.0.1:1/callback", false),
];

#[tokio::test]
async fn authz_01_and_02_eighty_variants_and_none_is_redirected_to_by_mistake() {
    let app = TestApp::new().await;
    let (admin, browser) = (app.system_admin().await, signed_in(&app, "alice").await);
    let web = Rp::new(&admin, json!({})).await;
    let uris = json!({"application_type": "native", "redirect_uris": ["http://127.0.0.1:1/callback"]});
    let native = Rp::new(&admin, uris).await;
    let variants = VARIANTS.iter().map(|uri| (&web, *uri, false));
    let mut tried = 0;
    for (rp, uri, fits) in variants.chain(LOOPBACK.iter().map(|(uri, fits)| (&native, *uri, *fits))) {
        tried += 1;
        let answer = rp.authorize(&browser, &[("redirect_uri", uri)]).await;
        if fits {
            assert!(location(&answer).starts_with(&format!("{uri}?code=")), "{uri}");
        } else {
            answer.problem(400, "INVALID_REQUEST");
            assert_eq!(answer.header("location"), None, "{uri}");
        }
    }
    // Its own is one, and so is one with a query of its own.
    assert!(
        location(&web.authorize(&browser, &[]).await).starts_with("https://app.example.com/callback?code=")
    );
    let uris = json!({"redirect_uris": ["https://app.example.com/callback?a=b"]});
    let queried = Rp::new(&admin, uris).await;
    let target = location(&queried.authorize(&browser, &[]).await);
    assert!(target.starts_with("https://app.example.com/callback?a=b&code="), "{target}");
    assert_eq!(tried, 80);
    println!("redirection URIs: {tried} variants");
}

#[tokio::test]
async fn authz_02_a_stranger_is_shown_an_error_and_sent_nowhere() {
    let app = TestApp::new().await;
    let (admin, browser) = (app.system_admin().await, signed_in(&app, "alice").await);
    let rp = Rp::new(&admin, json!({})).await;
    for changes in [
        [("client_id", "client_unknown"), ("prompt", "none")],
        [("client_id", ""), ("prompt", "none")],
        [("client_id", "user:x"), ("response_type", "token")],
        [("redirect_uri", "https://evil.example/"), ("prompt", "none")],
        [("redirect_uri", "https://evil.example/"), ("response_type", "token")],
    ] {
        let answer = rp.authorize(&browser, &changes).await;
        answer.problem(400, "INVALID_REQUEST");
        assert!(answer.header("location").is_none(), "{changes:?}");
        let page = browser.clone().with_header("accept", "text/html,*/*").with_header("x-x", "x");
        let page = page.get(&format!("ROOT/oauth/authorize?{}", rp.request(&changes))).await.expect(400);
        assert!(page.text().contains("This request can&#39;t be answered"), "{}", page.text());
        assert!(page.header("location").is_none());
    }
    let inactive = json!({"is_active": false});
    admin.patch(&format!("/oauth/clients/{}", rp.id), inactive).await.expect(200);
    rp.authorize(&browser, &[]).await.problem(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn authz_03_the_uri_must_be_named_when_several_are_registered_and_always_for_openid() {
    let app = TestApp::new().await;
    let (admin, browser) = (app.system_admin().await, signed_in(&app, "alice").await);
    let one = Rp::new(&admin, json!({"scope": "openid email read:posts"})).await;
    one.authorize(&browser, &[("redirect_uri", "")]).await.problem(400, "INVALID_REQUEST");
    let target = location(&one.authorize(&browser, &[("redirect_uri", ""), ("scope", "email")]).await);
    assert!(target.starts_with("https://app.example.com/callback?code="));
    let uris = json!({"redirect_uris": ["https://a.example/", "https://b.example/"]});
    let two = Rp::new(&admin, uris).await;
    let unnamed = [("redirect_uri", ""), ("scope", "email")];
    two.authorize(&browser, &unnamed).await.problem(400, "INVALID_REQUEST");
}
