//! `/workspaces/{id}/invitations` and `/invitations/{token}`.

use super::workspaces::{add, company, events_on, grant, make, member};
use crate::app::{Answer, Requests, TenantHandle, TestApp, User};
use serde_json::{Value, json};

const INVITATIONS: &str = "/workspaces/ws_one/invitations";

async fn invite(by: &User, body: Value) -> Answer {
    by.post(INVITATIONS, body).await.expect(201)
}

fn accept(token: &str) -> String {
    format!("/invitations/{token}/accept")
}

fn decline(token: &str) -> String {
    format!("/invitations/{token}/decline")
}

async fn verify(app: &TestApp, user: &User) {
    let now = app.scope(user.tenant_id()).await.now();
    app.change_user(user, |u| u.identifiers.iter_mut().for_each(|i| i.verified_at = Some(now))).await;
}

/// A tenant, and its administrator, who owns `ws_one`.
async fn world(app: &TestApp) -> (TenantHandle, User, User) {
    let (tenant, admin, alice) = company(app).await;
    make(&admin, "One").await;
    (tenant, admin, alice)
}

#[tokio::test]
async fn by_id_somebody_is_a_member_at_once() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = world(&app).await;
    let made = add(&admin, "ws_one", &alice, &["viewer"]).await;
    assert_eq!((made.str("status"), made.str("user_id")), ("accepted", alice.id()));
    assert_eq!((made.str("workspace_id"), &made["roles"]), ("ws_one", &json!(["viewer"])));
    assert_eq!((&made["token"], &made["invitation_url"]), (&Value::Null, &Value::Null));
    assert_eq!(alice.get("/me").await.expect(200)["workspace_roles"], json!({"ws_one": ["viewer"]}));
    assert_eq!(admin.get(INVITATIONS).await.expect(200).items().len(), 1);
    let again = json!({"user_id": alice.id(), "roles": ["editor"]});
    admin.post(INVITATIONS, again).await.problem(409, "CONFLICT");
    for nobody in ["user:dd4t400aaaaaaaaaaaaaaaaaaaaaaaaa", "nonsense"] {
        admin.post(INVITATIONS, json!({"user_id": nobody})).await.problem(404, "NOT_FOUND");
    }
    assert_eq!(events_on(&app, &tenant, made.str("id")).await, ["invitation.created"]);
}

#[tokio::test]
async fn by_address_an_invitation_waits_until_it_is_accepted() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = world(&app).await;
    let made = invite(&admin, json!({"email": "Bob@Example.com", "roles": ["viewer"]})).await;
    assert_eq!(
        (made.str("status"), made.str("identifier"), made.str("type")),
        ("pending", "bob@example.com", "email")
    );
    let token = made.str("token");
    let url = format!("http://company-a.com:8000/api/sso/v1/invitations/{token}");
    assert_eq!((made.str("invitation_url"), token.len()), (url.as_str(), 43));
    let listed = admin.get(INVITATIONS).await.expect(200);
    assert!(listed.items()[0].get("token").is_none() && !listed.text().contains(token));

    let shown = tenant.anonymous().get(&format!("/invitations/{token}")).await.expect(200);
    assert_eq!((shown.str("workspace_name"), shown.str("identifier")), ("One", "bob@example.com"));
    // Whoever isn't known yet registers first.
    tenant.anonymous().post(&accept(token), ()).await.problem(401, "NOT_AUTHENTICATED");
    let bob = tenant.user("bob").await;
    let accepted = bob.post(&accept(token), ()).await.expect(200);
    assert_eq!((accepted.str("status"), accepted.str("user_id")), ("accepted", bob.id()));
    assert_eq!(bob.get("/me").await.expect(200)["workspace_roles"], json!({"ws_one": ["viewer"]}));
    let events = events_on(&app, &tenant, made.str("id")).await;
    assert_eq!(events, ["invitation.created", "invitation.claimed", "invitation.accepted"]);

    // Once.
    for who in [&bob, &admin] {
        who.post(&accept(token), ()).await.problem(410, "GONE");
        who.post(&decline(token), ()).await.problem(410, "GONE");
    }
    tenant.anonymous().get(&format!("/invitations/{token}")).await.problem(410, "GONE");
    // Also by who has left meanwhile.
    bob.delete(&member("ws_one", &bob)).await.expect(200);
    bob.post(&accept(token), ()).await.problem(410, "GONE");
    bob.get("/workspaces/ws_one").await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_token_shows_nowhere_but_in_the_answer() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = world(&app).await;
    let made = invite(&admin, json!({"email": "bob@example.com"})).await;
    let token = made.str("token");
    let events = app.audit(&tenant.id).await;
    assert!(!format!("{events:?}").contains(token));
    let scope = app.scope(&tenant.id).await;
    let records = scope.records::<usso::identity::workspaces::invitations::model::Invitation>();
    let stored = records.get(made.str("id")).await.expect("the database").expect("the invitation");
    assert!(!format!("{stored:?}").contains(token));
}

