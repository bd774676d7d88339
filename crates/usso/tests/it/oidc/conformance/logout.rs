//! RP-Initiated Logout: when the browser is sent back to the client, when a page tells the user, and who is signed out.

use super::crypt::{Key, b64, decode};
use super::pages::{Landing, Person};
use super::party::{Client, LEFT, Pairs, Suite, Tokens, url_encoded};
use serde_json::json;

struct SignedIn<'a> {
    suite: &'a Suite,
    person: Person,
    client: Client,
    tokens: Tokens,
}

async fn signed_in(suite: &Suite) -> SignedIn<'_> {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let tokens = suite.sign_in(&person, &client, &suite.ask(&client)).await;
    SignedIn { suite, person, client, tokens }
}

impl SignedIn<'_> {
    /// Ends the session with these parameters.
    async fn end(&self, pairs: &[(&str, &str)]) -> Landing {
        let pairs: Pairs = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let query = url_encoded(&pairs);
        let joint = if query.is_empty() { "" } else { "?" };
        self.person.open(&format!("{}{joint}{query}", self.suite.told("end_session_endpoint"))).await
    }

    /// Whether the browser is still signed in (OpenID Connect Core §3.1.2.6).
    async fn is_in(&self) -> bool {
        let ask = self.suite.ask(&self.client).with("prompt", "none");
        let params = self.suite.back(self.suite.authorize(&self.person, &ask).await, &ask);
        match params.get("error").map(String::as_str) {
            None => true,
            Some(error) => {
                assert_eq!(error, "login_required");
                false
            }
        }
    }

    /// The user is told on a page, and nobody is sent anywhere.
    async fn tells_the_user(&self, pairs: &[(&str, &str)]) {
        let page = self.end(pairs).await.page();
        assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{page:?}");
        assert!(page.status < 500, "{}", page.text());
    }

    /// The user is told that it was wrong, and nobody is sent anywhere.
    async fn refuses(&self, pairs: &[(&str, &str)]) {
        let page = self.end(pairs).await.page();
        assert!((200..500).contains(&page.status), "{}", page.text());
    }
}

/// A hint, a registered address and a state: back to the client, signed out (§2, §3).
pub async fn oidcc_rp_initiated_logout(suite: &Suite) {
    let own = signed_in(suite).await;
    assert!(own.is_in().await);
    let hint = own.tokens.id_token();
    let landing =
        own.end(&[("id_token_hint", hint), ("post_logout_redirect_uri", LEFT), ("state", "xyz &=é")]).await;
    let params = landing.elsewhere(LEFT);
    assert_eq!(params.get("state").map(String::as_str), Some("xyz &=é"), "{params:?}");
    assert!(!own.is_in().await);
}

/// An address that isn't registered (§3).
pub async fn oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(suite: &Suite) {
    let own = signed_in(suite).await;
    let (hint, bad) = (own.tokens.id_token(), format!("{LEFT}/elsewhere"));
    own.refuses(&[("id_token_hint", hint), ("post_logout_redirect_uri", &bad), ("state", "s")]).await;
}

/// A hint with another signature, by a key of somebody else (§2).
pub async fn oidcc_rp_initiated_logout_modified_id_token_hint(suite: &Suite) {
    let own = signed_in(suite).await;
    let (header, claims) = decode(own.tokens.id_token());
    let hint = Key::new("RS256").sign(&header, &claims);
    own.refuses(&[("id_token_hint", &hint), ("post_logout_redirect_uri", LEFT), ("state", "s")]).await;
}

/// An address without a hint whose it is (§3).
pub async fn oidcc_rp_initiated_logout_no_id_token_hint(suite: &Suite) {
    let own = signed_in(suite).await;
    own.refuses(&[("post_logout_redirect_uri", LEFT), ("state", "s")]).await;
}

/// Nothing at all: signed out on a page (§2).
pub async fn oidcc_rp_initiated_logout_no_params(suite: &Suite) {
    let own = signed_in(suite).await;
    own.tells_the_user(&[]).await;
    assert!(!own.is_in().await);
}

/// A hint without an address: signed out on a page.
pub async fn oidcc_rp_initiated_logout_no_post_logout_redirect_uri(suite: &Suite) {
    let own = signed_in(suite).await;
    own.tells_the_user(&[("id_token_hint", own.tokens.id_token()), ("state", "s")]).await;
    assert!(!own.is_in().await);
}

/// Without a state there is none in the answer.
pub async fn oidcc_rp_initiated_logout_no_state(suite: &Suite) {
    let own = signed_in(suite).await;
    let hint = own.tokens.id_token();
    let params =
        own.end(&[("id_token_hint", hint), ("post_logout_redirect_uri", LEFT)]).await.elsewhere(LEFT);
    assert!(params.is_empty(), "{params:?}");
    assert!(!own.is_in().await);
}

/// Only a state: signed out on a page.
pub async fn oidcc_rp_initiated_logout_only_state(suite: &Suite) {
    let own = signed_in(suite).await;
    own.tells_the_user(&[("state", "s")]).await;
    assert!(!own.is_in().await);
}

/// A registered address with a query added to it is another address (§3).
pub async fn oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(suite: &Suite) {
    let own = signed_in(suite).await;
    let (hint, bad) = (own.tokens.id_token(), format!("{LEFT}?foo=bar"));
    own.refuses(&[("id_token_hint", hint), ("post_logout_redirect_uri", &bad), ("state", "s")]).await;
}

/// A hint that says it needs no signature (RFC 8725 §3.2).
pub async fn oidcc_rp_initiated_logout_bad_id_token_hint(suite: &Suite) {
    let own = signed_in(suite).await;
    let (_, claims) = decode(own.tokens.id_token());
    let hint = format!("{}.{}.", b64(json!({"alg": "none"}).to_string()), b64(claims.to_string()));
    own.refuses(&[("id_token_hint", &hint), ("post_logout_redirect_uri", LEFT), ("state", "s")]).await;
}
