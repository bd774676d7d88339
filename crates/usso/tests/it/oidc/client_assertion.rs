//! Clients that show a key (RFC 7523, OpenID Connect Core §9). The checks of one assertion are tested where they are made, in
//! `protocol`; here is what an installation adds: registered keys, published keys, and that an assertion comes once.

use super::keys::{Key, asserting};
use super::{Rp, oauth_error};
use crate::app::{Answer, ORIGIN, Requests, SmallInternet, TestApp};
use kernel::{Change, ClientId, StorageError};
use serde_json::{Value, json};
use std::time::Duration;
use usso::integration::clients::model::Client;

const MACHINE: [(&str, &str); 1] = [("grant_type", "client_credentials")];

fn said(keys: Value) -> Value {
    let own = json!({
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["client_credentials"],
        "scope": "read:posts",
    });
    super::keys::with(own, keys)
}

async fn ask(rp: &Rp, assertion: &str) -> Answer {
    rp.who.form("ROOT/oauth/token", &[&MACHINE[..], &asserting(assertion)].concat()).await
}

#[tokio::test]
async fn a_client_shows_its_key_instead_of_a_secret() {
    let app = TestApp::new().await;
    let key = Key::new();
    let rp = Rp::new(&app.system_admin().await, said(json!({"jwks": key.jwks()}))).await;
    assert_eq!(rp.secret, None);
    let tokens = ask(&rp, &key.assertion(&app, &rp.id, json!({}))).await.expect(200);
    assert_eq!(tokens.str("token_type"), "Bearer");
    let endpoint = format!("{ORIGIN}/oauth/token");
    for aud in [json!(endpoint), json!([ORIGIN]), json!([ORIGIN, endpoint])] {
        ask(&rp, &key.assertion(&app, &rp.id, json!({"aud": aud}))).await.is(200);
    }
}

#[tokio::test]
async fn cli_04_an_assertion_is_rejected_when_it_does_not_fit() {
    let app = TestApp::new().await;
    let (key, other) = (Key::new(), Key::new());
    let admin = app.system_admin().await;
    let rp = Rp::new(&admin, said(json!({"jwks": key.jwks()}))).await;
    let stranger = Rp::new(&admin, said(json!({"jwks": other.jwks()}))).await;
    for changes in [
        json!({"iss": stranger.id}),
        json!({"sub": stranger.id}),
        json!({"sub": null}),
        json!({"aud": "https://other.example"}),
        json!({"aud": [ORIGIN, "https://other.example"]}),
        json!({"aud": null}),
        json!({"exp": 1_799_999_000}),
        json!({"exp": 1_800_003_600}),
        json!({"exp": null}),
        json!({"nbf": 1_800_000_061}),
        json!({"iat": 1_800_000_061}),
        json!({"jti": null}),
        json!({"jti": ""}),
    ] {
        let answer = ask(&rp, &key.assertion(&app, &rp.id, changes.clone())).await;
        oauth_error(&answer, 401, "invalid_client");
    }
    oauth_error(&ask(&rp, &other.assertion(&app, &rp.id, json!({}))).await, 401, "invalid_client");
    for nonsense in ["", "a.b.c", "x"] {
        let answer = ask(&rp, nonsense).await;
        assert_eq!(answer.status, 401, "{nonsense}");
    }
}

#[tokio::test]
async fn cli_04_an_assertion_is_rejected_when_it_comes_again_at_whatever_instance() {
    let app = TestApp::new().await;
    let key = Key::new();
    let rp = Rp::new(&app.system_admin().await, said(json!({"jwks": key.jwks()}))).await;
    let assertion = key.assertion(&app, &rp.id, json!({}));
    ask(&rp, &assertion).await.is(200);
    oauth_error(&ask(&rp, &assertion).await, 401, "invalid_client");
    let other = Rp { who: rp.who.clone().at(&app.restarted().await), ..rp };
    oauth_error(&ask(&other, &assertion).await, 401, "invalid_client");
}

