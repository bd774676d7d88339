//! The plans of the FAPI 2.0 Security Profile: with a user, and with client credentials. Their names begin with
//! `fapi2-security-profile-final-` in the plans.

mod assertions;
mod codes;
mod metadata;
mod profile;
mod proofs;
mod pushed;
mod requests;
mod without_user;

use profile::Profile;

/// A plan: a test for each of its modules, at a provider of its own.
macro_rules! fapi_plan {
    ($plan:ident, [$($source:ident :: {$($module:ident),* $(,)?}),* $(,)?]) => {
        #[expect(non_snake_case, reason = "a module's own name")]
        pub mod $plan {
            $($(
                #[tokio::test]
                async fn $module() {
                    super::$source::$module(&super::Profile::new().await).await;
                }
            )*)*
            /// The modules that are tested.
            pub const TESTED: &[&str] = &[$($(stringify!($module)),*),*];
        }
    };
}

fapi_plan!(security_profile, [
    metadata::{discovery_end_point_verification},
    requests::{
        happy_flow, user_rejects_authentication, ensure_authorization_request_without_state_success,
        ensure_authorization_request_without_nonce_success, ensure_authorization_request_with_64_char_nonce_success,
        ensure_other_scope_order_succeeds, test_claims_parameter_identity_claims,
        ensure_different_nonce_inside_and_outside_request_object,
        ensure_different_state_inside_and_outside_request_object, ensure_authorization_request_with_long_nonce,
        ensure_authorization_request_with_long_state, state_only_outside_request_object_not_used,
        ensure_request_object_without_redirect_uri_fails, plain_fapi_tolerate_unregistered_redirect_uri,
        ensure_unsigned_authorization_request_without_using_par_fails, ensure_redirect_uri_in_authorization_request,
        ensure_response_type_code_idtoken_fails, ensure_response_type_token_fails,
    },
    pushed::{
        par_ensure_reused_request_uri_prior_to_auth_completion_succeeds, par_attempt_reuse_request_uri,
        par_attempt_to_use_expired_request_uri, par_attempt_to_use_request_uri_for_different_client,
        par_authorization_request_containing_request_uri_form_param, par_attempt_invalid_http_method,
        par_ensure_pkce_required, par_plain_pkce_rejected, par_without_duplicate_parameters,
    },
    codes::{
        ensure_pkce_code_verifier_required, incorrect_pkce_code_verifier_rejected,
        ensure_authorization_code_is_bound_to_client, attempt_reuse_authorization_code_after_one_second,
        ensure_token_endpoint_fails_with_expired_auth_code, refresh_token,
    },
    assertions::{
        ensure_client_id_in_token_endpoint, ensure_signed_client_assertion_with_RS256_fails,
        ensure_client_assertion_in_token_endpoint, ensure_client_assertion_with_exp_is_5_minutes_in_past_fails,
        ensure_client_assertion_with_wrong_aud_fails, ensure_client_assertion_with_no_sub_fails,
        par_ensure_jwt_client_assertions_nbf_8_seconds_in_the_future_is_accepted,
        par_ensure_jwt_client_assertions_nbf_over_60_seconds_in_the_future_fails, par_test_array_as_audience_fails,
        par_test_par_endpoint_url_as_audience_fails, par_test_token_endpoint_url_as_audience_fails,
    },
    proofs::{
        access_token_type_header_case_sensitivity, check_dpop_proof_nbf_exp,
        ensure_dpopproof_with_iat_10seconds_before_succeeds, ensure_dpopproof_with_iat_10seconds_after_succeeds,
        ensure_mismatched_dpop_jkt_fails, ensure_token_endpoint_fails_with_mismatched_dpop_proof_jkt,
        ensure_token_endpoint_fails_with_mismatched_dpop_jkt, ensure_dpopproof_at_par_endpoint_binding_success,
        ensure_dpop_auth_code_binding_success, ensure_holder_of_key_required, dpop_negative_tests,
    },
]);

fapi_plan!(client_credentials, [without_user::{
    discovery_end_point_verification, happy_flow, access_token_type_header_case_sensitivity, check_dpop_proof_nbf_exp,
    ensure_dpopproof_with_iat_10seconds_before_succeeds, ensure_dpopproof_with_iat_10seconds_after_succeeds,
    ensure_client_id_in_token_endpoint, ensure_holder_of_key_required,
    ensure_signed_client_assertion_with_RS256_fails, ensure_client_assertion_in_token_endpoint,
    ensure_client_assertion_with_exp_is_5_minutes_in_past_fails, ensure_client_assertion_with_wrong_aud_fails,
    ensure_client_assertion_with_no_sub_fails, dpop_negative_tests,
}]);
