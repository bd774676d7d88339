//! Which passwords may be set, and how they are compared (ruling D7).

use crate::app::{Answer, Requests, TestApp};
use serde_json::json;

async fn try_password(app: &TestApp, name: &str, password: &str) -> Answer {
    let body = json!({"identifier": format!("{name}@example.com"), "secret": password});
    app.anonymous().post("/auth/register", body).await
}

#[tokio::test]
async fn pw_04_a_password_is_rejected_when_it_is_short_plain_or_guessable() {
    let app = TestApp::new().await;
    let weak = ["aB3!xyz", "aB3xyzqwvjkl", "password!", "Password1!", "qwerty123!", "11111111!", "Zaphod42!"];
    for password in weak {
        let answer = try_password(&app, "zaphod", password).await;
        assert_eq!((answer.status, answer.code()), (400, "WEAK_PASSWORD"), "{password}");
        assert_eq!(answer["errors"][0]["loc"], json!(["body", "secret"]), "{password}");
        assert!(!answer.text().contains(password), "an error never repeats a password");
    }
}

#[tokio::test]
async fn pw_01_a_password_is_rejected_when_it_is_beyond_the_limit() {
    let app = TestApp::new().await;
    let long = "correct-Horse-battery-9!".repeat(50);
    try_password(&app, "alice", &long).await.problem(400, "WEAK_PASSWORD");
    app.user("alice").await;
    app.anonymous().login("alice@example.com", &long).await.problem(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn pw_03_a_long_password_is_used_to_its_last_character() {
    let app = TestApp::new().await;
    let long = format!("{}!", "wy7-Qh_zk2".repeat(10));
    try_password(&app, "alice", &long).await.is(201);
    app.anonymous().login("alice@example.com", &long[..100]).await.problem(401, "INVALID_CREDENTIALS");
    app.anonymous().login("alice@example.com", &format!("{long}?")).await.problem(401, "INVALID_CREDENTIALS");
    app.anonymous().login("alice@example.com", &long).await.is(200);
}

#[tokio::test]
async fn pw_03_a_password_is_the_same_however_its_accents_are_composed() {
    let app = TestApp::new().await;
    try_password(&app, "alice", "cr\u{e8}me-br\u{fb}l\u{e9}e-w\u{fc}st!").await.is(201);
    let decomposed = "cre\u{300}me-bru\u{302}le\u{301}e-wu\u{308}st!";
    app.anonymous().login("alice@example.com", decomposed).await.is(200);
}

#[tokio::test]
async fn pw_03_a_password_with_a_nul_is_not_cut_there() {
    let app = TestApp::new().await;
    try_password(&app, "alice", "vK9-mm\u{0}-zPq4!").await.is(201);
    app.anonymous().login("alice@example.com", "vK9-mm").await.problem(401, "INVALID_CREDENTIALS");
    app.anonymous().login("alice@example.com", "vK9-mm\u{0}-zPq4?").await.problem(401, "INVALID_CREDENTIALS");
    app.anonymous().login("alice@example.com", "vK9-mm\u{0}-zPq4!").await.is(200);
}

#[tokio::test]
async fn pw_01_length_is_counted_in_characters() {
    let app = TestApp::new().await;
    try_password(&app, "alice", "\u{1f98a}\u{1f40d}!\u{1f355}").await.problem(400, "WEAK_PASSWORD");
}

#[tokio::test]
async fn pw_02_the_rules_are_the_tenants_and_apply_only_when_a_password_is_set() {
    let app = TestApp::new().await;
    let old = "mellon-Speak-9!";
    try_password(&app, "alice", old).await.is(201);
    app.configure("org_default", json!({"password_min_length": 20})).await;
    try_password(&app, "bob", old).await.problem(400, "WEAK_PASSWORD");
    app.anonymous().login("alice@example.com", old).await.is(200);
    let looser = json!({"password_min_length": 4, "password_require_special": false,
        "auth": {"password_prevent_dictionary": false}});
    app.configure("org_default", looser).await;
    try_password(&app, "bob", "abcd").await.is(201);
}

#[tokio::test]
async fn pw_05_a_password_is_hashed_again_when_the_parameters_rise() {
    let app = TestApp::on(crate::app::StorageKind::from_environment(), |_| {}).await;
    let alice = app.user("alice").await;
    let hash = |app: TestApp| {
        let id = alice.id().to_owned();
        async move {
            let scope = app.scope("org_default").await;
            let user = scope.records::<usso::identity::users::model::User>().get(&id).await.unwrap().unwrap();
            user.password_hash().unwrap().to_owned()
        }
    };
    let before = hash(app.clone()).await;
    assert!(before.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{before}");
    let dearer = app.restarted_with(|config| config.hashing.memory_kib = 128).await;
    alice.signed_out().at(&dearer).login("alice@example.com", crate::app::PASSWORD).await.is(200);
    assert!(hash(dearer.clone()).await.starts_with("$argon2id$v=19$m=128,t=1,p=1$"));
    // The password is the same, so sessions go on.
    alice.at(&dearer).get("/me").await.is(200);
}

#[tokio::test]
async fn pw_04_a_password_of_the_operators_list_is_refused() {
    // The digests of three good passwords that somebody lost, as collections of breaches publish them.
    let lost = ["copper-Kettle-window-7!", "Orbit!mango-lantern", "walnut+Harbour=42"];
    let hex =
        |word: &str| protocol::sha1(word.as_bytes()).iter().map(|b| format!("{b:02X}")).collect::<String>();
    let mut lines: Vec<String> = lost.iter().map(|word| format!("{}:3\r\n", hex(word))).collect();
    lines.sort();
    let path = std::env::temp_dir().join(format!("usso-it-breached-{}", std::process::id()));
    std::fs::write(&path, lines.concat()).expect("a file");
    let app = TestApp::with(|config| config.security.breached_passwords = Some(path.clone())).await;
    for word in lost {
        let refused = try_password(&app, "alice", word).await;
        refused.problem(400, "WEAK_PASSWORD");
        assert!(refused.text().contains("known from a breach"), "{}", refused.text());
    }
    try_password(&app, "alice", "copper-Kettle-window-8!").await.is(201);
    // Without the list they are as good as any, and a file that is none keeps the server from starting.
    try_password(&TestApp::new().await, "alice", lost[0]).await.is(201);
    std::fs::write(&path, "password\n").expect("a file");
    let refused = app.try_start(app.storage(), |_| {}).await.expect_err("it is no list");
    assert!(refused.contains("security.breached_passwords"), "{refused}");
    std::fs::remove_file(path).expect("the file");
}

#[tokio::test]
async fn pw_10_an_administrator_sees_no_password_and_setting_one_is_told_to_its_user() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let now = app.scope("org_default").await.now();
    app.change_user(&alice, |user| user.identifiers[0].verified_at = Some(now)).await;
    let admin = app.system_admin().await;
    for path in [format!("/users/{}", alice.id()), format!("/users/{}/credentials", alice.id())] {
        let shown = admin.get(&path).await.expect(200).text();
        assert!(!shown.contains("argon2") && !shown.contains("secret_hash"), "{shown}");
    }
    let body = json!({"method": "password", "secret": "another-Good-secret-9!"});
    admin.post(&format!("/users/{}/credentials", alice.id()), body).await.expect(201);
    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
    let letter = app.last_letter().await;
    assert_eq!((letter.template.as_str(), letter.to.as_str()), ("security_notice", "alice@example.com"));
}