#[tokio::test]
async fn a_token_that_never_was_is_answered_like_that_of_another_tenant() {
    let app = TestApp::new().await;
    let (_, admin, alice) = world(&app).await;
    let other = app.tenant("Company B", &["company-b.com"]).await;
    let stranger = other.user("stranger").await;
    let made = invite(&admin, json!({"email": "bob@example.com"})).await;
    for token in [made.str("token"), "unknown"] {
        stranger.post(&accept(token), ()).await.problem(404, "NOT_FOUND");
        stranger.post(&decline(token), ()).await.problem(404, "NOT_FOUND");
    }
    // Nor does an id do for the token.
    alice.post(&accept(made.str("id")), ()).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn an_invitation_expires() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = world(&app).await;
    let week = invite(&admin, json!({"email": "bob@example.com"})).await;
    let day = invite(&admin, json!({"email": "carol@example.com", "expires_in_days": 1})).await;
    app.wait(86_400);
    let (admin, bob) = (admin.again().await, tenant.user("bob").await);
    bob.post(&accept(day.str("token")), ()).await.problem(410, "GONE");
    let status = |items: &[Value], id: &str| {
        items.iter().find(|i| i["id"] == id).map(|i| i["status"].clone()).unwrap_or_default()
    };
    let listed = admin.get(INVITATIONS).await.expect(200);
    assert_eq!(status(listed.items(), day.str("id")), "expired");
    assert_eq!(status(listed.items(), week.str("id")), "pending");
    app.wait(6 * 86_400);
    let bob = bob.again().await;
    bob.post(&accept(week.str("token")), ()).await.problem(410, "GONE");
    assert_eq!(bob.get("/me").await.expect(200)["workspace_ids"], json!([]));
    // Who is expired can be invited anew.
    let admin = admin.again().await;
    invite(&admin, json!({"email": "bob@example.com"})).await;
    app.wait(40 * 86_400);
    bob.again().await.post(&accept(week.str("token")), ()).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_term_is_rejected_when_it_can_not_be() {
    let app = TestApp::new().await;
    let (_, admin, _) = world(&app).await;
    for bad in [
        json!({"expires_in_days": 0}),
        json!({"expires_in_days": 91}),
        json!({"expires_at": "2001-01-01T00:00:00Z"}),
        json!({"expires_at": "2999-01-01T00:00:00Z"}),
        json!({"expires_in_days": 1, "expires_at": "2999-01-01T00:00:00Z"}),
    ] {
        let mut body = bad;
        body["email"] = json!("bob@example.com");
        admin.post(INVITATIONS, body).await.problem(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn exactly_one_person_is_invited() {
    let app = TestApp::new().await;
    let (_, admin, alice) = world(&app).await;
    for bad in [
        json!({}),
        json!({"user_id": alice.id(), "email": "bob@example.com"}),
        json!({"email": "bob@example.com", "phone": "+15550100"}),
        json!({"identifier": "bob@example.com", "phone": "+15550100", "email": "bob@example.com"}),
    ] {
        admin.post(INVITATIONS, bad).await.problem(400, "VALIDATION_ERROR");
    }
    for bad in [json!({"email": "no address"}), json!({"identifier": ""}), json!({"phone": "1"})] {
        admin.post(INVITATIONS, bad).await.problem(400, "INVALID_IDENTIFIER");
    }
    for good in
        [json!({"phone": "+15550100"}), json!({"identifier": "bob"}), json!({"identifier": "c@example.com"})]
    {
        invite(&admin, good).await;
    }
}

#[tokio::test]
async fn whether_an_account_exists_does_not_show() {
    let app = TestApp::new().await;
    let (_, admin, alice) = world(&app).await;
    let known = invite(&admin, json!({"email": alice.identifier})).await;
    let unknown = invite(&admin, json!({"email": "nobody@example.com"})).await;
    for field in ["status", "roles", "user_id", "expires_at"] {
        assert_eq!(known[field], unknown[field], "{field}");
    }
}

#[tokio::test]
async fn nobody_is_invited_twice_at_a_time() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = world(&app).await;
    let first = invite(&admin, json!({"email": "bob@example.com"})).await;
    admin.post(INVITATIONS, json!({"email": "BOB@example.com"})).await.problem(409, "CONFLICT");
    tenant.user("bob").await.post(&decline(first.str("token")), ()).await.expect(200);
    invite(&admin, json!({"email": "bob@example.com"})).await;
}

#[tokio::test]
async fn an_invitation_is_declined_once() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = world(&app).await;
    let made = invite(&admin, json!({"email": "bob@example.com"})).await;
    let bob = tenant.user("bob").await;
    let declined = bob.post(&decline(made.str("token")), ()).await.expect(200);
    assert_eq!(declined.str("status"), "declined");
    bob.post(&accept(made.str("token")), ()).await.problem(410, "GONE");
    assert_eq!(bob.get("/me").await.expect(200)["workspace_ids"], json!([]));
    let waiting = admin.get(&format!("{INVITATIONS}?is_pending=true")).await.expect(200);
    assert!(waiting.items().is_empty());
    let resend = format!("{INVITATIONS}/{}/resend", made.str("id"));
    admin.post(&resend, ()).await.problem(409, "CONFLICT");
}

#[tokio::test]
async fn sending_again_ends_the_old_token() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = world(&app).await;
    let made = invite(&admin, json!({"email": "bob@example.com", "expires_in_days": 1})).await;
    app.wait(2 * 86_400);
    let (admin, bob) = (admin.again().await, tenant.user("bob").await);
    let resend = format!("{INVITATIONS}/{}/resend", made.str("id"));
    let sent = admin.post(&resend, json!({"expires_in_days": 2})).await.expect(200);
    assert_eq!((sent.str("id"), sent.str("status")), (made.str("id"), "pending"));
    assert_ne!(sent.str("token"), made.str("token"));
    bob.post(&accept(made.str("token")), ()).await.problem(404, "NOT_FOUND");
    bob.post(&accept(sent.str("token")), ()).await.expect(200);
    admin.post(&resend, ()).await.problem(409, "CONFLICT");
}

#[tokio::test]
async fn an_invitation_that_is_taken_back_is_worth_nothing() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = world(&app).await;
    add(&admin, "ws_one", &alice, &[]).await;
    let made = invite(&admin, json!({"email": "bob@example.com"})).await;
    let path = format!("{INVITATIONS}/{}", made.str("id"));
    alice.delete(&path).await.problem(403, "PERMISSION_DENIED");
    let late = admin.clone().with_header("if-match", "\"0\"");
    late.delete(&path).await.problem(412, "PRECONDITION_FAILED");
    // Only below its own workspace.
    make(&admin, "Two").await;
    let elsewhere = format!("/workspaces/ws_two/invitations/{}", made.str("id"));
    admin.delete(&elsewhere).await.problem(404, "NOT_FOUND");
    admin.post(&format!("{elsewhere}/resend"), ()).await.problem(404, "NOT_FOUND");
    let gone = admin.delete(&path).await.expect(200);
    assert_eq!(gone["is_deleted"], json!(true));
    tenant.user("bob").await.post(&accept(made.str("token")), ()).await.problem(404, "NOT_FOUND");
    admin.delete(&path).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn who_has_proven_the_identifier_is_meant_and_nobody_else() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = world(&app).await;
    let bob = tenant.user("bob").await;
    let made = invite(&admin, json!({"email": bob.identifier})).await;
    verify(&app, &bob).await;
    alice.post(&accept(made.str("token")), ()).await.problem(403, "PERMISSION_DENIED");
    alice.post(&decline(made.str("token")), ()).await.problem(403, "PERMISSION_DENIED");
    bob.post(&accept(made.str("token")), ()).await.expect(200);
    // While nobody has, whoever holds the token may.
    let made = invite(&admin, json!({"email": "carol@example.com"})).await;
    alice.post(&accept(made.str("token")), ()).await.expect(200);
}

