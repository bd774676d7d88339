//! Pushed authorization requests (RFC 9126).

use super::profile::{Profile, Twist, refusal};
use crate::oidc::conformance::pages::Landing;

/// A reload before anybody signed in harms nothing (FAPI 2.0 §5.3.2.2).
pub async fn par_ensure_reused_request_uri_prior_to_auth_completion_succeeds(profile: &Profile) {
    let party = &profile.one;
    let ask = profile.ask(party);
    let url = profile.url(party, &profile.pushed(party, &ask).await);
    let first = profile.person.look(&url).await;
    assert!(first.status < 400, "{}", first.text());
    // At another browser, too: a link that was looked at by a program is still good.
    let code = profile.suite.code_of(profile.person.elsewhere(&profile.suite.app).open(&url).await, &ask);
    let answer = profile.redeem(party, &code, &Twist::default()).await.expect(200);
    profile.checked(party, &ask, &answer).await;
}

/// Once a code came of it, it is used up.
pub async fn par_attempt_reuse_request_uri(profile: &Profile) {
    let party = &profile.one;
    let ask = profile.ask(party);
    let url = profile.url(party, &profile.pushed(party, &ask).await);
    profile.suite.code_of(profile.person.open(&url).await, &ask);
    let landing = profile.person.open(&url).await;
    profile.refused_there(landing, &ask, &["invalid_request_uri"]);
}

/// It is good for as long as it says.
pub async fn par_attempt_to_use_expired_request_uri(profile: &Profile) {
    let party = &profile.one;
    let ask = profile.ask(party);
    let pushed =
        profile.push(party, &ask, &Twist { is_unproven: true, ..Twist::default() }).await.expect(201);
    let seconds = pushed["expires_in"].as_u64().expect("a lifetime");
    profile.suite.app.wait(seconds + 1);
    let landing = profile.person.open(&profile.url(party, pushed.str("request_uri"))).await;
    profile.refused_there(landing, &ask, &["invalid_request_uri"]);
}

/// It is its client's (RFC 9126 §2.2).
pub async fn par_attempt_to_use_request_uri_for_different_client(profile: &Profile) {
    let ask = profile.ask(&profile.one);
    let reference = profile.pushed(&profile.one, &ask).await;
    let landing = profile.person.open(&profile.url(&profile.two, &reference)).await;
    let Landing::Page(page) = landing else { panic!("it led elsewhere: {landing:?}") };
    assert!((400..500).contains(&page.status), "{}", page.text());
    // And to its own client it still is.
    profile.suite.code_of(profile.person.open(&profile.url(&profile.one, &reference)).await, &ask);
}

/// A reference to a reference (RFC 9126 §2.1).
pub async fn par_authorization_request_containing_request_uri_form_param(profile: &Profile) {
    let party = &profile.one;
    let ask = profile.ask(party);
    let reference = profile.pushed(party, &ask).await;
    let twist = Twist { is_unproven: true, more: &[("request_uri", &reference)], ..Twist::default() };
    refusal(&profile.push(party, &ask, &twist).await, &["invalid_request", "invalid_request_object"]);
}

/// POST only (RFC 9126 §2.3).
pub async fn par_attempt_invalid_http_method(profile: &Profile) {
    for method in ["PUT", "GET", "DELETE"] {
        profile.suite.call("pushed_authorization_request_endpoint", method, &[], ()).await.is(405);
    }
}

/// Without a challenge (FAPI 2.0 §5.3.2.2).
pub async fn par_ensure_pkce_required(profile: &Profile) {
    let ask = profile.ask(&profile.one).without("code_challenge").without("code_challenge_method");
    profile.refused(&profile.one, &ask, &["invalid_request"]).await;
}

/// With a challenge that is the verifier itself.
pub async fn par_plain_pkce_rejected(profile: &Profile) {
    let verifier = &profile.one.verifier;
    let ask =
        profile.ask(&profile.one).with("code_challenge", verifier).with("code_challenge_method", "plain");
    profile.refused(&profile.one, &ask, &["invalid_request"]).await;
    profile.refused(&profile.one, &ask.without("code_challenge_method"), &["invalid_request"]).await;
}

/// The client's id and the reference are enough (RFC 9126 §4).
pub async fn par_without_duplicate_parameters(profile: &Profile) {
    profile.sign_in(&profile.two, &profile.ask(&profile.two)).await;
}
