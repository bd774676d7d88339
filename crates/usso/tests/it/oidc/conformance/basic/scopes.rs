//! Claims by scope and by the `claims` parameter (OpenID Connect Core §5.4 and §5.5).

use crate::oidc::conformance::party::{Suite, Tokens};
use serde_json::{Value, json};

const PROFILE: [&str; 14] = [
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
];
const EMAIL: [&str; 2] = ["email", "email_verified"];
const PHONE: [&str; 2] = ["phone_number", "phone_number_verified"];
const ADDRESS: [&str; 1] = ["address"];

/// Signs in with a scope and gives what userinfo tells: each claim of the type of §5.1, and only claims of the groups given.
async fn told(suite: &Suite, scope: &str, groups: &[&[&str]]) -> (Tokens, Value) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let tokens = suite.sign_in(&person, &client, &suite.ask(&client).with("scope", scope)).await;
    let told = suite.userinfo(&tokens).await;
    let claims = told.as_object().expect("an object");
    for (name, value) in claims {
        let is_asked = name == "sub" || groups.iter().any(|group| group.contains(&name.as_str()));
        let is_standard = [&PROFILE[..], &EMAIL, &PHONE, &ADDRESS].concat().contains(&name.as_str());
        assert!(is_asked || !is_standard, "{name} wasn't asked for: {told}");
        match name.as_str() {
            "email_verified" | "phone_number_verified" => assert!(value.is_boolean(), "{told}"),
            "updated_at" => assert!(value.is_i64(), "{told}"),
            "address" => assert!(value.is_object(), "{told}"),
            name if is_standard || name == "sub" => assert!(value.is_string(), "{name}: {told}"),
            _ => {}
        }
    }
    (tokens, told)
}

/// `profile`.
pub async fn oidcc_scope_profile(suite: &Suite) {
    let (_, told) = told(suite, "openid profile", &[&PROFILE]).await;
    assert!(told["name"].is_string(), "{told}");
}

/// `email`.
pub async fn oidcc_scope_email(suite: &Suite) {
    let (_, told) = told(suite, "openid email", &[&EMAIL]).await;
    assert_eq!(told["email"], "alice@example.com");
    assert!(told["email_verified"].is_boolean(), "{told}");
}

/// `address`: if it isn't offered it is left out of what was granted, and nothing fails (RFC 6749 §3.3).
pub async fn oidcc_scope_address(suite: &Suite) {
    let (tokens, told) = told(suite, "openid address", &[&ADDRESS]).await;
    if !suite.lists("scopes_supported", "address") {
        assert!(told.get("address").is_none(), "{told}");
        assert_eq!(tokens.answer["scope"], "openid");
    }
}

/// `phone`.
pub async fn oidcc_scope_phone(suite: &Suite) {
    let (_, told) = told(suite, "openid phone", &[&PHONE]).await;
    assert_eq!(told.get("phone_number").is_some(), told.get("phone_number_verified").is_some(), "{told}");
}

/// All of them.
pub async fn oidcc_scope_all(suite: &Suite) {
    let groups: [&[&str]; 4] = [&PROFILE, &EMAIL, &PHONE, &ADDRESS];
    let (_, told) = told(suite, "openid profile email address phone", &groups).await;
    assert!(told["name"].is_string() && told["email"].is_string(), "{told}");
}

/// A claim asked for by itself, essentially, for userinfo (§5.5.1).
pub async fn oidcc_claims_essential(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let claims = json!({"userinfo": {"name": {"essential": true}}}).to_string();
    let tokens = suite.sign_in(&person, &client, &suite.ask(&client).with("claims", &claims)).await;
    let told = suite.userinfo(&tokens).await;
    assert_eq!(suite.metadata["claims_parameter_supported"], true);
    assert!(told["name"].is_string(), "{told}");
    assert!(told.get("email").is_none(), "{told}");
}
