//! Clients: management in both vocabularies (contract 5.9, RFC 7591 §2), secrets, and saying who one is (RFC 6749 §2.3).

use super::{CALLBACK, Rp, claims, oauth_error};
use crate::app::{Requests, TestApp};
use protocol::b64url;
use serde_json::json;

fn basic(id: &str, secret: &str) -> String {
    use base64::Engine;
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(id), encoded(secret));
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

const CREDENTIALS: [(&str, &str); 1] = [("grant_type", "client_credentials")];

async fn service(app: &TestApp) -> Rp {
    let said = json!({"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "read:posts"});
    Rp::new(&app.system_admin().await, said).await
}

#[tokio::test]
async fn a_client_is_made_read_changed_and_removed_under_both_paths_and_vocabularies() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    for root in ["/oauth/clients", "ROOT/oauth/clients"] {
        let said = json!({"name": "Shop", "description": "Sells", "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code"], "response_types": ["code"], "scopes": ["openid", "email"],
            "token_endpoint_auth_method": "client_secret_basic"});
        let made = admin.post(root, said).await.expect(201);
        let id = made.str("client_id").to_owned();
        assert!(id.starts_with("client_") && made["id"] == id.as_str() && made["uid"] == id.as_str());
        assert!(
            made.str("client_secret").starts_with("secret_")
                && made["client_secret"].as_str().unwrap().len() == 50
        );
        assert!(made.str("registration_access_token").starts_with("reg_"));
        assert_eq!((made.str("client_name"), made.str("scope")), ("Shop", "openid email"));
        assert_eq!(made["allowed_scopes"], json!(["openid", "email"]));
        assert_eq!((made.str("client_type"), &made["client_secret_expires_at"]), ("confidential", &json!(0)));
        assert_eq!(made.str("id_token_signed_response_alg"), "RS256");
        let one = format!("{root}/{id}");
        let read = admin.get(&one).await.expect(200);
        assert!(read["client_secret"].is_null() && read["registration_access_token"].is_null());
        assert!(!read.text().contains("digest"), "{}", read.text());
        let changed = admin.patch(&one, json!({"client_name": "Store", "scope": "openid"})).await.expect(200);
        assert_eq!((changed.str("name"), &changed["scopes"]), ("Store", &json!(["openid"])));
        assert_eq!(changed.str("description"), "Sells");
        let listed = admin.get(&format!("{root}?is_active=true")).await.expect(200);
        assert!(listed.items().iter().any(|client| client["id"] == id.as_str()));
        assert!(admin.get(&format!("{root}?format=array")).await.expect(200).json.is_array());
        admin.delete(&one).await.expect(204);
        admin.get(&one).await.problem(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_client_is_rejected_when_the_caller_may_not_make_one_or_does_not_hold_its_scopes() {
    let app = TestApp::new().await;
    let said = json!({"redirect_uris": [CALLBACK], "scope": "openid delete:users"});
    app.anonymous().post("/oauth/clients", said.clone()).await.problem(401, "NOT_AUTHENTICATED");
    let alice = app.user("alice").await;
    alice.post("/oauth/clients", said.clone()).await.problem(403, "PERMISSION_DENIED");
    app.change_user(&alice, |user| user.scopes = vec!["manage:sso/oauth-clients".to_owned()]).await;
    let alice = alice.again().await;
    alice.post("/oauth/clients", said).await.problem(403, "SCOPE_NOT_DELEGABLE");
    let fine = json!({"redirect_uris": [CALLBACK], "scope": "openid email"});
    let made = alice.post("/oauth/clients", fine).await.expect(201);
    let one = format!("/oauth/clients/{}", made.str("id"));
    alice.patch(&one, json!({"scope": "openid delete:users"})).await.problem(403, "SCOPE_NOT_DELEGABLE");
}

#[tokio::test]
async fn a_change_is_rejected_when_the_client_was_changed_meanwhile() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let rp = Rp::new(&admin, json!({})).await;
    let one = format!("/oauth/clients/{}", rp.id);
    let stale = admin.clone().with_header("if-match", "\"0000000000000000\"");
    stale.patch(&one, json!({"name": "x"})).await.problem(412, "PRECONDITION_FAILED");
    stale.delete(&one).await.problem(412, "PRECONDITION_FAILED");
}

#[tokio::test]
async fn a_client_is_rejected_when_a_member_can_not_be() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    for (said, field) in [
        (json!({}), "redirect_uris"),
        (json!({"redirect_uris": ["http://app.example.com/"]}), "redirect_uris"),
        (json!({"redirect_uris": ["https://a.b/#x"]}), "redirect_uris"),
        (json!({"redirect_uris": ["javascript:alert(1)"]}), "redirect_uris"),
        (json!({"redirect_uris": [CALLBACK], "grant_types": ["password"]}), "grant_types"),
        (json!({"redirect_uris": [CALLBACK], "response_types": ["id_token"]}), "response_types"),
    ] {
        let answer = admin.post("/oauth/clients", said).await;
        answer.problem(400, "VALIDATION_ERROR");
        assert_eq!(answer["errors"][0]["loc"], json!(["body", field]), "{}", answer.text());
    }
}

#[tokio::test]
async fn cli_01_a_client_says_who_it_is_by_basic_or_in_the_body() {
    let app = TestApp::new().await;
    let rp = service(&app).await;
    let secret = rp.secret.clone().unwrap();
    rp.token(&CREDENTIALS).await.expect(200);
    let by_header = app.anonymous().with_header("authorization", &basic(&rp.id, &secret));
    let answer = by_header.form("ROOT/oauth/token", &CREDENTIALS).await.expect(200);
    assert_eq!(claims(answer.str("access_token"))["sub"], rp.id.as_str());
    // Naming itself in the body, too, is no second way.
    let named = [CREDENTIALS[0], ("client_id", rp.id.as_str())];
    by_header.form("ROOT/oauth/token", &named).await.expect(200);
    by_header.form("/oauth/token", &CREDENTIALS).await.expect(200);
}

#[tokio::test]
async fn cli_01_two_ways_at_once_are_rejected() {
    let app = TestApp::new().await;
    let rp = service(&app).await;
    let secret = rp.secret.clone().unwrap();
    let both = app.anonymous().with_header("authorization", &basic(&rp.id, &secret));
    let fields = [CREDENTIALS[0], ("client_id", rp.id.as_str()), ("client_secret", secret.as_str())];
    oauth_error(&both.form("ROOT/oauth/token", &fields).await, 400, "invalid_request");
    let other = [CREDENTIALS[0], ("client_id", "client_other")];
    oauth_error(&both.form("ROOT/oauth/token", &other).await, 400, "invalid_request");
}

#[tokio::test]
async fn cli_02_a_client_is_rejected_when_it_can_not_prove_who_it_is() {
    let app = TestApp::new().await;
    let rp = service(&app).await;
    let wrong = format!("secret_{}", b64url::encode([0u8; 32]));
    for endpoint in ["token", "introspect", "revoke"] {
        for (id, secret) in [
            (rp.id.as_str(), Some(wrong.as_str())),
            (rp.id.as_str(), None),
            ("client_unknown", Some(wrong.as_str())),
            ("user:x", None),
        ] {
            let mut fields = vec![CREDENTIALS[0], ("token", "x"), ("client_id", id)];
            fields.extend(secret.map(|secret| ("client_secret", secret)));
            let answer = app.anonymous().form(&format!("ROOT/oauth/{endpoint}"), &fields).await;
            oauth_error(&answer, 401, "invalid_client");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Basic"), "{endpoint}");
        }
        let nobody = app.anonymous().form(&format!("ROOT/oauth/{endpoint}"), &CREDENTIALS).await;
        oauth_error(&nobody, 401, "invalid_client");
        for header in ["Basic", "Basic !!!", "Bearer x", &basic(&rp.id, &wrong), &basic("client_x", "y")] {
            let who = app.anonymous().with_header("authorization", header);
            oauth_error(
                &who.form(&format!("ROOT/oauth/{endpoint}"), &CREDENTIALS).await,
                401,
                "invalid_client",
            );
        }
    }
}

#[tokio::test]
async fn cli_03_failures_from_one_address_are_limited_and_secrets_are_not_stored() {
    let app = TestApp::new().await;
    let rp = service(&app).await;
    let fields = [CREDENTIALS[0], ("client_id", rp.id.as_str()), ("client_secret", "canary-wrong")];
    let mut last = None;
    for _ in 0..101 {
        last = Some(app.anonymous().from_ip("10.1.2.3").form("ROOT/oauth/token", &fields).await);
    }
    let last = last.unwrap();
    assert_eq!((last.status, last.code()), (429, "RATE_LIMITED"));
    app.anonymous().form("ROOT/oauth/token", &fields).await.is(401);
    rp.token(&CREDENTIALS).await.expect(200);
    let scope = app.scope("org_default").await;
    let stored =
        scope.records::<usso::integration::clients::model::Client>().get(&rp.id).await.unwrap().unwrap();
    let text = serde_json::to_string(&stored.record).unwrap();
    assert!(!text.contains(rp.secret.as_deref().unwrap()) && !text.contains("reg_"), "{text}");
}

#[tokio::test]
async fn cli_05_none_is_for_public_clients_only() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let public = Rp::public(&admin).await;
    assert!(public.secret.is_none() && public.made["client_type"] == "public");
    // It needs no secret, and has none to prove itself with.
    let fields = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", public.id.as_str())];
    oauth_error(&app.anonymous().form("ROOT/oauth/token", &fields).await, 400, "invalid_grant");
    let with_secret = [fields[0], fields[1], fields[2], ("client_secret", "canary-made-up")];
    oauth_error(&app.anonymous().form("ROOT/oauth/token", &with_secret).await, 401, "invalid_client");
    let confidential = Rp::new(&admin, json!({})).await;
    let nothing = [fields[0], fields[1], ("client_id", confidential.id.as_str())];
    oauth_error(&app.anonymous().form("ROOT/oauth/token", &nothing).await, 401, "invalid_client");
}

