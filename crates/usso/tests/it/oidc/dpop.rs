//! Tokens bound to a key (RFC 9449). The checks of one proof are tested where they are made, in `protocol`; here is what an
//! installation adds: which tokens are bound, where a proof is asked for, and that it comes once.

use super::keys::Key;
use super::{Rp, VERIFIER, claims, oauth_error, signed_in};
use crate::app::{Answer, Requests, TestApp};
use serde_json::json;

const TOKEN: (&str, &str) = ("POST", "/oauth/token");
const USERINFO: (&str, &str) = ("GET", "/oauth/userinfo");
const ME: (&str, &str) = ("GET", "/api/sso/v1/me");

/// The same client with a proof.
fn proving(rp: &Rp, proof: &str) -> Rp {
    Rp { who: rp.who.clone().with_header("dpop", proof), ..rp.clone() }
}

async fn redeem(app: &TestApp, rp: &Rp, key: &Key, code: &str) -> Answer {
    proving(rp, &key.proof(app, TOKEN, json!({}))).redeem(code).await
}

async fn refresh(app: &TestApp, rp: &Rp, key: &Key, token: &str) -> Answer {
    proving(rp, &key.proof(app, TOKEN, json!({}))).refresh(token).await
}

/// Asks with a bound token and a proof.
async fn ask(rp: &Rp, (token, proof): (&str, &str), path: &str) -> Answer {
    let who =
        rp.who.clone().with_header("authorization", &format!("DPoP {token}")).with_header("dpop", proof);
    who.get(path).await
}

#[tokio::test]
async fn dpop_02_a_bound_token_is_good_with_a_proof_of_its_key_only() {
    let app = TestApp::new().await;
    let (key, other) = (Key::new(), Key::new());
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let browser = signed_in(&app, "alice").await;
    let code = rp.code(&browser, &[]).await;
    let tokens = redeem(&app, &rp, &key, &code).await.expect(200);
    assert_eq!(tokens.str("token_type"), "DPoP");
    let token = tokens.str("access_token");
    assert_eq!(claims(token)["cnf"]["jkt"], key.thumbprint());

    for (request, path) in [(USERINFO, "ROOT/oauth/userinfo"), (ME, "/me")] {
        let proof = key.proof_of(&app, request, token);
        ask(&rp, (token, &proof), path).await.is(200);
        ask(&rp, (token, &proof), path).await.problem(401, "INVALID_DPOP_PROOF");
        let stranger = other.proof_of(&app, request, token);
        ask(&rp, (token, &stranger), path).await.problem(401, "TOKEN_INVALID");
        let unrelated = key.proof(&app, request, json!({}));
        ask(&rp, (token, &unrelated), path).await.problem(401, "INVALID_DPOP_PROOF");
        let misplaced = key.proof_of(&app, TOKEN, token);
        ask(&rp, (token, &misplaced), path).await.problem(401, "INVALID_DPOP_PROOF");
        let missing = rp.who.clone().with_header("authorization", &format!("DPoP {token}"));
        missing.get(path).await.problem(401, "INVALID_DPOP_PROOF");
        let as_bearer = rp.who.clone().with_token(token);
        as_bearer.get(path).await.problem(401, "TOKEN_INVALID");
        let proof = key.proof_of(&app, request, token);
        as_bearer.with_header("dpop", &proof).get(path).await.problem(401, "TOKEN_INVALID");
    }
}

