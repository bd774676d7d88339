//! The people who talk to a server.

use super::requests::Template;
use super::{Answer, Browser, HOST, PASSWORD, Requests, TestApp};
use serde_json::{Value, json};

/// Somebody without any credential.
#[derive(Clone)]
pub struct Anonymous {
    template: Template,
}

impl Requests for Anonymous {
    fn template(&self) -> &Template {
        &self.template
    }

    fn template_mut(&mut self) -> &mut Template {
        &mut self.template
    }
}

impl Anonymous {
    /// Somebody who asks the default tenant.
    pub fn new(app: &TestApp) -> Self {
        Self { template: Template::new(app) }
    }

    /// Tries to sign in with a password.
    pub async fn login(&self, identifier: &str, secret: &str) -> Answer {
        self.post("/auth/login", json!({"identifier": identifier, "secret": secret})).await
    }
}

/// Somebody who is signed in and presents their access token as a bearer.
#[derive(Clone)]
pub struct User {
    template: Template,
    /// What signing in answered.
    pub login: Value,
    /// What they sign in with.
    pub identifier: String,
    /// And the secret.
    pub password: String,
}

impl Requests for User {
    fn template(&self) -> &Template {
        &self.template
    }

    fn template_mut(&mut self) -> &mut Template {
        &mut self.template
    }
}

impl User {
    /// Signs somebody in.
    pub async fn sign_in(who: Anonymous, identifier: &str, password: &str) -> Self {
        let answer = who.login(identifier, password).await.expect(200);
        Self::of(who, &answer, (identifier, password))
    }

    /// `{name}@example.com`, registered if need be, and signed in.
    pub async fn named(who: Anonymous, name: &str) -> Self {
        let identifier = format!("{name}@example.com");
        let body = json!({"identifier": identifier, "secret": PASSWORD, "name": name});
        let answer = who.post("/auth/register", body).await;
        if answer.status == 409 {
            return Self::sign_in(who, &identifier, PASSWORD).await;
        }
        Self::of(who, &answer.expect(201), (&identifier, PASSWORD))
    }

    /// Somebody whose sign-in answered this.
    pub fn of(who: Anonymous, answer: &Answer, (identifier, password): (&str, &str)) -> Self {
        let user = Self {
            template: who.template,
            login: answer.json.clone(),
            identifier: identifier.to_owned(),
            password: password.to_owned(),
        };
        let access = user.access().to_owned();
        user.with_token(&access)
    }

    /// The same person in another session.
    pub async fn again(&self) -> Self {
        Self::sign_in(self.signed_out(), &self.identifier, &self.password).await
    }

    /// The same person without a credential.
    pub fn signed_out(&self) -> Anonymous {
        Anonymous { template: self.template.clone() }.without_header("authorization")
    }

    /// The user's id.
    pub fn id(&self) -> &str {
        self.login["user"]["id"].as_str().expect("a user id")
    }

    /// The session's id.
    pub fn session_id(&self) -> &str {
        self.login["session_id"].as_str().expect("a session id")
    }

    /// The tenant's id.
    pub fn tenant_id(&self) -> &str {
        self.login["tenant_id"].as_str().expect("a tenant id")
    }

    /// The access token.
    pub fn access(&self) -> &str {
        self.login["access_token"].as_str().expect("an access token")
    }

    /// The refresh token.
    pub fn refresh(&self) -> &str {
        self.login["refresh_token"].as_str().expect("a refresh token")
    }
}

/// A tenant with its first administrator.
#[derive(Clone)]
pub struct TenantHandle {
    app: TestApp,
    /// Its id.
    pub id: String,
    /// What creating it answered.
    pub created: Value,
    host: Option<String>,
    admin: User,
}

impl TenantHandle {
    /// Creates a tenant as the system administrator.
    pub async fn create(app: &TestApp, name: &str, domains: &[&str]) -> Self {
        let mail_host = domains.first().copied().unwrap_or("example.com");
        let identifier = format!("admin@{mail_host}");
        let body = json!({"name": name, "domains": domains, "admin": {"identifier": identifier, "password": PASSWORD}});
        let answer = app.system_admin().await.post("/tenants", body).await.expect(201);
        let id = answer.str("id").to_owned();
        let host = domains.first().map(|domain| (*domain).to_owned());
        let admin = User::sign_in(stranger(app, &id, host.as_deref()), &identifier, PASSWORD).await;
        Self { app: app.clone(), id, created: answer.json, host, admin }
    }

    /// Its first administrator, signed in.
    pub fn admin(&self) -> User {
        self.admin.clone()
    }

    /// `{name}@example.com` of this tenant, registered if need be, and signed in.
    pub async fn user(&self, name: &str) -> User {
        User::named(self.anonymous(), name).await
    }

    /// Somebody who asks this tenant without any credential.
    pub fn anonymous(&self) -> Anonymous {
        stranger(&self.app, &self.id, self.host.as_deref())
    }

    /// A browser on a page of this tenant.
    pub fn browser(&self) -> Browser {
        Browser::new(&self.app, self.host.as_deref().unwrap_or(HOST))
    }
}

fn stranger(app: &TestApp, tenant_id: &str, host: Option<&str>) -> Anonymous {
    match host {
        Some(host) => app.on_host(host),
        None => app.anonymous().with_header("x-tenant-id", tenant_id),
    }
}
