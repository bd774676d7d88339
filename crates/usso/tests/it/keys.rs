//! Keys: what is published, how algorithms change, how private keys are kept, and which tokens are refused.

use crate::app::{HOST, PASSWORD, Requests, TenantHandle, TestApp, User};
use backends::sql::sqlite::{Options, SqliteStorage};
use kernel::memory::MemoryEphemeral;
use kernel::{Change, Ports, StorageError, SystemRandom, TestClock};
use protocol::b64url;
use protocol::jose::{Algorithm, JwkSet, PreparedHeader, SigningKey, Untrusted, VerifyingKey, sign_compact};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use usso::app::startup;
use usso::config::{Config, MasterKey};
use usso::http::AppState;
use usso::tenant::keys::keyring::sealing_context;
use usso::tenant::tenants::model::Tenant;

const SET: &str = "ROOT/.well-known/jwks.json";

/// The claims of a token, unverified.
pub fn claims_of(token: &str) -> Value {
    Untrusted::parse(token).expect("a token").unverified_claims().expect("claims")
}

/// Signs whatever it is given with a tenant's own key: what an attacker inside one tenant could do at most.
pub struct Forge {
    /// The key's id.
    pub kid: String,
    key: SigningKey,
    algorithm: Algorithm,
}

impl Forge {
    /// The newest key of a tenant.
    pub async fn of(app: &TestApp, tenant_id: &str) -> Self {
        let (kid, algorithm, pkcs8) = private_keys(&app.state, tenant_id).await.pop().expect("a key");
        Self { key: SigningKey::from_pkcs8(algorithm, &pkcs8).expect("a key"), algorithm, kid }
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(&self.kid, claims)
    }

    /// A token that names another key.
    pub fn sign_as(&self, kid: &str, claims: &Value) -> String {
        let header = PreparedHeader::new(self.algorithm, "JWT", kid).expect("a header");
        sign_compact(&header, claims, &self.key).expect("a token")
    }

