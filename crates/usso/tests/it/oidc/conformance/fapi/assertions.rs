//! Client assertions of the profile (FAPI 2.0 §5.3.2.1, RFC 7523 §3).

#![expect(non_snake_case, reason = "the module's own name")]

use super::profile::{Party, Profile, Twist, refusal};
use crate::oidc::conformance::crypt::Key;
use serde_json::{Value, json};

async fn at_token_endpoint(profile: &Profile, twist: Twist<'_>) {
    let party = &profile.one;
    let code = profile.code(party, &profile.ask(party)).await;
    refusal(&profile.redeem(party, &code, &twist).await, &["invalid_client", "invalid_request"]);
}

async fn at_par(profile: &Profile, party: &Party, assertion: Value) -> crate::app::Answer {
    let twist = Twist { assertion, is_unproven: true, ..Twist::default() };
    profile.push(party, &profile.ask(party), &twist).await
}

/// The other client's id under this client's signature.
pub async fn ensure_client_id_in_token_endpoint(profile: &Profile) {
    let other = profile.two.client.id.as_str();
    let twist = Twist { assertion: json!({"iss": other, "sub": other}), ..Twist::default() };
    at_token_endpoint(profile, twist).await;
    let more = [("client_id", other)];
    at_token_endpoint(profile, Twist { more: &more, ..Twist::default() }).await;
}

/// By the right key, but with RS256 (§5.4.1).
pub async fn ensure_signed_client_assertion_with_RS256_fails(profile: &Profile) {
    at_token_endpoint(profile, Twist { instead: Some(by_rs256(profile)), ..Twist::default() }).await;
}

/// An assertion of the first client by its key, but with RS256.
pub fn by_rs256(profile: &Profile) -> String {
    let (key, party) = (Key::new("RS256"), &profile.one);
    assert_eq!(key.public(), party.key.public(), "the tests have one RSA key");
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": party.key.kid});
    key.sign(&header, &profile.suite.assertion(&party.client.id))
}

/// None at all.
pub async fn ensure_client_assertion_in_token_endpoint(profile: &Profile) {
    at_token_endpoint(profile, Twist { instead: Some(String::new()), ..Twist::default() }).await;
    let more = [("client_id", profile.one.client.id.as_str())];
    at_token_endpoint(profile, Twist { instead: Some(String::new()), more: &more, ..Twist::default() }).await;
}

/// Expired five minutes ago.
pub async fn ensure_client_assertion_with_exp_is_5_minutes_in_past_fails(profile: &Profile) {
    let now = profile.suite.now();
    let assertion = json!({"exp": now - 300, "iat": now - 360, "nbf": now - 360});
    at_token_endpoint(profile, Twist { assertion, ..Twist::default() }).await;
}

/// For somebody else.
pub async fn ensure_client_assertion_with_wrong_aud_fails(profile: &Profile) {
    let assertion = json!({"aud": "https://other.example/"});
    at_token_endpoint(profile, Twist { assertion, ..Twist::default() }).await;
}

/// About nobody.
pub async fn ensure_client_assertion_with_no_sub_fails(profile: &Profile) {
    at_token_endpoint(profile, Twist { assertion: json!({"sub": null}), ..Twist::default() }).await;
}

/// A clock that is a little ahead (§5.3.2.1).
pub async fn par_ensure_jwt_client_assertions_nbf_8_seconds_in_the_future_is_accepted(profile: &Profile) {
    let now = profile.suite.now();
    at_par(profile, &profile.one, json!({"nbf": now + 8, "iat": now + 8, "exp": now + 68})).await.is(201);
}

/// A clock that is far ahead (§5.3.2.1).
pub async fn par_ensure_jwt_client_assertions_nbf_over_60_seconds_in_the_future_fails(profile: &Profile) {
    let now = profile.suite.now();
    let ahead = json!({"nbf": now + 61, "iat": now + 61, "exp": now + 121});
    refusal(&at_par(profile, &profile.one, ahead).await, &["invalid_client"]);
}

/// The issuer in a list.
pub async fn par_test_array_as_audience_fails(profile: &Profile) {
    let aud = json!([profile.suite.told("issuer")]);
    refusal(&at_par(profile, &profile.one, json!({"aud": aud})).await, &["invalid_client"]);
}

/// An endpoint instead of the issuer.
pub async fn par_test_par_endpoint_url_as_audience_fails(profile: &Profile) {
    let aud = profile.suite.told("pushed_authorization_request_endpoint");
    refusal(&at_par(profile, &profile.one, json!({"aud": aud})).await, &["invalid_client"]);
}

/// Another endpoint instead of the issuer.
pub async fn par_test_token_endpoint_url_as_audience_fails(profile: &Profile) {
    let aud = profile.suite.told("token_endpoint");
    refusal(&at_par(profile, &profile.one, json!({"aud": aud})).await, &["invalid_client"]);
}
