//! Which tenant a request is for: host, header and path (rulings D16, D19, D27), and which issuer that writes (D24); checklist TEN-01
//! and TEN-04.

use crate::app::{
    Answer, HOST, PASSWORD, Requests, SYSTEM_PASSWORD, TRUSTED_PROXY, TenantHandle, TestApp, User,
};
use crate::keys::{Forge, claims_of};
use serde_json::json;
use std::collections::HashMap;

const DAY: u64 = 86_400;

/// A default tenant with its shared hosts, one tenant with two domains, one with one, one with none.
struct World {
    app: TestApp,
    a: TenantHandle,
    b: TenantHandle,
    c: TenantHandle,
    /// Who publishes which key.
    owners: HashMap<String, String>,
}

impl World {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let a = app.tenant("Company A", &["company-a.com", "sso.company-a.com"]).await;
        let b = app.tenant("Company B", &["company-b.com"]).await;
        let c = app.tenant("Company C", &[]).await;
        let mut owners = HashMap::new();
        for id in ["org_default", a.id.as_str(), b.id.as_str(), c.id.as_str()] {
            let set =
                app.anonymous().get(&format!("ROOT/.well-known/jwks.json?tenant_id={id}")).await.expect(200);
            owners.insert(set["keys"][0]["kid"].as_str().unwrap().to_owned(), id.to_owned());
        }
        assert_eq!(owners.len(), 4, "every tenant has keys of its own");
        Self { app, a, b, c, owners }
    }

    /// The tenant whose key set was answered, or the status and code.
    fn chosen(&self, answer: &Answer) -> String {
        if answer.status != 200 {
            return format!("{} {}", answer.status, answer.code());
        }
        self.owners[answer["keys"][0]["kid"].as_str().unwrap()].clone()
    }

    async fn ask(&self, host: Option<&str>, header: Option<&str>, path: Option<&str>) -> String {
        let mut who = self.app.anonymous();
        who.template_mut().host = host.map(str::to_owned);
        let who = match header {
            Some(id) => who.with_header("x-tenant-id", id),
            None => who,
        };
        let prefix = path.map_or(String::new(), |id| format!("t/{id}/"));
        self.chosen(&who.get(&format!("ROOT/{prefix}.well-known/jwks.json")).await)
    }
}

/// What the rulings say, written apart from the server: `hosts` maps a host to its owner.
fn ruling(owner: Option<&str>, header: Option<&str>, path: Option<&str>, known: &[&str]) -> String {
    let conflict = "400 TENANT_CONFLICT".to_owned();
    let missing = "400 TENANT_NOT_FOUND".to_owned();
    if let (Some(h), Some(p)) = (header, path)
        && h != p
    {
        return conflict;
    }
    let Some(named) = header.or(path) else { return owner.map_or(missing, str::to_owned) };
    if !named.starts_with("org_") || named.contains(['!', ' ']) {
        return missing;
    }
    match owner {
        Some(owner) if owner == named => owner.to_owned(),
        Some(owner) if owner != "org_default" => conflict,
        _ if known.contains(&named) => named.to_owned(),
        _ => missing,
    }
}

