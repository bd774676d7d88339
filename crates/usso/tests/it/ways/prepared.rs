//! What a stranger prepared in somebody's name, whatever it is, is gone when its owner comes, however they come (ruling D23).

use super::{ALICE, PHONE, backup_codes, by_code, by_provider, code, link, reset, stage};
use crate::app::security_key::SecurityKey;
use crate::app::{Answer, Authenticator, PASSWORD, Provider, Requests, TestApp, User};
use serde_json::{Value, json};

const NEW: &str = "another-Horse-battery-9!";

/// How the owner shows that the address or number is theirs.
#[derive(Debug, Clone, Copy)]
enum Proof {
    CodeByMail,
    CodeByText,
    Link,
    Provider,
    NewPasswordByLink,
    NewPasswordByText,
    Activation,
}

impl Proof {
    const ALL: [Self; 7] = [
        Self::CodeByMail,
        Self::CodeByText,
        Self::Link,
        Self::Provider,
        Self::NewPasswordByLink,
        Self::NewPasswordByText,
        Self::Activation,
    ];

    fn identifier(self) -> &'static str {
        match self {
            Self::CodeByText | Self::NewPasswordByText => PHONE,
            _ => ALICE,
        }
    }

    async fn come(self, app: &TestApp, provider: &Provider) -> Answer {
        let who = app.anonymous();
        let own = self.identifier();
        let answer = match self {
            Self::CodeByMail | Self::CodeByText => by_code(&who, own, &code(app, own).await).await,
            Self::Link => who.post("/auth/magic-link", json!({"token": link(app, own).await})).await,
            Self::Provider => by_provider(app, provider).await,
            Self::NewPasswordByLink => {
                let body = json!({"token": reset(app, own).await, "new_password": NEW});
                who.post("/auth/reset-password", body).await
            }
            Self::NewPasswordByText => {
                app.wait(301);
                who.post("/auth/reset-password", json!({"identifier": own})).await.expect(200);
                let code = app.last_letter().await.code();
                let body = json!({"identifier": own, "code": code, "new_password": NEW});
                who.post("/auth/reset-password", body).await
            }
            Self::Activation => {
                app.wait(61);
                who.post("/auth/activate", json!({"identifier": own})).await.expect(200);
                let code = app.last_letter().await.code();
                who.post("/auth/activate", json!({"identifier": own, "code": code})).await
            }
        };
        answer.expect(200)
    }
}

/// What the stranger left.
enum Trap {
    Password,
    Session(Box<User>),
    ApiKey(String),
    Authenticator,
    BackupCodes,
    Passkey(Box<SecurityKey>),
    Link(Provider),
    Agent(String),
    Address,
}

const TRAPS: usize = 9;

impl Trap {
    async fn set(kind: usize, app: &TestApp, squatter: &User) -> Self {
        match kind {
            0 => Self::Password,
            1 => Self::Session(Box::new(squatter.clone())),
            2 => {
                let made = squatter.post("/apikeys", json!({"name": "trap"})).await.expect(201);
                Self::ApiKey(made.str("api_key").to_owned())
            }
            3 => {
                Authenticator::of(app, squatter).await;
                Self::Authenticator
            }
            4 => {
                backup_codes(squatter).await;
                Self::BackupCodes
            }
            5 => {
                let mut key = SecurityKey::new();
                key.register(squatter).await.expect(200);
                Self::Passkey(Box::new(key))
            }
            6 => Self::Link(linked(app, squatter).await),
            7 => Self::Agent(agent_of(app, squatter).await),
            _ => {
                let body = json!({"identifier": "squatter@example.com"});
                squatter.post("/identifiers", body).await.expect(201);
                Self::Address
            }
        }
    }

    /// Whether it still opens the account, or is still part of it.
    async fn still_opens(self, app: &TestApp, (id, identifier): (&str, &str)) -> bool {
        let scope = app.scope("org_default").await;
        let stored =
            scope.records::<usso::identity::users::model::User>().get(id).await.expect("the database");
        let stored = stored.expect("the account").record;
        let holds = |method: &str| stored.credentials.iter().any(|own| own.method == method);
        match self {
            Self::Password => app.anonymous().login(identifier, PASSWORD).await["access_token"].is_string(),
            Self::Session(squatter) => {
                let body = json!({"refresh_token": squatter.refresh()});
                let refreshed = app.anonymous().post("/auth/refresh", body).await;
                refreshed.status == 200 || squatter.get("/me").await.status == 200
            }
            Self::ApiKey(key) => {
                app.anonymous().with_header("x-api-key", &key).get("/me").await.status == 200
            }
            Self::Authenticator => holds("totp"),
            Self::BackupCodes => holds("backup_codes"),
            Self::Passkey(mut key) => key.sign_in(&app.anonymous()).await.status == 200 || holds("webauthn"),
            Self::Link(elsewhere) => stored
                .credentials
                .iter()
                .any(|own| own.provider.as_deref() == Some(elsewhere.issuer.as_str())),
            Self::Agent(agent) => {
                let path = format!("/agents/{agent}");
                let shown = app.system_admin().await.get(&path).await;
                shown.status == 200 && shown["is_active"] == true
            }
            Self::Address => stored.identifiers.iter().any(|own| own.value == "squatter@example.com"),
        }
    }
}

/// Links an account at another provider, in a session.
async fn linked(app: &TestApp, squatter: &User) -> Provider {
    let elsewhere = Provider::beside(app).await;
    elsewhere.set_up("org_default", "trap", json!({})).await;
    let browser = app.browser();
    let begun = squatter.post("/credentials/oauth/trap", json!({})).await.expect(200);
    browser.keep("usso-oauth", &begun.cookie("usso-oauth").value);
    elsewhere.lie(json!({"sub": "squatter", "email": "squatter@example.com"}));
    let back = elsewhere.agree(begun.str("authorization_url"));
    let path = format!("/auth/oauth/trap/callback?{}", crate::app::encode(&back));
    browser.with_header("accept", "application/json").get(&path).await.expect(200);
    elsewhere
}

/// Makes an agent in the squatter's name: they may, for the time of it.
async fn agent_of(app: &TestApp, squatter: &User) -> String {
    app.change_user(squatter, |user| user.scopes = vec!["*:*".to_owned()]).await;
    let squatter = squatter.again().await;
    let body = json!({"name": "trap"});
    squatter.post("/agents", body).await.expect(201).str("id").to_owned()
}

async fn squatter(app: &TestApp, identifier: &str) -> User {
    let body = json!({"identifier": identifier, "secret": PASSWORD, "name": "squatter"});
    let answer = app.anonymous().post("/auth/register", body).await.expect(201);
    User::of(app.anonymous(), &answer, (identifier, PASSWORD))
}

#[tokio::test]
async fn d23_whatever_a_stranger_prepared_is_gone_when_the_owner_comes() {
    let mut tried = 0;
    for proof in Proof::ALL {
        for kind in 0..TRAPS {
            let (app, provider) = stage().await;
            let squatter = squatter(&app, proof.identifier()).await;
            let trap = Trap::set(kind, &app, &squatter).await;
            let came = proof.come(&app, &provider).await;
            let owners: &Value = &came["user"]["id"];
            assert!(owners.is_null() || owners == squatter.id(), "{proof:?}: {}", came.text());
            assert!(
                !trap.still_opens(&app, (squatter.id(), proof.identifier())).await,
                "{proof:?} leaves trap {kind}"
            );
            tried += 1;
        }
    }
    println!("{tried} pairs of a proof and what was made before it, 0 left");
    assert_eq!(tried, Proof::ALL.len() * TRAPS);
}
