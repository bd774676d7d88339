//! The authorization endpoint (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2, RFC 9207).

use super::{CALLBACK, Rp, back, handle, location, refused, sign_in, signed_in};
use crate::app::{ORIGIN, Requests, TestApp};
use serde_json::json;

#[tokio::test]
async fn authz_04_every_parameter_may_come_once() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::new(&app.system_admin().await, json!({})).await, signed_in(&app, "alice").await);
    let names = [
        "client_id",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "max_age",
        "response_mode",
        "login_hint",
        "id_token_hint",
        "acr_values",
        "claims",
        "ui_locales",
        "display",
        "claims_locales",
        "dpop_jkt",
        "request",
        "request_uri",
        "unknown",
    ];
    for name in names {
        let twice = format!("ROOT/oauth/authorize?{}&{name}=1&{name}=1", rp.request(&[]));
        let answer = browser.get(&twice).await;
        if ["client_id", "redirect_uri"].contains(&name) {
            answer.problem(400, "INVALID_REQUEST");
        } else {
            refused(&answer, "invalid_request");
            assert_eq!(back(&answer).contains_key("state"), name != "state", "{name}");
        }
    }
    // Empty is absent, and what nobody knows is ignored.
    let odd = format!("ROOT/oauth/authorize?{}&nonce=&prompt=&unknown=1&display=page", rp.request(&[]));
    assert!(back(&browser.get(&odd).await).contains_key("code"));
}

#[tokio::test]
async fn authz_05_get_and_post_are_answered_alike_under_both_paths() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::new(&app.system_admin().await, json!({})).await, signed_in(&app, "alice").await);
    for path in ["ROOT/oauth/authorize", "/oauth/authorize"] {
        assert!(back(&browser.get(&format!("{path}?{}", rp.request(&[]))).await).contains_key("code"));
        let request = rp.request(&[]);
        let pairs: Vec<(String, String)> = form_urlencoded::parse(request.as_bytes()).into_owned().collect();
        let fields: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert!(back(&browser.form(path, &fields).await).contains_key("code"));
        // What stands in the query and in the body is there twice.
        let both = browser.form(&format!("{path}?nonce=a"), &[&fields[..], &[("nonce", "a")]].concat()).await;
        refused(&both, "invalid_request");
    }
    browser
        .post("ROOT/oauth/authorize", json!({"client_id": rp.id}))
        .await
        .problem(415, "UNSUPPORTED_MEDIA_TYPE");
}

#[tokio::test]
async fn authz_06_only_the_response_type_code_is_answered() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::new(&app.system_admin().await, json!({})).await, signed_in(&app, "alice").await);
    for kind in
        ["token", "id_token", "id_token token", "code id_token", "code token", "none", "CODE", "code code"]
    {
        refused(&rp.authorize(&browser, &[("response_type", kind)]).await, "unsupported_response_type");
    }
    refused(&rp.authorize(&browser, &[("response_type", "")]).await, "invalid_request");
}

#[tokio::test]
async fn authz_07_response_modes_are_query_and_form_post_and_the_form_holds_values_as_values() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::new(&app.system_admin().await, json!({})).await, signed_in(&app, "alice").await);
    for mode in ["fragment", "web_message", "jwt", "QUERY"] {
        refused(&rp.authorize(&browser, &[("response_mode", mode)]).await, "invalid_request");
    }
    let state = "\"><script>alert('1')</script>&";
    let changes = [("response_mode", "form_post"), ("state", state)];
    let page = rp.authorize(&browser, &changes).await.expect(200);
    let (text, policy) = (page.text(), page.header("content-security-policy").unwrap());
    assert!(text.contains(&format!("action=\"{CALLBACK}\"")) && text.contains("name=\"code\""), "{text}");
    assert_eq!(text.matches("<script").count(), 1, "{text}");
    assert!(
        policy.contains("form-action https://app.example.com;") && !policy.contains("unsafe"),
        "{policy}"
    );
    let error = rp
        .authorize(&browser, &[("response_mode", "form_post"), ("response_type", "token")])
        .await
        .expect(200);
    assert!(error.text().contains("value=\"unsupported_response_type\""), "{}", error.text());
    assert!(error.text().contains("name=\"iss\"") && error.text().contains("name=\"state\""));
}