#[tokio::test]
async fn header_path_and_host_choose_as_ruled() {
    let world = World::new().await;
    let hosts: [(Option<&str>, Option<&str>); 14] = [
        (Some(HOST), Some("org_default")),
        (Some("127.0.0.1:8000"), Some("org_default")),
        (Some("dev.usso.io"), Some("org_default")),
        (Some("company-a.com"), Some("org_company_a")),
        (Some("sso.company-a.com"), Some("org_company_a")),
        (Some("COMPANY-A.com:8443"), Some("org_company_a")),
        (Some("company-a.com."), Some("org_company_a")),
        (Some("company-b.com"), Some("org_company_b")),
        (Some("sub.company-b.com"), None),
        (Some("unknown.example"), None),
        (Some("company-a.com@unknown.example"), None),
        (Some("company a.com"), None),
        (Some("[::1]:8000"), None),
        (None, None),
    ];
    let names = [
        "org_default",
        "org_company_a",
        "org_company_b",
        "org_company_c",
        "org_nobody",
        "company_a",
        "org_!",
        "",
    ];
    let known = ["org_default", "org_company_a", "org_company_b", "org_company_c"];
    let mut cells = 0;
    for (host, owner) in hosts {
        for header in [None].into_iter().chain(names.map(Some)) {
            // An empty or unprintable id can't stand in a path.
            let paths = names.into_iter().filter(|name| !name.is_empty()).map(Some);
            for path in [None].into_iter().chain(paths) {
                let seen = world.ask(host, header, path).await;
                assert_eq!(
                    seen,
                    ruling(owner, header, path, &known),
                    "host {host:?} header {header:?} path {path:?}"
                );
                cells += 1;
            }
        }
    }
    println!("tenant selection: {cells} cells");
}

#[tokio::test]
async fn two_tenant_headers_are_a_conflict_even_when_equal() {
    let world = World::new().await;
    for second in ["org_company_a", "org_company_b"] {
        let who = world.app.anonymous().with_header("x-tenant-id", "org_company_a");
        who.with_another_header("x-tenant-id", second).get("/me").await.problem(400, "TENANT_CONFLICT");
    }
}

#[tokio::test]
async fn two_host_headers_are_refused() {
    let world = World::new().await;
    let mut who = world.app.on_host("company-a.com");
    who.template_mut().host = None;
    let who = who.with_another_header("host", "company-a.com").with_another_header("host", "company-b.com");
    who.get("ROOT/.well-known/jwks.json").await.is(400);
}