#[tokio::test]
async fn accepting_proves_no_address() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = world(&app).await;
    let made = invite(&admin, json!({"email": "bob@example.com"})).await;
    let bob = tenant.user("bob").await;
    bob.post(&accept(made.str("token")), ()).await.expect(200);
    // Whoever invites is told the token: it says nothing about the mailbox.
    assert_eq!(bob.get("/me").await.expect(200)["identifiers"][0]["verified"], json!(false));
}

#[tokio::test]
async fn an_api_key_answers_no_invitation() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = world(&app).await;
    let made = invite(&admin, json!({"email": "bob@example.com"})).await;
    let bob = tenant.user("bob").await;
    let key = bob.post("/apikeys", json!({})).await.expect(201);
    let by_key = bob.signed_out().with_header("x-api-key", key.str("api_key"));
    by_key.post(&accept(made.str("token")), ()).await.problem(403, "PERMISSION_DENIED");
    by_key.post(&decline(made.str("token")), ()).await.problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn of_parallel_accepts_exactly_one_succeeds() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = world(&app).await;
    let mut people = Vec::new();
    for name in ["bob", "carol", "dave", "erin"] {
        people.push(tenant.user(name).await);
    }
    for round in 0..5 {
        let made = invite(
            &admin,
            json!({"email": format!("guest{round}@example.com"), "roles": [format!("r{round}")]}),
        )
        .await;
        let path = accept(made.str("token"));
        // Each twice.
        let all = people.iter().chain(&people).map(|who| who.post(&path, ()));
        let statuses: Vec<u16> = futures_util::future::join_all(all).await.iter().map(|a| a.status).collect();
        assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|s| matches!(s, 200 | 410)), "{statuses:?}");
        let mut given = 0;
        for who in &people {
            let roles = who.get("/me").await.expect(200)["workspace_roles"]["ws_one"].clone();
            given += usize::from(roles.as_array().is_some_and(|r| r.contains(&json!(format!("r{round}")))));
        }
        assert_eq!(given, 1);
    }
}

