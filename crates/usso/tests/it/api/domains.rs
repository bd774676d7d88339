//! A tenant's domains and the proof that they are its own (ruling D27).

use crate::app::{Answer, PASSWORD, Requests, SmallInternet, TenantHandle, TestApp, User};
use crate::keys::claims_of;
use serde_json::json;
use std::net::Ipv4Addr;

const DAY: u64 = 86_400;

struct World {
    app: TestApp,
    internet: SmallInternet,
    a: TenantHandle,
    b: TenantHandle,
}

impl World {
    async fn new() -> Self {
        let internet = SmallInternet::start().await;
        let app = TestApp::with(|config| internet.configure(config)).await;
        let a = app.tenant("Company A", &["company-a.com"]).await;
        let b = app.tenant("Company B", &["company-b.com"]).await;
        Self { app, internet, a, b }
    }

    async fn add(&self, tenant: &TenantHandle, domain: &str) -> Answer {
        let path = format!("/tenants/{}/domains", tenant.id);
        tenant.admin().post(&path, json!({"domain": domain})).await
    }

    async fn verify(&self, tenant: &TenantHandle, domain: &str) -> Answer {
        tenant.admin().post(&format!("/tenants/{}/domains/{domain}/verify", tenant.id), ()).await
    }

    async fn remove(&self, tenant: &TenantHandle, domain: &str) -> Answer {
        tenant.admin().delete(&format!("/tenants/{}/domains/{domain}", tenant.id)).await
    }

    /// Adds a domain and publishes its TXT record.
    async fn claim(&self, tenant: &TenantHandle, domain: &str) {
        let added = self.add(tenant, domain).await.expect(201);
        let dns = &added["challenge"]["dns"];
        self.internet.txt(dns["name"].as_str().expect("a name"), dns["value"].as_str().expect("a value"));
    }

    /// Who answers to a host.
    async fn owner(&self, host: &str) -> Option<String> {
        let config = self.app.on_host(host).get("/tenants/config").await;
        config["tenant_id"].as_str().map(str::to_owned)
    }
}

#[tokio::test]
async fn a_domain_is_proven_by_a_txt_record() {
    let world = World::new().await;
    let added = world.add(&world.a, "SSO.New.Example").await.expect(201);
    assert_eq!((&added["domain"], &added["is_verified"]), (&json!("sso.new.example"), &json!(false)));
    let dns = &added["challenge"]["dns"];
    assert_eq!((&dns["type"], &dns["name"]), (&json!("TXT"), &json!("_usso-challenge.sso.new.example")));
    let text = dns["value"].as_str().expect("a value");
    assert!(text.starts_with("usso-domain-verification=") && text.len() > 50, "{text}");
    world.verify(&world.a, "sso.new.example").await.problem(409, "DOMAIN_NOT_VERIFIED");
    assert_eq!(world.owner("sso.new.example").await, None);
    world.internet.txt("_usso-challenge.sso.new.example", "something else");
    world.internet.txt("_usso-challenge.sso.new.example", text);
    let verified = world.verify(&world.a, "sso.new.example").await.expect(200);
    assert_eq!((&verified["is_verified"], &verified["challenge"]), (&json!(true), &json!(null)));
    assert_eq!(world.owner("sso.new.example").await.as_deref(), Some("org_company_a"));
    world.verify(&world.a, "sso.new.example").await.expect(200);
    let events: Vec<_> = world.app.platform_events().await;
    assert!(events.contains(&"tenant.domain_added".to_owned()), "{events:?}");
    assert!(events.contains(&"tenant.domain_verified".to_owned()), "{events:?}");
}

#[tokio::test]
async fn a_domain_is_proven_by_a_file() {
    let world = World::new().await;
    let added = world.add(&world.a, "new.example").await.expect(201);
    let file = &added["challenge"]["http"];
    let path = file["path"].as_str().expect("a path");
    assert_eq!(path, "/.well-known/usso-domain-verification/org_company_a");
    assert_eq!(file["url"], json!(format!("http://new.example{path}")));
    let text = format!("{}\n", file["content"].as_str().expect("a text"));
    world.internet.file("new.example", path, &text);
    let by_dns = json!({"method": "dns"});
    let verify = "/tenants/org_company_a/domains/new.example/verify";
    world.a.admin().post(verify, by_dns).await.problem(409, "DOMAIN_NOT_VERIFIED");
    assert_eq!(world.internet.asked(), Vec::<String>::new(), "only the DNS was to be asked");
    world.a.admin().post(verify, json!({"method": "http"})).await.expect(200);
    assert_eq!(world.owner("new.example").await.as_deref(), Some("org_company_a"));
    assert_eq!(world.internet.asked(), [format!("new.example{path}")]);
}

