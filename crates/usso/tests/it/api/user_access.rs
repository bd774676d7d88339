//! How users sign in, and who may act for them: identifiers, credentials, impersonation; and profiles.

use crate::app::token::Jwt;
use crate::app::{PASSWORD, Requests, TenantHandle, TestApp, User};
use serde_json::{Value, json};

const OTHER: &str = "another-Good-pass-4711!";

async fn company(app: &TestApp) -> (TenantHandle, User, User) {
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let (admin, alice) = (tenant.admin(), tenant.user("alice").await);
    (tenant, admin, alice)
}

async fn holding(app: &TestApp, user: &User, scopes: &[&str]) -> User {
    app.change_user(user, |u| u.scopes = scopes.iter().map(|s| (*s).to_owned()).collect()).await;
    user.again().await
}

async fn can_sign_in(tenant: &TenantHandle, identifier: &str, secret: &str) -> bool {
    let body = json!({"identifier": identifier, "secret": secret});
    tenant.anonymous().post("/auth/login", body).await.status == 200
}

#[tokio::test]
async fn identifiers_are_added_chosen_switched_off_and_removed() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let base = format!("/users/{}/identifiers", alice.id());
    let phone = alice.post(&base, json!({"type": "phone", "identifier": "+1 234 567 890"})).await.expect(201);
    assert_eq!((phone.str("identifier"), phone.str("value")), ("+1234567890", "+1234567890"));
    assert_eq!((&phone["verified"], &phone["is_primary"]), (&json!(false), &json!(true)));
    let second = alice.post("/identifiers", json!({"identifier": "second@example.com"})).await.expect(201);
    assert_eq!(second["is_primary"], json!(alice.get("/me").await["email"] == json!("second@example.com")));
    assert!(can_sign_in(&tenant, "second@example.com", PASSWORD).await);

    let one = format!("{base}/{}", second.str("id"));
    let chosen = admin.patch(&one, json!({"is_primary": true})).await.expect(200);
    assert_eq!(chosen["is_primary"], json!(true));
    assert_eq!(alice.get("/me").await["email"], json!("second@example.com"));
    admin.patch(&one, json!({"is_active": false})).await.expect(200);
    assert!(!can_sign_in(&tenant, "second@example.com", PASSWORD).await);
    admin.patch(&one, json!({"is_active": true})).await.expect(200);
    assert!(can_sign_in(&tenant, "second@example.com", PASSWORD).await);

    let removed = alice.delete(&format!("/identifiers/{}", second.str("id"))).await.expect(200);
    assert_eq!(removed["is_deleted"], json!(true));
    assert!(!can_sign_in(&tenant, "second@example.com", PASSWORD).await);
    alice.get(&format!("/identifiers/{}", second.str("id"))).await.problem(404, "NOT_FOUND");
    assert_eq!(alice.get(&base).await.expect(200)["total"], alice.get("/identifiers").await["total"]);
}