#[tokio::test]
async fn a_claim_that_was_cut_off_can_be_finished_by_its_claimant_alone() {
    use usso::identity::workspaces::invitations::model::{Invitation, State};
    let app = TestApp::new().await;
    let (tenant, admin, alice) = world(&app).await;
    let bob = tenant.user("bob").await;
    let made = invite(&admin, json!({"email": "guest@example.com"})).await;
    let scope = app.scope(&tenant.id).await;
    let records = scope.records::<Invitation>();
    let found = records.get(made.str("id")).await.expect("the database").expect("the invitation");
    let by = kernel::UserId::parse(bob.id()).expect("an id");
    let claimed = Invitation { state: State::Claimed { by }, ..found.record.clone() };
    records.replace(&found, claimed, Vec::new()).await.expect("the database");
    alice.post(&accept(made.str("token")), ()).await.problem(410, "GONE");
    bob.post(&accept(made.str("token")), ()).await.expect(200);
    bob.post(&accept(made.str("token")), ()).await.problem(410, "GONE");
}

/// Alice owns `ws_one`, may give the role `reader`, and invites Bob with it.
async fn invited_by_alice(app: &TestApp) -> (User, User, User, Answer) {
    let (tenant, admin, alice) = company(app).await;
    admin.post("/roles", json!({"name": "Reader", "scopes": ["read:posts"]})).await.expect(201);
    grant(app, &alice, &["create:workspaces", "read:posts"]).await;
    let alice = alice.again().await;
    make(&alice, "One").await;
    let offer = json!({"email": "bob@example.com", "roles": ["reader"]});
    let made = invite(&alice, offer).await;
    (admin, alice, tenant.user("bob").await, made)
}

#[tokio::test]
async fn an_invitation_gives_only_what_its_inviter_still_holds() {
    let app = TestApp::new().await;
    let (_, alice, bob, made) = invited_by_alice(&app).await;
    grant(&app, &alice, &[]).await;
    bob.post(&accept(made.str("token")), ()).await.expect(200);
    let me = bob.get("/me").await.expect(200);
    assert_eq!((&me["workspace_ids"], &me["workspace_roles"]), (&json!(["ws_one"]), &json!({})));
}

#[tokio::test]
async fn an_invitation_does_not_grow_with_its_role() {
    let app = TestApp::new().await;
    let (admin, _, bob, made) = invited_by_alice(&app).await;
    admin.patch("/roles/reader", json!({"scopes": ["read:posts", "delete:users"]})).await.expect(200);
    bob.post(&accept(made.str("token")), ()).await.expect(200);
    assert_eq!(bob.get("/me").await.expect(200)["workspace_roles"], json!({}));
}

#[tokio::test]
async fn an_inviter_who_is_disabled_or_may_not_invite_gives_nothing() {
    let app = TestApp::new().await;
    let (admin, alice, bob, made) = invited_by_alice(&app).await;
    app.change_user(&alice, |u| u.is_active = false).await;
    bob.post(&accept(made.str("token")), ()).await.problem(410, "GONE");
    app.change_user(&alice, |u| u.is_active = true).await;
    // No owner any more.
    add(&admin, "ws_one", &admin, &[]).await;
    admin.patch(&member("ws_one", &admin), json!({"is_owner": true})).await.expect(200);
    admin.patch(&member("ws_one", &alice), json!({"is_owner": false})).await.expect(200);
    bob.post(&accept(made.str("token")), ()).await.problem(410, "GONE");
    assert_eq!(bob.get("/me").await.expect(200)["workspace_ids"], json!([]));
    // Whoever sends it again stands for it.
    let resend = format!("{INVITATIONS}/{}/resend", made.str("id"));
    let sent = admin.post(&resend, ()).await.expect(200);
    assert_eq!(sent.str("invited_by"), admin.id());
    bob.post(&accept(sent.str("token")), ()).await.expect(200);
    assert_eq!(bob.get("/me").await.expect(200)["workspace_roles"], json!({"ws_one": ["reader"]}));
}

