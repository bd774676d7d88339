//! Revocation (RFC 7009).

use super::{Rp, oauth_error, signed_in};
use crate::app::{Requests, TestApp};
use serde_json::json;

async fn revoke(rp: &Rp, token: &str, hint: &str) {
    let answer = rp.post("revoke", &[("token", token), ("token_type_hint", hint)]).await.expect(200);
    assert_eq!(answer.json, json!({}));
}

#[tokio::test]
async fn rev_01_unknown_and_expired_tokens_are_no_error_but_a_missing_one_is() {
    let app = TestApp::new().await;
    let rp = Rp::public(&app.system_admin().await).await;
    let tokens = rp.tokens(&signed_in(&app, "alice").await, &[]).await;
    for token in ["x", "a.b.c", tokens.str("id_token")] {
        revoke(&rp, token, "access_token").await;
    }
    rp.userinfo(tokens.str("access_token")).await.expect(200);
    app.wait(3_601);
    revoke(&rp, tokens.str("access_token"), "").await;
    oauth_error(&rp.post("revoke", &[]).await, 400, "invalid_request");
    oauth_error(&rp.post("revoke", &[("token", "a"), ("token", "b")]).await, 400, "invalid_request");
    app.anonymous().get("ROOT/oauth/revoke").await.problem(405, "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn rev_02_and_rev_04_either_token_ends_both_at_once_whatever_the_hint() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::new(&app.system_admin().await, json!({})).await, signed_in(&app, "alice").await);
    for (name, hint) in [
        ("refresh_token", "refresh_token"),
        ("refresh_token", "access_token"),
        ("access_token", "access_token"),
        ("access_token", "refresh_token"),
        ("access_token", "nonsense"),
    ] {
        let tokens = rp.tokens(&browser, &[]).await;
        revoke(&rp, tokens.str(name), hint).await;
        rp.userinfo(tokens.str("access_token")).await.problem(401, "TOKEN_REVOKED");
        oauth_error(&rp.refresh(tokens.str("refresh_token")).await, 400, "invalid_grant");
        let told = rp.post("introspect", &[("token", tokens.str("access_token"))]).await.expect(200);
        assert_eq!(told.json, json!({"active": false}));
    }
}

#[tokio::test]
async fn rev_02_a_clients_own_token_is_revoked_alone() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let said = json!({"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "read:posts"});
    let rp = Rp::new(&admin, said).await;
    let make = async || {
        rp.token(&[("grant_type", "client_credentials")]).await.expect(200).str("access_token").to_owned()
    };
    let (one, two) = (make().await, make().await);
    revoke(&rp, &one, "").await;
    revoke(&rp, &one, "").await;
    app.anonymous().with_token(&one).get("/me").await.problem(401, "TOKEN_REVOKED");
    app.anonymous().with_token(&two).get("/me").await.expect(200);
    // Another instance knows, too, and so does the next process.
    let restarted = app.restarted().await;
    restarted.anonymous().with_token(&one).get("/me").await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn rev_03_another_clients_token_is_left_alone_without_a_word() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let (rp, other) = (Rp::public(&admin).await, Rp::new(&admin, json!({})).await);
    let tokens = rp.tokens(&signed_in(&app, "alice").await, &[]).await;
    let alice = app.user("alice").await;
    for token in [tokens.str("access_token"), tokens.str("refresh_token"), alice.access(), alice.refresh()] {
        revoke(&other, token, "").await;
    }
    rp.userinfo(tokens.str("access_token")).await.expect(200);
    rp.refresh(tokens.str("refresh_token")).await.expect(200);
    alice.get("/me").await.expect(200);
}
