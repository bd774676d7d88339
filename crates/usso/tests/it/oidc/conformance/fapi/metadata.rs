//! The metadata of the profile.

use super::profile::Profile;
use serde_json::json;

/// Endpoints, algorithms and methods (FAPI 2.0 §5.3.2, §5.4.1).
pub async fn discovery_end_point_verification(profile: &Profile) {
    let suite = &profile.suite;
    for name in [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "pushed_authorization_request_endpoint",
    ] {
        assert!(suite.told(name).starts_with("https://"), "{name}");
    }
    assert!(suite.lists("token_endpoint_auth_methods_supported", "private_key_jwt"));
    for alg in ["PS256", "ES256", "EdDSA"] {
        assert!(suite.lists("token_endpoint_auth_signing_alg_values_supported", alg), "{alg}");
        assert!(suite.lists("dpop_signing_alg_values_supported", alg), "{alg}");
    }
    assert!(suite.lists("id_token_signing_alg_values_supported", "EdDSA"));
    assert!(suite.lists("code_challenge_methods_supported", "S256"));
    assert!(suite.lists("grant_types_supported", "authorization_code"));
    assert!(suite.lists("grant_types_supported", "client_credentials"));
    assert_eq!(suite.metadata["authorization_response_iss_parameter_supported"], json!(true));
    assert_ne!(suite.metadata["require_signed_request_object"], json!(true));
}
