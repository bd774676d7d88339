//! A tenant in a file: exported here, imported there.

use super::faulty::Faulty;
use crate::app::{Anonymous, Answer, PASSWORD, Requests, TenantHandle, TestApp, User};
use kernel::UserId;
use secrecy::SecretString;
use serde_json::json;
use usso::app::{archive, jobs};
use usso::config::MasterKey;
use usso::identity::users::model::User as UserRecord;
use usso::tenant::tenants::service::Authority;
use usso::tenant::{Actor, ClientInfo};

const PASSPHRASE: &str = "a long enough passphrase";
const SECRET: &str = "canary-smtp-91c0";

/// Another installation under the same issuer, with another master key.
async fn fresh() -> TestApp {
    TestApp::with(|config| config.security.master_key = Some(MasterKey::new([9; 32]))).await
}

async fn export(app: &TestApp, id: &str) -> Answer {
    let system = app.system_admin().await.with_header("x-archive-passphrase", PASSPHRASE);
    system.get(&format!("/tenants/{id}/export")).await
}

async fn import(app: &TestApp, file: &[u8]) -> Answer {
    import_with(app, file, PASSPHRASE).await
}

async fn import_with(app: &TestApp, file: &[u8], passphrase: &str) -> Answer {
    let system = app.system_admin().await.with_header("x-archive-passphrase", passphrase);
    let body = crate::app::Body::Bytes(Some("application/octet-stream".to_owned()), file.to_vec());
    system.post("/tenants/import", body).await
}

fn records(file: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(file).expect("text");
    archive::file::read(text, &SecretString::from(PASSPHRASE)).expect("an archive").1.to_vec()
}

/// A tenant with a bit of everything.
async fn company(app: &TestApp) -> (TenantHandle, User, User) {
    let a = app.tenant("Company A", &["company-a.com"]).await;
    app.configure(&a.id, json!({"integration": {"oauth_providers": {"g": {"client_secret": SECRET}}}})).await;
    let (alice, bob) = (a.user("alice").await, a.user("bob").await);
    (a, alice, bob)
}

#[tokio::test]
async fn a_tenant_goes_on_in_a_fresh_installation_as_if_nothing_had_happened() {
    let here = TestApp::new().await;
    let (a, alice, bob) = company(&here).await;
    let key = bob.post("/apikeys", json!({})).await.expect(201).str("api_key").to_owned();
    let file = export(&here, &a.id).await.expect(200);
    assert_eq!(file.header("content-type"), Some("application/octet-stream"));
    assert!(!file.text().contains("alice") && !file.text().contains(SECRET));
    let there = fresh().await;
    let imported = import(&there, &file.body).await.expect(201);
    assert_eq!((&imported["id"], &imported["is_active"]), (&json!(a.id), &json!(true)));
    let on = |who: &User| who.clone().at(&there);
    // Access and refresh tokens, passwords, API keys; the keys they are signed with are the same.
    on(&alice).get("/me").await.expect(200);
    let body = json!({"refresh_token": alice.refresh()});
    on(&alice).signed_out().post("/auth/refresh", body).await.expect(200);
    let again = User::sign_in(a.anonymous().at(&there), &bob.identifier, PASSWORD).await;
    assert_eq!(again.id(), bob.id());
    a.anonymous().at(&there).with_header("x-api-key", &key).get("/me").await.expect(200);
    let jwks = |who: Anonymous| async move { who.get("ROOT/.well-known/jwks.json").await.expect(200).json };
    assert_eq!(jwks(a.anonymous()).await, jwks(a.anonymous().at(&there)).await);
    let shown = on(&a.admin()).get("/tenants/org_company_a").await.expect(200);
    let masked = &shown["config"]["integration"]["oauth_providers"]["g"]["client_secret"];
    assert_eq!(masked, &json!("********"));
    // The audit log goes on under another master key, in one chain with what happened before.
    let events = there.audit(&a.id).await;
    assert!(events.iter().any(|e| e.event == "user.registered" || e.event == "user.created"), "{events:?}");
    assert!(events.iter().filter(|e| e.event == "session.opened").count() >= 2, "{events:?}");
    crate::upkeep::audit_is_whole(&there).await;
    let events = here.platform_events().await;
    assert!(events.contains(&"tenant.exported".to_owned()), "{events:?}");
    assert!(there.platform_events().await.contains(&"tenant.imported".to_owned()));
}