#[tokio::test]
async fn a_proof_is_refused_when_it_is_another_text_a_redirect_too_long_or_an_error() {
    let world = World::new().await;
    let added = world.add(&world.a, "new.example").await.expect(201);
    let path = added["challenge"]["http"]["path"].as_str().expect("a path").to_owned();
    let text = added["challenge"]["http"]["content"].as_str().expect("a text").to_owned();
    world.internet.file("elsewhere.example", "/file", &text);
    let responses = [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong".to_owned(),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n<{text}>", text.len() + 2),
        "HTTP/1.1 302 Found\r\nlocation: http://elsewhere.example/file\r\ncontent-length: 0\r\n\r\n"
            .to_owned(),
        format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{text}", text.len()),
        format!("HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n{text}{}", " ".repeat(9000 - text.len())),
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n\u{fffd}".replace('\u{fffd}', "\x01\x02\x03"),
        "not HTTP at all\r\n\r\n".to_owned(),
    ];
    for response in responses {
        world.internet.response("new.example", &path, &response);
        world.verify(&world.a, "new.example").await.problem(409, "DOMAIN_NOT_VERIFIED");
    }
    assert!(world.internet.asked().iter().all(|asked| asked.starts_with("new.example")));
    assert_eq!(world.owner("new.example").await, None);
}