#[tokio::test]
async fn dpop_02_a_token_that_is_not_bound_is_no_dpop_token() {
    let app = TestApp::new().await;
    let (key, rp) = (Key::new(), Rp::new(&app.system_admin().await, json!({})).await);
    let browser = signed_in(&app, "alice").await;
    let tokens = rp.tokens(&browser, &[]).await;
    let token = tokens.str("access_token");
    let proof = key.proof_of(&app, USERINFO, token);
    ask(&rp, (token, &proof), "ROOT/oauth/userinfo").await.problem(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn dpop_01_a_proof_is_rejected_when_it_does_not_fit() {
    let app = TestApp::new().await;
    let key = Key::new();
    let said = json!({"grant_types": ["client_credentials"], "scope": "read:posts"});
    let rp = Rp::new(&app.system_admin().await, said).await;
    let machine = [("grant_type", "client_credentials")];
    for changes in [
        json!({"htm": "GET"}),
        json!({"htm": null}),
        json!({"htu": "http://localhost:8000/oauth/par"}),
        json!({"htu": "https://localhost:8000/oauth/token"}),
        json!({"htu": null}),
        json!({"iat": 1_799_996_400}),
        json!({"iat": 1_800_003_600}),
        json!({"iat": null}),
        json!({"jti": null}),
        json!({"exp": 1_799_999_000}),
        json!({"nbf": 1_800_001_000}),
    ] {
        let proof = key.proof(&app, TOKEN, changes);
        oauth_error(&proving(&rp, &proof).token(&machine).await, 400, "invalid_dpop_proof");
    }
    for nonsense in ["", "a.b.c", "Bearer"] {
        oauth_error(&proving(&rp, nonsense).token(&machine).await, 400, "invalid_dpop_proof");
    }
    let (first, second) = (key.proof(&app, TOKEN, json!({})), key.proof(&app, TOKEN, json!({})));
    let mut twice = proving(&rp, &first);
    twice.who = twice.who.with_another_header("dpop", &second);
    oauth_error(&twice.token(&machine).await, 400, "invalid_dpop_proof");
    for changes in [json!({}), json!({"iat": 1_799_999_990}), json!({"iat": 1_800_000_010})] {
        let proof = key.proof(&app, TOKEN, changes);
        assert_eq!(proving(&rp, &proof).token(&machine).await.expect(200).str("token_type"), "DPoP");
    }
    let odd = key.proof(&app, TOKEN, json!({"htu": "HTTP://LOCALHOST:8000/oauth/token?a=b#c"}));
    proving(&rp, &odd).token(&machine).await.is(200);
}

#[tokio::test]
async fn dpop_03_a_proof_is_rejected_when_it_comes_again_at_whatever_instance() {
    let app = TestApp::new().await;
    let key = Key::new();
    let said = json!({"grant_types": ["client_credentials"], "scope": "read:posts"});
    let rp = Rp::new(&app.system_admin().await, said).await;
    let machine = [("grant_type", "client_credentials")];
    let once = proving(&rp, &key.proof(&app, TOKEN, json!({})));
    once.token(&machine).await.is(200);
    oauth_error(&once.token(&machine).await, 400, "invalid_dpop_proof");
    let elsewhere = Rp { who: once.who.clone().at(&app.restarted().await), ..once };
    oauth_error(&elsewhere.token(&machine).await, 400, "invalid_dpop_proof");
}

#[tokio::test]
async fn dpop_05_a_code_is_rejected_when_it_is_bound_to_another_key() {
    let app = TestApp::new().await;
    let (key, other) = (Key::new(), Key::new());
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let browser = signed_in(&app, "alice").await;
    let bound = key.thumbprint();
    let code = rp.code(&browser, &[("dpop_jkt", &bound)]).await;
    oauth_error(&redeem(&app, &rp, &other, &code).await, 400, "invalid_grant");
    let code = rp.code(&browser, &[("dpop_jkt", &bound)]).await;
    oauth_error(&rp.redeem(&code).await, 400, "invalid_grant");
    let code = rp.code(&browser, &[("dpop_jkt", &bound)]).await;
    redeem(&app, &rp, &key, &code).await.is(200);
    assert_eq!(VERIFIER.len(), 43);
}

#[tokio::test]
async fn dpop_05_the_refresh_token_of_a_public_client_is_bound_to_its_key() {
    let app = TestApp::new().await;
    let (key, other) = (Key::new(), Key::new());
    let rp = Rp::public(&app.system_admin().await).await;
    let browser = signed_in(&app, "alice").await;
    let code = rp.code(&browser, &[]).await;
    let tokens = redeem(&app, &rp, &key, &code).await.expect(200);
    let token = tokens.str("refresh_token");
    oauth_error(&refresh(&app, &rp, &other, token).await, 400, "invalid_grant");
    oauth_error(&rp.refresh(token).await, 400, "invalid_grant");
    let again = refresh(&app, &rp, &key, token).await.expect(200);
    assert_eq!(claims(again.str("access_token"))["cnf"]["jkt"], key.thumbprint());
}

#[tokio::test]
async fn rt_09_the_bound_tokens_of_a_confidential_client_do_not_rotate() {
    let app = TestApp::new().await;
    let (key, next) = (Key::new(), Key::new());
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let browser = signed_in(&app, "alice").await;
    let code = rp.code(&browser, &[]).await;
    let tokens = redeem(&app, &rp, &key, &code).await.expect(200);
    let token = tokens.str("refresh_token");
    for _ in 0..4 {
        refresh(&app, &rp, &key, token).await.is(200);
    }
    // It proves who it is, so it may change its key, but not do without one.
    let moved = refresh(&app, &rp, &next, token).await.expect(200);
    assert_eq!(claims(moved.str("access_token"))["cnf"]["jkt"], next.thumbprint());
    oauth_error(&rp.refresh(token).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_client_that_said_so_gets_bound_tokens_only() {
    let app = TestApp::new().await;
    let key = Key::new();
    let said = json!({
        "grant_types": ["client_credentials"], "scope": "read:posts", "dpop_bound_access_tokens": true,
    });
    let rp = Rp::new(&app.system_admin().await, said).await;
    let machine = [("grant_type", "client_credentials")];
    oauth_error(&rp.token(&machine).await, 400, "invalid_dpop_proof");
    let proving = proving(&rp, &key.proof(&app, TOKEN, json!({})));
    assert_eq!(proving.token(&machine).await.expect(200).str("token_type"), "DPoP");
}
