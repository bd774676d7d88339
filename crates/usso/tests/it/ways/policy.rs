//! Every way in, under every policy that asks for a second factor (checklist MFA-01).

use super::{ALICE, PHONE, approved, by_code, by_provider, by_telegram, code, link, prove, reset, stage};
use crate::app::security_key::SecurityKey;
use crate::app::{Answer, Authenticator, PASSWORD, Provider, Requests, TestApp, User};
use serde_json::{Value, json};

const NEW: &str = "another-Horse-battery-9!";

/// Who asks for a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// The tenant; the user has none.
    Tenant,
    /// The tenant; the user has an authenticator.
    TenantWithAuthenticator,
    /// A flow of two steps.
    Flow,
    /// The user, by having an authenticator.
    User,
}

impl Policy {
    const ALL: [Self; 4] = [Self::Tenant, Self::TenantWithAuthenticator, Self::Flow, Self::User];

    fn config(self) -> Value {
        let first = ["password", "otp", "magic_link", "oauth", "telegram", "qr", "webauthn"];
        let steps = json!([{"methods": first}, {"methods": ["totp"]}]);
        match self {
            Self::Tenant | Self::TenantWithAuthenticator => json!({"require_mfa": true}),
            Self::Flow => {
                json!({"auth": {"login_flow": {"allowed_identifiers": ["email", "phone", "username"], "steps": steps}}})
            }
            Self::User => json!({}),
        }
    }

    fn has_authenticator(self) -> bool {
        self != Self::Tenant
    }

    /// Whether it holds for people without an authenticator, too.
    fn is_the_tenants(self) -> bool {
        self != Self::User
    }
}

/// Alice, with an address, a number, an account at the provider, and sessions from before the policy.
struct Cast {
    app: TestApp,
    provider: Provider,
    alice: User,
    admin: User,
    policy: Policy,
    tried: Vec<&'static str>,
}

impl Cast {
    async fn of(policy: Policy) -> Self {
        let (app, provider) = stage().await;
        let admin = app.system_admin().await;
        let alice = app.user("alice").await;
        prove(&app, &alice, ALICE).await;
        alice.post("/identifiers", json!({"identifier": PHONE})).await.expect(201);
        prove(&app, &alice, PHONE).await;
        let linked = by_provider(&app, &provider).await.expect(200);
        assert_eq!(linked["user"]["id"], alice.id());
        if policy.has_authenticator() {
            Authenticator::of(&app, &alice).await;
        }
        app.configure("org_default", policy.config()).await;
        Self { app, provider, alice, admin, policy, tried: Vec::new() }
    }

    /// No session came of it, or one of two factors.
    fn held(&mut self, way: &'static str, answer: &Answer) {
        let policy = self.policy;
        let is_token = |name: &str| matches!(name, "usso-access-token" | "usso-refresh-token");
        let is_cookie = answer.cookies().iter().any(|own| is_token(&own.name) && !own.value.is_empty());
        let is_open = answer["access_token"].is_string() || is_cookie;
        let is_strong = answer["acr"] == "usso:acr:2";
        assert!(!is_open || is_strong, "{policy:?}, {way}: {}", answer.text());
        self.tried.push(way);
    }

    /// As [`Self::held`], and it went as far as to ask for more.
    fn asked(&mut self, way: &'static str, answer: &Answer) {
        let policy = self.policy;
        assert_eq!(answer["status"], "mfa_required", "{policy:?}, {way}: {}", answer.text());
        self.held(way, answer);
    }

    /// What begins with a session from before: while that is recent.
    async fn begin_in_a_session(&mut self) {
        let (browser, path) = approved(&self.app, &self.alice).await;
        let answer = browser.get(&path).await;
        self.asked("QR code, approved in a session of one factor", &answer);
        if self.policy.is_the_tenants() {
            let body = json!({"refresh_token": self.alice.refresh()});
            let answer = self.app.anonymous().post("/auth/refresh", body).await;
            answer.problem(401, "MFA_REQUIRED");
            self.held("refresh of a session of one factor", &answer);
            let path = format!("/users/{}/impersonate", self.alice.id());
            let answer = self.admin.post(&path, ()).await;
            answer.problem(401, "MFA_REQUIRED");
            self.held("impersonation in a session of one factor", &answer);
        }
    }

