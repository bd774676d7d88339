//! The profile without a user: client credentials.

#![expect(non_snake_case, reason = "the module's own name")]

use super::profile::{Profile, Twist, refusal};
use super::{assertions, metadata, proofs};
use crate::oidc::conformance::crypt::{decode, verify};
use serde_json::{Value, json};

async fn token(profile: &Profile) -> String {
    let answer = profile.client_credentials(&profile.one, &Twist::default()).await.expect(200);
    assert_eq!(answer.str("token_type"), "DPoP");
    answer.str("access_token").to_owned()
}

async fn fails(profile: &Profile, twist: Twist<'_>, errors: &[&str]) {
    refusal(&profile.client_credentials(&profile.one, &twist).await, errors);
}

/// The same metadata.
pub async fn discovery_end_point_verification(profile: &Profile) {
    metadata::discovery_end_point_verification(profile).await;
}

/// A token for each client, bound to its key and without a user (RFC 6749 §4.4.3, RFC 9068 §2.2, RFC 9449 §6).
pub async fn happy_flow(profile: &Profile) {
    for party in [&profile.one, &profile.two] {
        let answer = profile.client_credentials(party, &Twist::default()).await.expect(200);
        assert!(answer["refresh_token"].is_null() && answer["id_token"].is_null(), "{}", answer.json);
        let (header, claims) = verify(answer.str("access_token"), &profile.suite.keys().await);
        assert_eq!(header["typ"], "at+jwt");
        assert_eq!(
            (&claims["sub"], &claims["client_id"]),
            (&json!(party.client.id), &json!(party.client.id))
        );
        assert_eq!(claims["cnf"]["jkt"], party.bound.thumbprint());
        assert!(claims["user_id"].is_null(), "{claims}");
    }
}

/// The scheme's name in any case.
pub async fn access_token_type_header_case_sensitivity(profile: &Profile) {
    proofs::in_any_case(profile, &token(profile).await).await;
}

async fn with_proofs_of(profile: &Profile, claims: Value) {
    let twist = || Twist { proof: claims.clone(), ..Twist::default() };
    let answer = profile.client_credentials(&profile.one, &twist()).await.expect(200);
    let asked = profile.resource(&profile.one, answer.str("access_token"), &twist()).await;
    // It is taken for what it is: a token without a user (OpenID Connect Core §5.3.3, RFC 6750 §3.1).
    asked.is(403);
}

/// With `nbf` and `exp`.
pub async fn check_dpop_proof_nbf_exp(profile: &Profile) {
    let now = profile.suite.now();
    with_proofs_of(profile, json!({"nbf": now, "exp": now + 60})).await;
}

/// Ten seconds late.
pub async fn ensure_dpopproof_with_iat_10seconds_before_succeeds(profile: &Profile) {
    with_proofs_of(profile, json!({"iat": profile.suite.now() - 10})).await;
}

/// Ten seconds early.
pub async fn ensure_dpopproof_with_iat_10seconds_after_succeeds(profile: &Profile) {
    with_proofs_of(profile, json!({"iat": profile.suite.now() + 10})).await;
}

/// The other client's id under this client's signature.
pub async fn ensure_client_id_in_token_endpoint(profile: &Profile) {
    let other = profile.two.client.id.as_str();
    let assertion = json!({"iss": other, "sub": other});
    fails(profile, Twist { assertion, ..Twist::default() }, &["invalid_client"]).await;
    fails(
        profile,
        Twist { more: &[("client_id", other)], ..Twist::default() },
        &["invalid_client", "invalid_request"],
    )
    .await;
}

/// No proof, no token.
pub async fn ensure_holder_of_key_required(profile: &Profile) {
    fails(
        profile,
        Twist { is_unproven: true, ..Twist::default() },
        &["invalid_dpop_proof", "invalid_request"],
    )
    .await;
}

/// By the right key, but with RS256.
pub async fn ensure_signed_client_assertion_with_RS256_fails(profile: &Profile) {
    let instead = assertions::by_rs256(profile);
    assert_eq!(decode(&instead).0["alg"], "RS256");
    fails(profile, Twist { instead: Some(instead), ..Twist::default() }, &["invalid_client"]).await;
}

/// No assertion.
pub async fn ensure_client_assertion_in_token_endpoint(profile: &Profile) {
    let twist = Twist { instead: Some(String::new()), ..Twist::default() };
    fails(profile, twist, &["invalid_client", "invalid_request"]).await;
}

/// Expired five minutes ago.
pub async fn ensure_client_assertion_with_exp_is_5_minutes_in_past_fails(profile: &Profile) {
    let now = profile.suite.now();
    let assertion = json!({"exp": now - 300, "iat": now - 360, "nbf": now - 360});
    fails(profile, Twist { assertion, ..Twist::default() }, &["invalid_client"]).await;
}

/// For somebody else.
pub async fn ensure_client_assertion_with_wrong_aud_fails(profile: &Profile) {
    let assertion = json!({"aud": "https://other.example/"});
    fails(profile, Twist { assertion, ..Twist::default() }, &["invalid_client"]).await;
}

/// About nobody.
pub async fn ensure_client_assertion_with_no_sub_fails(profile: &Profile) {
    fails(profile, Twist { assertion: json!({"sub": null}), ..Twist::default() }, &["invalid_client"]).await;
}

/// The proofs again, with such a token.
pub async fn dpop_negative_tests(profile: &Profile) {
    proofs::at_the_resource(profile, &token(profile).await).await;
}