#[tokio::test]
async fn authz_08_state_comes_back_as_it_went_and_not_when_it_did_not() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::new(&app.system_admin().await, json!({})).await, signed_in(&app, "alice").await);
    let long = "\u{e9}&=+ %20\u{1f600}".repeat(140);
    for state in ["a", "a b&c=d+e%20#?/", "\u{633}\u{644}\u{627}\u{645}", long.as_str()] {
        assert_eq!(back(&rp.authorize(&browser, &[("state", state)]).await)["state"], state);
        let wrong = rp.authorize(&browser, &[("state", state), ("prompt", "none login")]).await;
        assert_eq!(back(&wrong)["state"], state);
    }
    assert!(!back(&rp.authorize(&browser, &[("state", "")]).await).contains_key("state"));
}

#[tokio::test]
async fn authz_09_every_answer_names_the_issuer_that_was_addressed() {
    let app = TestApp::new().await;
    let a = app.tenant("Company A", &["company-a.com"]).await;
    let rp = Rp::new(&a.admin(), json!({})).await;
    let browser = sign_in(&a.browser(), "admin@company-a.com").await;
    let answer = rp.authorize(&browser, &[]).await;
    assert_eq!(back(&answer)["iss"], "http://company-a.com:8000");
    let by_path = app.browser();
    by_path
        .post(
            "ROOT/t/org_company_a/api/sso/v1/auth/login",
            json!({"identifier": "admin@company-a.com", "secret": crate::app::PASSWORD}),
        )
        .await
        .expect(200);
    let answer = by_path.get(&format!("ROOT/t/org_company_a/oauth/authorize?{}", rp.request(&[]))).await;
    let told = back(&answer);
    assert_eq!(told["iss"], format!("{ORIGIN}/t/org_company_a"));
    assert!(told.contains_key("code"));
    let denied = by_path
        .get(&format!("ROOT/t/org_company_a/oauth/authorize?{}", rp.request(&[("prompt", "none login")])))
        .await;
    assert_eq!(back(&denied)["iss"], format!("{ORIGIN}/t/org_company_a"));
}

#[tokio::test]
async fn authz_17_request_objects_are_refused_and_not_ignored() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::new(&app.system_admin().await, json!({})).await, signed_in(&app, "alice").await);
    refused(&rp.authorize(&browser, &[("request", "e30.e30.")]).await, "request_not_supported");
    let uri = [("request_uri", "https://app.example.com/request.jwt")];
    refused(&rp.authorize(&browser, &uri).await, "request_uri_not_supported");
    refused(&rp.authorize(&browser, &[("registration", "{}")]).await, "registration_not_supported");
}

#[tokio::test]
async fn authz_19_the_scope_never_exceeds_what_the_client_may_ask_for() {
    let app = TestApp::new().await;
    let rp = Rp::new(&app.system_admin().await, json!({"scope": "openid email read:posts"})).await;
    let browser = signed_in(&app, "alice").await;
    let tokens = rp.tokens(&browser, &[("scope", "profile openid delete:posts read:posts unknown")]).await;
    assert_eq!(tokens.str("scope"), "openid read:posts");
    refused(&rp.authorize(&browser, &[("scope", "profile delete:posts")]).await, "invalid_scope");
    refused(&rp.authorize(&browser, &[("scope", "openid \"x\"")]).await, "invalid_scope");
    // Alice holds no such scope herself, so the token is worth none.
    assert_eq!(super::claims(tokens.str("access_token"))["scopes"], json!([]));
}

#[tokio::test]
async fn cli_06_a_client_is_rejected_when_it_may_not_use_codes_or_must_push() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let browser = signed_in(&app, "alice").await;
    let said = json!({"grant_types": ["client_credentials"], "scope": "read:posts"});
    refused(
        &Rp::new(&admin, said).await.authorize(&browser, &[("scope", "read:posts")]).await,
        "unauthorized_client",
    );
    let pushing = Rp::new(&admin, json!({"require_pushed_authorization_requests": true})).await;
    refused(&pushing.authorize(&browser, &[]).await, "invalid_request");
}

#[tokio::test]
async fn parameters_are_rejected_when_they_are_malformed() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::new(&app.system_admin().await, json!({})).await, signed_in(&app, "alice").await);
    let long = "n".repeat(4_097);
    for (name, value, error) in [
        ("max_age", "soon", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
        ("prompt", "create", "invalid_request"),
        ("claims", "[]", "invalid_request"),
        ("claims", "{", "invalid_request"),
        ("claims", "{\"userinfo\": 1}", "invalid_request"),
        ("claims", "{\"userinfo\":{},\"userinfo\":{}}", "invalid_request"),
        ("id_token_hint", "x.y.z", "invalid_request"),
        ("dpop_jkt", "short", "invalid_request"),
        ("nonce", long.as_str(), "invalid_request"),
        ("resource", "https://unknown.example", "invalid_target"),
        ("resource", "https://a#b", "invalid_target"),
    ] {
        refused(&rp.authorize(&browser, &[(name, value)]).await, error);
    }
}

