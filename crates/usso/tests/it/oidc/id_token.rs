//! Id tokens (OpenID Connect Core §2, ruling D9).

use super::{Rp, claims, signed_in};
use crate::app::token::Jwt;
use crate::app::{ORIGIN, Requests, TestApp};
use protocol::b64url;
use protocol::jose::{JwkSet, Untrusted, VerifyingKey};
use serde_json::json;

#[tokio::test]
async fn oidc_01_an_id_token_says_who_signed_in_when_and_how() {
    let app = TestApp::new().await;
    let rp = Rp::public(&app.system_admin().await).await;
    let alice = app.user("alice").await;
    let browser = super::sign_in(&app.browser(), &alice.identifier).await;
    let signed_in_at = app.clock_seconds();
    app.wait(50);
    let tokens = rp.tokens(&browser, &[("scope", "openid profile email"), ("nonce", "n&1")]).await;
    let said = claims(tokens.str("id_token"));
    assert_eq!(
        (&said["iss"], &said["sub"], &said["aud"]),
        (&json!(ORIGIN), &json!(alice.id()), &json!(rp.id))
    );
    assert_eq!(
        (&said["azp"], &said["nonce"], &said["auth_time"]),
        (&json!(rp.id), &json!("n&1"), &json!(signed_in_at))
    );
    assert_eq!((&said["acr"], &said["amr"]), (&json!("usso:acr:1"), &json!(["pwd"])));
    assert_eq!(
        (&said["name"], &said["email"], &said["email_verified"]),
        (&json!("alice"), &json!("alice@example.com"), &json!(false))
    );
    assert_eq!(
        (&said["iat"], &said["exp"]),
        (&json!(app.clock_seconds()), &json!(app.clock_seconds() + 3_600))
    );
    assert!(said["sid"].as_str().unwrap().starts_with("session:") && said["phone_number"].is_null());
    let again = claims(rp.tokens(&browser, &[]).await.str("id_token"));
    assert_eq!(again["sid"], said["sid"], "LOG-05: one sign-in, one sid");
    assert!(again["nonce"].is_null() && again["email"].is_null());
    // EdDSA over Ed25519 is digested with SHA-512.
    let hash = protocol::jose::Algorithm::EdDsa.half_hash(tokens.str("access_token"));
    assert_eq!(said["at_hash"], hash);
}

#[tokio::test]
async fn oidc_02_without_openid_there_is_none() {
    let app = TestApp::new().await;
    let rp = Rp::public(&app.system_admin().await).await;
    let tokens = rp.tokens(&signed_in(&app, "alice").await, &[("scope", "email")]).await;
    assert!(tokens["id_token"].is_null());
    assert!(rp.refresh(tokens.str("refresh_token")).await.expect(200)["id_token"].is_null());
}

#[tokio::test]
async fn meta_03_a_client_that_asks_for_nothing_gets_rs256_by_a_key_that_is_published() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let said = json!({"redirect_uris": [super::CALLBACK], "token_endpoint_auth_method": "none", "is_first_party": true});
    let made = admin.post("/oauth/clients", said).await.expect(201);
    assert_eq!(made.str("id_token_signed_response_alg"), "RS256");
    let rp = Rp { id: made.str("client_id").to_owned(), secret: None, ..Rp::public(&admin).await };
    let tokens = rp.tokens(&signed_in(&app, "alice").await, &[]).await;
    let token = Jwt::decode(tokens.str("id_token"));
    assert_eq!((&token.header["alg"], &token.header["typ"]), (&json!("RS256"), &json!("JWT")));
    assert_eq!(Jwt::decode(tokens.str("access_token")).header["alg"], "EdDSA");
    let keys = app.anonymous().get("ROOT/.well-known/jwks.json").await.expect(200);
    let set = JwkSet::from_slice(&keys.body).unwrap();
    assert_eq!(set.keys().len(), 2, "one key of each kind, however many clients");
    let jwk = set.get(token.header["kid"].as_str().unwrap()).expect("its key is published");
    let rsa = keys["keys"].as_array().unwrap().iter().find(|k| k["kty"] == "RSA").unwrap();
    assert!(b64url::decode(rsa["n"].as_str().unwrap()).unwrap().len() >= 256 && rsa["alg"] == "RS256");
    Untrusted::parse(tokens.str("id_token")).unwrap().verify(&VerifyingKey::from_jwk(jwk).unwrap()).unwrap();
    let hash = protocol::jose::Algorithm::Rs256.half_hash(tokens.str("access_token"));
    assert_eq!(token.claims["at_hash"], hash);
}

#[tokio::test]
async fn the_claims_parameter_puts_single_claims_where_it_says() {
    let app = TestApp::new().await;
    let rp = Rp::public(&app.system_admin().await).await;
    let asked = r#"{"userinfo":{"name":{"essential":true}},"id_token":{"email":null,"unknown":null}}"#;
    let tokens = rp.tokens(&signed_in(&app, "alice").await, &[("claims", asked)]).await;
    let said = claims(tokens.str("id_token"));
    assert_eq!((&said["email"], &said["name"]), (&json!("alice@example.com"), &json!(null)));
    let info = rp.userinfo(tokens.str("access_token")).await.expect(200);
    assert_eq!((&info["name"], &info["email"]), (&json!("alice"), &json!(null)));
}
