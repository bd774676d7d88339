//! `/agents/auth`, `/agents/scopes`, and what agents do with the tokens they get.

use crate::app::{Anonymous, Answer, Requests, TenantHandle, TestApp};
use crate::keys::claims_of;
use protocol::b64url;
use protocol::jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

/// When tests begin.
const NOW: i64 = 1_800_000_000;

/// A program with its key.
struct Program {
    tenant: TenantHandle,
    made: Answer,
    pair: SigningKey,
}

impl Program {
    async fn new(tenant: &TenantHandle, scopes: &[&str]) -> Self {
        let body = json!({"name": "Export", "scopes": scopes});
        let made = tenant.admin().post("/agents", body).await.expect(201);
        let body: String = made.str("private_key").lines().filter(|line| !line.starts_with('-')).collect();
        let der = body.replace('+', "-").replace('/', "_");
        let der = b64url::decode(der.trim_end_matches('=')).unwrap();
        Self { tenant: tenant.clone(), made, pair: SigningKey::from_pkcs8(Algorithm::EdDsa, &der).unwrap() }
    }

    fn id(&self) -> &str {
        self.made.str("id")
    }

    fn path(&self) -> String {
        format!("/agents/{}", self.id())
    }

    /// What the published Python client writes when it knows the agent's id.
    fn claims(&self, jti: &str) -> Value {
        json!({"scopes": [], "aud": "sso", "exp": NOW + 300, "nbf": NOW, "iat": NOW, "jti": jti, "tenant_id": null,
            "iss": self.id()})
    }

    fn header(&self) -> Value {
        json!({"alg": "ED25519", "typ": "JWT", "kid": self.made.str("kid")})
    }

    fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| b64url::encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", b64url::encode(signature))
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_with(&self.header(), claims)
    }

    async fn exchange(&self, token: &str) -> Answer {
        self.tenant.anonymous().with_token(token).post("/agents/auth", ()).await
    }

    /// Signs in, asking for these scopes.
    async fn sign_in(&self, jti: &str, scopes: Value) -> Answer {
        let mut claims = self.claims(jti);
        claims["scopes"] = scopes;
        self.exchange(&self.sign(&claims)).await
    }

    /// Whoever presents what an exchange gave.
    fn with(&self, answer: &Answer) -> Anonymous {
        self.tenant.anonymous().with_token(answer.str("access_token"))
    }
}

async fn program(app: &TestApp, scopes: &[&str]) -> Program {
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    Program::new(&tenant, scopes).await
}

/// Signs claims in which one thing is changed.
async fn changed(program: &Program, name: &str, value: Value) -> Answer {
    let mut claims = program.claims("changed");
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    program.exchange(&program.sign(&claims)).await
}

#[tokio::test]
async fn a_signed_token_is_exchanged_for_a_pair_of_the_agents_own() {
    let app = TestApp::new().await;
    let export = program(&app, &["read:users", "update:files"]).await;
    let answer = export.sign_in("one", json!([])).await.expect(200);
    assert_eq!((answer.str("token_type"), answer.str("status")), ("Bearer", "completed"));
    assert_eq!(answer["tokens"]["access"], answer["access_token"]);
    assert_eq!(answer["tokens"]["refresh"], answer["refresh_token"]);
    assert_eq!((&answer["expires_in"], &answer["sub"]), (&json!(3_600), &json!(export.id())));
    assert!(answer.header("set-cookie").is_none(), "agents have no cookies");
    let claims = claims_of(answer.str("access_token"));
    assert_eq!((&claims["sub"], &claims["sub_type"]), (&json!(export.id()), &json!("agent")));
    assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["agent"]), &json!("usso:acr:1")));
    assert_eq!((&claims["scopes"], &claims["roles"]), (&json!(["read:users", "update:files"]), &json!([])));
    assert_eq!((&claims["aud"], &claims["user_id"]), (&json!("sso"), &Value::Null));
    assert_eq!(claims["tenant_id"], json!(export.tenant.id));
    let session = claims["session_id"].as_str().unwrap();
    let seen = export.tenant.admin().get(&format!("/sessions/{session}")).await.expect(200);
    assert_eq!((seen.str("session_type"), seen.str("agent_id")), ("service_account", export.id()));
    assert_eq!(seen["is_active"], json!(true));
    let events = app.audit(&export.tenant.id).await;
    assert!(events.iter().any(|e| e.event == "session.opened" && e.actor == export.id()));
}

