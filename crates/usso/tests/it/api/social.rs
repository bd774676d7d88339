//! Social login: what is asked of a provider, what is believed, and whose account is meant (checklist SOC).

use crate::app::{
    Anonymous, Answer, Browser, CLIENT_SECRET, PASSWORD, Provider, Requests, TestApp, encode, query,
};
use protocol::b64url;
use serde_json::{Value, json};

const AUTHORIZE: &str = "/auth/oauth/corp/authorize";
const CALLBACK: &str = "/auth/oauth/corp/callback";

async fn asked(browser: &Browser, path: &str) -> String {
    browser.get(path).await.expect(302).header("location").expect("a location").to_owned()
}

/// Goes to the provider, agrees, and comes back as a program that wants JSON.
async fn sign_in(browser: &Browser, provider: &Provider) -> Answer {
    let back = provider.agree(&asked(browser, AUTHORIZE).await);
    come_back(browser, &back).await
}

async fn come_back(browser: &Browser, back: &[(String, String)]) -> Answer {
    browser
        .clone()
        .with_header("accept", "application/json")
        .get(&format!("{CALLBACK}?{}", encode(back)))
        .await
}

fn changed(back: &[(String, String)], name: &str, value: &str) -> Vec<(String, String)> {
    let mut back: Vec<_> = back.iter().filter(|(own, _)| own != name).cloned().collect();
    back.push((name.to_owned(), value.to_owned()));
    back
}

/// Makes somebody's address count as proven.
async fn verified(app: &TestApp, name: &str) -> crate::app::User {
    let user = app.user(name).await;
    let now = app.scope("org_default").await.now();
    app.change_user(&user, |own| own.identifiers[0].verified_at = Some(now)).await;
    user
}

#[tokio::test]
async fn a_provider_signs_in_and_makes_the_account() {
    let (app, provider) = Provider::start().await;
    let browser = app.browser();
    let url = asked(&browser, &format!("{AUTHORIZE}?redirect_url=/home?x=1")).await;
    assert!(url.starts_with(&format!("{}/authorize?", provider.issuer)), "{url}");
    let params = query(&url);
    assert_eq!(params["redirect_uri"], "http://localhost:8000/api/sso/v1/auth/oauth/corp/callback");
    assert_eq!(params["scope"], "openid email profile");
    let answer = browser.get(&format!("{CALLBACK}?{}", encode(&provider.agree(&url)))).await.expect(302);
    assert_eq!(answer.header("location"), Some("/home?x=1"));
    answer.cookie("usso-access-token");
    let me = browser.get("/me").await.expect(200);
    assert_eq!(
        (&me["email"], &me["name"], &me["amr"]),
        (&json!("alice@example.com"), &json!("Alice"), &json!(["oauth"]))
    );
    assert_eq!(me["identifiers"][0]["verified"], true);
    assert_eq!(me["credentials"][0]["method"], "oauth");

    // The second time it is the same account, whatever the address is by then.
    provider.lie(json!({"email": "elsewhere@example.com"}));
    let again = sign_in(&app.browser(), &provider).await.expect(200);
    assert_eq!(again["user"]["id"], me["id"]);
}

#[tokio::test]
async fn the_clients_secret_goes_to_the_provider_and_nowhere_else() {
    let (app, provider) = Provider::start().await;
    sign_in(&app.browser(), &provider).await.expect(200);
    assert_eq!(provider.last_form()["client_secret"], CLIENT_SECRET);
    let admin = app.system_admin().await;
    let shown = admin.get("/tenants/org_default").await.expect(200).text();
    assert!(!shown.contains(CLIENT_SECRET), "{shown}");
    let public = app.anonymous().get("/tenants/config").await.expect(200);
    assert_eq!(public["integration"], json!(["corp"]));
}

#[tokio::test]
async fn an_unknown_provider_is_not_found() {
    let (app, _) = Provider::start().await;
    for path in ["/auth/oauth/nobody/authorize", "/auth/oauth/nobody/callback?state=x&code=y"] {
        app.anonymous().get(path).await.problem(404, "NOT_FOUND");
    }
    app.configure("org_default", json!({"allowed_login_methods": ["password"]})).await;
    let who = app.anonymous().with_header("accept", "application/json");
    who.get(AUTHORIZE).await.problem(400, "METHOD_NOT_AVAILABLE");
}