#[tokio::test]
async fn cli_01_an_assertion_is_rejected_when_a_secret_comes_along_or_its_type_is_missing() {
    let app = TestApp::new().await;
    let key = Key::new();
    let admin = app.system_admin().await;
    let rp = Rp::new(&admin, said(json!({"jwks": key.jwks()}))).await;
    let assertion = key.assertion(&app, &rp.id, json!({}));
    let both = [&MACHINE[..], &asserting(&assertion), &[("client_secret", "x")]].concat();
    oauth_error(&rp.who.form("ROOT/oauth/token", &both).await, 400, "invalid_request");
    let untyped = [&MACHINE[..], &[("client_assertion", assertion.as_str())]].concat();
    oauth_error(&rp.who.form("ROOT/oauth/token", &untyped).await, 401, "invalid_client");
    // Who registered a secret can't show a key, and the reverse.
    let secretive =
        Rp::new(&admin, json!({"grant_types": ["client_credentials"], "scope": "read:posts"})).await;
    let answer = ask(&secretive, &key.assertion(&app, &secretive.id, json!({}))).await;
    oauth_error(&answer, 401, "invalid_client");
}

/// A client whose keys are at an address of the small internet, which speaks no TLS: none that could be registered.
async fn publishing(app: &TestApp, uri: &str) -> Rp {
    let admin = app.system_admin().await;
    let rp = Rp::new(&admin, said(json!({"jwks_uri": "https://rp.example/jwks.json"}))).await;
    let scope = app.scope("org_default").await;
    let id = ClientId::parse(&rp.id).expect("a client");
    let changed = scope.records::<Client>().update::<StorageError>(id.as_str(), |old| {
        Ok(Change::Put(Client { jwks_uri: Some(uri.to_owned()), ..old.record.clone() }, Vec::new()))
    });
    changed.await.expect("the database").expect("the client");
    app.state.integration.clients().forget(&scope, &id);
    rp
}

#[tokio::test]
async fn cli_07_published_keys_are_remembered_and_looked_for_again_once_a_minute() {
    let internet = SmallInternet::start().await;
    let app = TestApp::with(|config| internet.configure(config)).await;
    let port = app.config().tenants.proof_port;
    let (old, new) = (Key::new(), Key::new());
    let host = format!("rp.example:{port}");
    internet.address("rp.example", std::net::Ipv4Addr::LOCALHOST);
    let publish = |key: &Key| internet.file(&host, "/jwks.json", &key.jwks().to_string());
    publish(&old);
    let rp = publishing(&app, &format!("http://{host}/jwks.json")).await;
    for _ in 0..3 {
        ask(&rp, &old.assertion(&app, &rp.id, json!({}))).await.is(200);
    }
    assert_eq!(internet.asked().len(), 1, "remembered");
    publish(&new);
    // A minute has to pass before anybody makes us look again.
    oauth_error(&ask(&rp, &new.assertion(&app, &rp.id, json!({}))).await, 401, "invalid_client");
    assert_eq!(internet.asked().len(), 1);
    app.clock.advance(Duration::from_secs(61));
    ask(&rp, &new.assertion(&app, &rp.id, json!({}))).await.is(200);
    assert_eq!(internet.asked().len(), 2);
    oauth_error(&ask(&rp, &old.assertion(&app, &rp.id, json!({}))).await, 401, "invalid_client");
}

#[tokio::test]
async fn cli_07_a_key_set_is_rejected_when_it_is_too_large_or_moved_or_no_key_set() {
    let internet = SmallInternet::start().await;
    let app = TestApp::with(|config| internet.configure(config)).await;
    let port = app.config().tenants.proof_port;
    let key = Key::new();
    let host = format!("rp.example:{port}");
    internet.address("rp.example", std::net::Ipv4Addr::LOCALHOST);
    let padded = format!("{}{}", key.jwks(), " ".repeat(64 * 1024));
    internet.file(&host, "/large", &padded);
    internet.file(&host, "/text", "keys");
    internet.file(&host, "/good", &key.jwks().to_string());
    let moved = "HTTP/1.1 302 Found\r\nlocation: /good\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    internet.response(&host, "/moved", moved);
    for (path, status) in [("large", 401), ("text", 401), ("moved", 401), ("missing", 401), ("good", 200)] {
        let rp = publishing(&app, &format!("http://{host}/{path}")).await;
        let answer = ask(&rp, &key.assertion(&app, &rp.id, json!({}))).await;
        assert_eq!(answer.status, status, "{path}");
    }
    assert!(!internet.asked().is_empty());
}