#[tokio::test]
async fn a_browser_that_is_not_signed_in_is_sent_to_sign_in_and_comes_back() {
    let app = TestApp::new().await;
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let alice = app.user("alice").await;
    let browser = app.browser();
    let away = rp.authorize(&browser, &[("login_hint", "alice@example.com"), ("ui_locales", "fa en")]).await;
    assert!(
        location(&away).starts_with("/login?return_to=%2Foauth%2Fauthorize%3Fstate%3D"),
        "{}",
        location(&away)
    );
    assert_eq!(
        (&back(&away)["login_hint"][..], &back(&away)["ui_locales"][..]),
        ("alice@example.com", "fa en")
    );
    let way = back(&away)["return_to"].clone();
    // Nothing is answered before somebody signs in, and the handle is the same.
    assert_eq!(handle(&browser.get(&format!("ROOT{way}")).await), handle(&away));
    sign_in(&browser, &alice.identifier).await;
    let told = back(&browser.get(&format!("ROOT{way}")).await);
    assert_eq!(told["state"], "s-1");
    rp.redeem(&told["code"]).await.expect(200);
    // It was answered, once.
    browser.get(&format!("ROOT{way}")).await.problem(400, "INVALID_REQUEST");
    let json = browser.clone().with_header("accept", "application/json");
    json.forget("usso-access-token");
    json.forget("usso-refresh-token");
    json.get(&format!("ROOT/oauth/authorize?{}", rp.request(&[]))).await.problem(401, "NOT_AUTHENTICATED");
}

#[tokio::test]
async fn a_request_that_waits_too_long_is_gone() {
    let app = TestApp::new().await;
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let browser = app.browser();
    let way = back(&rp.authorize(&browser, &[]).await)["return_to"].clone();
    app.wait(1_801);
    browser.get(&format!("ROOT{way}")).await.problem(400, "INVALID_REQUEST");
    browser.get("ROOT/oauth/authorize?state=unknown").await.problem(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn a_browser_whose_access_cookie_is_gone_is_signed_in_by_its_refresh_cookie() {
    let app = TestApp::new().await;
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let browser = signed_in(&app, "alice").await;
    browser.forget("usso-access-token");
    assert!(back(&rp.authorize(&browser, &[]).await).contains_key("code"));
    app.wait(3_601);
    assert!(back(&rp.authorize(&browser, &[]).await).contains_key("code"));
    browser.post("/auth/logout", ()).await.expect(200);
    assert!(location(&rp.authorize(&browser, &[]).await).starts_with("/login?"));
}

#[tokio::test]
async fn the_pages_of_a_front_end_are_used_where_the_tenant_has_some() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let pages =
        json!({"frontend_urls": {"login": "https://login.example.com/auth", "consent": "/oauth/authorize"}});
    admin.patch("/tenants/org_default", pages).await.expect(200);
    let rp = Rp::foreign(&admin).await;
    let away = rp.authorize(&app.browser(), &[]).await;
    assert!(
        location(&away)
            .starts_with("https://login.example.com/auth?return_to=http%3A%2F%2Flocalhost%3A8000%2Foauth")
    );
    let asked = rp.authorize(&signed_in(&app, "alice").await, &[]).await;
    assert!(location(&asked).starts_with("/oauth/authorize?state="), "{}", location(&asked));
    assert_eq!((&back(&asked)["client_id"], &back(&asked)["scope"][..]), (&rp.id, "openid"));
}

#[tokio::test]
async fn http_05_the_endpoint_has_no_cors_and_others_do() {
    let app = TestApp::new().await;
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    for origin in [ORIGIN, "https://evil.example"] {
        let who = app.anonymous().with_header("origin", origin);
        let answer = who.get(&format!("ROOT/oauth/authorize?{}", rp.request(&[]))).await;
        assert_eq!(answer.header("access-control-allow-origin"), None);
        for path in [
            "ROOT/oauth/token",
            "ROOT/oauth/userinfo",
            "ROOT/oauth/revoke",
            "ROOT/.well-known/openid-configuration",
            "/oauth/token",
        ] {
            let answer = who.form(path, &[]).await;
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
            assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
        }
    }
}