#[tokio::test]
async fn the_records_of_a_second_export_are_the_same_bytes() {
    let here = TestApp::new().await;
    let (a, alice, _) = company(&here).await;
    alice.post("/apikeys", json!({})).await.expect(201);
    let first = export(&here, &a.id).await.expect(200);
    let there = fresh().await;
    import(&there, &first.body).await.expect(201);
    let second = export(&there, &a.id).await.expect(200);
    assert!(first.body != second.body, "sealed anew");
    let (first, second) = (records(&first.body), records(&second.body));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    assert_eq!(text(&first), text(&second));
    assert!(text(&first).contains(alice.id()) && text(&first).lines().count() > 10);
}

#[tokio::test]
async fn ten_thousand_users_move_house() {
    let here = TestApp::new().await;
    let (a, alice, _) = company(&here).await;
    let scope = here.scope(&a.id).await;
    let users = scope.records::<UserRecord>();
    let model = users.get(alice.id()).await.expect("the database").expect("alice").record;
    for n in 0..10_000 {
        let mut user = UserRecord { id: UserId::generate(scope.now(), scope.random()), ..model.clone() };
        for identifier in &mut user.identifiers {
            identifier.value = format!("user{n}@example.com");
        }
        users.insert(user, Vec::new()).await.expect("the database");
    }
    let file = export(&here, &a.id).await.expect(200);
    let there = fresh().await;
    import(&there, &file.body).await.expect(201);
    for n in [0, 4_321, 9_999] {
        a.anonymous().at(&there).login(&format!("user{n}@example.com"), PASSWORD).await.expect(200);
    }
    let system = there.system_admin().await;
    let usage = system.get(&format!("/tenants/{}/usage", a.id)).await.expect(200);
    assert_eq!(usage["users"], json!(10_003));
}

#[tokio::test]
async fn an_archive_is_refused_when_it_is_altered_cut_off_or_another_thing() {
    let here = TestApp::new().await;
    let (a, ..) = company(&here).await;
    let file = export(&here, &a.id).await.expect(200).text();
    let there = fresh().await;
    let lines: Vec<&str> = file.lines().collect();
    assert_eq!(lines.len(), 3, "a line that says what it is, one about it, and one of records");
    let changed = |place: usize, text: &str| {
        let mut lines = lines.clone();
        lines[place] = text;
        lines.join("\n") + "\n"
    };
    let middle = lines[2].len() / 2;
    let other = if &lines[2][middle..=middle] == "A" { "B" } else { "A" };
    let flipped = format!("{}{other}{}", &lines[2][..middle], &lines[2][middle + 1..]);
    let renamed = lines[1].replace(&a.id, "org_company_b");
    let dear = lines[1].replace("\"passes\":3", "\"passes\":4000000");
    let bad = [
        changed(0, "USSO-TENANT 2"),
        changed(0, "something else"),
        changed(1, "{}"),
        changed(1, &renamed),
        changed(1, &dear),
        changed(2, &flipped),
        changed(2, &lines[2][..middle]),
        format!("{}\n{}\n", lines[0], lines[1]),
        format!("{file}{}\n", lines[2]),
        file.trim_end().to_owned(),
        String::new(),
    ];
    for file in bad {
        import(&there, file.as_bytes()).await.problem(400, "VALIDATION_ERROR");
    }
    import(&there, &[0xff, 0xfe]).await.problem(400, "VALIDATION_ERROR");
    for passphrase in ["another long passphrase", "short"] {
        import_with(&there, file.as_bytes(), passphrase).await.problem(400, "VALIDATION_ERROR");
    }
    there.system_admin().await.get("/tenants/org_company_a").await.problem(404, "NOT_FOUND");
    import(&there, file.as_bytes()).await.expect(201);
}