#[tokio::test]
async fn every_published_dialect_is_understood() {
    let app = TestApp::new().await;
    let export = program(&app, &["read:users"]).await;
    let kid = export.made.str("kid");
    let headers = [
        json!({"alg": "ED25519", "typ": "JWT", "kid": kid}),
        json!({"alg": "Ed25519", "typ": "JWT"}),
        json!({"alg": "EdDSA", "kid": kid}),
        json!({"alg": "EDDSA"}),
    ];
    for (n, header) in headers.iter().enumerate() {
        let mut claims = export.claims(&format!("dialect-{n}"));
        claims["tenant_id"] = if n == 0 { Value::Null } else { json!(export.tenant.id) };
        if header["kid"].is_string() {
            claims.as_object_mut().unwrap().remove("iss");
        }
        export.exchange(&export.sign_with(header, &claims)).await.expect(200);
    }
}

#[tokio::test]
async fn a_token_signed_by_another_key_is_refused() {
    let app = TestApp::new().await;
    let export = program(&app, &[]).await;
    let other = Program::new(&export.tenant, &[]).await;
    let forged = other.sign_with(&export.header(), &export.claims("forged"));
    export.exchange(&forged).await.problem(401, "AGENT_INVALID");
}

#[tokio::test]
async fn an_algorithm_that_is_not_the_agents_is_refused() {
    let app = TestApp::new().await;
    let export = program(&app, &[]).await;
    for alg in ["none", "HS256", "RS256", "ES256", "ED448", ""] {
        let header = json!({"alg": alg, "kid": export.made.str("kid")});
        let token = export.sign_with(&header, &export.claims(alg));
        export.exchange(&token).await.problem(401, "AGENT_INVALID");
    }
}

#[tokio::test]
async fn an_empty_or_broken_signature_is_refused() {
    let app = TestApp::new().await;
    let export = program(&app, &[]).await;
    let token = export.sign(&export.claims("whole"));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    for broken in
        [format!("{signed}."), signed.to_owned(), format!("{signed}.{}", &signature[4..]), "a.b.c".into()]
    {
        export.exchange(&broken).await.problem(401, "AGENT_INVALID");
    }
}

#[tokio::test]
async fn kid_and_iss_must_name_the_same_agent() {
    let app = TestApp::new().await;
    let export = program(&app, &[]).await;
    let other = Program::new(&export.tenant, &[]).await;
    changed(&export, "iss", json!(other.id())).await.problem(401, "AGENT_INVALID");
    changed(&export, "iss", json!("service:nobody")).await.problem(401, "AGENT_INVALID");
    let header = json!({"alg": "EdDSA", "kid": other.made.str("kid")});
    let token = export.sign_with(&header, &export.claims("other-kid"));
    export.exchange(&token).await.problem(401, "AGENT_INVALID");
}

#[tokio::test]
async fn a_token_that_names_no_agent_is_refused() {
    let app = TestApp::new().await;
    let export = program(&app, &[]).await;
    let mut claims = export.claims("nameless");
    claims.as_object_mut().unwrap().remove("iss");
    for header in [json!({"alg": "EdDSA"}), json!({"alg": "EdDSA", "kid": "0".repeat(64)})] {
        export.exchange(&export.sign_with(&header, &claims)).await.problem(401, "AGENT_INVALID");
    }
}