#[tokio::test]
async fn sending_again_needs_the_right_to_give_its_roles() {
    let app = TestApp::new().await;
    let (_, alice, _, made) = invited_by_alice(&app).await;
    grant(&app, &alice, &[]).await;
    let resend = format!("{INVITATIONS}/{}/resend", made.str("id"));
    alice.again().await.post(&resend, ()).await.problem(403, "SCOPE_NOT_DELEGABLE");
}

#[tokio::test]
async fn what_is_held_in_a_workspace_is_given_out_of_it() {
    let app = TestApp::new().await;
    let (tenant, admin, alice) = world(&app).await;
    admin
        .post("/roles", json!({"name": "Lead", "scopes": ["manage:workspaces?id=ws_one", "read:posts"]}))
        .await
        .expect(201);
    admin.post("/roles", json!({"name": "Reader", "scopes": ["read:posts"]})).await.expect(201);
    add(&admin, "ws_one", &alice, &["lead"]).await;
    let offer = json!({"email": "bob@example.com", "roles": ["reader"]});
    alice.post(INVITATIONS, offer.clone()).await.problem(403, "PERMISSION_DENIED");
    let login = json!({"identifier": alice.identifier, "secret": alice.password, "workspace_id": "ws_one"});
    let inside = alice.signed_out().post("/auth/login", login).await.expect(200);
    let made =
        alice.signed_out().with_token(inside.str("access_token")).post(INVITATIONS, offer).await.expect(201);
    let bob = tenant.user("bob").await;
    bob.post(&accept(made.str("token")), ()).await.expect(200);
    assert_eq!(bob.get("/me").await.expect(200)["workspace_roles"], json!({"ws_one": ["reader"]}));
}

#[tokio::test]
async fn an_invitation_to_a_closed_workspace_is_over() {
    let app = TestApp::new().await;
    let (tenant, admin, _) = world(&app).await;
    let made = invite(&admin, json!({"email": "bob@example.com"})).await;
    let bob = tenant.user("bob").await;
    admin.patch("/workspaces/ws_one", json!({"is_active": false})).await.expect(200);
    bob.post(&accept(made.str("token")), ()).await.problem(410, "GONE");
    admin.patch("/workspaces/ws_one", json!({"is_active": true})).await.expect(200);
    bob.post(&accept(made.str("token")), ()).await.expect(200);
}

#[tokio::test]
async fn a_request_sent_twice_invites_once() {
    let app = TestApp::new().await;
    let (_, admin, _) = world(&app).await;
    let once = admin.clone().with_header("idempotency-key", "one");
    let body = json!({"email": "bob@example.com"});
    let first = once.post(INVITATIONS, body.clone()).await.expect(201);
    let again = once.post(INVITATIONS, body.clone()).await.expect(201);
    assert_eq!(
        (again.header("idempotency-replayed"), again.str("token")),
        (Some("true"), first.str("token"))
    );
    // The key is that of one workspace.
    make(&admin, "Two").await;
    let other = once.post("/workspaces/ws_two/invitations", body).await.expect(201);
    assert_eq!(other.header("idempotency-replayed"), None);
}

#[tokio::test]
async fn each_verb_on_invitations_needs_its_permission() {
    let app = TestApp::new().await;
    let (_, admin, alice) = world(&app).await;
    for (n, (scope, statuses)) in [
        ("read:invitations", [200, 403, 403]),
        ("create:invitations", [200, 201, 403]),
        ("delete:invitation", [200, 201, 200]),
    ]
    .into_iter()
    .enumerate()
    {
        grant(&app, &alice, &["read:workspaces", scope]).await;
        let alice = alice.again().await;
        let waiting = invite(&admin, json!({"email": format!("one{n}@example.com")})).await;
        let answers = [
            alice.get(INVITATIONS).await,
            alice.post(INVITATIONS, json!({"email": format!("two{n}@example.com")})).await,
            alice.delete(&format!("{INVITATIONS}/{}", waiting.str("id"))).await,
        ];
        assert_eq!(answers.map(|a| a.status), statuses, "{scope}");
    }
}
