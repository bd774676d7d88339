//! Parameters that say how, and never fail a request (OpenID Connect Core §3.1.2.1).

use crate::oidc::conformance::party::Suite;
use serde_json::json;

async fn succeeds_with(suite: &Suite, name: &str, value: &str) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    suite.sign_in(&person, &client, &suite.ask(&client).with(name, value)).await;
}

/// `display=page`.
pub async fn oidcc_display_page(suite: &Suite) {
    succeeds_with(suite, "display", "page").await;
}

/// `display=popup`.
pub async fn oidcc_display_popup(suite: &Suite) {
    succeeds_with(suite, "display", "popup").await;
}

/// `ui_locales`, in order of preference.
pub async fn oidcc_ui_locales(suite: &Suite) {
    succeeds_with(suite, "ui_locales", "se fa en").await;
}

/// `claims_locales` (§5.2).
pub async fn oidcc_claims_locales(suite: &Suite) {
    succeeds_with(suite, "claims_locales", "se").await;
}

/// `acr_values` is a wish: nothing fails without it (§5.5.1.1).
pub async fn oidcc_ensure_request_with_acr_values_succeeds(suite: &Suite) {
    succeeds_with(suite, "acr_values", "1 2 usso:acr:1").await;
}

/// `login_hint`, of whoever.
pub async fn oidcc_login_hint(suite: &Suite) {
    succeeds_with(suite, "login_hint", "buffy@localhost").await;
}

/// `id_token_hint` of who is signed in: the same person is answered for, without being asked (§3.1.2.1).
pub async fn oidcc_id_token_hint(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let first = suite.sign_in(&person, &client, &suite.ask(&client)).await;
    let ask = suite.ask(&client).with("prompt", "none").with("id_token_hint", first.id_token());
    let second = suite.sign_in(&person, &client, &ask).await;
    assert_eq!(first.claims["sub"], second.claims["sub"]);
    // Somebody else is not who the hint names.
    let other = crate::oidc::conformance::pages::Person::new(&suite.app, "bob").await;
    suite.sign_in(&other, &client, &suite.ask(&client)).await;
    assert_eq!(suite.error_of(suite.authorize(&other, &ask).await, &ask), "login_required");
}
