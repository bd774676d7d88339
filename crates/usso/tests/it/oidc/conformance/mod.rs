//! What the OpenID Foundation's certification plans ask of a provider, written from the standards: one test for each module of
//! the plans, under the module's name. A relying party talks to the server by its metadata, and somebody at a browser without
//! JavaScript fills in the real forms.
//!
//! Each plan is its list of modules, from which its tests are made; `every_module_has_its_test` counts them.

mod backchannel;
mod basic;
mod crypt;
mod discovery;
mod fapi;
mod logout;
mod pages;
mod party;
mod plans;

use party::Suite;

/// A plan: a test for each of its modules, in a suite of its own.
macro_rules! plan {
    ($plan:ident, $suite:expr, [$($source:ident :: {$($module:ident),* $(,)?}),* $(,)?]) => {
        mod $plan {
            $($(
                #[tokio::test]
                async fn $module() {
                    let suite = $suite.await;
                    super::$source::$module(&suite).await;
                }
            )*)*
            /// The modules that are tested.
            pub const TESTED: &[&str] = &[$($(stringify!($module)),*),*];
        }
    };
}

/// The Basic modules, for whatever way answers come.
macro_rules! basic_plan {
    ($plan:ident, $suite:expr) => {
        plan!($plan, $suite, [basic::{
            oidcc_server, oidcc_response_type_missing, oidcc_idtoken_signature, oidcc_idtoken_unsigned, oidcc_userinfo_get,
            oidcc_userinfo_post_header, oidcc_userinfo_post_body,
            oidcc_ensure_request_without_nonce_succeeds_for_code_flow, oidcc_scope_profile, oidcc_scope_email,
            oidcc_scope_address, oidcc_scope_phone, oidcc_scope_all, oidcc_alternate_happy_flow, oidcc_display_page,
            oidcc_display_popup, oidcc_prompt_login, oidcc_prompt_none_not_logged_in, oidcc_prompt_none_logged_in,
            oidcc_max_age_1, oidcc_max_age_10000, oidcc_ensure_request_with_unknown_parameter_succeeds,
            oidcc_id_token_hint, oidcc_login_hint, oidcc_ui_locales, oidcc_claims_locales,
            oidcc_ensure_request_with_acr_values_succeeds, oidcc_codereuse, oidcc_codereuse_30seconds,
            oidcc_ensure_registered_redirect_uri, oidcc_ensure_post_request_succeeds, oidcc_server_client_secret_post,
            oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported,
            oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported, oidcc_claims_essential,
            oidcc_ensure_request_object_with_redirect_uri, oidcc_refresh_token,
            oidcc_ensure_request_with_valid_pkce_succeeds,
        }]);
    };
}

plan!(config, super::Suite::query(), [discovery::{oidcc_discovery_endpoint_verification}]);
basic_plan!(basic_query, super::Suite::query());
basic_plan!(basic_form_post, super::Suite::form_post());
plan!(rp_initiated_logout, super::Suite::query(), [
    discovery::{oidcc_rp_initiated_logout_discovery_endpoint_verification},
    logout::{
        oidcc_rp_initiated_logout, oidcc_rp_initiated_logout_bad_post_logout_redirect_uri,
        oidcc_rp_initiated_logout_modified_id_token_hint, oidcc_rp_initiated_logout_no_id_token_hint,
        oidcc_rp_initiated_logout_no_params, oidcc_rp_initiated_logout_no_post_logout_redirect_uri,
        oidcc_rp_initiated_logout_no_state, oidcc_rp_initiated_logout_only_state,
        oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri,
        oidcc_rp_initiated_logout_bad_id_token_hint,
    },
]);
plan!(backchannel_logout, super::backchannel::suite(), [
    discovery::{oidcc_backchannel_logout_discovery_endpoint_verification},
    backchannel::{oidcc_backchannel_rp_initiated_logout},
]);

#[tokio::test]
async fn what_a_form_holds_is_escaped() {
    basic::state_is_escaped(&Suite::form_post().await).await;
}

#[test]
fn every_module_has_its_test() {
    let tested: [(&str, &[&str]); 7] = [
        ("Config", config::TESTED),
        ("Basic", basic_query::TESTED),
        ("Form-Post Basic", basic_form_post::TESTED),
        ("RP-Initiated Logout", rp_initiated_logout::TESTED),
        ("Back-Channel Logout", backchannel_logout::TESTED),
        ("FAPI 2.0 Security Profile", fapi::security_profile::TESTED),
        ("FAPI 2.0 client credentials", fapi::client_credentials::TESTED),
    ];
    for ((name, tested), (plan, count, modules)) in tested.iter().zip(plans::PLANS) {
        let named = |module: &str| module.replace('-', "_");
        let open: Vec<_> = plans::OPEN.iter().filter(|(of, ..)| *of == plan).collect();
        let mut expected: Vec<String> = modules.iter().map(|module| named(module)).collect();
        let mut found: Vec<String> = tested.iter().map(|module| (*module).to_owned()).collect();
        found.extend(open.iter().map(|(_, module, _)| named(module)));
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(*name, plan);
        assert_eq!(expected, found, "{name}");
        println!("conformance: {} of {count} modules of {name}", tested.len());
        for (_, module, why) in open {
            println!("conformance: open: {module}: {why}");
        }
    }
}