#[tokio::test]
async fn a_browser_is_sent_to_the_tenants_own_pages_only() {
    let (app, provider) = Provider::start().await;
    for target in ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
        let browser = app.browser();
        let path = format!("{AUTHORIZE}?{}", encode(&[("redirect_url".to_owned(), target.to_owned())]));
        let back = provider.agree(&asked(&browser, &path).await);
        let answer = browser.get(&format!("{CALLBACK}?{}", encode(&back))).await.expect(302);
        assert_eq!(answer.header("location"), Some("/"), "{target}");
    }
}

#[tokio::test]
async fn soc_01_the_state_belongs_to_the_browser_that_began() {
    let (app, provider) = Provider::start().await;
    let (browser, other) = (app.browser(), app.browser());
    let back = provider.agree(&asked(&browser, AUTHORIZE).await);
    come_back(&other, &back).await.problem(401, "STATE_INVALID");
    let _ = asked(&other, AUTHORIZE).await;
    come_back(&other, &back).await.problem(401, "STATE_INVALID");
    // That used nothing up.
    come_back(&browser, &back).await.expect(200);
}

#[tokio::test]
async fn soc_01_a_wrong_state_is_refused() {
    let (app, provider) = Provider::start().await;
    let browser = app.browser();
    let back = provider.agree(&asked(&browser, AUTHORIZE).await);
    let state = back.iter().find(|(name, _)| name == "state").expect("a state").1.clone();
    for wrong in ["", "x", &state[..state.len() - 2], &format!("{state}A")] {
        come_back(&browser, &changed(&back, "state", wrong)).await.problem(401, "STATE_INVALID");
    }
    let without: Vec<_> = back.iter().filter(|(name, _)| name != "state").cloned().collect();
    come_back(&browser, &without).await.problem(401, "STATE_INVALID");
    // One of another provider, or another tenant.
    provider.set_up("org_default", "second", json!({})).await;
    let at_second = browser.clone().with_header("accept", "application/json");
    at_second
        .get(&format!("/auth/oauth/second/callback?{}", encode(&back)))
        .await
        .problem(401, "STATE_INVALID");
    let tenant = app.tenant("Other", &[]).await;
    provider.set_up(&tenant.id, "corp", json!({})).await;
    let elsewhere = browser.clone().with_header("x-tenant-id", &tenant.id);
    come_back(&elsewhere, &back).await.problem(401, "STATE_INVALID");
}

#[tokio::test]
async fn soc_01_a_state_counts_once() {
    let (app, provider) = Provider::start().await;
    let browser = app.browser();
    let back = provider.agree(&asked(&browser, AUTHORIZE).await);
    come_back(&browser, &back).await.expect(200);
    come_back(&browser, &back).await.problem(401, "STATE_INVALID");
    // On another instance, too.
    come_back(&browser.at(&app.restarted().await), &back).await.problem(401, "STATE_INVALID");
}

#[tokio::test]
async fn a_state_used_fifty_times_at_once_signs_in_once() {
    let (app, provider) = Provider::start().await;
    let browser = app.browser();
    let back = provider.agree(&asked(&browser, AUTHORIZE).await);
    let tries = (0..50).map(|_| come_back(&browser, &back));
    let answers = futures_util::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test]
async fn soc_01_a_state_is_good_for_ten_minutes() {
    let (app, provider) = Provider::start().await;
    let browser = app.browser();
    let back = provider.agree(&asked(&browser, AUTHORIZE).await);
    app.wait(600);
    come_back(&browser, &back).await.problem(401, "STATE_INVALID");
}

#[tokio::test]
async fn soc_01_the_answer_must_name_the_right_issuer() {
    let (app, provider) = Provider::start().await;
    let browser = app.browser();
    let back = provider.agree(&asked(&browser, AUTHORIZE).await);
    for wrong in ["https://evil.example", ""] {
        come_back(&browser, &changed(&back, "iss", wrong)).await.problem(401, "PROVIDER_REFUSED");
    }
    // Who says that it names itself does.
    let without: Vec<_> = back.iter().filter(|(name, _)| name != "iss").cloned().collect();
    come_back(&browser, &without).await.problem(401, "PROVIDER_REFUSED");
    come_back(&browser, &back).await.expect(200);
}