#[tokio::test]
async fn the_last_identifier_can_not_go() {
    let app = TestApp::new().await;
    let (_, admin, alice) = company(&app).await;
    let base = format!("/users/{}/identifiers", alice.id());
    let ids: Vec<Value> = alice.get("/identifiers").await.expect(200).items().to_vec();
    let ids: Vec<&str> = ids.iter().filter_map(|i| i["id"].as_str()).collect();
    for id in &ids[1..] {
        alice.delete(&format!("/identifiers/{id}")).await.expect(200);
    }
    alice.delete(&format!("/identifiers/{}", ids[0])).await.problem(400, "VALIDATION_ERROR");
    admin
        .patch(&format!("{base}/{}", ids[0]), json!({"is_active": false}))
        .await
        .problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn an_identifier_is_rejected_when_it_is_taken_reserved_or_one_too_many() {
    let app = TestApp::new().await;
    let (tenant, _, alice) = company(&app).await;
    let bob = tenant.user("bob").await;
    alice.post("/identifiers", json!({"identifier": bob.identifier})).await.problem(409, "IDENTIFIER_EXISTS");
    alice
        .post("/identifiers", json!({"identifier": alice.identifier}))
        .await
        .problem(409, "IDENTIFIER_EXISTS");
    alice.post("/identifiers", json!({"identifier": "root"})).await.problem(400, "INVALID_IDENTIFIER");
    let has = alice.get("/identifiers").await["total"].as_u64().expect("a number");
    for n in has..20 {
        alice.post("/identifiers", json!({"identifier": format!("a{n}@example.com")})).await.is(201);
    }
    alice.post("/identifiers", json!({"identifier": "one@example.com"})).await.problem(409, "CONFLICT");
}

#[tokio::test]
async fn a_password_of_ones_own_is_set_by_who_has_signed_in_lately() {
    let app = TestApp::new().await;
    let (tenant, _, alice) = company(&app).await;
    let other = alice.again().await;
    let set = json!({"method": "password", "secret": OTHER});
    let answer = alice.post("/credentials", set.clone()).await.expect(201);
    assert_eq!(answer["method"], json!("password"));
    assert!(!answer.text().contains("argon2") && !answer.text().contains(OTHER));
    assert!(can_sign_in(&tenant, &alice.identifier, OTHER).await);
    assert!(!can_sign_in(&tenant, &alice.identifier, PASSWORD).await);
    // The others end, this one stays.
    other.get("/me").await.problem(401, "TOKEN_REVOKED");
    alice.get("/me").await.expect(200);
    let kept = alice.signed_out().post("/auth/refresh", json!({"refresh_token": alice.refresh()})).await;
    kept.expect(200);

    app.wait(601);
    alice.post("/credentials", set).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    let id = alice.get("/credentials").await.expect(200).items()[0]["id"].clone();
    let one = format!("/credentials/{}", id.as_str().expect("an id"));
    alice.delete(&one).await.problem(403, "RECENT_SIGN_IN_REQUIRED");
    alice.get(&one).await.expect(200);
}

#[tokio::test]
async fn a_credential_is_rejected_when_it_is_weak_or_of_another_kind() {
    let app = TestApp::new().await;
    let (tenant, _, alice) = company(&app).await;
    alice
        .post("/credentials", json!({"method": "password", "secret": "short"}))
        .await
        .problem(400, "WEAK_PASSWORD");
    let totp = json!({"method": "shoe_size", "secret": "x"});
    alice.post("/credentials", totp).await.problem(400, "METHOD_NOT_AVAILABLE");
    let id = alice.get("/credentials").await.expect(200).items()[0]["id"].clone();
    let one = format!("/credentials/{}", id.as_str().expect("an id"));
    alice.delete(&one).await.problem(400, "VALIDATION_ERROR");
    assert!(can_sign_in(&tenant, &alice.identifier, PASSWORD).await);
}

#[tokio::test]
async fn an_administrator_sets_a_password_and_ends_the_sessions() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let base = format!("/users/{}/credentials", alice.id());
    admin.post(&base, json!({"method": "password", "secret": OTHER})).await.expect(201);
    alice.get("/me").await.problem(401, "TOKEN_REVOKED");
    assert!(can_sign_in(&tenant, &alice.identifier, OTHER).await);
    let id = admin.get(&base).await.expect(200).items()[0]["id"].clone();
    admin.delete(&format!("{base}/{}", id.as_str().expect("an id"))).await.expect(200);
    assert!(!can_sign_in(&tenant, &alice.identifier, OTHER).await);
    admin.delete(&format!("{base}/credential_x")).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn nobody_takes_over_who_holds_more() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let (helper, plain) = (tenant.user("helper").await, tenant.user("plain").await);
    let scopes = ["admin:users", "admin:identifiers", "admin:credentials", "read:posts"];
    let helper = holding(&app, &helper, &scopes).await;
    admin.post("/workspaces", json!({"name": "A"})).await.is(201);
    admin
        .post("/roles", json!({"name": "Strong", "scopes": ["delete:posts"], "is_active": false}))
        .await
        .is(201);
    let targets = [
        (json!({"scopes": ["update:posts"]}), 403),
        (json!({"scopes": [], "roles": ["strong"]}), 403),
        (json!({"roles": [], "workspace_ids": ["ws_a"], "workspace_roles": {"ws_a": ["admin"]}}), 403),
        (json!({"workspace_ids": [], "scopes": ["read:posts"]}), 0),
    ];
    for (state, refused) in targets {
        admin.patch(&format!("/users/{}", alice.id()), state.clone()).await.expect(200);
        let answers = [
            helper
                .post(
                    &format!("/users/{}/credentials", alice.id()),
                    json!({"method": "password", "secret": OTHER}),
                )
                .await,
            helper
                .post(
                    &format!("/users/{}/identifiers", alice.id()),
                    json!({"identifier": "mine@example.com"}),
                )
                .await,
            helper.post(&format!("/users/{}/impersonate", alice.id()), ()).await,
        ];
        for answer in &answers {
            if refused == 403 {
                answer.problem(403, "SCOPE_NOT_DELEGABLE");
            } else {
                assert!(answer.status < 300, "{state}: {}", answer.text());
            }
        }
    }
    // Without the verbs nothing at all.
    for what in ["credentials", "identifiers"] {
        plain.get(&format!("/users/{}/{what}", alice.id())).await.problem(403, "PERMISSION_DENIED");
    }
    plain.post(&format!("/users/{}/impersonate", alice.id()), ()).await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn ses_05_impersonation_is_marked_short_and_changes_nothing_about_signing_in() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let opened = admin.post(&format!("/users/{}/impersonate", alice.id()), ()).await.expect(200);
    let token = Jwt::decode(opened.str("access_token"));
    assert_eq!((&token.claims["sub"], &token.claims["act"]["sub"]), (&json!(alice.id()), &json!(admin.id())));
    let there = tenant.anonymous().with_token(opened.str("access_token"));
    let me = there.get("/me").await.expect(200);
    assert_eq!((me.str("id"), &me["act"]["sub"]), (alice.id(), &json!(admin.id())));
    // The user sees it among their sessions.
    let sessions = alice.get("/sessions").await.expect(200);
    assert!(sessions.items().iter().any(|s| s["session_type"] == json!("impersonation")));
    for refused in [
        there.post("/credentials", json!({"method": "password", "secret": OTHER})).await,
        there.post("/identifiers", json!({"identifier": "mine@example.com"})).await,
        there.post("/apikeys", json!({})).await,
        there.patch(&format!("/users/{}", alice.id()), json!({"name": "x"})).await,
        there.delete(&format!("/users/{}", alice.id())).await,
    ] {
        refused.problem(403, "PERMISSION_DENIED");
    }
    let events = app.audit(&tenant.id).await;
    let opening = events.iter().rev().find(|e| e.event == "session.opened").expect("an event");
    assert_eq!((opening.actor.as_str(), &opening.data["user_id"]), (admin.id(), &json!(alice.id())));
    app.wait(3_601);
    let refresh = json!({"refresh_token": opened.str("refresh_token")});
    assert_eq!(tenant.anonymous().post("/auth/refresh", refresh).await.status, 401);
}

