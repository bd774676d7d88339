//! Who has to sign in again, and who must not be asked (OpenID Connect Core §3.1.2.1 and §3.1.2.3).

use crate::oidc::conformance::party::{Suite, Tokens};
use serde_json::json;

fn auth_time(tokens: &Tokens) -> i64 {
    tokens.claims["auth_time"].as_i64().unwrap_or_else(|| panic!("no auth_time: {}", tokens.claims))
}

/// `prompt=login` asks again, and the time of it is newer.
pub async fn oidcc_prompt_login(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let first = suite.sign_in(&person, &client, &suite.ask(&client).with("max_age", "100000")).await;
    suite.app.wait(2);
    let ask = suite.ask(&client).with("prompt", "login").with("max_age", "100000");
    let second = suite.sign_in(&person, &client, &ask).await;
    assert_eq!(first.claims["sub"], second.claims["sub"]);
    assert!(auth_time(&second) > auth_time(&first), "{} {}", first.claims, second.claims);
}

/// `prompt=none` without a session answers `login_required` at once (§3.1.2.6).
pub async fn oidcc_prompt_none_not_logged_in(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let ask = suite.ask(&client).with("prompt", "none");
    assert_eq!(suite.error_of(suite.authorize(&person, &ask).await, &ask), "login_required");
}

/// `prompt=none` with a session and consent shows nothing.
pub async fn oidcc_prompt_none_logged_in(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let first = suite.sign_in(&person, &client, &suite.ask(&client)).await;
    suite.app.wait(2);
    let before = person.trail().lines().count();
    let second = suite.sign_in(&person, &client, &suite.ask(&client).with("prompt", "none")).await;
    assert_eq!(first.claims["sub"], second.claims["sub"]);
    assert_eq!(first.claims["auth_time"], second.claims["auth_time"]);
    assert_eq!(person.trail().lines().count(), before + 1, "{}", person.trail());
}

/// `max_age=1`, longer ago than that: signs in again, and says when.
pub async fn oidcc_max_age_1(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let first = suite.sign_in(&person, &client, &suite.ask(&client).with("max_age", "10000")).await;
    suite.app.wait(2);
    let second = suite.sign_in(&person, &client, &suite.ask(&client).with("max_age", "1")).await;
    assert_eq!(first.claims["sub"], second.claims["sub"]);
    assert!(auth_time(&second) > auth_time(&first), "{} {}", first.claims, second.claims);
}

/// `max_age=10000`, not that long ago: nobody is asked, and `auth_time` is as before.
pub async fn oidcc_max_age_10000(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let first = suite.sign_in(&person, &client, &suite.ask(&client).with("max_age", "10000")).await;
    suite.app.wait(2);
    let ask = suite.ask(&client).with("max_age", "10000").with("prompt", "none");
    let second = suite.sign_in(&person, &client, &ask).await;
    assert_eq!(auth_time(&first), auth_time(&second));
    assert_eq!(first.claims["sub"], second.claims["sub"]);
}