#[tokio::test]
async fn malformed_ids_are_not_found() {
    let world = World::new().await;
    let long = format!("org_{}", "a".repeat(5_000));
    for id in [
        "org_",
        "org_Ä",
        "../org_company_a",
        "org_company_a,org_company_b",
        "ORG_COMPANY_A",
        "org_company_a%00",
        &long,
    ] {
        let mut who = world.app.anonymous();
        who.template_mut()
            .headers
            .insert("x-tenant-id", http::HeaderValue::from_bytes(id.as_bytes()).unwrap());
        who.get("ROOT/.well-known/jwks.json").await.problem(400, "TENANT_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_tenant_that_is_switched_off_is_403_however_addressed() {
    let world = World::new().await;
    let admin = world.app.system_admin().await;
    let _ = admin.patch("/tenants/org_company_a", json!({"is_active": false})).await.expect(200);
    let ways = [
        (Some("company-a.com"), None, None),
        (Some(HOST), Some("org_company_a"), None),
        (Some(HOST), None, Some("org_company_a")),
    ];
    for (host, header, path) in ways {
        assert_eq!(world.ask(host, header, path).await, "403 TENANT_INACTIVE");
    }
    let login = world.app.on_host("company-a.com").login("admin@company-a.com", PASSWORD).await;
    login.problem(403, "TENANT_INACTIVE");
    assert_eq!(world.ask(Some("company-b.com"), None, None).await, "org_company_b");
}

#[tokio::test]
async fn forwarded_hosts_count_from_trusted_proxies_only() {
    let world = World::new().await;
    let set = "ROOT/.well-known/jwks.json";
    let sent = world.app.anonymous().with_header("x-forwarded-host", "company-a.com");
    assert_eq!(world.chosen(&sent.get(set).await), "org_default");
    let proxied = sent.from_ip(TRUSTED_PROXY);
    assert_eq!(world.chosen(&proxied.get(set).await), "org_company_a");
    // What a proxy appends comes last, in the same line or in one of its own; everything before may be the client's.
    let list = proxied.clone().with_header("x-forwarded-host", "company-b.com, company-a.com");
    assert_eq!(world.chosen(&list.get(set).await), "org_company_a");
    let lines = proxied.clone().with_header("x-forwarded-host", "company-b.com");
    let lines = lines.with_another_header("x-forwarded-host", "company-a.com");
    assert_eq!(world.chosen(&lines.get(set).await), "org_company_a");
    // A named tenant must still fit the forwarded host.
    let named = proxied.with_header("x-tenant-id", "org_company_b").get(set).await;
    named.problem(400, "TENANT_CONFLICT");
}

async fn issuer(who: impl Requests, prefix: &str, identifier: &str) -> String {
    let body = json!({"identifier": identifier, "secret": PASSWORD});
    let answer = who.post(&format!("ROOT/{prefix}api/sso/v1/auth/login"), body).await.expect(200);
    let access = claims_of(answer.str("access_token"));
    let refresh = claims_of(answer.str("refresh_token"));
    assert_eq!(access["iss"], refresh["iss"]);
    access["iss"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_issuer_written_is_the_one_addressed() {
    let world = World::new().await;
    let app = &world.app;
    let a = "admin@company-a.com";
    let by_header = |id: &str| app.anonymous().with_header("x-tenant-id", id);
    assert_eq!(issuer(app.on_host("company-a.com"), "", a).await, "http://company-a.com:8000");
    assert_eq!(issuer(app.on_host("sso.company-a.com"), "", a).await, "http://sso.company-a.com:8000");
    assert_eq!(issuer(app.anonymous(), "t/org_company_a/", a).await, "http://localhost:8000/t/org_company_a");
    assert_eq!(
        issuer(app.on_host("company-a.com"), "t/org_company_a/", a).await,
        "http://localhost:8000/t/org_company_a"
    );
    assert_eq!(issuer(by_header("org_company_a"), "", a).await, "http://company-a.com:8000");
    assert_eq!(
        issuer(by_header("org_company_a").on_host("sso.company-a.com"), "", a).await,
        "http://sso.company-a.com:8000"
    );
    assert_eq!(
        issuer(by_header("org_company_c"), "", "admin@example.com").await,
        "http://localhost:8000/t/org_company_c"
    );
    let dave = app.user("dave").await;
    assert_eq!(issuer(app.anonymous(), "", &dave.identifier).await, "http://localhost:8000");
    assert_eq!(issuer(by_header("org_default"), "", &dave.identifier).await, "http://localhost:8000");
    assert_eq!(issuer(app.on_host("dev.usso.io"), "", &dave.identifier).await, "http://dev.usso.io:8000");
}

#[tokio::test]
async fn spoofed_hosts_never_change_the_issuer() {
    let world = World::new().await;
    let app = &world.app;
    let a = "admin@company-a.com";
    let spoofed = app
        .on_host("company-a.com:6666")
        .with_header("x-forwarded-host", "evil.example")
        .with_header("x-forwarded-proto", "https")
        .with_header("x-forwarded-port", "444")
        .with_header("forwarded", "host=evil.example;proto=https")
        .with_header("x-original-host", "evil.example");
    assert_eq!(issuer(spoofed.clone(), "", a).await, "http://company-a.com:8000");
    let named = spoofed.on_host("evil.example").with_header("x-tenant-id", "org_company_a");
    assert_eq!(issuer(named.clone(), "", a).await, "http://company-a.com:8000");
    let through_proxy = named.from_ip(TRUSTED_PROXY);
    assert_eq!(issuer(through_proxy, "", a).await, "http://company-a.com:8000");
    let c = app.on_host("evil.example").with_header("x-tenant-id", "org_company_c");
    assert_eq!(issuer(c, "", "admin@example.com").await, "http://localhost:8000/t/org_company_c");
}

#[tokio::test]
async fn a_token_of_any_of_its_issuers_works_under_every_way_of_addressing() {
    let world = World::new().await;
    let body = json!({"identifier": "admin@company-a.com", "secret": PASSWORD});
    let login =
        world.app.anonymous().post("ROOT/t/org_company_a/api/sso/v1/auth/login", body).await.expect(200);
    let bearer = world.app.anonymous().with_token(login.str("access_token"));
    bearer.clone().on_host("company-a.com").get("/me").await.is(200);
    bearer.clone().on_host("sso.company-a.com").get("/me").await.is(200);
    bearer.clone().with_header("x-tenant-id", "org_company_a").get("/me").await.is(200);
    bearer.get("ROOT/t/org_company_a/api/sso/v1/me").await.is(200);
    bearer.get("/me").await.problem(401, "TOKEN_INVALID");
    bearer.get("ROOT/t/org_company_b/api/sso/v1/me").await.problem(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn cookies_under_a_path_stay_below_it() {
    let world = World::new().await;
    let body = json!({"identifier": "admin@company-a.com", "secret": PASSWORD});
    let by_path = world
        .app
        .anonymous()
        .post("ROOT/t/org_company_a/api/sso/v1/auth/login", body.clone())
        .await
        .expect(200);
    let by_host = world.app.on_host("company-a.com").post("/auth/login", body).await.expect(200);
    for name in ["usso-access-token", "usso-refresh-token", "usso-device"] {
        assert_eq!(by_path.cookie(name).attribute("path"), Some("/t/org_company_a"), "{name}");
        assert_eq!(by_host.cookie(name).attribute("path"), Some("/"), "{name}");
    }
    let browser = world.app.browser();
    let login = json!({"identifier": "admin@company-a.com", "secret": PASSWORD});
    let _ = browser.post("ROOT/t/org_company_a/api/sso/v1/auth/login", login).await.expect(200);
    browser.get("ROOT/t/org_company_a/api/sso/v1/me").await.is(200);
    browser.get("ROOT/t/org_company_b/api/sso/v1/me").await.problem(401, "NOT_AUTHENTICATED");
    browser.get("/me").await.problem(401, "NOT_AUTHENTICATED");
}

#[tokio::test]
async fn one_address_in_two_tenants_is_two_accounts() {
    let world = World::new().await;
    let here = world.a.user("same").await;
    let body = json!({"identifier": "same@example.com", "secret": "another-Good-secret-4!"});
    let there = world.b.anonymous().post("/auth/register", body).await.expect(201);
    assert_ne!(here.id(), there["user"]["id"].as_str().unwrap());
    world.b.anonymous().login("same@example.com", PASSWORD).await.problem(401, "INVALID_CREDENTIALS");
    world
        .a
        .anonymous()
        .login("same@example.com", "another-Good-secret-4!")
        .await
        .problem(401, "INVALID_CREDENTIALS");
    world.c.anonymous().login("same@example.com", PASSWORD).await.problem(401, "INVALID_CREDENTIALS");
    // The system administrator is one of the default tenant alone.
    world.a.anonymous().login("admin", SYSTEM_PASSWORD).await.problem(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn a_domain_a_tenant_claims_resolves_nothing_until_proven() {
    let world = World::new().await;
    let domains =
        json!({"domains": ["company-a.com", "sso.company-a.com", "claimed.example", "company-b.com"]});
    let changed = world.a.admin().patch("/tenants/org_company_a", domains).await.expect(200);
    assert_eq!(changed["domains"], json!(["company-a.com", "sso.company-a.com"]));
    assert_eq!(changed["pending_domains"], json!(["claimed.example", "company-b.com"]));
    let again = json!({"domains": ["claimed.example", "company-a.com"]});
    let repeated = world.a.admin().patch("/tenants/org_company_a", again).await.expect(200);
    assert_eq!(repeated["pending_domains"], json!(["claimed.example"]), "claiming twice proves nothing");
    assert_eq!(world.ask(Some("claimed.example"), None, None).await, "400 TENANT_NOT_FOUND");
    assert_eq!(world.ask(Some("company-b.com"), None, None).await, "org_company_b");
    let asked = world.app.anonymous().get("ROOT/.well-known/jwks.json?domain=claimed.example").await;
    asked.problem(404, "TENANT_NOT_FOUND");
    // It is nobody's, so the system administrator may give it to somebody else.
    let given = json!({"domains": ["company-b.com", "claimed.example"]});
    let _ = world.app.system_admin().await.patch("/tenants/org_company_b", given).await.expect(200);
    assert_eq!(world.ask(Some("claimed.example"), None, None).await, "org_company_b");
    // A pending domain is no issuer and no origin.
    let forged = Forge::of(&world.app, "org_company_a").await;
    let mut claims = claims_of(world.a.admin().access());
    claims["iss"] = json!("http://claimed.example:8000");
    world.a.anonymous().with_token(&forged.sign(&claims)).get("/me").await.problem(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn a_retired_issuer_is_accepted_until_its_last_token_has_expired() {
    let world = World::new().await;
    let app = &world.app;
    let on = |host: &str| app.on_host(host);
    let user = User::sign_in(on("sso.company-a.com"), "admin@company-a.com", PASSWORD).await;
    app.wait(DAY);
    let fewer = json!({"domains": ["company-a.com"]});
    let _ = app.system_admin().await.patch("/tenants/org_company_a", fewer).await.expect(200);
    assert_eq!(world.ask(Some("sso.company-a.com"), None, None).await, "400 TENANT_NOT_FOUND");
    app.wait(10 * DAY);
    let body = json!({"refresh_token": user.refresh()});
    let refreshed = on("company-a.com").post("/auth/refresh", body).await.expect(200);
    assert_eq!(claims_of(refreshed.str("access_token"))["iss"], "http://company-a.com:8000");

    // A token that outlived every honest one shows where the overlap ends: 30 days after the removal.
    let forge = Forge::of(app, "org_company_a").await;
    app.wait(19 * DAY);
    let fresh = User::sign_in(on("company-a.com"), "admin@company-a.com", PASSWORD).await;
    let mut claims = claims_of(fresh.access());
    claims["iss"] = json!("http://sso.company-a.com:8000");
    claims["exp"] = json!(claims["exp"].as_i64().unwrap() + 100 * 86_400);
    let old = on("company-a.com").with_token(&forge.sign(&claims));
    old.get("/me").await.is(200);
    app.wait(DAY - 1);
    old.get("/me").await.is(200);
    app.wait(1);
    old.get("/me").await.problem(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn a_domain_that_returns_is_current_again() {
    let world = World::new().await;
    let admin = world.app.system_admin().await;
    let user = User::sign_in(world.app.on_host("sso.company-a.com"), "admin@company-a.com", PASSWORD).await;
    for domains in [json!(["company-a.com"]), json!(["company-a.com", "sso.company-a.com"])] {
        let _ = admin.patch("/tenants/org_company_a", json!({"domains": domains})).await.expect(200);
    }
    user.get("/me").await.is(200);
    assert_eq!(
        issuer(world.app.on_host("sso.company-a.com"), "", "admin@company-a.com").await,
        "http://sso.company-a.com:8000"
    );
}

#[tokio::test]
async fn a_host_moves_between_tenants_at_once() {
    let world = World::new().await;
    let admin = world.app.system_admin().await;
    let held = User::sign_in(world.app.on_host("sso.company-a.com"), "admin@company-a.com", PASSWORD).await;
    held.get("/me").await.is(200);
    let _ = admin.patch("/tenants/org_company_a", json!({"domains": ["company-a.com"]})).await.expect(200);
    let both = json!({"domains": ["company-b.com", "sso.company-a.com"]});
    let _ = admin.patch("/tenants/org_company_b", both).await.expect(200);
    assert_eq!(world.ask(Some("sso.company-a.com"), None, None).await, "org_company_b");
    held.get("/me").await.problem(401, "TOKEN_INVALID");
}
