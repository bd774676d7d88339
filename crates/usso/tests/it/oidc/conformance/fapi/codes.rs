//! Codes and refresh tokens of the profile.

use super::profile::{Profile, Twist, refusal};
use crate::oidc::conformance::crypt::random;
use crate::oidc::conformance::party::{BACK, Pairs};

fn form(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

async fn redeemed_with(profile: &Profile, verifier: Option<&str>) {
    let party = &profile.one;
    let code = profile.code(party, &profile.ask(party)).await;
    let mut pairs = form(&[("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", BACK)]);
    pairs.extend(verifier.map(|verifier| ("code_verifier".to_owned(), verifier.to_owned())));
    let answer = profile.post(party, "token_endpoint", &pairs, &Twist::default()).await;
    refusal(&answer, &["invalid_grant"]);
}

/// Without the verifier (RFC 7636 §4.6).
pub async fn ensure_pkce_code_verifier_required(profile: &Profile) {
    redeemed_with(profile, None).await;
}

/// With another.
pub async fn incorrect_pkce_code_verifier_rejected(profile: &Profile) {
    redeemed_with(profile, Some(&random(32))).await;
}

/// By another client (RFC 6749 §4.1.3).
pub async fn ensure_authorization_code_is_bound_to_client(profile: &Profile) {
    let code = profile.code(&profile.one, &profile.ask(&profile.one)).await;
    let pairs = form(&[
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", BACK),
        ("code_verifier", &profile.one.verifier),
    ]);
    refusal(
        &profile.post(&profile.two, "token_endpoint", &pairs, &Twist::default()).await,
        &["invalid_grant"],
    );
}

/// A second later: refused, and what it gave is worth nothing any more (RFC 6749 §4.1.2).
pub async fn attempt_reuse_authorization_code_after_one_second(profile: &Profile) {
    let party = &profile.one;
    let ask = profile.ask(party);
    let code = profile.code(party, &ask).await;
    let answer = profile.redeem(party, &code, &Twist::default()).await.expect(200);
    let tokens = profile.checked(party, &ask, &answer).await;
    profile.resource(party, tokens.access(), &Twist::default()).await.is(200);
    profile.suite.app.wait(1);
    refusal(&profile.redeem(party, &code, &Twist::default()).await, &["invalid_grant"]);
    profile.resource(party, tokens.access(), &Twist::default()).await.is(401);
}

/// After its minute (FAPI 2.0 §5.3.2.1).
pub async fn ensure_token_endpoint_fails_with_expired_auth_code(profile: &Profile) {
    let party = &profile.one;
    let code = profile.code(party, &profile.ask(party)).await;
    profile.suite.app.wait(62);
    refusal(&profile.redeem(party, &code, &Twist::default()).await, &["invalid_grant"]);
}

/// Refresh tokens: the client's own, with its assertion and a proof by its key; the first one is good again half a minute later
/// (FAPI 2.0 §5.3.2.1, RFC 9449 §5).
pub async fn refresh_token(profile: &Profile) {
    for party in [&profile.one, &profile.two] {
        let tokens = profile.sign_in(party, &profile.ask(party)).await;
        let pairs = form(&[("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())]);
        let unproven = Twist { is_unproven: true, ..Twist::default() };
        let refused = profile.post(party, "token_endpoint", &pairs, &unproven).await;
        refusal(&refused, &["invalid_dpop_proof", "invalid_request", "invalid_grant"]);
        let unsigned = Twist { instead: Some(String::new()), ..Twist::default() };
        refusal(
            &profile.post(party, "token_endpoint", &pairs, &unsigned).await,
            &["invalid_client", "invalid_request"],
        );
        let other = if std::ptr::eq(party, &profile.one) { &profile.two } else { &profile.one };
        refusal(&profile.post(other, "token_endpoint", &pairs, &Twist::default()).await, &["invalid_grant"]);
        let answer = profile.post(party, "token_endpoint", &pairs, &Twist::default()).await.expect(200);
        profile.resource(party, answer.str("access_token"), &Twist::default()).await.is(200);
        profile.suite.app.wait(31);
        let again = profile.post(party, "token_endpoint", &pairs, &Twist::default()).await.expect(200);
        profile.resource(party, again.str("access_token"), &Twist::default()).await.is(200);
    }
}