#[tokio::test]
async fn a_replayed_code_is_refused() {
    let (app, provider) = Provider::start().await;
    let browser = app.browser();
    let back = provider.agree(&asked(&browser, AUTHORIZE).await);
    let code = back.iter().find(|(name, _)| name == "code").expect("a code").1.clone();
    come_back(&browser, &back).await.expect(200);
    let fresh = provider.agree(&asked(&browser, AUTHORIZE).await);
    come_back(&browser, &changed(&fresh, "code", &code)).await.problem(401, "PROVIDER_REFUSED");
}

#[tokio::test]
async fn soc_01_a_stolen_code_fails_for_its_verifier() {
    let (app, provider) = Provider::start().await;
    let (victim, thief) = (app.browser(), app.browser());
    let stolen = provider.agree(&asked(&victim, AUTHORIZE).await);
    let code = stolen.iter().find(|(name, _)| name == "code").expect("a code").1.clone();
    let own = provider.agree(&asked(&thief, AUTHORIZE).await);
    come_back(&thief, &changed(&own, "code", &code)).await.problem(401, "PROVIDER_REFUSED");
}

#[tokio::test]
async fn what_the_provider_refuses_is_told_on_the_tenants_page() {
    let (app, provider) = Provider::start().await;
    let browser = app.browser();
    let state = query(&asked(&browser, AUTHORIZE).await)["state"].clone();
    let back = [
        ("state".to_owned(), state),
        ("error".to_owned(), "access_denied".to_owned()),
        ("iss".to_owned(), provider.issuer.clone()),
    ];
    let answer = browser.get(&format!("{CALLBACK}?{}", encode(&back))).await.expect(302);
    assert_eq!(answer.header("location"), Some("/oauth/failed?error=access_denied"));
    let answer = browser.get(&format!("{CALLBACK}?{}", encode(&back))).await.expect(302);
    assert_eq!(answer.header("location"), Some("/oauth/failed?error=state_invalid"));
    assert!(browser.cookie("usso-access-token").is_none());
}

#[tokio::test]
async fn soc_02_an_id_token_with_a_wrong_claim_is_refused() {
    let (app, provider) = Provider::start().await;
    let now = app.clock_seconds();
    for lie in [
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"iss": "https://evil.example"}),
        json!({"aud": "another-client"}),
        json!({"aud": ["usso-at-provider", "another-client"]}),
        json!({"azp": "another-client"}),
        json!({"exp": now - 61}),
        json!({"iat": now + 120}),
        json!({"iat": now - 3_600}),
        json!({"sub": ""}),
        json!({"sub": null}),
    ] {
        provider.lie(lie.clone());
        let answer = sign_in(&app.browser(), &provider).await;
        assert_eq!((answer.status, answer.code()), (401, "PROVIDER_REFUSED"), "{lie}");
    }
    provider.lie(json!({}));
    sign_in(&app.browser(), &provider).await.expect(200);
}

#[tokio::test]
async fn soc_02_a_wrong_signature_is_refused() {
    let (app, provider) = Provider::start().await;
    provider.rotate("first", false);
    sign_in(&app.browser(), &provider).await.problem(401, "PROVIDER_REFUSED");
}

#[tokio::test]
async fn soc_02_none_and_symmetric_signatures_are_refused() {
    let (app, provider) = Provider::start().await;
    let claims = b64url::encode(json!({"iss": provider.issuer, "sub": "1"}).to_string());
    for header in [json!({"alg": "none"}), json!({"alg": "HS256", "kid": "first"})] {
        provider.forge(&format!(
            "{}.{claims}.{}",
            b64url::encode(header.to_string()),
            b64url::encode([1; 32])
        ));
        sign_in(&app.browser(), &provider).await.problem(401, "PROVIDER_REFUSED");
    }
    provider.forge(&format!("{}.{claims}.", b64url::encode(json!({"alg": "none"}).to_string())));
    sign_in(&app.browser(), &provider).await.problem(401, "PROVIDER_REFUSED");
}

