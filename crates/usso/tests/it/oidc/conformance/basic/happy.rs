//! What has to work, and requests that are broken from the start.

use crate::oidc::conformance::crypt::{b64, decode, random, sha256};
use crate::oidc::conformance::pages::Landing;
use crate::oidc::conformance::party::{BACK, Suite, url_encoded};
use serde_json::json;

/// The code flow from end to end (OpenID Connect Core §3.1), and two codes that have nothing in common.
pub async fn oidcc_server(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let tokens = suite.sign_in(&person, &client, &suite.ask(&client)).await;
    suite.userinfo(&tokens).await;
    let ask = suite.ask(&client);
    let first = suite.code_of(suite.authorize(&person, &ask).await, &ask);
    let second = suite.code_of(suite.authorize(&person, &ask).await, &ask);
    assert_ne!(first, second);
}

/// A request without `response_type` is an error, told to the client or to the user (RFC 6749 §3.1.1).
pub async fn oidcc_response_type_missing(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let ask = suite.ask(&client).without("response_type");
    match suite.authorize(&person, &ask).await {
        Landing::Page(page) => assert!((400..500).contains(&page.status), "{}", page.text()),
        elsewhere => {
            let error = suite.error_of(elsewhere, &ask);
            assert!(["invalid_request", "unsupported_response_type"].contains(&error.as_str()), "{error}");
        }
    }
}

/// Id tokens are signed by RS256 unless a client asks for something else (OpenID Connect Registration §2).
pub async fn oidcc_idtoken_signature(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let tokens = suite.sign_in(&person, &client, &suite.ask(&client)).await;
    let (header, _) = decode(tokens.id_token());
    assert_eq!(header["alg"], "RS256");
    assert!(header["kid"].is_string());
}

/// Unsigned id tokens are neither offered nor registered for; a signed one would be no answer to who asked for none
/// (OpenID Connect Core §2, OpenID Connect Registration §2).
pub async fn oidcc_idtoken_unsigned(suite: &Suite) {
    assert!(!suite.lists("id_token_signing_alg_values_supported", "none"));
    let refused = suite.try_register(json!({"id_token_signed_response_alg": "none"})).await;
    refused.is(400);
    assert_eq!(refused["error"], "invalid_client_metadata");
}

/// A nonce is optional in the code flow (OpenID Connect Core §3.1.2.1).
pub async fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let tokens = suite.sign_in(&person, &client, &suite.ask(&client).without("nonce")).await;
    assert!(tokens.claims.get("nonce").is_none());
}

/// Neither the order of scopes nor that of parameters matters (RFC 6749 §3.3).
pub async fn oidcc_alternate_happy_flow(suite: &Suite) {
    let (client, person) = (suite.client(json!({"scope": "openid email"})).await, suite.person().await);
    let mut ask = suite.ask(&client).with("scope", "email openid");
    ask.0.reverse();
    let tokens = suite.sign_in(&person, &client, &ask).await;
    assert_eq!(suite.userinfo(&tokens).await["email"], person.identifier);
}

/// An unknown parameter is no error (RFC 6749 §3.1).
pub async fn oidcc_ensure_request_with_unknown_parameter_succeeds(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    suite.sign_in(&person, &client, &suite.ask(&client).with("extra", "foobar")).await;
}

/// A redirect URI that isn't registered leads nowhere: the user is told (RFC 6749 §4.1.2.1).
pub async fn oidcc_ensure_registered_redirect_uri(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    for foreign in
        [format!("{BACK}/{}", random(6)), "https://evil.example/back".to_owned(), format!("{BACK}?x=y")]
    {
        let ask = suite.ask(&client).with("redirect_uri", &foreign);
        let page = suite.authorize(&person, &ask).await.page();
        assert!((400..500).contains(&page.status), "{}", page.text());
        assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{page:?}");
    }
}

/// A request may be posted, from any site (OpenID Connect Core §3.1.2.1).
pub async fn oidcc_ensure_post_request_succeeds(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let ask = suite.ask(&client);
    let landing = person.post_from_elsewhere(suite.told("authorization_endpoint"), &ask.0).await;
    let code = suite.code_of(landing, &ask);
    let answer = suite.redeem(&client, &ask, &code).await.expect(200);
    suite.tokens(&client, &ask, &answer).await;
}

/// A challenge by S256 is accepted, and its verifier demanded (RFC 7636 §4.6).
pub async fn oidcc_ensure_request_with_valid_pkce_succeeds(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let verifier = random(32);
    let challenge = b64(sha256(verifier.as_bytes()));
    let ask = suite.ask(&client).with("code_challenge", &challenge).with("code_challenge_method", "S256");
    let code = suite.code_of(suite.authorize(&person, &ask).await, &ask);
    let grant = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", BACK)];
    let answer =
        suite.token(&client, &[&grant[..], &[("code_verifier", &verifier)]].concat()).await.expect(200);
    suite.tokens(&client, &ask, &answer).await;
    let code = suite.code_of(suite.authorize(&person, &ask).await, &ask);
    let refused = suite.redeem(&client, &ask, &code).await;
    assert_eq!((refused.status, &refused["error"]), (400, &json!("invalid_grant")), "{}", refused.text());
}

/// What a form is sent to the client by: nothing of it comes from a state that breaks out of its attribute.
pub async fn state_is_escaped(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let state = "\"><script>alert(1)</script>&amp;=%00+é";
    let ask = suite.ask(&client).with("state", state);
    assert!(url_encoded(&ask.0).contains("script"));
    suite.code_of(suite.authorize(&person, &ask).await, &ask);
}
