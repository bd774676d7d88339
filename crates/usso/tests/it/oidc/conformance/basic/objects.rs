//! Request objects by value and by reference: done as they say, or refused by name, and never ignored (OpenID Connect Core §6).

use crate::oidc::conformance::crypt::{Key, b64};
use crate::oidc::conformance::pages::Landing;
use crate::oidc::conformance::party::{Ask, BACK, BACK_TOO, Client, Suite};
use serde_json::{Value, json};

/// The parameters as the claims of a request object, with others in their place.
fn claims(suite: &Suite, client: &Client, ask: &Ask, changes: Value) -> Value {
    let mut claims: Value =
        ask.0.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect();
    claims["iss"] = json!(client.id);
    claims["aud"] = json!(suite.told("issuer"));
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", b64(json!({"alg": "none"}).to_string()), b64(claims.to_string()))
}

/// An unsigned request object whose nonce differs from the parameter's: it is the one that counts, or all is refused.
pub async fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let ask = suite.ask(&client);
    let object = unsigned(&claims(suite, &client, &ask, json!({"nonce": "inside"})));
    let landing = suite.authorize(&person, &ask.clone().with("request", &object)).await;
    if suite.metadata["request_parameter_supported"] == true {
        let code = suite.code_of(landing, &ask);
        let answer = suite.redeem(&client, &ask, &code).await.expect(200);
        suite.tokens(&client, &ask.with("nonce", "inside"), &answer).await;
    } else {
        assert_eq!(suite.error_of(landing, &ask), "request_not_supported");
    }
}

/// The same by reference.
pub async fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(suite: &Suite) {
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    let ask = suite.ask(&client);
    // Left out, it would mean yes (OpenID Connect Discovery §3).
    assert_eq!(suite.metadata["request_uri_parameter_supported"], false, "fetching is for who turns it on");
    let landing =
        suite.authorize(&person, &ask.clone().with("request_uri", "https://rp.example/request.jwt")).await;
    assert_eq!(suite.error_of(landing, &ask), "request_uri_not_supported");
}

/// A signed request object with another registered redirect URI than the parameter's: it is the one that counts, or all is
/// refused; nothing is answered as if there were no object.
pub async fn oidcc_ensure_request_object_with_redirect_uri(suite: &Suite) {
    let key = Key::new("RS256");
    let registration = json!({"redirect_uris": [BACK, BACK_TOO], "jwks": {"keys": [key.published()]}});
    let (client, person) = (suite.client(registration).await, suite.person().await);
    let ask = suite.ask(&client);
    let header = json!({"alg": "RS256", "kid": key.kid});
    let object = key.sign(&header, &claims(suite, &client, &ask, json!({"redirect_uri": BACK_TOO})));
    let landing = suite.authorize(&person, &ask.clone().with("request", &object)).await;
    if suite.metadata["request_parameter_supported"] == true {
        suite.code_of(landing, &ask.with("redirect_uri", BACK_TOO));
        return;
    }
    match landing {
        Landing::Page(page) => assert!((400..500).contains(&page.status), "{}", page.text()),
        elsewhere => assert_eq!(suite.error_of(elsewhere, &ask), "request_not_supported"),
    }
}
