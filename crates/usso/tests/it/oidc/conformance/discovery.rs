//! The provider's metadata (OpenID Connect Discovery §3, RFC 8414), of the Config plan and of the plans for logout.

use super::crypt::unb64;
use super::party::{ORIGIN, Suite};
use crate::app::Requests;
use serde_json::{Value, json};

/// Names of metadata that standards define, in the order they came.
const STANDARD: [&str; 45] = [
    // OpenID Connect Discovery §3, RFC 8414 §2.
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "registration_endpoint",
    "scopes_supported",
    "response_types_supported",
    "response_modes_supported",
    "grant_types_supported",
    "acr_values_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
    "userinfo_signing_alg_values_supported",
    "request_object_signing_alg_values_supported",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "display_values_supported",
    "claim_types_supported",
    "claims_supported",
    "service_documentation",
    "claims_locales_supported",
    "ui_locales_supported",
    "claims_parameter_supported",
    "request_parameter_supported",
    "request_uri_parameter_supported",
    "require_request_uri_registration",
    "op_policy_uri",
    "op_tos_uri",
    "revocation_endpoint",
    "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported",
    "introspection_endpoint",
    "introspection_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_signing_alg_values_supported",
    "code_challenge_methods_supported",
    // Logout; RFC 9207, 8628, 9126, 9449; prompts (OpenID Connect Prompt Create); client id metadata documents.
    "end_session_endpoint",
    "backchannel_logout_supported",
    "backchannel_logout_session_supported",
    "frontchannel_logout_supported",
    "frontchannel_logout_session_supported",
    "authorization_response_iss_parameter_supported",
    "device_authorization_endpoint",
    "pushed_authorization_request_endpoint",
    "dpop_signing_alg_values_supported",
];
const STANDARD_TOO: [&str; 4] = [
    "require_pushed_authorization_requests",
    "prompt_values_supported",
    "client_id_metadata_document_supported",
    "resource_signing_alg_values_supported",
];

fn is_https(url: &str) -> bool {
    url.starts_with("https://") && !url.contains('#')
}

/// What every discovery document is held to.
fn check_metadata(suite: &Suite) {
    let metadata = suite.metadata.as_object().expect("an object");
    assert_eq!(metadata["issuer"], ORIGIN);
    for (name, value) in metadata {
        assert!(
            STANDARD.contains(&name.as_str()) || STANDARD_TOO.contains(&name.as_str()),
            "no standard has {name}"
        );
        if name.ends_with("_endpoint") || name.ends_with("_uri") {
            assert!(value.as_str().is_some_and(is_https), "{name}: {value}");
        }
        // No list is empty (RFC 8414 §3.2), and none says anything twice.
        if let Some(list) = value.as_array() {
            let mut texts: Vec<&str> = list.iter().map(|one| one.as_str().expect("a text")).collect();
            let count = texts.len();
            texts.sort_unstable();
            texts.dedup();
            assert!(count > 0 && texts.len() == count, "{name}: {value}");
        }
        assert!(!value.is_null(), "{name}");
    }
    for name in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"] {
        suite.told(name);
    }
    for (name, value) in [
        ("response_types_supported", "code"),
        ("response_modes_supported", "query"),
        ("response_modes_supported", "form_post"),
        ("grant_types_supported", "authorization_code"),
        ("scopes_supported", "openid"),
        ("subject_types_supported", "public"),
        // The one algorithm that every provider has (§3).
        ("id_token_signing_alg_values_supported", "RS256"),
        ("token_endpoint_auth_methods_supported", "client_secret_basic"),
        ("code_challenge_methods_supported", "S256"),
        ("claims_supported", "sub"),
    ] {
        assert!(suite.lists(name, value), "{name} has no {value}: {}", suite.metadata[name]);
    }
    for (name, value) in [
        ("id_token_signing_alg_values_supported", "none"),
        ("token_endpoint_auth_signing_alg_values_supported", "none"),
        ("dpop_signing_alg_values_supported", "none"),
        ("code_challenge_methods_supported", "plain"),
        ("grant_types_supported", "implicit"),
        ("grant_types_supported", "password"),
        ("response_types_supported", "token"),
        ("response_types_supported", "id_token"),
    ] {
        assert!(!suite.lists(name, value), "{name} has {value}");
    }
}

/// What every key set is held to (RFC 7517, RFC 7518 §6).
async fn check_keys(suite: &Suite) {
    // The first id token by RS256 has a key for it made (ruling D9).
    let (client, person) = (suite.client(json!({})).await, suite.person().await);
    suite.sign_in(&person, &client, &suite.ask(&client)).await;
    let set = suite.keys().await;
    let keys = set["keys"].as_array().expect("keys");
    let mut kids: Vec<&str> = keys.iter().map(|key| key["kid"].as_str().expect("a kid")).collect();
    kids.sort_unstable();
    kids.dedup();
    assert_eq!(kids.len(), keys.len(), "{set}");
    for key in keys {
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private} is published");
        }
        match key["kty"].as_str().expect("a type") {
            "RSA" => assert!(unb64(key["n"].as_str().expect("n")).len() >= 256, "{key}"),
            "OKP" => assert_eq!(unb64(key["x"].as_str().expect("x")).len(), 32, "{key}"),
            "EC" => assert_eq!(
                unb64(key["x"].as_str().expect("x")).len(),
                unb64(key["y"].as_str().expect("y")).len()
            ),
            other => panic!("a key of the type {other}"),
        }
    }
    assert!(keys.iter().any(|key| key["alg"] == "RS256"), "{set}");
}

/// The discovery document, at both of its places, and the keys it leads to.
pub async fn oidcc_discovery_endpoint_verification(suite: &Suite) {
    check_metadata(suite);
    check_keys(suite).await;
    // RFC 8414 §3: the same facts under the other well-known name.
    let other =
        suite.app.anonymous().over_tls().get("ROOT/.well-known/oauth-authorization-server").await.expect(200);
    assert_eq!(other.json, suite.metadata);
    assert!(suite.metadata["authorization_response_iss_parameter_supported"] == true);
}

/// With the endpoint that ends sessions (RP-Initiated Logout §2.1).
pub async fn oidcc_rp_initiated_logout_discovery_endpoint_verification(suite: &Suite) {
    check_metadata(suite);
    check_keys(suite).await;
    assert!(is_https(suite.told("end_session_endpoint")));
}

/// With back-channel logout (Back-Channel Logout §2.1).
pub async fn oidcc_backchannel_logout_discovery_endpoint_verification(suite: &Suite) {
    check_metadata(suite);
    check_keys(suite).await;
    assert!(is_https(suite.told("end_session_endpoint")));
    for name in ["backchannel_logout_supported", "backchannel_logout_session_supported"] {
        assert_eq!(suite.metadata[name], Value::Bool(true), "{name}");
    }
}
