//! Back-Channel Logout: the client's server is told, with a token it can check.

use super::crypt::verify;
use super::party::{LEFT, Pairs, Suite, url_encoded};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use http::HeaderMap;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// What the client's server got: the content type and the body.
type Letters = Arc<Mutex<Vec<(String, String)>>>;

/// A provider that may ask servers on this machine.
pub async fn suite() -> Suite {
    Suite::with(None, |config| {
        config.outbound.allow_hosts = vec![usso::config::HostName::parse("127.0.0.1").expect("a host")];
    })
    .await
}

async fn receive(State(letters): State<Letters>, headers: HeaderMap, body: Bytes) {
    let kind =
        headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    letters.lock().expect("the letters").push((kind, String::from_utf8_lossy(&body).into_owned()));
}

/// The client's server: its address and what it got.
async fn server() -> (String, Letters) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://127.0.0.1:{}/logout", listener.local_addr().expect("an address").port());
    let letters = Letters::default();
    let routes = Router::new().route("/logout", axum::routing::post(receive)).with_state(letters.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, letters)
}

/// Signing out tells the client: one token, for it, about the session, for nothing but that (§2.4, §2.5, §2.6).
pub async fn oidcc_backchannel_rp_initiated_logout(suite: &Suite) {
    let (url, letters) = server().await;
    let registration = json!({"backchannel_logout_uri": url, "backchannel_logout_session_required": true});
    let (client, person) = (suite.client(registration).await, suite.person().await);
    let tokens = suite.sign_in(&person, &client, &suite.ask(&client)).await;
    let sid = tokens.claims["sid"].as_str().expect("the session's id in the id token").to_owned();
    let pairs: Pairs =
        [("id_token_hint", tokens.id_token()), ("post_logout_redirect_uri", LEFT), ("state", "s")]
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .to_vec();
    let end = format!("{}?{}", suite.told("end_session_endpoint"), url_encoded(&pairs));
    assert_eq!(person.open(&end).await.elsewhere(LEFT)["state"], "s");
    suite.app.deliver().await;
    let letters = letters.lock().expect("the letters").clone();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].0, "application/x-www-form-urlencoded");
    let form: Pairs = form_urlencoded::parse(letters[0].1.as_bytes()).into_owned().collect();
    assert_eq!((form.len(), form[0].0.as_str()), (1, "logout_token"));
    let (header, claims) = verify(&form[0].1, &suite.keys().await);
    // As its id tokens are signed, and of a type of its own (§2.4).
    assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("logout+jwt")));
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(suite.told("issuer")), &json!(client.id)));
    assert_eq!((&claims["sub"], &claims["sid"]), (&tokens.claims["sub"], &json!(sid)));
    assert_eq!(claims["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
    let (iat, exp) = (claims["iat"].as_i64().expect("iat"), claims["exp"].as_i64().expect("exp"));
    assert!((iat - suite.now()).abs() <= 5 && exp > suite.now() && exp - iat <= 120, "{claims}");
    assert!(claims["jti"].as_str().is_some_and(|jti| !jti.is_empty()), "{claims}");
    assert_eq!(claims.get("nonce"), None::<&Value>);
}