#[tokio::test]
async fn a_file_is_not_fetched_from_a_private_address() {
    let internet = SmallInternet::start().await;
    let app = TestApp::with(|config| {
        internet.configure(config);
        config.tenants.proof_from_private_addresses = false;
    })
    .await;
    let a = app.tenant("Company A", &["company-a.com"]).await;
    internet.address("inside.example", Ipv4Addr::new(10, 0, 0, 1));
    for domain in ["new.example", "127.0.0.1", "inside.example"] {
        let path = format!("/tenants/{}/domains", a.id);
        // The loopback is the default tenant's anyway.
        if domain == "127.0.0.1" {
            a.admin().post(&path, json!({"domain": domain})).await.problem(409, "CONFLICT");
            continue;
        }
        let added = a.admin().post(&path, json!({"domain": domain})).await.expect(201);
        let file = &added["challenge"]["http"];
        if domain == "new.example" {
            internet.file(
                domain,
                file["path"].as_str().expect("a path"),
                file["content"].as_str().expect("a text"),
            );
        }
        a.admin().post(&format!("{path}/{domain}/verify"), ()).await.problem(409, "DOMAIN_NOT_VERIFIED");
    }
    assert_eq!(internet.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_pending_domain_reserves_nothing_and_the_first_proof_wins() {
    let world = World::new().await;
    world.claim(&world.a, "new.example").await;
    world.claim(&world.b, "new.example").await;
    world.verify(&world.b, "new.example").await.expect(200);
    world.verify(&world.a, "new.example").await.problem(409, "CONFLICT");
    assert_eq!(world.owner("new.example").await.as_deref(), Some("org_company_b"));
    // One that is proven can't even be claimed, neither can the installation's own.
    for domain in ["company-b.com", "localhost", "dev.usso.io", "COMPANY-B.com:80"] {
        world.add(&world.a, domain).await.problem(409, "CONFLICT");
    }
}

#[tokio::test]
async fn a_proof_is_the_tenants_own_and_of_this_claim() {
    let world = World::new().await;
    world.claim(&world.a, "new.example").await;
    let other = world.add(&world.b, "new.example").await.expect(201);
    world.verify(&world.b, "new.example").await.problem(409, "DOMAIN_NOT_VERIFIED");
    // Adding again changes nothing: the challenge may have been published already.
    let again = world.add(&world.b, "new.example").await.expect(201);
    assert_eq!(other["challenge"], again["challenge"]);
    // A claim given up takes its proof with it.
    world.remove(&world.a, "new.example").await.expect(200);
    world.verify(&world.a, "new.example").await.problem(404, "NOT_FOUND");
    let _ = world.add(&world.a, "new.example").await.expect(201);
    world.verify(&world.a, "new.example").await.problem(409, "DOMAIN_NOT_VERIFIED");
}

#[tokio::test]
async fn domains_set_with_the_tenant_can_be_proven_too() {
    let world = World::new().await;
    let domains = json!({"domains": ["company-a.com", "new.example"]});
    let changed = world.a.admin().patch("/tenants/org_company_a", domains.clone()).await.expect(200);
    assert_eq!(changed["pending_domains"], json!(["new.example"]));
    let listed = world.a.admin().get("/tenants/org_company_a/domains").await.expect(200);
    let pending = &listed["domains"][1];
    assert_eq!(
        (&listed["domains"][0]["is_verified"], &pending["is_verified"]),
        (&json!(true), &json!(false))
    );
    let dns = &pending["challenge"]["dns"];
    world.internet.txt(dns["name"].as_str().expect("a name"), dns["value"].as_str().expect("a value"));
    world.a.admin().patch("/tenants/org_company_a", domains).await.expect(200);
    world.verify(&world.a, "new.example").await.expect(200);
}

#[tokio::test]
async fn what_the_system_administrator_adds_counts_at_once() {
    let world = World::new().await;
    let system = world.app.system_admin().await;
    let path = "/tenants/org_company_a/domains";
    let added = system.post(path, json!({"domain": "given.example"})).await.expect(201);
    assert_eq!((&added["is_verified"], &added["challenge"]), (&json!(true), &json!(null)));
    assert_eq!(world.owner("given.example").await.as_deref(), Some("org_company_a"));
    system.post(path, json!({"domain": "company-b.com"})).await.problem(409, "CONFLICT");
}

#[tokio::test]
async fn a_domain_is_rejected_when_it_is_malformed_missing_or_one_too_many() {
    let world = World::new().await;
    for domain in ["", "a b", "*.example", "http://a.example"] {
        world.add(&world.a, domain).await.problem(400, "VALIDATION_ERROR");
    }
    for domain in ["nobody.example", "%20", "company-b.com"] {
        world.verify(&world.a, domain).await.problem(404, "NOT_FOUND");
        world.remove(&world.a, domain).await.problem(404, "NOT_FOUND");
    }
    let many: Vec<String> =
        (0..49).map(|n| format!("d{n}.example")).chain(["company-a.com".into()]).collect();
    let domains = json!({"domains": many});
    world.a.admin().patch("/tenants/org_company_a", domains).await.expect(200);
    world.add(&world.a, "one-more.example").await.problem(400, "VALIDATION_ERROR");
    // One that is there is not one more.
    world.add(&world.a, "d7.example").await.expect(201);
}

#[tokio::test]
async fn looking_for_proofs_is_limited_per_tenant() {
    let world = World::new().await;
    world.add(&world.a, "new.example").await.expect(201);
    for _ in 0..60 {
        world.verify(&world.a, "new.example").await.problem(409, "DOMAIN_NOT_VERIFIED");
    }
    world.verify(&world.a, "new.example").await.problem(429, "RATE_LIMITED");
    world.add(&world.b, "new.example").await.expect(201);
    world.verify(&world.b, "new.example").await.problem(409, "DOMAIN_NOT_VERIFIED");
    world.app.wait(3_601);
    let later = world.a.admin().again().await;
    let verify = "/tenants/org_company_a/domains/new.example/verify";
    later.post(verify, ()).await.problem(409, "DOMAIN_NOT_VERIFIED");
}

#[tokio::test]
async fn a_tenant_keeps_working_while_a_domain_is_renamed() {
    let world = World::new().await;
    let old = User::sign_in(world.app.on_host("company-a.com"), "admin@company-a.com", PASSWORD).await;
    assert_eq!(claims_of(old.access())["iss"], "http://company-a.com:8000");
    world.claim(&world.a, "renamed.example").await;
    old.get("/me").await.expect(200);
    world.verify(&world.a, "renamed.example").await.expect(200);
    old.get("/me").await.expect(200);
    let new = old.clone().on_host("renamed.example");
    new.get("/me").await.expect(200);
    let removed = new.delete("/tenants/org_company_a/domains/company-a.com").await.expect(200);
    assert_eq!(removed["domain"], "company-a.com");
    // The host is gone, what was issued under it is not: neither the access token nor, weeks later, the refresh token.
    assert_eq!(world.owner("company-a.com").await, None);
    new.get("/me").await.expect(200);
    world.app.wait(20 * DAY);
    let body = json!({"refresh_token": old.refresh()});
    let refreshed = world.app.on_host("renamed.example").post("/auth/refresh", body).await.expect(200);
    assert_eq!(claims_of(refreshed.str("access_token"))["iss"], "http://renamed.example:8000");
}

#[tokio::test]
async fn claiming_a_domain_again_does_not_end_its_overlap() {
    let world = World::new().await;
    let old = User::sign_in(world.app.on_host("company-a.com"), "admin@company-a.com", PASSWORD).await;
    let elsewhere = old.clone().on_host("localhost:8000").with_header("x-tenant-id", "org_company_a");
    elsewhere.delete("/tenants/org_company_a/domains/company-a.com").await.expect(200);
    elsewhere.post("/tenants/org_company_a/domains", json!({"domain": "company-a.com"})).await.expect(201);
    elsewhere.get("/me").await.expect(200);
}

#[tokio::test]
async fn domains_need_the_permission_to_administer_the_tenant() {
    let world = World::new().await;
    let alice = world.a.user("alice").await;
    let path = "/tenants/org_company_a/domains";
    alice.post(path, json!({"domain": "new.example"})).await.problem(403, "PERMISSION_DENIED");
    alice.get(path).await.problem(403, "PERMISSION_DENIED");
    alice.delete(&format!("{path}/company-a.com")).await.problem(403, "PERMISSION_DENIED");
    alice.post(&format!("{path}/company-a.com/verify"), ()).await.problem(403, "PERMISSION_DENIED");
}