#[tokio::test]
async fn a_token_must_end_and_soon() {
    let app = TestApp::new().await;
    let export = program(&app, &[]).await;
    for exp in [Value::Null, json!(NOW), json!(NOW - 1), json!(NOW + 361), json!("soon"), json!(i64::MAX)] {
        changed(&export, "exp", exp).await.problem(401, "AGENT_INVALID");
    }
    changed(&export, "exp", json!(NOW + 360)).await.expect(200);
}

#[tokio::test]
async fn a_token_from_the_future_is_refused_beyond_a_minute() {
    let app = TestApp::new().await;
    let export = program(&app, &[]).await;
    for name in ["nbf", "iat"] {
        changed(&export, name, json!(NOW + 61)).await.problem(401, "AGENT_INVALID");
    }
    let mut claims = export.claims("ahead");
    (claims["nbf"], claims["iat"]) = (json!(NOW + 60), json!(NOW + 60));
    export.exchange(&export.sign(&claims)).await.expect(200);
}

#[tokio::test]
async fn a_token_without_a_jti_is_refused() {
    let app = TestApp::new().await;
    let export = program(&app, &[]).await;
    for jti in [Value::Null, json!(""), json!("x".repeat(256)), json!(7)] {
        changed(&export, "jti", jti).await.problem(401, "AGENT_INVALID");
    }
}

#[tokio::test]
async fn a_token_is_exchanged_once_on_whatever_instance_and_after_a_restart() {
    let app = TestApp::new().await;
    let export = program(&app, &[]).await;
    let other = app.joined_unheard().await;
    let token = export.sign(&export.claims("once"));
    export.exchange(&token).await.expect(200);
    export.exchange(&token).await.problem(401, "AGENT_INVALID");
    let elsewhere = other.on_host("company-a.com").with_token(&token);
    elsewhere.post("/agents/auth", ()).await.problem(401, "AGENT_INVALID");
    // Whatever else it says: the name of a token is spent.
    let mut claims = export.claims("once");
    claims["aud"] = json!("other");
    export.exchange(&export.sign(&claims)).await.problem(401, "AGENT_INVALID");
    // Names are each agent's own.
    Program::new(&export.tenant, &[]).await.sign_in("once", json!([])).await.expect(200);
}

#[tokio::test]
async fn of_many_exchanges_of_one_token_one_succeeds() {
    let app = TestApp::new().await;
    let export = program(&app, &[]).await;
    let token = export.sign(&export.claims("race"));
    let tries = (0..8).map(|_| export.exchange(&token));
    let answers = futures_util::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 1);
}

#[tokio::test]
async fn a_token_for_another_tenant_is_refused() {
    let app = TestApp::new().await;
    let export = program(&app, &[]).await;
    let b = app.tenant("Company B", &["company-b.com"]).await;
    changed(&export, "tenant_id", json!(b.id)).await.problem(401, "AGENT_INVALID");
    for tenant_id in [Value::Null, json!(b.id), json!(export.tenant.id)] {
        let mut claims = export.claims("abroad");
        claims["tenant_id"] = tenant_id;
        let abroad = b.anonymous().with_token(&export.sign(&claims));
        abroad.post("/agents/auth", ()).await.problem(401, "AGENT_INVALID");
        abroad.post("/agents/scopes", ()).await.problem(401, "AGENT_INVALID");
    }
}

#[tokio::test]
async fn an_agent_gets_no_more_than_it_may() {
    let app = TestApp::new().await;
    let export = program(&app, &["update:files", "read:users"]).await;
    for (jti, wanted) in [("w1", "delete:files"), ("w2", "*:*"), ("w3", "read:roles")] {
        export.sign_in(jti, json!([wanted])).await.problem(403, "SCOPE_NOT_DELEGABLE");
    }
    export.sign_in("w4", json!(["read:[a]"])).await.problem(400, "INVALID_SCOPE");
    let less = export.sign_in("less", json!(["read:files"])).await.expect(200);
    assert_eq!(claims_of(less.str("access_token"))["scopes"], json!(["read:files"]));
    export.with(&less).get("/users").await.problem(403, "PERMISSION_DENIED");
    let again = export.tenant.anonymous();
    let again =
        again.post("/auth/refresh", json!({"refresh_token": less["refresh_token"]})).await.expect(200);
    assert_eq!(claims_of(again.str("access_token"))["scopes"], json!(["read:files"]));
}