#[tokio::test]
async fn cli_06_only_the_registered_method_and_grants_are_accepted() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let said = json!({"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "read:posts",
        "token_endpoint_auth_method": "client_secret_basic"});
    let rp = Rp::new(&admin, said).await;
    oauth_error(&rp.token(&CREDENTIALS).await, 401, "invalid_client");
    let by_header =
        app.anonymous().with_header("authorization", &basic(&rp.id, rp.secret.as_deref().unwrap()));
    by_header.form("ROOT/oauth/token", &CREDENTIALS).await.expect(200);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    oauth_error(&by_header.form("ROOT/oauth/token", &refresh).await, 400, "unauthorized_client");
    let codes = Rp::new(&admin, json!({})).await;
    oauth_error(&codes.token(&CREDENTIALS).await, 400, "unauthorized_client");
}

#[tokio::test]
async fn cli_08_there_is_no_password_grant() {
    let app = TestApp::new().await;
    let rp = service(&app).await;
    for grant in ["password", "implicit", "urn:unknown", "CLIENT_CREDENTIALS"] {
        let answer = rp.token(&[("grant_type", grant), ("username", "a"), ("password", "canary-b")]).await;
        oauth_error(&answer, 400, "unsupported_grant_type");
    }
    oauth_error(&rp.token(&[("scope", "read:posts")]).await, 400, "invalid_request");
}

