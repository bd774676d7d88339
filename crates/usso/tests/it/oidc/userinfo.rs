//! Userinfo (OpenID Connect Core §5.3, RFC 6750).

use super::{Rp, claims, signed_in};
use crate::app::token::Jwt;
use crate::app::{ORIGIN, Requests, TestApp};
use serde_json::json;

#[tokio::test]
async fn oidc_03_claims_come_by_scope_and_the_sub_is_the_id_tokens() {
    let app = TestApp::new().await;
    let rp = Rp::public(&app.system_admin().await).await;
    let alice = app.user("alice").await;
    alice.patch("/profiles/mine", json!({"given_name": "Alice", "locale": "en"})).await.expect(200);
    let browser = super::sign_in(&app.browser(), &alice.identifier).await;
    for (scope, has, lacks) in [
        ("openid", "sub", "name"),
        ("openid profile", "name", "email"),
        ("openid email", "email_verified", "name"),
        ("openid phone", "sub", "email"),
    ] {
        let tokens = rp.tokens(&browser, &[("scope", scope)]).await;
        let info = rp.userinfo(tokens.str("access_token")).await.expect(200);
        assert!(!info[has].is_null() && info[lacks].is_null(), "{scope}: {}", info.text());
        assert_eq!(info["sub"], claims(tokens.str("id_token"))["sub"]);
    }
    let tokens = rp.tokens(&browser, &[("scope", "openid profile email")]).await;
    let info = rp.userinfo(tokens.str("access_token")).await.expect(200);
    assert_eq!((&info["email_verified"], &info["given_name"]), (&json!(false), &json!("Alice")));
    assert!(info["updated_at"].is_i64());
}

#[tokio::test]
async fn oidc_02_a_token_is_rejected_without_openid() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let rp = Rp::public(&admin).await;
    let tokens = rp.tokens(&signed_in(&app, "alice").await, &[("scope", "email")]).await;
    let answer = rp.userinfo(tokens.str("access_token")).await;
    assert_eq!((answer.status, answer.str("error")), (403, "insufficient_scope"));
    assert!(answer.header("www-authenticate").unwrap().contains("insufficient_scope"));
    let said = json!({"grant_types": ["client_credentials"], "redirect_uris": []});
    let service = Rp::new(&admin, said).await;
    let own = service.token(&[("grant_type", "client_credentials")]).await.expect(200);
    assert_eq!(rp.userinfo(own.str("access_token")).await.str("error"), "insufficient_scope");
}

#[tokio::test]
async fn the_token_may_stand_in_the_header_or_in_a_form_but_in_one_place() {
    let app = TestApp::new().await;
    let rp = Rp::public(&app.system_admin().await).await;
    let browser = signed_in(&app, "alice").await;
    let token = rp.tokens(&browser, &[]).await.str("access_token").to_owned();
    let bearer = app.anonymous().with_token(&token);
    for path in ["ROOT/oauth/userinfo", "/oauth/userinfo"] {
        bearer.get(path).await.expect(200);
        bearer.post(path, ()).await.expect(200);
        app.anonymous().form(path, &[("access_token", &token)]).await.expect(200);
        let both = bearer.form(path, &[("access_token", &token)]).await;
        assert_eq!((both.status, both.str("error")), (400, "invalid_request"));
        app.anonymous().get(&format!("{path}?access_token={token}")).await.problem(401, "NOT_AUTHENTICATED");
        // Other sites may read the answer: a cookie is no credential here.
        browser.get(path).await.problem(401, "NOT_AUTHENTICATED");
    }
    let wrong = rp.userinfo("a.b.c").await;
    assert_eq!((wrong.status, wrong.str("error")), (401, "invalid_token"));
    assert!(wrong.header("www-authenticate").unwrap().contains("invalid_token"));
    app.user("alice").await.get("ROOT/oauth/userinfo").await.expect(200);
}

#[tokio::test]
async fn userinfo_is_signed_for_a_client_that_wants_it() {
    let app = TestApp::new().await;
    let said = json!({"token_endpoint_auth_method": "none", "userinfo_signed_response_alg": "RS256"});
    let rp = Rp::new(&app.system_admin().await, said).await;
    let tokens = rp.tokens(&signed_in(&app, "alice").await, &[]).await;
    let answer = rp.userinfo(tokens.str("access_token")).await.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/jwt"));
    let token = Jwt::decode(&answer.text());
    assert_eq!(
        (&token.header["alg"], &token.claims["iss"], &token.claims["aud"]),
        (&json!("RS256"), &json!(ORIGIN), &json!(rp.id))
    );
    assert_eq!(token.claims["sub"], claims(tokens.str("id_token"))["sub"]);
}