#[tokio::test]
async fn a_piece_of_one_archive_is_no_piece_of_another() {
    let passphrase = SecretString::from(PASSPHRASE);
    let header = |salt| archive::file::Header::new("org_a", kernel::Timestamp::from_unix_seconds(1), salt);
    let (long, short) = (vec![b'x'; 3 << 20], vec![b'y'; 10]);
    let write = |salt, records: &[u8]| {
        archive::file::write(&header(salt), records, &passphrase).expect("it is sealed")
    };
    let file = write([1; 16], &long);
    let lines: Vec<&str> = file.lines().collect();
    assert_eq!(lines.len(), 5);
    let read = |lines: &[&str]| archive::file::read(&(lines.join("\n") + "\n"), &passphrase);
    assert_eq!(read(&lines).expect("it is whole").1.as_slice(), long);
    for bad in [&lines[..4], &lines[..3], &[lines[0], lines[1], lines[3], lines[2], lines[4]]] {
        assert!(read(bad).is_err(), "cut off at a line, or in another order");
    }
    let other = write([2; 16], &short);
    let foreign = other.lines().nth(2).expect("a piece");
    assert!(read(&[lines[0], lines[1], lines[2], lines[3], foreign]).is_err());
    let empty = write([1; 16], &[]);
    assert!(read(&empty.lines().collect::<Vec<_>>()).expect("nothing is fine").1.is_empty());
}