#[tokio::test]
async fn soc_02_an_unknown_key_is_looked_for_once_a_minute() {
    let (app, provider) = Provider::start().await;
    sign_in(&app.browser(), &provider).await.expect(200);
    assert_eq!(provider.key_requests(), 1);
    provider.rotate("second", true);
    sign_in(&app.browser(), &provider).await.problem(401, "PROVIDER_REFUSED");
    assert_eq!(provider.key_requests(), 1);
    app.wait(60);
    sign_in(&app.browser(), &provider).await.expect(200);
    assert_eq!(provider.key_requests(), 2);
    provider.rotate("third", false);
    for _ in 0..5 {
        sign_in(&app.browser(), &provider).await.problem(401, "PROVIDER_REFUSED");
    }
    assert_eq!(provider.key_requests(), 2);
}

#[tokio::test]
async fn soc_03_both_sides_proven_sign_in_and_link() {
    let (app, provider) = Provider::start().await;
    let alice = verified(&app, "alice").await;
    let answer = sign_in(&app.browser(), &provider).await.expect(200);
    assert_eq!(answer["user"]["id"], alice.id());
    let methods: Vec<&Value> =
        answer["user"]["credentials"].as_array().expect("a list").iter().map(|c| &c["method"]).collect();
    assert_eq!(methods, ["password", "oauth"]);
    app.anonymous().login("alice@example.com", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn soc_03_an_address_the_provider_has_not_proven_links_nothing() {
    let (app, provider) = Provider::start().await;
    verified(&app, "alice").await;
    for lie in [json!({"email_verified": false}), json!({"email_verified": null})] {
        provider.lie(lie);
        sign_in(&app.browser(), &provider).await.problem(409, "SIGN_IN_FIRST");
    }
    // Whether there is such an account is not told.
    provider.lie(json!({"email_verified": false, "email": "nobody@example.com"}));
    sign_in(&app.browser(), &provider).await.problem(409, "SIGN_IN_FIRST");
}

#[tokio::test]
async fn soc_03_what_a_stranger_prepared_is_cleaned_up() {
    let (app, provider) = Provider::start().await;
    // Registered by somebody who never showed that the address is theirs.
    let stranger = app.user("alice").await;
    let answer = sign_in(&app.browser(), &provider).await.expect(200);
    assert_eq!(answer["user"]["id"], stranger.id());
    assert_eq!(answer["user"]["credentials"].as_array().map(Vec::len), Some(1));
    stranger.get("/me").await.problem(401, "TOKEN_REVOKED");
    app.anonymous().login("alice@example.com", PASSWORD).await.problem(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn soc_03_another_issuer_with_the_same_subject_is_somebody_else() {
    let (app, provider) = Provider::start().await;
    let first = sign_in(&app.browser(), &provider).await.expect(200);
    let other = Provider::beside(&app).await;
    other.set_up("org_default", "corp", json!({})).await;
    other.lie(json!({"email": "mallory@example.com"}));
    let second = sign_in(&app.browser(), &other).await.expect(200);
    assert_ne!(first["user"]["id"], second["user"]["id"]);
}

#[tokio::test]
async fn nobody_is_let_in_where_registration_is_closed() {
    let (app, provider) = Provider::start().await;
    app.configure("org_default", json!({"registration": {"is_allowed": false}})).await;
    let answer = sign_in(&app.browser(), &provider).await.expect(200);
    assert_eq!((&answer["status"], &answer["tokens"]), (&json!("registration_required"), &Value::Null));
    let browser = app.browser();
    let back = provider.agree(&asked(&browser, AUTHORIZE).await);
    let answer = browser.get(&format!("{CALLBACK}?{}", encode(&back))).await.expect(302);
    assert_eq!(answer.header("location"), Some("/oauth/failed?error=registration_disabled"));
    app.configure(
        "org_default",
        json!({"registration": {"is_allowed": true, "approval_mode": "manual_review"}}),
    )
    .await;
    sign_in(&app.browser(), &provider).await.problem(403, "ACCOUNT_INACTIVE");
}

#[tokio::test]
async fn an_account_that_is_shut_out_stays_out() {
    let (app, provider) = Provider::start().await;
    let first = sign_in(&app.browser(), &provider).await.expect(200);
    let admin = app.system_admin().await;
    let path = format!("/users/{}", first["user"]["id"].as_str().expect("an id"));
    admin.patch(&path, json!({"is_active": false})).await.expect(200);
    sign_in(&app.browser(), &provider).await.problem(403, "ACCOUNT_INACTIVE");
}

#[tokio::test]
async fn mfa_01_a_second_factor_is_asked_for_after_a_provider() {
    let (app, provider) = Provider::start().await;
    let alice = verified(&app, "alice").await;
    let authenticator = crate::app::Authenticator::of(&app, &alice).await;
    let browser = app.browser();
    let first = sign_in(&browser, &provider).await.expect(200);
    assert_eq!(first["status"], "mfa_required");
    // Only who has shown all that is needed changes how the account is signed in to.
    assert_eq!(alice.get("/credentials").await.expect(200).items().len(), 2);
    app.wait(30);
    let body = json!({"identifier": "alice@example.com", "method": "totp", "secret": authenticator.code()});
    let done = browser.post("/auth/login", body).await.expect(200);
    assert_eq!((&done["status"], &done["amr"]), (&json!("completed"), &json!(["oauth", "totp"])));
    let page = app.browser();
    let back = provider.agree(&asked(&page, AUTHORIZE).await);
    let answer = page.get(&format!("{CALLBACK}?{}", encode(&back))).await.expect(302);
    assert_eq!(answer.header("location"), Some("/login?status=mfa_required"));
    assert!(page.cookie("usso-access-token").is_none() && page.cookie("usso-login").is_some());
}

#[tokio::test]
async fn soc_04_a_provider_that_hangs_holds_up_nobody_else() {
    let (app, provider) = Provider::start().await;
    app.user("alice").await;
    provider.hang();
    let (browser, who): (Browser, Anonymous) = (app.browser(), app.anonymous());
    let slow = tokio::spawn(async move { browser.get(AUTHORIZE).await });
    for _ in 0..20 {
        who.login("alice@example.com", PASSWORD).await.expect(200);
    }
    assert!(!slow.is_finished());
    slow.abort();
}

#[tokio::test]
async fn soc_04_a_provider_that_is_away_is_a_503() {
    let (app, provider) = Provider::start().await;
    provider.set_up("org_default", "gone", json!({"issuer": "http://127.0.0.1:1"})).await;
    let who = app.anonymous().with_header("accept", "application/json");
    who.get("/auth/oauth/gone/authorize").await.problem(503, "PROVIDER_UNAVAILABLE");
    let answer = app.anonymous().get("/auth/oauth/gone/authorize").await.expect(302);
    assert_eq!(answer.header("location"), Some("/oauth/failed?error=provider_unavailable"));
}

#[tokio::test]
async fn a_provider_in_a_private_network_is_not_asked() {
    let app = TestApp::new().await;
    let provider = Provider::beside(&app).await;
    provider.set_up("org_default", "corp", json!({})).await;
    let who = app.anonymous().with_header("accept", "application/json");
    who.get(AUTHORIZE).await.problem(503, "PROVIDER_UNAVAILABLE");
}

#[tokio::test]
async fn github_tells_a_number_and_a_list_of_addresses() {
    let (app, provider) = Provider::start().await;
    provider.set_up_as_github("org_default").await;
    let github = async |browser: &Browser| {
        let back = provider.agree(&asked(browser, "/auth/oauth/github/authorize").await);
        let path = format!("/auth/oauth/github/callback?{}", encode(&back));
        browser.clone().with_header("accept", "application/json").get(&path).await
    };
    let answer = github(&app.browser()).await.expect(200);
    assert_eq!(answer["user"]["email"], "octo@example.com");
    assert_eq!(answer["user"]["credentials"][0]["external_id"], "583231");
    provider.tell(
        json!({"id": 7, "login": "octocat"}),
        json!([{"email": "octo@example.com", "primary": true, "verified": false}]),
    );
    github(&app.browser()).await.problem(409, "SIGN_IN_FIRST");
}

#[tokio::test]
async fn linking_needs_a_session_that_is_recent_and_the_same_browser() {
    let (app, provider) = Provider::start().await;
    provider.lie(json!({"email_verified": false}));
    let alice = app.user("alice").await;
    let begun = alice.post("/credentials/oauth/corp", json!({})).await.expect(200);
    let secret = begun.cookie("usso-oauth");
    assert!(secret.attribute("httponly").is_some());
    let back = provider.agree(begun.str("authorization_url"));
    let browser = app.browser();
    come_back(&browser, &back).await.problem(401, "STATE_INVALID");
    browser.keep("usso-oauth", &secret.value);
    let linked = come_back(&browser, &back).await.expect(200);
    assert_eq!((&linked["method"], &linked["external_id"]), (&json!("oauth"), &json!("subject-1")));
    let answer = sign_in(&app.browser(), &provider).await.expect(200);
    assert_eq!(answer["user"]["id"], alice.id());

    // Nobody else can have it.
    let bob = app.user("bob").await;
    let begun = bob.post("/credentials/oauth/corp", json!({})).await.expect(200);
    browser.keep("usso-oauth", &begun.cookie("usso-oauth").value);
    come_back(&browser, &provider.agree(begun.str("authorization_url"))).await.problem(409, "CONFLICT");
    // A session that ended meanwhile links nothing.
    let begun = bob.post("/credentials/oauth/corp", json!({})).await.expect(200);
    bob.post("/auth/logout", json!({})).await.expect(200);
    browser.keep("usso-oauth", &begun.cookie("usso-oauth").value);
    let back = provider.agree(begun.str("authorization_url"));
    come_back(&browser, &back).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    app.wait(601);
    alice.post("/credentials/oauth/corp", json!({})).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
}

#[tokio::test]
async fn unlinking_leaves_a_way_in() {
    let (app, provider) = Provider::start().await;
    let only = app.browser();
    let answer = sign_in(&only, &provider).await.expect(200);
    let link = answer["user"]["credentials"][0]["id"].as_str().expect("an id").to_owned();
    only.delete(&format!("/credentials/{link}")).await.problem(400, "VALIDATION_ERROR");
    // An authenticator begins no sign-in.
    only.post("/credentials", json!({"method": "backup_codes"})).await.expect(201);
    only.delete(&format!("/credentials/{link}")).await.problem(400, "VALIDATION_ERROR");
    only.post("/credentials", json!({"method": "password", "secret": PASSWORD})).await.expect(201);
    only.delete(&format!("/credentials/{link}")).await.expect(200);
    let answer = sign_in(&app.browser(), &provider).await.expect(200);
    assert_eq!(answer["user"]["email"], "alice@example.com");
}

#[tokio::test]
async fn apple_posts_a_form_and_wants_a_signed_secret() {
    let (app, provider) = Provider::start().await;
    let key = protocol::jose::SigningKey::generate(protocol::jose::Algorithm::Es256).expect("a key");
    let pem = protocol::jose::pem::private_pem(&key).expect("a file");
    let more = json!({"kind": "apple", "team_id": "TEAM", "key_id": "KEY", "client_secret": pem.as_str()});
    provider.set_up("org_default", "apple", more).await;
    provider.lie(json!({"email_verified": "true", "name": null}));
    let browser = app.browser();
    let url = asked(&browser, "/auth/oauth/apple/authorize").await;
    assert_eq!(query(&url)["response_mode"], "form_post");
    let mut back = provider.agree(&url);
    back.push(("user".to_owned(), r#"{"name":{"firstName":"Ada","lastName":"L"}}"#.to_owned()));
    let form = encode(&back);
    let who = browser
        .clone()
        .with_header("accept", "application/json")
        .with_header("origin", "https://appleid.apple.com");
    let body = ("application/x-www-form-urlencoded", form.as_str());
    let answer = who.post("/auth/oauth/apple/callback", body).await.expect(200);
    assert_eq!(
        (&answer["user"]["name"], &answer["user"]["email"]),
        (&json!("Ada L"), &json!("alice@example.com"))
    );
    let secret = provider.last_form()["client_secret"].clone();
    let key = protocol::jose::VerifyingKey::from_jwk(&key.public_jwk("KEY").expect("a key")).expect("a key");
    let verified =
        protocol::jose::Untrusted::parse(&secret).and_then(|token| token.verify(&key)).expect("signed");
    let claims: Value = verified.claims().expect("claims");
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("TEAM"), &json!("usso-at-provider")));
}

#[tokio::test]
async fn starting_writes_nothing() {
    let (app, _provider) = Provider::start().await;
    let count = async || {
        let scope = app.scope("org_default").await;
        let page =
            scope.records::<usso::tenant::one_time::OneTime>().page(kernel::Query::all("one_time")).await;
        page.expect("the database").items.len()
    };
    let before = count().await;
    for _ in 0..10 {
        app.browser().get(AUTHORIZE).await.expect(302);
    }
    assert_eq!(count().await, before);
}
