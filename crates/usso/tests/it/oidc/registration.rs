//! Clients that register themselves (RFC 7591, RFC 7592).

use super::{CALLBACK, Rp, oauth_error, signed_in};
use crate::app::{Anonymous, Answer, Requests, TestApp};
use serde_json::{Value, json};

async fn open(app: &TestApp, how: &str) -> Anonymous {
    app.configure("org_default", json!({"oauth": {"registration": how}})).await;
    app.anonymous()
}

fn said(changes: Value) -> Value {
    super::keys::with(json!({"client_name": "Own", "redirect_uris": [CALLBACK]}), changes)
}

async fn register(who: &Anonymous, changes: Value) -> Answer {
    who.post("ROOT/oauth/register", said(changes)).await
}

fn own(answer: &Answer) -> String {
    let id = answer.str("client_id");
    let uri = format!("http://localhost:8000/oauth/register/{id}");
    assert_eq!(answer.str("registration_client_uri"), uri);
    format!("ROOT/oauth/register/{id}")
}

async fn put(who: &Anonymous, path: &str, body: Value) -> Answer {
    who.send("PUT", path, body).await
}

#[tokio::test]
async fn cli_09_registration_is_off_or_by_token_or_open_as_the_tenant_says() {
    let app = TestApp::new().await;
    let who = app.anonymous();
    let discovered = async || who.get("ROOT/.well-known/openid-configuration").await.expect(200).json;
    oauth_error(&register(&who, json!({})).await, 400, "access_denied");
    assert!(discovered().await.get("registration_endpoint").is_none());

    open(&app, "token").await;
    assert_eq!(discovered().await["registration_endpoint"], "http://localhost:8000/oauth/register");
    assert_eq!(register(&who, json!({})).await.status, 401);
    let alice = app.user("alice").await;
    assert_eq!(register(&who.clone().with_token(alice.access()), json!({})).await.status, 401);
    let admin = app.system_admin().await;
    register(&who.clone().with_token(admin.access()), json!({})).await.is(201);

    open(&app, "open").await;
    register(&who, json!({})).await.is(201);
}

#[tokio::test]
async fn cli_09_what_registers_itself_is_not_the_tenants_own_and_grants_itself_nothing() {
    let app = TestApp::new().await;
    let who = open(&app, "open").await;
    let made = register(&who, json!({"is_first_party": true, "is_active": false, "audiences": ["x"]})).await;
    let made = made.expect(201);
    assert_eq!((made["is_first_party"].clone(), made["is_active"].clone()), (json!(false), json!(true)));
    assert_eq!(made["audiences"], json!([]));
    oauth_error(&register(&who, json!({"scope": "openid read:users"})).await, 400, "invalid_client_metadata");
    // And so users are asked.
    let rp = Rp {
        who: who.clone(),
        id: made.str("client_id").to_owned(),
        secret: Some(made.str("client_secret").to_owned()),
        made: made.json.clone(),
        callback: CALLBACK.to_owned(),
    };
    let answer = rp.authorize(&signed_in(&app, "alice").await, &[]).await;
    assert!(super::location(&answer).contains("/oauth/consent"));
}

#[tokio::test]
async fn cli_09_what_a_client_says_of_itself_is_checked() {
    let app = TestApp::new().await;
    let who = open(&app, "open").await;
    for uri in
        ["http://app.example/", "https://app.example/#x", "javascript:alert(1)", "data:text/html,x", "/x"]
    {
        oauth_error(&register(&who, json!({"redirect_uris": [uri]})).await, 400, "invalid_redirect_uri");
    }
    for uris in [json!([]), json!("https://app.example/cb"), json!([7]), json!({"a": "b"})] {
        oauth_error(&register(&who, json!({"redirect_uris": uris})).await, 400, "invalid_redirect_uri");
    }
    for wrong in [
        json!({"logo_uri": "javascript:alert(1)"}),
        json!({"jwks_uri": "http://app.example/jwks"}),
        json!({"initiate_login_uri": "http://app.example/login"}),
        json!({"subject_type": "pairwise"}),
        json!({"sector_identifier_uri": "https://127.0.0.1/sector.json"}),
        json!({"sector_identifier_uri": "http://app.example/sector.json"}),
        json!({"response_types": ["token"]}),
        json!({"grant_types": ["password"]}),
        json!({"id_token_signed_response_alg": "none"}),
        json!({"token_endpoint_auth_method": "private_key_jwt"}),
        json!({"contacts": [""]}),
        json!({"contacts": "someone@app.example"}),
        json!({"client_name": ["app"]}),
        json!({"grant_types": "authorization_code"}),
        json!({"jwks": "none"}),
    ] {
        oauth_error(&register(&who, wrong.clone()).await, 400, "invalid_client_metadata");
    }
}

#[tokio::test]
async fn cli_09_registrations_of_one_network_are_limited() {
    let app = TestApp::new().await;
    let who = open(&app, "open").await;
    for _ in 0..20 {
        register(&who, json!({})).await.is(201);
    }
    assert_eq!(register(&who, json!({})).await.status, 429);
    register(&who.clone().from_ip("198.51.100.9"), json!({})).await.is(201);
    app.wait(3_601);
    register(&who, json!({})).await.is(201);
}

#[tokio::test]
async fn cli_10_a_client_reads_replaces_and_removes_its_own_record_only() {
    let app = TestApp::new().await;
    let who = open(&app, "open").await;
    let (mine, other) =
        (register(&who, json!({})).await.expect(201), register(&who, json!({})).await.expect(201));
    let token = mine.str("registration_access_token").to_owned();
    let me = who.clone().with_token(&token);
    let shown = me.get(&own(&mine)).await.expect(200);
    assert_eq!((shown.str("client_name"), shown["client_secret"].clone()), ("Own", Value::Null));
    me.get(&own(&other)).await.is(401);
    who.get(&own(&mine)).await.is(401);

    let said = said(json!({"client_name": "New", "redirect_uris": ["https://new.example/cb"]}));
    put(&me, &own(&other), said.clone()).await.is(401);
    let replaced = put(&me, &own(&mine), said).await.expect(200);
    assert_eq!(replaced["redirect_uris"], json!(["https://new.example/cb"]));
    // The token has a successor.
    me.get(&own(&mine)).await.is(401);
    let me = who.clone().with_token(replaced.str("registration_access_token"));
    me.get(&own(&mine)).await.is(200);
    me.delete(&own(&other)).await.is(401);
    me.delete(&own(&mine)).await.is(204);
    me.get(&own(&mine)).await.is(401);
}
