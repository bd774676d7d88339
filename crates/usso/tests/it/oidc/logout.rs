//! Signing out (OpenID Connect RP-Initiated Logout, Back-Channel Logout, Front-Channel Logout).

use super::keys::Key;
use super::{Rp, back, claims, oauth_error, refused, signed_in};
use crate::app::token::Jwt;
use crate::app::{Answer, Browser, ORIGIN, Requests, SmallInternet, TestApp};
use serde_json::{Value, json};
use std::time::Duration;

const BYE: &str = "https://app.example.com/bye";

async fn client(app: &TestApp, differences: Value) -> Rp {
    let said = super::keys::with(json!({"post_logout_redirect_uris": [BYE]}), differences);
    Rp::new(&app.system_admin().await, said).await
}

async fn end_session(browser: &Browser, params: &[(&str, &str)]) -> Answer {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    browser.get(&format!("ROOT/oauth/logout?{query}")).await
}

async fn is_signed_in(rp: &Rp, browser: &Browser) -> bool {
    let told = back(&rp.authorize(browser, &[("prompt", "none")]).await);
    told.contains_key("code") || told["error"] != "login_required"
}

#[tokio::test]
async fn log_01_a_client_signs_its_user_out_and_gets_them_back_with_its_state() {
    let app = TestApp::new().await;
    let rp = client(&app, json!({})).await;
    for state in [Some("s-9"), None] {
        let browser = signed_in(&app, if state.is_some() { "alice" } else { "bob" }).await;
        let tokens = rp.tokens(&browser, &[]).await;
        let mut params = vec![("id_token_hint", tokens.str("id_token")), ("post_logout_redirect_uri", BYE)];
        params.extend(state.map(|state| ("state", state)));
        let answer = end_session(&browser, &params).await;
        let target = state.map_or(BYE.to_owned(), |state| format!("{BYE}?state={state}"));
        assert_eq!((answer.status, answer.header("location")), (303, Some(target.as_str())));
        // Nobody is signed in any more, in the browser and at the client.
        refused(&rp.authorize(&browser, &[("prompt", "none")]).await, "login_required");
        rp.userinfo(tokens.str("access_token")).await.problem(401, "TOKEN_REVOKED");
        oauth_error(&rp.refresh(tokens.str("refresh_token")).await, 400, "invalid_grant");
    }
}