#[tokio::test]
async fn a_tenant_is_not_imported_over_another() {
    let here = TestApp::new().await;
    let (a, ..) = company(&here).await;
    let file = export(&here, &a.id).await.expect(200);
    import(&here, &file.body).await.problem(409, "CONFLICT");
    a.admin().get("/me").await.expect(200);
    let there = fresh().await;
    let other = there.tenant("Other", &["company-a.com"]).await;
    import(&there, &file.body).await.problem(409, "CONFLICT");
    other.admin().get("/me").await.expect(200);
    there.system_admin().await.get("/tenants/org_company_a").await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn an_import_that_is_cut_off_leaves_nothing_usable_behind() {
    let here = TestApp::new().await;
    let (a, alice, _) = company(&here).await;
    let file = export(&here, &a.id).await.expect(200).text();
    let there = fresh().await;
    let (client, mut cuts) = (ClientInfo::local(), 0);
    for writes in 0.. {
        let storage = Faulty::after(writes, &there.storage());
        let state = there.state_on(storage).await;
        let authority = Authority { actor: &Actor::System, client: &client, is_system: true };
        let passphrase = SecretString::from(PASSPHRASE);
        if archive::import(&state, file.clone(), passphrase, authority).await.is_ok() {
            break;
        }
        cuts += 1;
        a.anonymous().at(&there).login(&alice.identifier, PASSWORD).await.is_not(200);
        alice.clone().at(&there).get("/me").await.is_not(200);
        let system = there.system_admin().await;
        system.post("/tenants/org_company_a/restore", ()).await.problem(404, "NOT_FOUND");
        // What could not be cleared away at once is after an hour.
        there.wait(3_601);
        jobs::purge(&there.state).await.expect("the database");
        let system = there.system_admin().await;
        system.get("/tenants/org_company_a").await.problem(404, "NOT_FOUND");
    }
    assert!(cuts >= 3, "cut off at the gate, at the records and at the end: {cuts}");
    a.anonymous().at(&there).login(&alice.identifier, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_archive_is_refused_when_its_records_cant_be_a_tenants() {
    let here = TestApp::new().await;
    let (a, ..) = company(&here).await;
    let file = export(&here, &a.id).await.expect(200);
    let good = String::from_utf8(records(&file.body)).expect("text");
    let user = good.lines().find(|line| line.contains("\"kind\":\"user\"")).expect("a user");
    let own = good.lines().find(|line| line.contains("\"kind\":\"tenant\"")).expect("the tenant");
    let there = fresh().await;
    for bad in [
        good.replace("\"kind\":\"user\"", "\"kind\":\"unknown\""),
        good.replace("\"kind\":\"user\"", "\"kind\":\"installation\""),
        good.replace("\"version\":1", "\"version\":99"),
        good.replace(own, ""),
        format!("{good}{own}\n"),
        format!("{good}{}\n", user.replace("\"revision\":\"", "\"revision\":\"1")),
        good.replace("org_company_a", "org_company_b"),
        format!("{good}{{\n"),
    ] {
        let header = archive::file::Header::new(&a.id, there.state.registry.system().now(), [3; 16]);
        let file = archive::file::write(&header, bad.as_bytes(), &SecretString::from(PASSPHRASE));
        import(&there, file.expect("it is sealed").as_bytes()).await.problem(400, "VALIDATION_ERROR");
        there.system_admin().await.get("/tenants/org_company_a").await.problem(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn only_the_system_administrator_exports_and_imports() {
    let here = TestApp::new().await;
    let (a, ..) = company(&here).await;
    let admin = a.admin().with_header("x-archive-passphrase", PASSPHRASE);
    admin.get(&format!("/tenants/{}/export", a.id)).await.problem(403, "PERMISSION_DENIED");
    let body = || crate::app::Body::Bytes(None, b"x".to_vec());
    admin.post("/tenants/import", body()).await.problem(403, "PERMISSION_DENIED");
    here.anonymous().post("/tenants/import", body()).await.problem(401, "NOT_AUTHENTICATED");
    let system = here.system_admin().await;
    system.get(&format!("/tenants/{}/export", a.id)).await.problem(400, "VALIDATION_ERROR");
    system.post("/tenants/import", body()).await.problem(400, "VALIDATION_ERROR");
    export(&here, "org_nobody").await.problem(404, "NOT_FOUND");
    let short = here.system_admin().await.with_header("x-archive-passphrase", "too short");
    short.get(&format!("/tenants/{}/export", a.id)).await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn an_instance_that_remembers_the_tenant_from_before_forgets_it() {
    let here = TestApp::new().await;
    let (a, alice, _) = company(&here).await;
    let file = export(&here, &a.id).await.expect(200);
    let there = fresh().await;
    import(&there, &file.body).await.expect(201);
    let other = there.joined_unheard().await;
    // Both instances remember the session as ended, from the tenant's first stay.
    for app in [&there, &other] {
        alice.clone().at(app).get("/me").await.expect(200);
    }
    alice.clone().at(&other).post("/auth/logout", json!({})).await.expect(200);
    there.system_admin().await.delete("/tenants/org_company_a").await.expect(200);
    there.wait(30 * 86_400);
    jobs::purge(&there.state).await.expect("the database");
    import(&there, &file.body).await.expect(201);
    other.read_feed().await;
    for app in [&there, &other] {
        a.anonymous().at(app).login(&alice.identifier, PASSWORD).await.expect(200);
        alice.clone().at(app).get("/me").await.problem(401, "TOKEN_EXPIRED");
    }
}

#[tokio::test]
async fn an_import_whose_last_word_is_lost_is_done_all_the_same() {
    let here = TestApp::new().await;
    let (a, alice, _) = company(&here).await;
    let file = export(&here, &a.id).await.expect(200).text();
    let (client, mut lost) = (ClientInfo::local(), 0);
    for writes in 1..20 {
        let there = fresh().await;
        let state = there.state_on(Faulty::losing(writes, &there.storage())).await;
        let authority = Authority { actor: &Actor::System, client: &client, is_system: true };
        let passphrase = SecretString::from(PASSPHRASE);
        let imported = archive::import(&state, file.clone(), passphrase, authority).await;
        let login = a.anonymous().at(&there).login(&alice.identifier, PASSWORD).await;
        // Either it is there with all that belongs to it, or it can't be used.
        assert_eq!(imported.is_ok(), login.status == 200, "after {writes} writes");
        lost += u64::from(imported.is_ok());
    }
    assert!(lost > 10, "{lost}");
}

#[tokio::test]
async fn who_is_to_be_erased_is_erased_where_the_tenant_went() {
    let here = TestApp::new().await;
    let (a, alice, bob) = company(&here).await;
    a.admin().delete(&format!("/users/{}", alice.id())).await.expect(200);
    let other = here.tenant("Other", &["other.example"]).await;
    let carol = other.user("carol").await;
    other.admin().delete(&format!("/users/{}", carol.id())).await.expect(200);
    let file = export(&here, &a.id).await.expect(200);
    let text = String::from_utf8(records(&file.body)).expect("text");
    assert_eq!(text.lines().filter(|line| line.contains("\"kind\":\"erasure\"")).count(), 1, "its own");
    let there = fresh().await;
    import(&there, &file.body).await.expect(201);
    let again = export(&there, &a.id).await.expect(200);
    assert_eq!(String::from_utf8(records(&again.body)).expect("text"), text);
    there.wait(30 * 86_400);
    jobs::purge(&there.state).await.expect("the database");
    let scope = there.scope(&a.id).await;
    let users = scope.records::<UserRecord>();
    assert!(users.get(alice.id()).await.expect("the database").is_none(), "erased");
    assert!(users.get(bob.id()).await.expect("the database").is_some());
}

#[tokio::test]
async fn an_import_takes_nothing_that_exceeds_this_installation() {
    let here = TestApp::new().await;
    let (a, alice, _) = company(&here).await;
    a.admin().delete(&format!("/users/{}", alice.id())).await.expect(200);
    let file = export(&here, &a.id).await.expect(200);
    let good = String::from_utf8(records(&file.body)).expect("text");
    let there = fresh().await;
    let other = there.tenant("Other", &["other.example"]).await;
    let sealed = |records: &str| {
        let header = archive::file::Header::new(&a.id, there.state.registry.system().now(), [3; 16]);
        let file = archive::file::write(&header, records.as_bytes(), &SecretString::from(PASSPHRASE));
        file.expect("it is sealed")
    };
    let huge = format!("\"custom_payload\":{{\"k\":\"{}\"}}", "x".repeat(70_000));
    let reminder = good.lines().find(|line| line.contains("\"kind\":\"erasure\"")).expect("a reminder");
    let user = good.lines().find(|line| line.contains("\"kind\":\"user\"")).expect("a user");
    for bad in [
        // Settings that nobody could have set, and parts that are too large.
        good.replacen("\"set\":{", "\"set\":{\"token.access_timeout\":999999999999,", 1),
        good.replacen("\"set\":{", "\"set\":{\"token.unknown\":1,", 1),
        good.replacen("\"set\":{", "\"set\":{\"cookie_domain\":\"other.example\",", 1),
        good.replacen("\"custom_payload\":{}", &huge, 1),
        // A reminder about somebody else's people.
        format!(
            "{}{}\n",
            good.replace(reminder, ""),
            reminder.replace("\"tenant\":\"org_company_a\"", "\"tenant\":\"org_other\"")
        ),
        // Records that are none of their kind, or say they are another.
        good.replacen("\"session_epoch\"", "\"epoch_session\"", 1),
        good.replace(user, &user.replacen("\"id\":\"user:", "\"id\":\"user:0", 1)),
    ] {
        assert_ne!(bad, good);
        import(&there, sealed(&bad).as_bytes()).await.problem(400, "VALIDATION_ERROR");
        there.system_admin().await.get("/tenants/org_company_a").await.problem(404, "NOT_FOUND");
    }
    // Former issuers of others are left out, and what a record is found by is made of it again.
    let until = "2099-01-01T00:00:00.000000Z";
    let issuers: Vec<String> = [
        "http://other.example:8000",
        "http://localhost:8000",
        "http://localhost:8000/t/org_other",
        "http://old.example:8000",
    ]
    .iter()
    .map(|issuer| format!("{{\"issuer\":\"{issuer}\",\"until\":\"{until}\"}}"))
    .collect();
    let forged = good
        .replacen("\"retired_issuers\":[]", &format!("\"retired_issuers\":[{}]", issuers.join(",")), 1)
        .replace("\"tags\":[\"", "\"tags\":[\"forged:true\",\"");
    import(&there, sealed(&forged).as_bytes()).await.expect(201);
    let tenant = there.scope(&a.id).await;
    let kept = &tenant.profile().tenant.retired_issuers;
    assert_eq!(kept.iter().map(|r| r.issuer.as_str()).collect::<Vec<_>>(), ["http://old.example:8000"]);
    let query = kernel::Query::all("user").with_all(vec![kernel::TagMatch::Is("forged:true".to_owned())]);
    assert!(tenant.records::<UserRecord>().page(query).await.expect("the database").items.is_empty());
    other.admin().get("/me").await.expect(200);
}

#[test]
fn every_record_of_a_tenant_can_be_read_by_an_import() {
    let known: Vec<&str> = archive::typed::READERS.iter().map(|(kind, _)| *kind).collect();
    for kind in usso::app::startup::kinds().map(|spec| spec.kind) {
        let is_platforms = ["instance", "turn", "installation", "tenant"].contains(&kind);
        assert_ne!(known.contains(&kind), is_platforms, "{kind}");
    }
}