#[tokio::test]
async fn impersonation_gives_no_more_than_its_maker_holds_and_ends_with_them() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let helper = tenant.user("helper").await;
    let helper = holding(&app, &helper, &["admin:users", "read:roles"]).await;
    let opened = helper.post(&format!("/users/{}/impersonate", alice.id()), ()).await.expect(200);
    let there = tenant.anonymous().with_token(opened.str("access_token"));
    // What the user gets later is not the helper's to use.
    admin.patch(&format!("/users/{}", alice.id()), json!({"roles": ["admin"]})).await.expect(200);
    let refresh = json!({"refresh_token": opened.str("refresh_token")});
    let fresh = tenant.anonymous().post("/auth/refresh", refresh.clone()).await.expect(200);
    let scopes = Jwt::decode(fresh.str("access_token")).claims["scopes"].clone();
    assert_eq!(scopes, json!(["admin:users", "read:roles"]));
    let now = tenant.anonymous().with_token(fresh.str("access_token"));
    now.get("/roles").await.expect(200);
    now.get("/apikeys?user_id=x").await.expect(200);
    now.post("/roles", json!({"name": "x"})).await.problem(403, "PERMISSION_DENIED");
    holding(&app, &helper, &["admin:users"]).await;
    now.get("/roles").await.problem(403, "PERMISSION_DENIED");
    admin.patch(&format!("/users/{}", helper.id()), json!({"is_active": false})).await.expect(200);
    now.get("/me").await.problem(401, "TOKEN_REVOKED");
    there.get("/me").await.problem(401, "TOKEN_REVOKED");
    tenant.anonymous().post("/auth/refresh", refresh).await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn impersonation_is_rejected_from_keys_other_impersonations_and_for_oneself() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let bob = tenant.user("bob").await;
    let target = format!("/users/{}/impersonate", bob.id());
    let key = admin.post("/apikeys", json!({})).await.expect(201);
    let by_key = tenant.anonymous().with_header("x-api-key", key.str("api_key"));
    by_key.post(&target, ()).await.problem(403, "PERMISSION_DENIED");
    admin.post(&format!("/users/{}/impersonate", admin.id()), ()).await.problem(403, "PERMISSION_DENIED");
    let alice = holding(&app, &alice, &["admin:users"]).await;
    let opened = admin.post(&format!("/users/{}/impersonate", alice.id()), ()).await.expect(200);
    let there = tenant.anonymous().with_token(opened.str("access_token"));
    there.post(&target, ()).await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn a_profile_is_there_for_everybody_and_merges_what_comes() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let mine = alice.get("/profiles/mine").await.expect(200);
    assert_eq!((&mine["profile_data"], mine.str("user_id")), (&json!({}), alice.id()));
    let change =
        json!({"given_name": "Alice", "profile_data": {"locale": "fa", "address": {"city": "Yazd"}}});
    let changed = alice.patch("/profiles/mine", change).await.expect(200);
    let wanted = json!({"given_name": "Alice", "locale": "fa", "address": {"city": "Yazd"}});
    assert_eq!(changed["profile_data"], wanted);
    let by_user = format!("/profiles/{}", alice.id());
    let by_id = format!("/profiles/{}", mine.str("id"));
    assert_eq!(admin.get(&by_user).await.expect(200).json, changed.json);
    assert_eq!(admin.get(&by_id).await.expect(200).json, changed.json);
    let less = alice.patch(&by_id, json!({"locale": null})).await.expect(200);
    assert_eq!(less["profile_data"], json!({"given_name": "Alice", "address": {"city": "Yazd"}}));
    admin.post("/profiles", json!({"user_id": alice.id()})).await.problem(409, "CONFLICT");
    assert_eq!(admin.delete(&by_user).await.expect(200)["profile_data"], json!({}));
    let made = json!({"user_id": alice.id(), "profile_data": {"a": 1}, "meta_data": {"b": 2}});
    let made = admin.post("/profiles", made).await.expect(201);
    assert_eq!((&made["profile_data"], &made["meta_data"]), (&json!({"a": 1}), &json!({"b": 2})));
    assert!(admin.get("/profiles").await.expect(200).text().contains(alice.id()));
    let bob = tenant.user("bob").await;
    bob.get(&by_user).await.problem(403, "PERMISSION_DENIED");
    bob.get("/profiles").await.problem(403, "PERMISSION_DENIED");
    let big = json!({"x": "y".repeat(17_000)});
    alice.patch("/profiles/mine", big).await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn an_impersonator_changes_nothing_about_signing_in_whatever_both_hold() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = company(&app).await;
    let scopes = ["admin:users", "admin:credentials", "admin:identifiers", "admin:agents"];
    let alice = holding(&app, &alice, &scopes).await;
    let opened = admin.post(&format!("/users/{}/impersonate", alice.id()), ()).await.expect(200);
    let there = tenant.anonymous().with_token(opened.str("access_token"));
    let agent = alice.post("/agents", json!({"name": "Mine"})).await.expect(201);
    for refused in [
        there.post("/credentials", json!({"method": "password", "secret": OTHER})).await,
        there
            .post(
                &format!("/users/{}/credentials", alice.id()),
                json!({"method": "password", "secret": OTHER}),
            )
            .await,
        there.post("/identifiers", json!({"identifier": "mine@example.com"})).await,
        there.post("/agents", json!({"name": "Later"})).await,
        there.patch(&format!("/agents/{}", agent.str("id")), json!({"name": "Taken"})).await,
    ] {
        refused.problem(403, "PERMISSION_DENIED");
    }
}