#[tokio::test]
async fn only_a_bearer_that_an_agent_signed_is_exchanged() {
    let app = TestApp::new().await;
    let export = program(&app, &[]).await;
    let admin = export.tenant.admin();
    let bare = export.tenant.anonymous();
    bare.post("/agents/auth", ()).await.problem(401, "NOT_AUTHENTICATED");
    let cookie = format!("usso-access-token={}", export.sign(&export.claims("cookie")));
    bare.clone()
        .with_header("cookie", &cookie)
        .post("/agents/auth", ())
        .await
        .problem(401, "NOT_AUTHENTICATED");
    let key = admin.post("/apikeys", json!({})).await.expect(201);
    for token in [admin.access(), admin.refresh(), key.str("api_key"), "nonsense"] {
        bare.clone().with_token(token).post("/agents/auth", ()).await.problem(401, "AGENT_INVALID");
        bare.clone().with_token(token).post("/agents/scopes", ()).await.problem(401, "AGENT_INVALID");
    }
    let pair = export.sign_in("pair", json!([])).await.expect(200);
    export.exchange(pair.str("access_token")).await.problem(401, "AGENT_INVALID");
    // And what an agent signed is no access token.
    let signed = bare.with_token(&export.sign(&export.claims("straight")));
    signed.get("/me").await.problem(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn scopes_tells_what_an_agent_may_and_spends_nothing() {
    let app = TestApp::new().await;
    let export = program(&app, &["read:users"]).await;
    let token = export.sign(&export.claims("scopes"));
    let who = export.tenant.anonymous().with_token(&token);
    let seen = who.post("/agents/scopes", ()).await.expect(200);
    let wanted = json!({"id": export.id(), "agent_id": export.id(), "tenant_id": export.tenant.id,
        "scopes": ["read:users"], "roles": []});
    assert_eq!(seen.json, wanted);
    who.post("/agents/scopes", ()).await.expect(200);
    export.exchange(&token).await.expect(200);
}

#[tokio::test]
async fn an_agent_acts_by_its_scopes_and_is_no_user() {
    let app = TestApp::new().await;
    let export = program(&app, &["read:users", "create:roles", "read:reports"]).await;
    let answer = export.sign_in("act", json!([])).await.expect(200);
    let agent = export.with(&answer);
    agent.get("/users").await.expect(200);
    agent.post("/roles", json!({"name": "Reporter", "scopes": ["read:reports"]})).await.expect(201);
    let wider = agent.post("/roles", json!({"name": "Wide", "scopes": ["*:*"]})).await;
    wider.problem(403, "SCOPE_NOT_DELEGABLE");
    agent.get("/tenants/org_company_a").await.problem(403, "PERMISSION_DENIED");
    let me = agent.get("/me").await.expect(200);
    assert_eq!((me.str("name"), me.str("sub_type"), me.str("sub")), ("Export", "agent", export.id()));
    assert_eq!((me.str("user_id"), &me["identifiers"]), (export.id(), &Value::Null));
    let events = app.audit(&export.tenant.id).await;
    assert!(events.iter().any(|e| e.event == "role.created" && e.actor == export.id()));
    // What belongs to users, agents don't have; what belongs to who made it is not the agent's.
    for path in ["/profiles/mine", "/identifiers", "/credentials"] {
        agent.get(path).await.problem(404, "NOT_FOUND");
    }
    assert!(agent.get("/sessions").await.expect(200).items().is_empty());
    let own = format!("/sessions/{}", export.tenant.admin().session_id());
    agent.delete(&own).await.problem(403, "PERMISSION_DENIED");
    agent.get(&own).await.problem(404, "NOT_FOUND");
    agent.get(&export.path()).await.expect(200);
    agent.patch(&export.path(), json!({"name": "Me"})).await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn an_agents_refresh_token_is_worth_a_pair_as_long_as_the_agent_lives() {
    let app = TestApp::new().await;
    let export = program(&app, &["read:users"]).await;
    let answer = export.sign_in("refresh", json!([])).await.expect(200);
    let anonymous = export.tenant.anonymous();
    for _ in 0..3 {
        let body = json!({"refresh_token": answer["refresh_token"]});
        let fresh = anonymous.post("/auth/refresh", body).await.expect(200);
        export.with(&fresh).get("/users").await.expect(200);
        app.wait(3_000);
    }
    export.with(&answer).get("/users").await.problem(401, "TOKEN_EXPIRED");
    let as_access = anonymous.clone().with_token(answer.str("refresh_token"));
    as_access.get("/users").await.problem(401, "TOKEN_TYPE_INVALID");
    let access = json!({"refresh_token": answer["access_token"]});
    anonymous.post("/auth/refresh", access).await.problem(401, "TOKEN_EXPIRED");
}

/// Checks that nothing an agent was given is worth anything any more.
async fn is_ended(export: &Program, answer: &Answer) {
    export.with(answer).get("/users").await.problem(401, "TOKEN_REVOKED");
    let anonymous = export.tenant.anonymous();
    let body = json!({"refresh_token": answer["refresh_token"]});
    anonymous.post("/auth/refresh", body).await.problem(401, "TOKEN_REVOKED");
    anonymous
        .post("/auth/verify-token", json!({"token": answer["access_token"]}))
        .await
        .problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn switching_an_agent_off_ends_its_tokens_at_once_and_for_good() {
    let app = TestApp::new().await;
    let export = program(&app, &["read:users"]).await;
    let admin = export.tenant.admin();
    let answer = export.sign_in("on", json!([])).await.expect(200);
    export.with(&answer).get("/users").await.expect(200);
    admin.patch(&export.path(), json!({"is_active": false})).await.expect(200);
    is_ended(&export, &answer).await;
    export.sign_in("off", json!([])).await.problem(401, "AGENT_INVALID");
    admin.patch(&export.path(), json!({"is_active": true})).await.expect(200);
    is_ended(&export, &answer).await;
    let fresh = export.sign_in("on again", json!([])).await.expect(200);
    export.with(&fresh).get("/users").await.expect(200);
}

#[tokio::test]
async fn removing_an_agent_or_changing_its_key_ends_its_tokens() {
    let app = TestApp::new().await;
    let export = program(&app, &["read:users"]).await;
    let admin = export.tenant.admin();
    let answer = export.sign_in("one", json!([])).await.expect(200);
    let spare = Program::new(&export.tenant, &[]).await;
    admin.delete(&spare.path()).await.expect(200);
    spare.sign_in("gone", json!([])).await.problem(401, "AGENT_INVALID");
    let pem = spare.made.str("verify_key");
    admin.patch(&export.path(), json!({"verify_key": pem})).await.expect(200);
    is_ended(&export, &answer).await;
    export.sign_in("old key", json!([])).await.problem(401, "AGENT_INVALID");
    admin.delete(&export.path()).await.expect(200);
    is_ended(&export, &answer).await;
}

#[tokio::test]
async fn what_is_taken_from_an_agent_its_tokens_lose_at_once_on_every_instance() {
    let app = TestApp::new().await;
    let export = program(&app, &["read:users", "read:roles"]).await;
    let other = app.joined().await;
    let answer = export.sign_in("one", json!([])).await.expect(200);
    let elsewhere = other.on_host("company-a.com").with_token(answer.str("access_token"));
    elsewhere.get("/users").await.expect(200);
    let admin = export.tenant.admin();
    admin.patch(&export.path(), json!({"scopes": ["read:roles"]})).await.expect(200);
    other.read_feed().await;
    for agent in [export.with(&answer), elsewhere.clone()] {
        agent.get("/users").await.problem(403, "PERMISSION_DENIED");
        agent.get("/roles").await.expect(200);
    }
    admin.patch(&export.path(), json!({"is_active": false})).await.expect(200);
    other.read_feed().await;
    elsewhere.get("/roles").await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn who_made_an_agent_sees_and_ends_its_sessions() {
    let app = TestApp::new().await;
    let export = program(&app, &["read:users"]).await;
    let answer = export.sign_in("one", json!([])).await.expect(200);
    let path = format!("/sessions/{}", answer.str("session_id"));
    export.tenant.admin().delete(&path).await.expect(200);
    is_ended(&export, &answer).await;
    let other = export.sign_in("two", json!([])).await.expect(200);
    let out = export.with(&other).post("/auth/logout", json!({})).await;
    out.expect(200);
    is_ended(&export, &other).await;
}

/// Somebody by an API key.
fn by_key(export: &Program, key: &Answer) -> Anonymous {
    export.tenant.anonymous().with_header("x-api-key", key.str("api_key"))
}

#[tokio::test]
async fn a_key_for_an_agent_acts_as_the_agent() {
    let app = TestApp::new().await;
    let export = program(&app, &["read:users", "read:roles"]).await;
    let admin = export.tenant.admin();
    let key = admin.post("/apikeys", json!({"agent_id": export.id()})).await.expect(201);
    assert_eq!((key.str("agent_id"), &key["scopes"]), (export.id(), &json!(["read:users", "read:roles"])));
    let body = json!({"api_key": key.str("api_key")});
    let seen = export.tenant.anonymous().post("/apikeys/verify", body.clone()).await.expect(200);
    assert_eq!(
        (seen.str("sub"), seen.str("user_id"), seen.str("sub_type")),
        (export.id(), export.id(), "api_key")
    );
    assert_eq!((&seen["scopes"], seen.str("name")), (&json!(["read:users", "read:roles"]), "Export"));
    let agent = by_key(&export, &key);
    agent.get("/users").await.expect(200);
    assert_eq!(agent.get("/me").await.expect(200).str("sub"), export.id());
    agent.post("/apikeys", json!({})).await.problem(404, "NOT_FOUND");
    agent.get("/tenants/org_company_a").await.problem(403, "PERMISSION_DENIED");
    let listed = admin.get(&format!("/apikeys?agent_id={}", export.id())).await.expect(200);
    assert_eq!(listed.items().len(), 1);
    // What the agent loses, its keys lose.
    admin.patch(&export.path(), json!({"scopes": ["read:roles"]})).await.expect(200);
    agent.get("/users").await.problem(403, "PERMISSION_DENIED");
    agent.get("/roles").await.expect(200);
    admin.patch(&export.path(), json!({"is_active": false})).await.expect(200);
    agent.get("/roles").await.problem(401, "API_KEY_INVALID");
    export.tenant.anonymous().post("/apikeys/verify", body).await.problem(401, "API_KEY_INVALID");
    admin.patch(&export.path(), json!({"is_active": true})).await.expect(200);
    agent.get("/roles").await.expect(200);
    admin.delete(&export.path()).await.expect(200);
    agent.get("/roles").await.problem(401, "API_KEY_INVALID");
    admin.get(&format!("/apikeys/{}", key.str("id"))).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_key_for_an_agent_is_made_by_who_made_or_may_change_it_and_for_no_more_than_either_may() {
    let app = TestApp::new().await;
    let export = program(&app, &["read:users"]).await;
    let bob = export.tenant.user("bob").await;
    let for_export = json!({"agent_id": export.id()});
    bob.post("/apikeys", for_export.clone()).await.problem(404, "NOT_FOUND");
    app.change_user(&bob, |u| u.scopes = vec!["read:agents".into()]).await;
    let bob = bob.again().await;
    bob.post("/apikeys", for_export.clone()).await.problem(403, "PERMISSION_DENIED");
    app.change_user(&bob, |u| u.scopes = vec!["update:agents".into()]).await;
    let bob = bob.again().await;
    bob.post("/apikeys", for_export).await.problem(403, "SCOPE_NOT_DELEGABLE");
    bob.post("/apikeys", json!({"agent_id": export.id(), "scopes": []})).await.expect(201);
    let admin = export.tenant.admin();
    let wider = json!({"agent_id": export.id(), "scopes": ["read:roles"]});
    admin.post("/apikeys", wider).await.problem(403, "SCOPE_NOT_DELEGABLE");
    admin.post("/apikeys", json!({"agent_id": "service:nobody"})).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_suspended_tenants_agents_are_refused() {
    let app = TestApp::new().await;
    let export = program(&app, &["read:users"]).await;
    let answer = export.sign_in("one", json!([])).await.expect(200);
    let off = json!({"is_active": false});
    app.system_admin().await.patch("/tenants/org_company_a", off).await.expect(200);
    export.with(&answer).get("/users").await.problem(403, "TENANT_INACTIVE");
    export.sign_in("two", json!([])).await.problem(403, "TENANT_INACTIVE");
}

#[tokio::test]
async fn an_agent_ends_with_its_maker() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let program = Program::new(&tenant, &["read:roles"]).await;
    let signed_in = program.exchange(&program.sign(&program.claims("one"))).await.expect(200);
    let there = tenant.anonymous().with_token(signed_in["tokens"]["access"].as_str().expect("a token"));
    let key = tenant.admin().post("/apikeys", json!({"agent_id": program.id()})).await.expect(201);
    let by_key = tenant.anonymous().with_header("x-api-key", key.str("api_key"));
    there.get("/roles").await.expect(200);
    by_key.get("/roles").await.expect(200);
    app.change_user(&tenant.admin(), |u| u.is_active = false).await;
    there.get("/roles").await.problem(401, "TOKEN_REVOKED");
    by_key.get("/roles").await.problem(401, "API_KEY_INVALID");
    program.exchange(&program.sign(&program.claims("two"))).await.problem(401, "AGENT_INVALID");
}

#[tokio::test]
async fn it_is_told_when_an_agent_was_last_used() {
    let app = TestApp::new().await;
    let program = program(&app, &["read:roles"]).await;
    assert_eq!(program.made["last_used_at"], Value::Null);
    let admin = program.tenant.admin();
    let last = async || {
        usso::app::jobs::write_counts(&app.state).await.expect("the counts are written");
        let own = admin.get(&program.path()).await.expect(200)["last_used_at"].clone();
        let list = admin.get("/agents").await.expect(200);
        assert_eq!(list.items()[0]["last_used_at"], own);
        own.as_str().map(str::to_owned)
    };
    assert_eq!(last().await, None);
    let signed_in = program.sign_in("one", json!([])).await.expect(200);
    let first = last().await.expect("a time");
    app.wait(60);
    program.with(&signed_in).get("/roles").await.is(200);
    let second = last().await.expect("a time");
    assert!(second > first, "by its token");
    let key = admin.post("/apikeys", json!({"agent_id": program.id()})).await.expect(201);
    app.wait(60);
    program.tenant.anonymous().with_token(key.str("api_key")).get("/roles").await.is(200);
    assert!(last().await.expect("a time") > second, "by its key");
    admin.delete(&program.path()).await.expect(200);
    program.with(&signed_in).get("/roles").await.is(401);
    usso::app::jobs::write_counts(&app.state).await.expect("nothing to write");
}