#[tokio::test]
async fn log_01_nobody_is_sent_on_or_signed_out_when_the_wish_is_not_sound() {
    let app = TestApp::new().await;
    let rp = client(&app, json!({})).await;
    let other = client(&app, json!({"post_logout_redirect_uris": ["https://other.example/"]})).await;
    let browser = signed_in(&app, "alice").await;
    let tokens = rp.tokens(&browser, &[]).await;
    let hint = tokens.str("id_token");
    let foreign = Key::new().sign(&json!({"alg": "EdDSA", "kid": "k"}), &claims(hint));
    let (head, signature) = hint.rsplit_once('.').expect("a token");
    let unsigned = {
        let header = protocol::b64url::encode(r#"{"alg":"none"}"#);
        let (_, payload) = head.split_once('.').expect("a token");
        format!("{header}.{payload}.")
    };
    let modified = format!("{}A.{signature}", &head[..head.len() - 1]);
    for params in [
        vec![("post_logout_redirect_uri", BYE)],
        vec![("post_logout_redirect_uri", BYE), ("client_id", &rp.id)],
        vec![("id_token_hint", hint), ("post_logout_redirect_uri", "https://evil.example/")],
        vec![("id_token_hint", hint), ("post_logout_redirect_uri", "https://app.example.com/bye?x=1")],
        vec![("id_token_hint", hint), ("post_logout_redirect_uri", "https://other.example/")],
        vec![("id_token_hint", hint), ("post_logout_redirect_uri", BYE), ("client_id", &other.id)],
        vec![("id_token_hint", &foreign), ("post_logout_redirect_uri", BYE)],
        vec![("id_token_hint", &unsigned), ("post_logout_redirect_uri", BYE)],
        vec![("id_token_hint", &modified), ("post_logout_redirect_uri", BYE)],
        vec![("id_token_hint", tokens.str("access_token")), ("post_logout_redirect_uri", BYE)],
        vec![("id_token_hint", hint), ("state", "a"), ("state", "b")],
    ] {
        let answer = end_session(&browser, &params).await;
        assert_eq!((answer.status, answer.header("location")), (400, None), "{params:?}");
        assert!(answer.text().contains("INVALID_REQUEST"), "{}", answer.text());
    }
    assert!(is_signed_in(&rp, &browser).await);
}

#[tokio::test]
async fn log_01_without_an_address_the_user_is_signed_out_and_told_so() {
    let app = TestApp::new().await;
    let rp = client(&app, json!({})).await;
    for (name, with_hint, state) in [("alice", true, None), ("bob", false, None), ("carol", false, Some("x"))]
    {
        let browser = signed_in(&app, name).await;
        let tokens = rp.tokens(&browser, &[]).await;
        let mut params = Vec::new();
        params.extend(with_hint.then(|| ("id_token_hint", tokens.str("id_token"))));
        params.extend(state.map(|state| ("state", state)));
        let page = end_session(&browser, &params).await.expect(200);
        assert!(page.text().contains("You are signed out"), "{}", page.text());
        assert!(!is_signed_in(&rp, &browser).await, "{name}");
    }
}

#[tokio::test]
async fn log_01_a_page_of_another_site_alone_signs_nobody_out() {
    let app = TestApp::new().await;
    let rp = client(&app, json!({})).await;
    let browser = signed_in(&app, "alice").await;
    let sent = browser.clone().with_header("sec-fetch-site", "cross-site");
    let page = end_session(&sent, &[]).await.expect(200);
    assert!(page.text().contains("Do you want to sign out?"), "{}", page.text());
    assert!(is_signed_in(&rp, &browser).await);
    let foreign = browser.clone().with_header("origin", "https://evil.example");
    assert!(foreign.form("ROOT/oauth/logout", &[]).await.text().contains("Do you want"));
    assert!(is_signed_in(&rp, &browser).await);
    let own = browser.clone().with_header("origin", ORIGIN);
    assert!(own.form("ROOT/oauth/logout", &[]).await.expect(200).text().contains("You are signed out"));
    assert!(!is_signed_in(&rp, &browser).await);
}

#[tokio::test]
async fn log_02_an_outdated_hint_is_good_and_another_users_is_not() {
    let app = TestApp::new().await;
    let rp = client(&app, json!({})).await;
    let (alice, bob) = (signed_in(&app, "alice").await, signed_in(&app, "bob").await);
    let tokens = rp.tokens(&alice, &[]).await;
    let params = [("id_token_hint", tokens.str("id_token")), ("post_logout_redirect_uri", BYE)];
    assert_eq!(end_session(&bob, &params).await.status, 400);
    assert!(is_signed_in(&rp, &bob).await);
    app.clock.advance(Duration::from_secs(7_200));
    assert_eq!(end_session(&alice, &params).await.header("location"), Some(BYE));
    assert!(!is_signed_in(&rp, &alice).await);
}

#[tokio::test]
async fn log_03_after_signing_out_nobody_is_signed_in() {
    let app = TestApp::new().await;
    let rp = client(&app, json!({})).await;
    let browser = signed_in(&app, "alice").await;
    rp.tokens(&browser, &[]).await;
    let kept = browser.cookie("usso-access-token").expect("a cookie");
    let answer = end_session(&browser, &[]).await.expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(browser.cookie("usso-access-token"), None);
    browser.keep("usso-access-token", &kept);
    refused(&rp.authorize(&browser, &[("prompt", "none")]).await, "login_required");
}

#[tokio::test]
async fn log_04_every_client_of_a_session_is_told_by_a_signed_notice_until_it_has_heard() {
    let internet = SmallInternet::start().await;
    let app = TestApp::with(|config| internet.configure(config)).await;
    let port = app.config().tenants.proof_port;
    let host = format!("rp.example:{port}");
    internet.address("rp.example", std::net::Ipv4Addr::LOCALHOST);
    let uri = format!("http://{host}/logout");
    let rp = client(&app, json!({ "backchannel_logout_uri": uri })).await;
    let silent = client(&app, json!({})).await;
    let browser = signed_in(&app, "alice").await;
    let tokens = rp.tokens(&browser, &[]).await;
    silent.tokens(&browser, &[]).await;
    let id = claims(tokens.str("id_token"));

    let busy = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    internet.response(&host, "/logout", busy);
    end_session(&browser, &[]).await.is(200);
    app.deliver().await;
    assert_eq!(internet.asked().len(), 1, "told at once");
    app.deliver().await;
    assert_eq!(internet.asked().len(), 1, "and not again before its time");
    internet.file(&host, "/logout", "");
    app.clock.advance(Duration::from_secs(6));
    app.deliver().await;
    assert_eq!(internet.asked().len(), 2);
    app.clock.advance(Duration::from_secs(3_600));
    app.deliver().await;
    assert_eq!(internet.asked().len(), 2, "it has heard");

    let body = internet.bodies().pop().expect("a body");
    let form: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert_eq!((form.len(), form[0].0.as_str()), (1, "logout_token"));
    let token = Jwt::decode(&form[0].1);
    let told = &token.claims;
    assert_eq!(
        (token.header["typ"].as_str(), token.header["alg"].as_str()),
        (Some("logout+jwt"), Some("EdDSA"))
    );
    assert_eq!((told["iss"].as_str(), told["aud"].as_str()), (Some(ORIGIN), Some(rp.id.as_str())));
    assert_eq!((&told["sub"], &told["sid"]), (&id["sub"], &id["sid"]));
    assert_eq!(told["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
    assert!(told.get("nonce").is_none() && told["jti"].is_string());
    assert!(told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap() <= 120);
    // It is none of the other kinds of token (TOK-06).
    app.anonymous().with_token(&form[0].1).get("/me").await.is(401);
    assert_eq!(end_session(&browser, &[("id_token_hint", &form[0].1)]).await.status, 400);
}

#[tokio::test]
async fn log_04_a_client_that_never_answers_is_given_up_after_three_more_tries() {
    let internet = SmallInternet::start().await;
    let app = TestApp::with(|config| internet.configure(config)).await;
    let port = app.config().tenants.proof_port;
    internet.address("rp.example", std::net::Ipv4Addr::LOCALHOST);
    let uri = format!("http://rp.example:{port}/missing");
    let rp = client(&app, json!({ "backchannel_logout_uri": uri })).await;
    let browser = signed_in(&app, "alice").await;
    rp.tokens(&browser, &[]).await;
    end_session(&browser, &[]).await.is(200);
    for _ in 0..8 {
        app.deliver().await;
        app.clock.advance(Duration::from_secs(601));
    }
    assert_eq!(internet.asked().len(), 4);
}

#[tokio::test]
async fn a_browser_tells_clients_that_want_to_hear_it_there() {
    let app = TestApp::new().await;
    let uri = "https://app.example.com/out?x=1";
    let rp = client(&app, json!({ "frontchannel_logout_uri": uri })).await;
    let browser = signed_in(&app, "alice").await;
    let tokens = rp.tokens(&browser, &[]).await;
    let sid = claims(tokens.str("id_token"))["sid"].as_str().expect("a session").replace(':', "%3A");
    let page = end_session(&browser, &[]).await.expect(200);
    let frame = format!("src=\"{uri}&#38;iss=http%3A%2F%2Flocalhost%3A8000&#38;sid={sid}\"");
    assert!(page.text().contains(&frame), "{}", page.text());
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("frame-src https://app.example.com;"), "{policy}");
}