    /// A token with any header.
    fn sign_with_header(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.key.sign(signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", b64url::encode(signature))
    }
}

fn part(value: &Value) -> String {
    b64url::encode(value.to_string())
}

async fn private_keys(state: &AppState, tenant_id: &str) -> Vec<(String, Algorithm, Vec<u8>)> {
    let registry = &state.registry;
    let tenant = registry
        .system()
        .records::<Tenant>()
        .get(tenant_id)
        .await
        .expect("the database")
        .expect("the tenant");
    let open = |key: &usso::tenant::keys::TenantKey| {
        let context = sealing_context(&tenant.id, key.id.as_str());
        let opened = registry.seal().open(context.as_bytes(), &key.sealed).expect("the key opens");
        (key.id.as_str().to_owned(), key.algorithm, opened.to_vec())
    };
    tenant.keys.keys().iter().map(open).collect()
}

async fn set_of(app: &TestApp, tenant_id: &str) -> Value {
    app.anonymous().get(&format!("{SET}?tenant_id={tenant_id}")).await.expect(200).json
}

fn kids(set: &Value) -> BTreeSet<String> {
    set["keys"].as_array().unwrap().iter().map(|k| k["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid_of(token: &str) -> String {
    Untrusted::parse(token).unwrap().require_kid().unwrap().to_owned()
}

/// Verifies with nothing but the published set, as a relying party does.
fn verifies(token: &str, set: &Value) -> bool {
    let set = JwkSet::from_slice(set.to_string().as_bytes()).expect("a set");
    let untrusted = Untrusted::parse(token).expect("a token");
    let Some(jwk) = set.get(untrusted.require_kid().expect("a kid")) else { return false };
    let key = VerifyingKey::from_jwk(jwk).expect("a key");
    untrusted.verify(&key).is_ok()
}

#[tokio::test]
async fn the_set_has_the_contracts_shape_and_no_private_member() {
    let app = TestApp::new().await;
    let answer = app.anonymous().get(SET).await.expect(200);
    let keys = answer["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let names: BTreeSet<&str> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["alg", "crv", "kid", "kty", "use", "x"]));
    let text = |name: &str| keys[0][name].as_str().unwrap();
    assert_eq!((text("kty"), text("crv"), text("alg"), text("use")), ("OKP", "Ed25519", "EdDSA", "sig"));
    assert!(text("kid").starts_with("key_") && b64url::decode(text("x")).unwrap().len() == 32);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(answer.header("vary"), Some("Host, X-Tenant-ID"));
    for alias in ["ROOT/website/jwks.json", "/.well-known/jwks.json", "ROOT/.well-known/jwks.json/"] {
        assert_eq!(app.anonymous().get(alias).await.expect(200).body, answer.body, "{alias}");
    }
}

#[tokio::test]
async fn an_unchanged_set_is_304_without_a_body() {
    let app = TestApp::new().await;
    let first = app.anonymous().get(SET).await.expect(200);
    let tag = first.header("etag").unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'));
    for tags in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let again = app.anonymous().with_header("if-none-match", &tags).get(SET).await.expect(304);
        assert!(again.body.is_empty());
        assert_eq!(again.header("etag"), Some(tag.as_str()));
        assert_eq!(again.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(again.header("vary"), Some("Host, X-Tenant-ID"));
    }
    app.anonymous().with_header("if-none-match", "\"other\"").get(SET).await.is(200);
}

#[tokio::test]
async fn domain_comes_before_tenant_id_before_header_before_host() {
    let app = TestApp::new().await;
    for (name, domain) in [("Company A", "company-a.com"), ("Company B", "company-b.com")] {
        let _ = app.tenant(name, &[domain]).await;
    }
    let (a, b) = (set_of(&app, "org_company_a").await, set_of(&app, "org_company_b").await);
    assert_ne!(kids(&a), kids(&b));
    let who = app.on_host("company-b.com");
    for domain in ["company-a.com", "company-a.com:8443", "COMPANY-A.COM", "company-a.com."] {
        assert_eq!(who.get(&format!("{SET}?domain={domain}")).await.expect(200).json, a, "{domain}");
    }
    assert_eq!(who.get(&format!("{SET}?domain=company-a.com&tenant_id=org_company_b")).await.json, a);
    assert_eq!(who.get(&format!("{SET}?tenant_id=org_company_a")).await.json, a);
    let header = app.anonymous().with_header("x-tenant-id", "org_company_a");
    assert_eq!(header.get(SET).await.json, a);
    assert_eq!(header.get(&format!("{SET}?tenant_id=org_company_b")).await.json, b);
    assert_eq!(who.get(SET).await.json, b);
    for unknown in [
        "domain=unknown.example",
        "domain=",
        "domain=a%20b",
        "tenant_id=org_nobody",
        "tenant_id=x",
        "domain=unknown.example&tenant_id=org_company_a",
    ] {
        who.get(&format!("{SET}?{unknown}")).await.problem(404, "TENANT_NOT_FOUND");
    }
    who.get(&format!("{SET}?domain=a&domain=b")).await.problem(400, "VALIDATION_ERROR");
}

async fn tenant_signing(app: &TestApp, algorithm: &str) -> (TenantHandle, Value) {
    let tenant = app.tenant(&format!("Signs {algorithm}"), &[]).await;
    let changed = app
        .system_admin()
        .await
        .patch(&format!("/tenants/{}", tenant.id), json!({"algorithm": algorithm}))
        .await;
    assert_eq!(changed.expect(200)["algorithm"], algorithm);
    app.wait(360);
    let set = set_of(app, &tenant.id).await;
    (tenant, set)
}

#[tokio::test]
async fn tokens_of_every_algorithm_verify_with_the_published_key() {
    let app = TestApp::new().await;
    let default = app.user("ed").await;
    assert!(verifies(default.access(), &set_of(&app, "org_default").await));
    for (algorithm, members) in [("ES256", ["crv", "x", "y"].as_slice()), ("RS256", ["n", "e"].as_slice())] {
        let (tenant, set) = tenant_signing(&app, algorithm).await;
        let user = tenant.user("someone").await;
        let jwk = set["keys"].as_array().unwrap().iter().find(|k| k["alg"] == algorithm).unwrap();
        assert_eq!(kid_of(user.access()), jwk["kid"].as_str().unwrap());
        let names: BTreeSet<&str> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        let wanted: BTreeSet<&str> = members.iter().copied().chain(["alg", "kid", "kty", "use"]).collect();
        assert_eq!(names, wanted, "{algorithm}");
        assert!(verifies(user.access(), &set) && verifies(user.refresh(), &set), "{algorithm}");
        user.get("/me").await.is(200);
    }
}

#[tokio::test]
async fn a_tenant_may_be_created_with_another_algorithm() {
    let app = TestApp::new().await;
    let body = json!({"name": "Curves", "algorithm": "ES256"});
    let created = app.system_admin().await.post("/tenants", body).await.expect(201);
    assert_eq!(created["algorithm"], "ES256");
    let user = User::named(app.anonymous().with_header("x-tenant-id", "org_curves"), "x").await;
    assert!(verifies(user.access(), &set_of(&app, "org_curves").await));
}

#[tokio::test]
async fn unsafe_and_unknown_algorithms_are_refused() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    for algorithm in ["HS256", "HS512", "none", "NONE", "RS1", "", "Ed448"] {
        let created = admin.post("/tenants", json!({"name": "Bad", "algorithm": algorithm})).await;
        created.problem(400, "VALIDATION_ERROR");
        let changed = admin.patch("/tenants/org_default", json!({"algorithm": algorithm})).await;
        changed.problem(400, "VALIDATION_ERROR");
    }
    admin.get("/tenants/org_bad").await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn after_a_change_the_old_key_signs_for_360_seconds_and_is_published_until_its_last_token_expired() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Rotating", &[]).await;
    let path = format!("/tenants/{}", tenant.id);
    let before = set_of(&app, &tenant.id).await;
    let old = kid_of(tenant.admin().access());
    let _ = app.system_admin().await.patch(&path, json!({"algorithm": "ES256"})).await.expect(200);
    let both = set_of(&app, &tenant.id).await;
    assert_eq!((kids(&both).len(), kids(&before).is_subset(&kids(&both))), (2, true), "published at once");
    assert_eq!(kid_of(tenant.user("a").await.access()), old);
    app.wait(359);
    let last = tenant.user("a").await;
    assert_eq!(kid_of(last.access()), old);
    app.wait(1);
    let fresh = tenant.user("a").await;
    let new = kid_of(fresh.access());
    assert_ne!(new, old);
    last.get("/me").await.is(200);

    // The last token of the old key is a refresh token of thirty days.
    let lifetime = 2_592_000;
    app.wait(lifetime - 2);
    let refresh = json!({"refresh_token": last.refresh()});
    let _ = tenant.anonymous().post("/auth/refresh", refresh).await.expect(200);
    assert_eq!(kids(&set_of(&app, &tenant.id).await).len(), 2);
    app.wait(61);
    assert_eq!(kids(&set_of(&app, &tenant.id).await).len(), 2, "still published a second before the end");
    app.wait(1);
    assert_eq!(kids(&set_of(&app, &tenant.id).await), BTreeSet::from([new.clone()]));
    // A token that outlives its key is refused with the key.
    tenant.anonymous().with_token(last.access()).get("/me").await.problem(401, "TOKEN_INVALID");
    assert_eq!(kid_of(tenant.user("a").await.access()), new);
}

#[tokio::test]
async fn changing_to_the_same_algorithm_makes_no_key() {
    let app = TestApp::new().await;
    let before = set_of(&app, "org_default").await;
    let _ = app
        .system_admin()
        .await
        .patch("/tenants/org_default", json!({"algorithm": "EdDSA"}))
        .await
        .expect(200);
    assert_eq!(set_of(&app, "org_default").await, before);
}

#[tokio::test]
async fn private_keys_are_never_answered() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Quiet", &["quiet.example"]).await;
    let user = tenant.user("u").await;
    let admin = app.system_admin().await;
    let mut needles = Vec::new();
    for id in ["org_default", tenant.id.as_str()] {
        for (_, _, pkcs8) in private_keys(&app.state, id).await {
            needles.extend(spellings(&pkcs8));
        }
    }
    let paths = [
        "/me",
        "/sessions",
        "/tenants",
        "/auth",
        "ROOT/health",
        SET,
        "/openapi.json",
        "/tenants/org_default",
        "/tenants/org_quiet",
    ];
    let mut bodies = vec![admin.post("/tenants", json!({"name": "Another"})).await];
    for path in paths {
        bodies.push(admin.get(path).await);
        bodies.push(user.get(path).await);
        bodies.push(tenant.admin().get(path).await);
    }
    for answer in bodies {
        let text = answer.text();
        assert!(!text.contains("sealed") || answer.asked.contains("openapi"), "{}", answer.asked);
        assert!(!needles.iter().any(|needle| contains(&answer.body, needle)), "{}", answer.asked);
    }
}

/// A secret as it could be spelled somewhere: raw, in hexadecimal, in base64 of either alphabet; the Ed25519 seed too.
fn spellings(pkcs8: &[u8]) -> Vec<Vec<u8>> {
    use base64::Engine;
    let mut secrets = vec![pkcs8.to_vec()];
    // RFC 8410 §7: the seed is an OCTET STRING of 32 bytes inside another.
    if let Some(at) = pkcs8.windows(4).position(|w| w == [0x04, 0x22, 0x04, 0x20]) {
        secrets.push(pkcs8[at + 4..at + 36].to_vec());
    }
    let spell = |secret: Vec<u8>| {
        let hex: String = secret.iter().map(|b| format!("{b:02x}")).collect();
        let standard = base64::prelude::BASE64_STANDARD_NO_PAD.encode(&secret);
        [
            secret.clone(),
            hex.clone().into_bytes(),
            hex.to_uppercase().into_bytes(),
            standard.into_bytes(),
            b64url::encode(&secret).into_bytes(),
        ]
    };
    secrets.into_iter().flat_map(spell).collect()
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

fn config(key: u8) -> Config {
    let mut config = Config::default();
    config.security.system_password = Some("a-Long-enough-secret-31!".into());
    config.security.master_key = Some(MasterKey::new([key; 32]));
    config.hashing.memory_kib = 64;
    config.hashing.iterations = 1;
    config
}

#[tokio::test]
async fn private_keys_and_provider_secrets_are_sealed_at_rest() {
    let directory = std::env::temp_dir().join(format!("usso-it-keys-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let storage = SqliteStorage::open(&directory.join("usso.db"), Options::default()).unwrap();
    let ports = Ports {
        storage: Arc::new(storage),
        ephemeral: Arc::new(MemoryEphemeral::new()),
        clock: Arc::new(TestClock::default()),
        random: Arc::new(SystemRandom),
    };
    let instance = startup::assemble(&config(7), 8000, ports.clone()).await.unwrap();
    let patch = json!({"messaging": {"smtp_password": "canary-provider-secret-9d1f"}});
    let request = serde_json::from_value(patch).unwrap();
    let (actor, client) = (usso::tenant::Actor::System, usso::tenant::ClientInfo::local());
    let authority =
        usso::tenant::tenants::service::Authority { actor: &actor, client: &client, is_system: true };
    let id = kernel::TenantId::default_tenant();
    usso::tenant::tenants::service::update(&instance.state.registry, &id, request, None, authority)
        .await
        .unwrap();
    let mut needles = vec![b"canary-provider-secret-9d1f".to_vec(), b"a-Long-enough-secret-31!".to_vec()];
    for (kid, _, pkcs8) in private_keys(&instance.state, "org_default").await {
        assert!(spellings(&pkcs8).len() > 5, "the seed of {kid} is looked for too");
        needles.extend(spellings(&pkcs8));
    }
    needles.push([7; 32].to_vec());
    ports.storage.close().await;
    let mut bytes = 0;
    for file in std::fs::read_dir(&directory).unwrap() {
        let path = file.unwrap().path();
        let stored = std::fs::read(&path).unwrap();
        bytes += stored.len();
        assert!(!needles.iter().any(|needle| contains(&stored, needle)), "{} holds a secret", path.display());
    }
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(bytes > 10_000, "the dump has {bytes} bytes");
}

#[tokio::test]
async fn another_master_key_refuses_to_start() {
    let app = TestApp::new().await;
    let ports = app.state.registry.system().ports().clone();
    let refused = startup::assemble(&config(8), 8000, ports).await;
    let error = refused.err().expect("refuses").to_string();
    assert!(error.contains("MASTER_KEY"), "{error}");
}

/// Puts sealed keys of one tenant where another's are.
async fn swap_keys(app: &TestApp, from: &str, to: &str, keep_kid: bool) {
    let records = app.state.registry.system().records::<Tenant>();
    let donor = serde_json::to_value(&records.get(from).await.unwrap().unwrap().record).unwrap();
    let swapped = records
        .update::<StorageError>(to, |old| {
            let mut next = serde_json::to_value(&old.record).unwrap();
            if keep_kid {
                next["keys"]["keys"][0]["sealed"] = donor["keys"]["keys"][0]["sealed"].clone();
            } else {
                next["keys"] = donor["keys"].clone();
            }
            Ok(Change::Put(serde_json::from_value(next).unwrap(), Vec::new()))
        })
        .await;
    assert!(swapped.unwrap().is_some());
}

#[tokio::test]
async fn a_sealed_key_opens_for_its_own_tenant_and_id_only() {
    for keep_kid in [true, false] {
        let app = TestApp::new().await;
        for name in ["Left", "Right"] {
            let _ = app.tenant(name, &[]).await;
        }
        swap_keys(&app, "org_left", "org_right", keep_kid).await;
        let restarted = app.restarted().await;
        let right = restarted.anonymous().with_header("x-tenant-id", "org_right");
        let answer = right.get(SET).await;
        answer.problem(500, "INTERNAL_ERROR");
        assert!(!answer.text().contains("key"), "the reason is for the log: {}", answer.text());
        right.login("admin@example.com", PASSWORD).await.is(500);
        restarted.anonymous().with_header("x-tenant-id", "org_left").get(SET).await.is(200);
    }
}

#[tokio::test]
async fn a_sealed_key_under_another_id_of_the_same_tenant_does_not_open() {
    let app = TestApp::new().await;
    let (tenant, _) = tenant_signing(&app, "ES256").await;
    let records = app.state.registry.system().records::<Tenant>();
    let swapped = records.update::<StorageError>(&tenant.id, |old| {
        let mut next = serde_json::to_value(&old.record).unwrap();
        let (first, second) =
            (next["keys"]["keys"][0]["sealed"].take(), next["keys"]["keys"][1]["sealed"].take());
        next["keys"]["keys"][0]["sealed"] = second;
        next["keys"]["keys"][1]["sealed"] = first;
        Ok(Change::Put(serde_json::from_value(next).unwrap(), Vec::new()))
    });
    assert!(swapped.await.unwrap().is_some());
    let restarted = app.restarted().await;
    restarted
        .anonymous()
        .with_header("x-tenant-id", &tenant.id)
        .get(SET)
        .await
        .problem(500, "INTERNAL_ERROR");
}

/// HMAC-SHA-256 (RFC 2104), for tokens that pretend a public key is a shared secret.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0u8; 64];
    let short = if key.len() > 64 { protocol::sha256(key).to_vec() } else { key.to_vec() };
    block[..short.len()].copy_from_slice(&short);
    let pad = |byte: u8, rest: &[u8]| {
        let padded: Vec<u8> = block.iter().map(|b| b ^ byte).chain(rest.iter().copied()).collect();
        protocol::sha256(&padded).to_vec()
    };
    pad(0x5c, &pad(0x36, message))
}

async fn refused(app: &TestApp, what: &str, token: &str) {
    let bearer = app.anonymous().with_token(token).get("/me").await;
    assert_eq!((bearer.status, bearer.code()), (401, "TOKEN_INVALID"), "{what}: {}", bearer.text());
    let verified = app.anonymous().post("/auth/verify-token", json!({"token": token})).await;
    assert_eq!((verified.status, verified.code()), (401, "TOKEN_INVALID"), "{what}: {}", verified.text());
    let refreshed = app.anonymous().post("/auth/refresh", json!({"refresh_token": token})).await;
    assert_eq!((refreshed.status, refreshed.code()), (401, "TOKEN_INVALID"), "{what}: {}", refreshed.text());
}

#[tokio::test]
async fn tokens_with_confused_headers_are_refused() {
    let app = TestApp::new().await;
    let user = app.user("victim").await;
    let claims = claims_of(user.access());
    let forge = Forge::of(&app, "org_default").await;
    app.anonymous().with_token(&forge.sign(&claims)).get("/me").await.is(200);
    let set = set_of(&app, "org_default").await;
    let kid = forge.kid.as_str();

    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({"alg": alg, "typ": "JWT", "kid": kid});
        for signature in ["", "AAAA"] {
            refused(&app, alg, &format!("{}.{}.{signature}", part(&header), part(&claims))).await;
        }
    }
    let public = b64url::decode(set["keys"][0]["x"].as_str().unwrap()).unwrap();
    let secrets = [
        public.to_vec(),
        set["keys"][0].to_string().into_bytes(),
        set["keys"][0]["x"].as_str().unwrap().into(),
        Vec::new(),
    ];
    for secret in &secrets {
        let signed =
            format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT", "kid": kid})), part(&claims));
        let token = format!("{signed}.{}", b64url::encode(hmac(secret, signed.as_bytes())));
        refused(&app, "HS256 with the public key as secret", &token).await;
    }

    // A key of the attacker's own, brought along in the header.
    let own = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let jwk = serde_json::to_value(own.public_jwk(kid).unwrap()).unwrap();
    let attacker = Forge { kid: kid.to_owned(), key: own, algorithm: Algorithm::EdDsa };
    let headers = [
        json!({"alg": "EdDSA", "kid": kid, "jwk": jwk}),
        json!({"alg": "EdDSA", "kid": kid, "jku": "https://evil.example/jwks.json"}),
        json!({"alg": "EdDSA", "kid": kid, "x5u": "https://evil.example/chain.pem"}),
        json!({"alg": "EdDSA", "jwk": jwk}),
        json!({"alg": "EdDSA", "kid": "../../dev/null"}),
        json!({"alg": "EdDSA", "kid": "key_unknown"}),
        json!({"alg": "EdDSA", "kid": [kid]}),
        json!({"alg": "ES256", "kid": kid}),
        json!({"alg": "EdDSA", "kid": kid, "crit": ["exp"]}),
        json!({"alg": "EdDSA", "kid": kid, "b64": false, "crit": ["b64"]}),
    ];
    for header in &headers {
        refused(&app, &header.to_string(), &attacker.sign_with_header(header, &claims)).await;
    }
    // Signed with the right key, but with a header nobody should honour or without the key's id.
    for header in [
        json!({"alg": "EdDSA"}),
        json!({"alg": "ES256", "kid": kid}),
        json!({"alg": "EdDSA", "kid": kid, "crit": ["x"]}),
    ] {
        refused(&app, &header.to_string(), &forge.sign_with_header(&header, &claims)).await;
    }
    let good = user.access();
    let (body, signature) = good.rsplit_once('.').unwrap();
    for broken in [
        format!("{body}."),
        body.to_owned(),
        format!("{good}."),
        format!("{good}.a.b"),
        format!("{body}.{}", signature.to_lowercase()),
        String::from("a.b.c"),
    ] {
        refused(&app, "a broken token", &broken).await;
    }
}

#[tokio::test]
async fn tokens_with_wrong_claims_are_refused() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Other", &["other.example"]).await;
    let user = app.user("victim").await;
    let claims = claims_of(user.access());
    let (ours, theirs) = (Forge::of(&app, "org_default").await, Forge::of(&app, &tenant.id).await);
    let with = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        changed
    };
    let without = |name: &str| {
        let mut changed = claims.clone();
        changed.as_object_mut().unwrap().remove(name);
        changed
    };
    let iat = claims["iat"].as_i64().unwrap();
    let wrong = [
        ("tenant_id", json!("org_other")),
        ("tenant_id", json!("")),
        ("iss", json!("http://other.example:8000")),
        ("iss", json!("https://localhost:8000")),
        ("iss", json!("http://localhost")),
        ("iss", json!("http://localhost:8000/")),
        ("iss", json!("http://localhost:8000/t/org_other")),
        ("iss", json!(["http://localhost:8000"])),
        ("iat", json!(iat + 3_600)),
        ("iat", json!("now")),
        ("exp", json!("never")),
        ("exp", json!(1e30)),
        ("token_type", json!("ACCESS")),
        ("aud", json!(["a", "b"])),
    ];
    for (name, value) in wrong {
        refused(&app, &format!("{name} = {value}"), &ours.sign(&with(name, value.clone()))).await;
    }
    for name in ["iss", "tenant_id", "exp", "iat", "sub", "token_type", "jti"] {
        refused(&app, &format!("without {name}"), &ours.sign(&without(name))).await;
    }
    refused(&app, "another tenant's key", &theirs.sign(&claims)).await;
    refused(&app, "another tenant's key under our kid", &theirs.sign_as(&ours.kid, &claims)).await;
    refused(&app, "our key under another tenant's kid", &ours.sign_as(&theirs.kid, &claims)).await;
    refused(&app, "another tenant's own token", tenant.admin().access()).await;
    // Signed and plausible, but for a session or user that isn't there, or isn't theirs.
    let other = app.user("other").await;
    for (name, value, code) in [
        ("sub", json!(other.id()), "TOKEN_INVALID"),
        ("session_id", json!("session:nobody"), "TOKEN_REVOKED"),
        ("session_id", json!(other.session_id()), "TOKEN_INVALID"),
        ("session_id", Value::Null, "TOKEN_INVALID"),
    ] {
        let token = ours.sign(&with(name, value.clone()));
        app.anonymous().with_token(&token).get("/me").await.problem(401, code);
    }
    let nearly = ours.sign(&with("iat", json!(iat + 60)));
    app.anonymous().with_token(&nearly).get("/me").await.is(200);
}

#[tokio::test]
async fn an_expired_token_says_so_from_the_very_second() {
    let app = TestApp::new().await;
    let user = app.user("late").await;
    app.wait(3_599);
    user.get("/me").await.is(200);
    app.wait(1);
    user.get("/me").await.problem(401, "TOKEN_EXPIRED");
    // Expiry is told only of tokens that are ours.
    let mut claims = claims_of(user.access());
    claims["tenant_id"] = json!("org_other");
    let foreign = Forge::of(&app, "org_default").await.sign(&claims);
    app.anonymous().with_token(&foreign).get("/me").await.problem(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn no_kind_of_token_passes_for_another() {
    let app = TestApp::new().await;
    let user = app.user("kinds").await;
    app.anonymous().with_token(user.refresh()).get("/me").await.problem(401, "TOKEN_TYPE_INVALID");
    let cookie = format!("usso-access-token={}", user.refresh());
    app.anonymous().with_header("cookie", &cookie).get("/me").await.problem(401, "TOKEN_TYPE_INVALID");
    let body = json!({"refresh_token": user.access()});
    app.anonymous().post("/auth/refresh", body).await.problem(401, "TOKEN_TYPE_INVALID");
    let cookie = format!("usso-refresh-token={}", user.access());
    app.anonymous()
        .with_header("cookie", &cookie)
        .get("/auth/refresh")
        .await
        .problem(401, "TOKEN_TYPE_INVALID");
    let forge = Forge::of(&app, "org_default").await;
    for kind in ["temporary", "secure", "one_time", "id"] {
        let mut claims = claims_of(user.access());
        claims["token_type"] = json!(kind);
        let token = forge.sign(&claims);
        app.anonymous().with_token(&token).get("/me").await.problem(401, "TOKEN_TYPE_INVALID");
        app.anonymous()
            .post("/auth/refresh", json!({"refresh_token": token}))
            .await
            .problem(401, "TOKEN_TYPE_INVALID");
        app.anonymous()
            .post("/auth/verify-token", json!({"token": token}))
            .await
            .problem(401, "TOKEN_TYPE_INVALID");
    }
    for (kind, token) in [("access", user.refresh()), ("refresh", user.access())] {
        let body = json!({"token": token, "token_type": kind});
        app.anonymous().post("/auth/verify-token", body).await.problem(401, "TOKEN_TYPE_INVALID");
    }
    // A refresh token of a generation the session never had.
    let mut claims = claims_of(user.refresh());
    claims["g"] = json!(5);
    let ahead = json!({"refresh_token": forge.sign(&claims)});
    app.anonymous().on_host(HOST).post("/auth/refresh", ahead).await.problem(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn an_algorithm_is_shown_by_its_registered_name() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let created = admin.post("/tenants", json!({"name": "Lower", "algorithm": "es256"})).await.expect(201);
    assert_eq!(created["algorithm"], "ES256");
    assert_eq!(set_of(&app, "org_lower").await["keys"][0]["alg"], "ES256");
}