    async fn by_secrets(&mut self) {
        let who = self.app.anonymous();
        let answer = who.login(ALICE, PASSWORD).await;
        self.asked("password", &answer);
        let answer = who.login(PHONE, PASSWORD).await;
        self.asked("password with a number", &answer);
        let body = json!({"email": ALICE, "password": PASSWORD, "register": true});
        let answer = who.post("/auth/login", body).await;
        self.asked("password, registering if need be", &answer);
        for (way, identifier) in [("code by mail", ALICE), ("code by text", PHONE)] {
            let code = code(&self.app, identifier).await;
            let answer = by_code(&who, identifier, &code).await;
            self.asked(way, &answer);
        }
        let token = link(&self.app, ALICE).await;
        let answer = who.post("/auth/magic-link", json!({"token": token})).await;
        self.asked("link", &answer);
        let token = link(&self.app, ALICE).await;
        let answer = who.get(&format!("/auth/magic-link?token={token}")).await;
        self.asked("link, by a GET of a program", &answer);
        let code = code(&self.app, ALICE).await;
        let body = json!({"identifier": ALICE, "code": code});
        let answer = who.post("/auth/activate", body).await;
        self.held("proving an address", &answer);
    }

    async fn by_others(&mut self) {
        let answer = by_provider(&self.app, &self.provider).await;
        self.asked("account elsewhere", &answer);
        if self.policy.is_the_tenants() {
            let answer = by_telegram(&self.app, 42).await;
            self.asked("Telegram, registering", &answer);
            self.app.wait(1);
            let answer = by_telegram(&self.app, 42).await;
            self.asked("Telegram", &answer);
        }
    }

    async fn by_passkey(&mut self) {
        // Registered in a session that the policy lets be: from before it.
        let (app, _) = stage().await;
        let bob = app.user("bob").await;
        let mut key = SecurityKey::new();
        key.register(&bob).await.expect(200);
        if self.policy.has_authenticator() {
            Authenticator::of(&app, &bob).await;
        }
        app.configure("org_default", self.policy.config()).await;
        let answer = key.sign_in(&app.anonymous()).await;
        // A passkey whose user was verified is two factors; a flow that wants a code besides still wants it.
        if answer["access_token"].is_string() {
            assert_eq!(answer["acr"], "usso:acr:2", "{:?}: {}", self.policy, answer.text());
        }
        self.held("passkey", &answer);
    }

    async fn newcomers(&mut self) {
        if !self.policy.is_the_tenants() {
            return;
        }
        let who = self.app.anonymous();
        let body = json!({"identifier": "new1@example.com", "secret": PASSWORD});
        let answer = who.post("/auth/register", body).await;
        self.held("registering", &answer);
        let body = json!({"identifier": "new2@example.com", "secret": PASSWORD, "register": true});
        let answer = who.post("/auth/login", body).await;
        self.held("signing in, registering", &answer);
        let code = code(&self.app, "new3@example.com").await;
        let answer = by_code(&who, "new3@example.com", &code).await;
        self.held("code to an unknown address", &answer);
        let token = link(&self.app, "new4@example.com").await;
        let answer = who.post("/auth/magic-link", json!({"token": token})).await;
        self.held("link to an unknown address", &answer);
        self.provider.lie(json!({"sub": "somebody-else", "email": "new5@example.com"}));
        let answer = by_provider(&self.app, &self.provider).await;
        self.held("account elsewhere of somebody new", &answer);
    }

    /// Last, for it ends the sessions there are.
    async fn by_recovery(&mut self) {
        let who = self.app.anonymous();
        let token = reset(&self.app, ALICE).await;
        let answer = who.post("/auth/reset-password", json!({"token": token, "new_password": NEW})).await;
        self.held("a new password by link", &answer.expect(200));
        let answer = who.login(ALICE, NEW).await;
        self.asked("the new password", &answer);
        self.app.wait(301);
        who.post("/auth/reset-password", json!({"identifier": PHONE})).await.expect(200);
        let code = self.app.last_letter().await.code();
        let body = json!({"identifier": PHONE, "code": code, "new_password": PASSWORD});
        let answer = who.post("/auth/reset-password", body).await;
        self.held("a new password by text", &answer.expect(200));
        let answer = who.login(ALICE, PASSWORD).await;
        self.asked("that password", &answer);
    }
}

#[tokio::test]
async fn mfa_01_no_way_in_gets_around_a_second_factor() {
    let mut tried = 0;
    for policy in Policy::ALL {
        let mut cast = Cast::of(policy).await;
        cast.begin_in_a_session().await;
        cast.by_secrets().await;
        cast.by_others().await;
        cast.by_passkey().await;
        cast.newcomers().await;
        cast.by_recovery().await;
        println!("{policy:?}: {}", cast.tried.join("; "));
        tried += cast.tried.len();
    }
    println!("{tried} pairs of a way in and a policy, 0 bypasses");
    assert!(tried >= 70, "{tried}");
}
