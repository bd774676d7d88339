//! The userinfo endpoint (OpenID Connect Core §5.3, RFC 6750 §2).

use crate::oidc::conformance::party::{Suite, Tokens};
use serde_json::json;

async fn signed_in(suite: &Suite) -> Tokens {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    suite.sign_in(&person, &client, &suite.ask(&client)).await
}

/// GET, with the token in the header.
pub async fn oidcc_userinfo_get(suite: &Suite) {
    let tokens = signed_in(suite).await;
    suite.userinfo(&tokens).await;
    let nobody = suite.call("userinfo_endpoint", "GET", &[], ()).await;
    nobody.is(401);
    assert!(nobody.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")), "{nobody:?}");
}

/// POST, with the token in the header.
pub async fn oidcc_userinfo_post_header(suite: &Suite) {
    let tokens = signed_in(suite).await;
    let bearer = format!("Bearer {}", tokens.access());
    let answer = suite.call("userinfo_endpoint", "POST", &[("authorization", &bearer)], ()).await.expect(200);
    assert_eq!(answer["sub"], tokens.claims["sub"]);
}

/// POST, with the token in the body (RFC 6750 §2.2).
pub async fn oidcc_userinfo_post_body(suite: &Suite) {
    let tokens = signed_in(suite).await;
    let form = format!("access_token={}", tokens.access());
    let body = ("application/x-www-form-urlencoded", form.as_str());
    let answer = suite.call("userinfo_endpoint", "POST", &[], body).await.expect(200);
    assert_eq!(answer["sub"], tokens.claims["sub"]);
}
