//! Authorization requests of the profile.

use super::profile::{Profile, Twist};
use crate::oidc::conformance::crypt::random;
use crate::oidc::conformance::party::BACK;
use serde_json::json;

/// Both clients from end to end; what is bound to one key is worth nothing with the other (RFC 9449 §7).
pub async fn happy_flow(profile: &Profile) {
    let mut subjects = Vec::new();
    for party in [&profile.one, &profile.two] {
        let tokens = profile.sign_in(party, &profile.ask(party)).await;
        let told = profile.resource(party, tokens.access(), &Twist::default()).await.expect(200);
        assert_eq!(told["sub"], tokens.claims["sub"]);
        let stranger = Twist { bound: Some(&profile.two.bound), ..Twist::default() };
        if !std::ptr::eq(party, &profile.two) {
            profile.resource(party, tokens.access(), &stranger).await.is(401);
        }
        profile.present(&format!("Bearer {}", tokens.access()), None).await.is(401);
        subjects.push(tokens.claims["sub"].clone());
    }
    assert_eq!(subjects[0], subjects[1]);
}

/// A user who refuses: `access_denied`, with the state and the issuer (RFC 6749 §4.1.2.1).
pub async fn user_rejects_authentication(profile: &Profile) {
    for party in [&profile.one, &profile.two] {
        let ask = profile.ask(party);
        let reference = profile.pushed(party, &ask).await;
        let landing = profile.person.refusing().open(&profile.url(party, &reference)).await;
        assert_eq!(profile.suite.error_of(landing, &ask), "access_denied");
    }
}

/// No state in, no state out.
pub async fn ensure_authorization_request_without_state_success(profile: &Profile) {
    profile.sign_in(&profile.one, &profile.ask(&profile.one).without("state")).await;
}

/// A nonce is optional.
pub async fn ensure_authorization_request_without_nonce_success(profile: &Profile) {
    let tokens = profile.sign_in(&profile.one, &profile.ask(&profile.one).without("nonce")).await;
    assert!(tokens.claims.get("nonce").is_none());
}

/// A nonce of 64 characters, as many as every server must take (FAPI 2.0 §5.3.2.2).
pub async fn ensure_authorization_request_with_64_char_nonce_success(profile: &Profile) {
    let nonce = random(48);
    assert_eq!(nonce.len(), 64);
    profile.sign_in(&profile.one, &profile.ask(&profile.one).with("nonce", &nonce)).await;
}

/// Scopes in another order.
pub async fn ensure_other_scope_order_succeeds(profile: &Profile) {
    profile.sign_in(&profile.one, &profile.ask(&profile.one).with("scope", "offline_access openid")).await;
}

/// What `claims_supported` lists and the user has is given where it was asked for (OpenID Connect Core §5.5).
pub async fn test_claims_parameter_identity_claims(profile: &Profile) {
    let (suite, party) = (&profile.suite, &profile.one);
    assert_eq!(suite.metadata["claims_parameter_supported"], true);
    let mut claims = json!({"id_token": {}, "userinfo": {}});
    for name in ["name", "email", "email_verified"] {
        assert!(suite.lists("claims_supported", name), "{name}");
        claims["id_token"][name] = json!({"essential": true});
        claims["userinfo"][name] = json!(null);
    }
    let ask = profile.ask(party).with("claims", &claims.to_string());
    let tokens = profile.sign_in(party, &ask).await;
    let told = profile.resource(party, tokens.access(), &Twist::default()).await.expect(200);
    for name in ["name", "email", "email_verified"] {
        assert!(!tokens.claims[name].is_null(), "{name}: {}", tokens.claims);
        assert_eq!(tokens.claims[name], told[name]);
    }
}

/// A nonce beside the reference that differs from the pushed one: ignored (RFC 9126 §4, RFC 9101 §6.3), or refused.
pub async fn ensure_different_nonce_inside_and_outside_request_object(profile: &Profile) {
    beside(profile, "nonce").await;
}

/// The same with the state.
pub async fn ensure_different_state_inside_and_outside_request_object(profile: &Profile) {
    beside(profile, "state").await;
}

