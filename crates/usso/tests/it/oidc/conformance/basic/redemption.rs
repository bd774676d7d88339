//! Codes, refresh tokens and how a client says who it is.

use crate::oidc::conformance::party::{Suite, Tokens};
use serde_json::{Value, json};

async fn used_twice(suite: &Suite, seconds: u64) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let ask = suite.ask(&client);
    let code = suite.code_of(suite.authorize(&person, &ask).await, &ask);
    let answer = suite.redeem(&client, &ask, &code).await.expect(200);
    let tokens = suite.tokens(&client, &ask, &answer).await;
    suite.userinfo(&tokens).await;
    suite.app.wait(seconds);
    let refused = suite.redeem(&client, &ask, &code).await;
    assert_eq!((refused.status, &refused["error"]), (400, &json!("invalid_grant")), "{}", refused.text());
    let bearer = format!("Bearer {}", tokens.access());
    suite.call("userinfo_endpoint", "GET", &[("authorization", &bearer)], ()).await.is(401);
}

/// A code is worth one answer; trying it again takes back what it gave (RFC 6749 §4.1.2).
pub async fn oidcc_codereuse(suite: &Suite) {
    used_twice(suite, 0).await;
}

/// The same half a minute later.
pub async fn oidcc_codereuse_30seconds(suite: &Suite) {
    used_twice(suite, 30).await;
}

/// The secret in the body (OpenID Connect Core §9).
pub async fn oidcc_server_client_secret_post(suite: &Suite) {
    assert!(suite.lists("token_endpoint_auth_methods_supported", "client_secret_post"));
    let client = suite.client(json!({"token_endpoint_auth_method": "client_secret_post"})).await;
    let person = suite.person().await;
    let tokens = suite.sign_in(&person, &client, &suite.ask(&client)).await;
    suite.userinfo(&tokens).await;
}

async fn with_refresh(suite: &Suite, scope: &str) -> (crate::oidc::conformance::party::Client, Tokens) {
    let grants = json!({"grant_types": ["authorization_code", "refresh_token"], "scope": scope});
    let (client, person) = (suite.client(grants).await, suite.person().await);
    let ask = suite.ask(&client).with("scope", scope).with("prompt", "consent");
    let tokens = suite.sign_in(&person, &client, &ask).await;
    (client, tokens)
}

/// Refreshing (OpenID Connect Core §12): the same subject, issuer, audience and time of signing in; and a refresh token is its own
/// client's (RFC 6749 §6).
pub async fn oidcc_refresh_token(suite: &Suite) {
    let (client, tokens) = with_refresh(suite, "openid offline_access").await;
    suite.app.wait(2);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
    let answer = suite.token(&client, &refresh).await.expect(200);
    assert_ne!(answer.str("access_token"), tokens.access());
    if let Some(id_token) = answer["id_token"].as_str() {
        let claims = suite.id_token(&client, id_token, answer.str("access_token")).await;
        for name in ["iss", "sub", "aud", "auth_time", "azp"] {
            assert_eq!(claims[name], tokens.claims[name], "{name}");
        }
        assert!(claims["iat"].as_i64() > tokens.claims["iat"].as_i64(), "{claims}");
        assert!(claims["nonce"].is_null() || claims["nonce"] == tokens.claims["nonce"], "{claims}");
    }
    let renewed = Tokens { answer: answer.json.clone(), claims: tokens.claims.clone() };
    suite.userinfo(&renewed).await;
    let (other, _) = with_refresh(suite, "openid offline_access").await;
    let newest = answer["refresh_token"].as_str().unwrap_or(tokens.refresh());
    let stolen = suite.token(&other, &[("grant_type", "refresh_token"), ("refresh_token", newest)]).await;
    assert_eq!((stolen.status, &stolen["error"]), (400, &Value::from("invalid_grant")), "{}", stolen.text());
    suite.token(&client, &[("grant_type", "refresh_token"), ("refresh_token", newest)]).await.is(200);
}