#[tokio::test]
async fn cli_11_and_tok_09_client_credentials_are_about_the_client_and_nobody_else() {
    let app = TestApp::new().await;
    let rp = service(&app).await;
    let answer = rp.token(&CREDENTIALS).await.expect(200);
    assert!(answer["refresh_token"].is_null() && answer["id_token"].is_null());
    assert_eq!((answer.str("token_type"), answer.str("scope")), ("Bearer", "read:posts"));
    let said = claims(answer.str("access_token"));
    assert_eq!((&said["sub"], &said["client_id"]), (&json!(rp.id), &json!(rp.id)));
    assert_eq!(
        (&said["scopes"], &said["roles"], &said["aud"]),
        (&json!(["read:posts"]), &json!([]), &json!(rp.id))
    );
    for name in ["session_id", "user_id", "email", "phone", "user_name", "auth_time", "amr"] {
        assert!(said[name].is_null(), "{name}: {said}");
    }
}

#[tokio::test]
async fn a_client_calls_the_api_in_its_own_name_with_its_scopes_only() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let said = json!({"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "manage:sso/scope-catalog"});
    let rp = Rp::new(&admin, said).await;
    let token = rp.token(&CREDENTIALS).await.expect(200).str("access_token").to_owned();
    let client = app.anonymous().with_token(&token);
    let entry = json!({"scopes": [{"scope": "read:media"}]});
    client.send("PUT", "/scope-catalog/media", entry).await.is(200);
    client.get("/users").await.problem(403, "PERMISSION_DENIED");
    client.post("/apikeys", json!({})).await.is_not(201);
    assert_eq!(client.get("/me").await.expect(200).str("sub"), rp.id);
    let event = app.audit("org_default").await.pop().unwrap();
    assert_eq!((event.actor.as_str(), &event.data["client_id"]), (rp.id.as_str(), &json!(rp.id)));
    // What is taken from the client is taken from its tokens.
    admin.patch(&format!("/oauth/clients/{}", rp.id), json!({"scope": "read:posts"})).await.expect(200);
    let entry = json!({"scopes": [{"scope": "read:media"}]});
    client.send("PUT", "/scope-catalog/media", entry).await.problem(403, "PERMISSION_DENIED");
    admin.delete(&format!("/oauth/clients/{}", rp.id)).await.expect(204);
    client.get("/me").await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn two_secrets_are_good_during_a_rotation_and_then_one() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let rp = service(&app).await;
    let path = format!("/oauth/clients/{}/rotate-secret", rp.id);
    let rotated = admin.post(&path, json!({"overlap_seconds": 100})).await.expect(200);
    assert_eq!(rotated.str("client_id"), rp.id);
    let new = Rp { secret: Some(rotated.str("client_secret").to_owned()), ..rp.clone() };
    rp.token(&CREDENTIALS).await.expect(200);
    new.token(&CREDENTIALS).await.expect(200);
    app.wait(101);
    oauth_error(&rp.token(&CREDENTIALS).await, 401, "invalid_client");
    new.token(&CREDENTIALS).await.expect(200);
    // Without a word a day; with 0 at once.
    let admin = app.system_admin().await;
    let rotated = admin.post(&path, json!({"overlap_seconds": 0})).await.expect(200);
    oauth_error(&new.token(&CREDENTIALS).await, 401, "invalid_client");
    let newest = Rp { secret: Some(rotated.str("client_secret").to_owned()), ..rp.clone() };
    newest.token(&CREDENTIALS).await.expect(200);
    admin.post(&path, ()).await.expect(200);
    newest.token(&CREDENTIALS).await.expect(200);
    let public = Rp::public(&admin).await;
    admin.post(&format!("/oauth/clients/{}/rotate-secret", public.id), ()).await.problem(409, "CONFLICT");
}

#[tokio::test]
async fn an_inactive_client_may_nothing() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let rp = service(&app).await;
    let token = rp.token(&CREDENTIALS).await.expect(200).str("access_token").to_owned();
    admin.patch(&format!("/oauth/clients/{}", rp.id), json!({"is_active": false})).await.expect(200);
    oauth_error(&rp.token(&CREDENTIALS).await, 401, "invalid_client");
    app.anonymous().with_token(&token).get("/me").await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn a_client_that_holds_more_is_not_changed_given_a_secret_or_made_by_who_holds_less() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let strong = json!({"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "delete:users"});
    let strong = admin.post("/oauth/clients", strong).await.expect(201);
    let alice = app.user("alice").await;
    app.change_user(&alice, |user| user.scopes = vec!["manage:sso/oauth-clients".to_owned()]).await;
    let alice = alice.again().await;
    let one = format!("/oauth/clients/{}", strong.str("id"));
    alice.post(&format!("{one}/rotate-secret"), ()).await.problem(403, "SCOPE_NOT_DELEGABLE");
    alice.patch(&one, json!({"client_name": "Mine"})).await.problem(403, "SCOPE_NOT_DELEGABLE");
    // A first-party client names its users' roles, and asks nobody.
    let own = json!({"redirect_uris": [CALLBACK], "scope": "openid", "is_first_party": true});
    alice.post("/oauth/clients", own).await.problem(403, "SCOPE_NOT_DELEGABLE");
}