async fn beside(profile: &Profile, name: &str) {
    let party = &profile.one;
    let ask = profile.ask(party);
    let reference = profile.pushed(party, &ask).await;
    let landing = profile.person.open(&format!("{}&{name}=outside", profile.url(party, &reference))).await;
    let params = profile.suite.back(landing, &ask);
    match params.get("error") {
        Some(error) => assert_eq!(error, "invalid_request"),
        None => {
            let answer = profile.redeem(party, &params["code"], &Twist::default()).await.expect(200);
            profile.checked(party, &ask, &answer).await;
        }
    }
}

/// A nonce of 384 characters comes back whole, or is refused by name.
pub async fn ensure_authorization_request_with_long_nonce(profile: &Profile) {
    long(profile, "nonce", &random(288)).await;
}

/// A state of 1,000 characters comes back whole, or is refused by name.
pub async fn ensure_authorization_request_with_long_state(profile: &Profile) {
    long(profile, "state", &random(750)).await;
}

async fn long(profile: &Profile, name: &str, value: &str) {
    let party = &profile.one;
    let ask = profile.ask(party).with(name, value);
    let pushed = profile.push(party, &ask, &Twist { is_unproven: true, ..Twist::default() }).await;
    if pushed.status == 400 {
        assert_eq!(pushed["error"], "invalid_request");
    } else {
        profile.sign_in(party, &ask).await;
    }
}

/// A state beside the reference only: it isn't the request's.
pub async fn state_only_outside_request_object_not_used(profile: &Profile) {
    let party = &profile.one;
    let ask = profile.ask(party).without("state");
    let reference = profile.pushed(party, &ask).await;
    let landing = profile.person.open(&format!("{}&state=outside", profile.url(party, &reference))).await;
    profile.suite.code_of(landing, &ask);
}

/// A request without a redirect URI, even with one beside the reference (OpenID Connect Core §3.1.2.1).
pub async fn ensure_request_object_without_redirect_uri_fails(profile: &Profile) {
    let party = &profile.one;
    let ask = profile.ask(party).without("redirect_uri");
    profile.refused(party, &ask, &["invalid_request", "invalid_request_object"]).await;
}

/// The same at the pushed request alone.
pub async fn ensure_redirect_uri_in_authorization_request(profile: &Profile) {
    let party = &profile.two;
    let ask = profile.ask(party).without("redirect_uri");
    let pushed = profile.push(party, &ask, &Twist { is_unproven: true, ..Twist::default() }).await;
    super::profile::refusal(&pushed, &["invalid_request"]);
}

/// A redirect URI that isn't registered: refused here, since nothing in the profile makes us take it (RFC 9126 §2.4).
pub async fn plain_fapi_tolerate_unregistered_redirect_uri(profile: &Profile) {
    let party = &profile.one;
    let ask = profile.ask(party).with("redirect_uri", &format!("{BACK}/{}", random(6)));
    profile.refused(party, &ask, &["invalid_request", "invalid_redirect_uri"]).await;
}

/// Parameters in the query, and nothing pushed (FAPI 2.0 §5.3.2.2).
pub async fn ensure_unsigned_authorization_request_without_using_par_fails(profile: &Profile) {
    let ask = profile.ask(&profile.one);
    let landing = profile.suite.authorize(&profile.person, &ask).await;
    profile.refused_there(landing, &ask, &["invalid_request"]);
}

/// `code id_token`.
pub async fn ensure_response_type_code_idtoken_fails(profile: &Profile) {
    let ask = profile.ask(&profile.one).with("response_type", "code id_token");
    profile
        .refused(&profile.one, &ask, &["unsupported_response_type", "invalid_request", "unauthorized_client"])
        .await;
}

/// `token`.
pub async fn ensure_response_type_token_fails(profile: &Profile) {
    let ask = profile.ask(&profile.one).with("response_type", "token");
    profile
        .refused(&profile.one, &ask, &["unsupported_response_type", "invalid_request", "unauthorized_client"])
        .await;
}
