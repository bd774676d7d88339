//! Proof Key for Code Exchange (RFC 7636, ruling D25).

use super::{CHALLENGE, Rp, VERIFIER, oauth_error, refused, signed_in};
use crate::app::TestApp;
use protocol::{b64url, sha256};
use serde_json::json;

#[tokio::test]
async fn pkce_01_a_public_client_is_rejected_without_a_challenge() {
    let app = TestApp::new().await;
    let (admin, browser) = (app.system_admin().await, signed_in(&app, "alice").await);
    let none = [("code_challenge", ""), ("code_challenge_method", "")];
    refused(&Rp::public(&admin).await.authorize(&browser, &none).await, "invalid_request");
    let strict = Rp::new(&admin, json!({"require_pkce": true})).await;
    refused(&strict.authorize(&browser, &none).await, "invalid_request");
    let lenient = Rp::new(&admin, json!({})).await;
    let code = lenient.code(&browser, &none).await;
    let fields =
        [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", super::CALLBACK)];
    lenient.token(&fields).await.expect(200);
}

#[tokio::test]
async fn pkce_02_only_s256_is_accepted() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::public(&app.system_admin().await).await, signed_in(&app, "alice").await);
    for method in ["plain", "", "s256", "S512"] {
        refused(&rp.authorize(&browser, &[("code_challenge_method", method)]).await, "invalid_request");
    }
    let alone = [("code_challenge", ""), ("code_challenge_method", "S256")];
    refused(&rp.authorize(&browser, &alone).await, "invalid_request");
}

#[tokio::test]
async fn pkce_03_challenges_and_verifiers_have_their_form() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::public(&app.system_admin().await).await, signed_in(&app, "alice").await);
    for challenge in [
        &CHALLENGE[1..],
        &format!("{CHALLENGE}A"),
        &CHALLENGE.replace('E', "+"),
        &format!("{}=", &CHALLENGE[1..]),
    ] {
        refused(&rp.authorize(&browser, &[("code_challenge", challenge)]).await, "invalid_request");
    }
    for (verifier, fits) in [
        ("a".repeat(42), false),
        ("a".repeat(43), true),
        ("a-._~9".repeat(21) + "aa", true),
        ("a".repeat(129), false),
        ("a".repeat(43) + "+", false),
        ("a".repeat(43) + "\u{e9}", false),
    ] {
        let challenge = b64url::encode(sha256(verifier.as_bytes()));
        let code = rp.code(&browser, &[("code_challenge", &challenge)]).await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", super::CALLBACK),
            ("code_verifier", verifier.as_str()),
        ];
        let answer = rp.token(&fields).await;
        assert_eq!(answer.status == 200, fits, "{verifier} {}", answer.text());
    }
}

#[tokio::test]
async fn pkce_04_a_code_is_burned_when_the_verifier_is_missing_or_wrong() {
    let app = TestApp::new().await;
    let (rp, browser) = (Rp::public(&app.system_admin().await).await, signed_in(&app, "alice").await);
    for verifier in ["", &VERIFIER.replace('d', "e")] {
        let code = rp.code(&browser, &[]).await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", super::CALLBACK),
            ("code_verifier", verifier),
        ];
        oauth_error(&rp.token(&fields).await, 400, "invalid_grant");
        oauth_error(&rp.redeem(&code).await, 400, "invalid_grant");
    }
}

#[tokio::test]
async fn pkce_05_a_verifier_is_rejected_when_no_challenge_was_sent() {
    let app = TestApp::new().await;
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let browser = signed_in(&app, "alice").await;
    // Somebody took the challenge out of the request on its way.
    let code = rp.code(&browser, &[("code_challenge", ""), ("code_challenge_method", "")]).await;
    oauth_error(&rp.redeem(&code).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_challenge_that_was_sent_is_checked_for_confidential_clients_too() {
    let app = TestApp::new().await;
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let code = rp.code(&signed_in(&app, "alice").await, &[]).await;
    let fields =
        [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", super::CALLBACK)];
    oauth_error(&rp.token(&fields).await, 400, "invalid_grant");
}
