//! Pushed authorization requests (RFC 9126), and what the FAPI 2.0 Security Profile makes of them.

use super::keys::{Key, asserting};
use super::{CALLBACK, CHALLENGE, Rp, VERIFIER, back, handle, oauth_error, refused, sign_in, signed_in};
use crate::app::{Answer, Browser, Requests, TestApp};
use serde_json::json;
use std::time::Duration;

/// A plain request, as it is pushed.
fn request() -> Vec<(&'static str, &'static str)> {
    vec![
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid"),
        ("state", "s-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
}

/// Pushes a plain request and gives the reference.
async fn pushed(rp: &Rp) -> String {
    let answer = rp.post("par", &request()).await.expect(201);
    let lifetime = answer["expires_in"].as_i64().expect("a number");
    assert!((5..=600).contains(&lifetime));
    let reference = answer.str("request_uri").to_owned();
    assert!(reference.starts_with("urn:ietf:params:oauth:request_uri:") && reference.len() > 70);
    reference
}

/// Brings a reference.
async fn bring(browser: &Browser, (client, reference): (&str, &str)) -> Answer {
    let params = [("client_id", client), ("request_uri", reference)];
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    browser.get(&format!("ROOT/oauth/authorize?{query}")).await
}

#[tokio::test]
async fn par_01_a_request_is_pushed_by_a_client_that_says_who_it_is() {
    let app = TestApp::new().await;
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let browser = signed_in(&app, "alice").await;
    let reference = pushed(&rp).await;
    let answer = bring(&browser, (&rp.id, &reference)).await;
    let told = back(&answer);
    assert_eq!(told["state"], "s-1");
    rp.redeem(&told["code"]).await.is(200);
    let stranger = Rp { secret: Some("canary-wrong".to_owned()), ..rp.clone() };
    oauth_error(&stranger.post("par", &request()).await, 401, "invalid_client");
    let nobody = Rp { secret: None, ..rp };
    oauth_error(&nobody.post("par", &request()).await, 401, "invalid_client");
}

#[tokio::test]
async fn par_02_a_request_is_rejected_when_it_could_not_be_answered() {
    let app = TestApp::new().await;
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let reference = pushed(&rp).await;
    let with = |name: &'static str, value: &'static str| {
        let mut fields = request();
        fields.retain(|(own, _)| *own != name);
        fields.push((name, value));
        fields
    };
    for (fields, error) in [
        (with("redirect_uri", "https://evil.example/"), "invalid_request"),
        (with("response_type", "token"), "unsupported_response_type"),
        (with("code_challenge_method", "plain"), "invalid_request"),
        (with("prompt", "none login"), "invalid_request"),
        (with("request", "e30.e30."), "request_not_supported"),
    ] {
        oauth_error(&rp.post("par", &fields).await, 400, error);
    }
    let inside = [&request()[..], &[("request_uri", reference.as_str())]].concat();
    oauth_error(&rp.post("par", &inside).await, 400, "invalid_request");
    let twice = [&request()[..], &[("scope", "openid")]].concat();
    oauth_error(&rp.post("par", &twice).await, 400, "invalid_request");
    assert_eq!(rp.who.get("ROOT/oauth/par").await.status, 405);
    let large = "x".repeat(70_000);
    let large = [&request()[..], &[("login_hint", large.as_str())]].concat();
    assert_eq!(rp.post("par", &large).await.status, 413);
}

#[tokio::test]
async fn par_03_a_reference_is_good_until_the_request_is_answered() {
    let app = TestApp::new().await;
    let rp = Rp::new(&app.system_admin().await, json!({})).await;
    let user = app.user("alice").await;
    let browser = app.browser();
    let reference = pushed(&rp).await;
    // Reloading the page before anybody signed in is no use of it.
    handle(&bring(&browser, (&rp.id, &reference)).await);
    handle(&bring(&browser, (&rp.id, &reference)).await);
    sign_in(&browser, &user.identifier).await;
    assert!(back(&bring(&browser, (&rp.id, &reference)).await).contains_key("code"));
    bring(&browser, (&rp.id, &reference)).await.problem(400, "INVALID_REQUEST_URI");
}

#[tokio::test]
async fn par_03_a_reference_is_over_when_the_user_refused() {
    let app = TestApp::new().await;
    let rp = Rp::foreign(&app.system_admin().await).await;
    let browser = signed_in(&app, "alice").await;
    let reference = pushed(&rp).await;
    let state = handle(&bring(&browser, (&rp.id, &reference)).await);
    browser.post("/oauth/consent", json!({"state": state, "consent": false})).await.is(200);
    bring(&browser, (&rp.id, &reference)).await.problem(400, "INVALID_REQUEST_URI");
}

#[tokio::test]
async fn par_03_a_reference_is_rejected_when_it_is_anothers_or_outdated_or_unknown() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let (rp, other) = (Rp::new(&admin, json!({})).await, Rp::new(&admin, json!({})).await);
    let browser = signed_in(&app, "alice").await;
    let reference = pushed(&rp).await;
    bring(&browser, (&other.id, &reference)).await.problem(400, "INVALID_REQUEST_URI");
    let unknown = format!("{}x", &reference[..reference.len() - 1]);
    bring(&browser, (&rp.id, &unknown)).await.problem(400, "INVALID_REQUEST_URI");
    app.clock.advance(Duration::from_secs(301));
    bring(&browser, (&rp.id, &reference)).await.problem(400, "INVALID_REQUEST_URI");
}

#[tokio::test]
async fn par_04_a_request_is_rejected_when_it_was_not_pushed_but_had_to_be() {
    let app = TestApp::new().await;
    let said = json!({"require_pushed_authorization_requests": true});
    let rp = Rp::new(&app.system_admin().await, said).await;
    let browser = signed_in(&app, "alice").await;
    refused(&rp.authorize(&browser, &[]).await, "invalid_request");
    let reference = pushed(&rp).await;
    // What stands beside the reference counts for nothing.
    let beside =
        format!("ROOT/oauth/authorize?{}&request_uri={reference}", rp.request(&[("state", "other")]));
    let told = back(&browser.get(&beside).await);
    assert_eq!((told["state"].as_str(), told.contains_key("code")), ("s-1", true));
}

#[tokio::test]
async fn the_fapi_2_profile_needs_pushed_requests_proof_keys_and_bound_tokens() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let key = Key::new();
    let said = json!({
        "fapi2": true, "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks(),
    });
    let rp = Rp::new(&admin, said).await;
    let browser = signed_in(&app, "alice").await;
    refused(&rp.authorize(&browser, &[]).await, "invalid_request");

    let push = async |fields: Vec<(&str, &str)>, aud: serde_json::Value| {
        let assertion = key.assertion(&app, &rp.id, json!({ "aud": aud }));
        rp.who.form("ROOT/oauth/par", &[&fields[..], &asserting(&assertion)].concat()).await
    };
    let issuer = json!(crate::app::ORIGIN);
    for aud in [
        json!([crate::app::ORIGIN]),
        json!("http://localhost:8000/oauth/par"),
        json!("http://localhost:8000/oauth/token"),
    ] {
        oauth_error(&push(request(), aud).await, 401, "invalid_client");
    }
    let mut unproven = request();
    unproven.retain(|(name, _)| !name.starts_with("code_challenge"));
    oauth_error(&push(unproven, issuer.clone()).await, 400, "invalid_request");
    let reference = push(request(), issuer).await.expect(201).str("request_uri").to_owned();
    let code = back(&bring(&browser, (&rp.id, &reference)).await)["code"].clone();

    let redeem = async |code: &str, proof: Option<&str>| {
        let assertion = key.assertion(&app, &rp.id, json!({}));
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let who = match proof {
            Some(proof) => rp.who.clone().with_header("dpop", proof),
            None => rp.who.clone(),
        };
        who.form("ROOT/oauth/token", &[&fields[..], &asserting(&assertion)].concat()).await
    };
    oauth_error(&redeem(&code, None).await, 400, "invalid_dpop_proof");
    let proof = key.proof(&app, ("POST", "/oauth/token"), json!({}));
    assert_eq!(redeem(&code, Some(&proof)).await.expect(200).str("token_type"), "DPoP");
    for wrong in [
        json!({"fapi2": true, "client_name": "x", "redirect_uris": [CALLBACK]}),
        json!({"fapi2": true, "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks(),
            "id_token_signed_response_alg": "RS256", "redirect_uris": [CALLBACK]}),
    ] {
        admin.post("/oauth/clients", wrong).await.problem(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn what_strangers_make_us_keep_is_limited_for_each_network() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let own = Rp::new(&admin, json!({})).await;
    let public = Rp::new(&admin, json!({"token_endpoint_auth_method": "none"})).await;
    for _ in 0..500 {
        public.post("par", &request()).await.is(201);
    }
    let answer = public.post("par", &request()).await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some());
    // Whoever says who it is isn't held up by them, nor is another kind of request.
    own.post("par", &request()).await.is(201);
    let browser = app.browser();
    for _ in 0..500 {
        assert!(own.authorize(&browser, &[]).await.status < 400);
    }
    assert_eq!(own.authorize(&browser, &[]).await.status, 429);
    assert!(own.authorize(&signed_in(&app, "alice").await, &[]).await.status < 400);
    app.clock.advance(Duration::from_secs(601));
    public.post("par", &request()).await.is(201);
}