#[tokio::test]
async fn impersonation_ends_when_its_maker_may_impersonate_no_more() {
    let app = TestApp::new().await;
    let (tenant, _, alice) = company(&app).await;
    let helper = tenant.user("helper").await;
    let helper = holding(&app, &helper, &["admin:users"]).await;
    let opened = helper.post(&format!("/users/{}/impersonate", alice.id()), ()).await.expect(200);
    let there = tenant.anonymous().with_token(opened.str("access_token"));
    there.get("/me").await.expect(200);
    holding(&app, &helper, &["update:users"]).await;
    there.get("/me").await.problem(401, "TOKEN_REVOKED");
    let token = json!({"token": opened.str("access_token")});
    tenant.anonymous().post("/auth/verify-token", token).await.problem(401, "TOKEN_REVOKED");
    let refresh = json!({"refresh_token": opened.str("refresh_token")});
    tenant.anonymous().post("/auth/refresh", refresh).await.problem(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn nobody_brings_back_who_holds_more() {
    let app = TestApp::new().await;
    let (tenant, admin, helper) = company(&app).await;
    let helper = holding(&app, &helper, &["delete:users"]).await;
    let boss = tenant.user("boss").await;
    let path = format!("/users/{}", boss.id());
    let powers = json!({"roles": ["admin"]});
    admin.patch(&path, powers).await.is(200);
    // Switched off, shut out or deleted: who may change users may not give back what they don't hold.
    for (off, on) in [
        (json!({"is_active": false}), json!({"is_active": true})),
        (json!({"activation_status": "banned"}), json!({"activation_status": "active"})),
    ] {
        admin.patch(&path, off).await.is(200);
        helper.patch(&path, on.clone()).await.problem(403, "SCOPE_NOT_DELEGABLE");
        admin.patch(&path, on).await.is(200);
    }
    admin.delete(&path).await.is(200);
    helper.post(&format!("{path}/restore"), ()).await.problem(403, "SCOPE_NOT_DELEGABLE");
    admin.post(&format!("{path}/restore"), ()).await.is(200);
    // Who holds no more than they do comes back by them.
    let plain = tenant.user("plain").await;
    let path = format!("/users/{}", plain.id());
    helper.delete(&path).await.is(200);
    helper.post(&format!("{path}/restore"), ()).await.is(200);
    helper.patch(&path, json!({"is_active": false})).await.is(200);
    helper.patch(&path, json!({"is_active": true})).await.is(200);
}
