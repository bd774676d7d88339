//! Metadata (OpenID Connect Discovery §3, §4; RFC 8414 §3).

use super::Rp;
use crate::app::{ORIGIN, Requests, TestApp};
use serde_json::{Value, json};

#[tokio::test]
async fn meta_01_both_documents_agree_wherever_the_issuer_is_addressed() {
    let app = TestApp::new().await;
    app.tenant("Company A", &["company-a.com"]).await;
    let (host, by_host) = (app.anonymous(), app.on_host("company-a.com"));
    for (who, prefix, issuer) in [
        (&host, "", ORIGIN.to_owned()),
        (&by_host, "", "http://company-a.com:8000".to_owned()),
        (&host, "/t/org_company_a", format!("{ORIGIN}/t/org_company_a")),
    ] {
        let mut documents: Vec<Value> = Vec::new();
        for name in ["openid-configuration", "oauth-authorization-server"] {
            // Appended, as OpenID Connect has it, and inserted, as RFC 8414 has it.
            let mut paths = vec![
                format!("ROOT{prefix}/.well-known/{name}"),
                format!("ROOT{prefix}/api/sso/v1/.well-known/{name}"),
            ];
            paths.push(format!("ROOT/.well-known/{name}{prefix}"));
            for path in paths {
                let answer = who.get(&path).await.expect(200);
                assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
                assert!(answer.header("cache-control").unwrap().contains("max-age"), "{path}");
                documents.push(answer.json);
            }
        }
        assert!(documents.windows(2).all(|pair| pair[0] == pair[1]), "{issuer}");
        let document = &documents[0];
        assert_eq!(document["issuer"], issuer);
        for (name, value) in document.as_object().unwrap() {
            assert!(value.as_array().is_none_or(|list| !list.is_empty()), "{name} is empty");
            if name.ends_with("_endpoint") || name == "jwks_uri" {
                assert!(value.as_str().unwrap().starts_with(&issuer), "{name}: {value}");
            }
        }
        let keys = document["jwks_uri"].as_str().unwrap().strip_prefix("http://").unwrap();
        let path = keys.split_once('/').unwrap().1;
        who.get(&format!("ROOT/{path}")).await.expect(200);
    }
}

#[tokio::test]
async fn meta_02_and_meta_03_what_is_advertised_is_what_works() {
    let app = TestApp::new().await;
    let document = app.anonymous().get("ROOT/.well-known/openid-configuration").await.expect(200);
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["EdDSA", "RS256"]));
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(document["response_types_supported"], json!(["code"]));
    assert_eq!(document["subject_types_supported"], json!(["public"]));
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    assert_eq!(
        document["scopes_supported"],
        json!(["openid", "profile", "email", "phone", "offline_access"])
    );
    let admin = app.system_admin().await;
    let list = |name: &str| -> Vec<String> {
        document[name].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    // Assertions are for agents, which are no clients (RFC 7523).
    let for_agents = |grant: &String| grant.ends_with(":jwt-bearer");
    for grant in list("grant_types_supported").into_iter().filter(|grant| !for_agents(grant)) {
        let said = json!({"redirect_uris": [super::CALLBACK], "grant_types": [grant, "authorization_code"]});
        admin.post("/oauth/clients", said).await.expect(201);
        let rp = Rp::new(&admin, json!({"grant_types": ["authorization_code", grant]})).await;
        let answer = rp.token(&[("grant_type", &grant)]).await;
        assert_ne!(answer["error"], "unsupported_grant_type", "{grant}");
    }
    for alg in list("id_token_signing_alg_values_supported") {
        Rp::new(&admin, json!({"id_token_signed_response_alg": alg})).await;
    }
    for alg in ["none", "HS256", "ES256", "PS512"] {
        let said = json!({"redirect_uris": [super::CALLBACK], "id_token_signed_response_alg": alg});
        admin.post("/oauth/clients", said).await.problem(400, "VALIDATION_ERROR");
    }
    for path in ["token_endpoint", "userinfo_endpoint", "introspection_endpoint", "revocation_endpoint"] {
        let path = document.str(path).strip_prefix(ORIGIN).unwrap();
        app.anonymous().form(&format!("ROOT{path}"), &[]).await.is_not(404);
    }
}

#[tokio::test]
async fn a_front_end_may_have_the_path_of_the_endpoint() {
    let app = TestApp::new().await;
    app.configure("org_default", json!({"oauth_public_base": "/api/sso/v1"})).await;
    let document = app.anonymous().get("ROOT/.well-known/openid-configuration").await.expect(200);
    assert_eq!(document.str("authorization_endpoint"), format!("{ORIGIN}/api/sso/v1/oauth/authorize"));
    assert_eq!(document.str("token_endpoint"), format!("{ORIGIN}/oauth/token"));
}
