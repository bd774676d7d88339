//! Work on a whole installation: moving it, keeping a copy, giving it another master key.

mod archive;
mod audit;
mod backup;
mod copy;
mod exclusive;
mod faulty;
mod rotate;

use crate::app::{Requests, TestApp, User};
use kernel::SystemScope;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use usso::app::startup;
use usso::app::upkeep::verify_audit;
use usso::tenant::one_time::OneTime;

const SECRET: &str = "canary-smtp-66bb";

/// A directory that goes with the value.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("usso-upkeep-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The names of the files in it, but for the lock.
    fn names(&self) -> Vec<String> {
        names(&self.0)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.map(|entry| name(entry.expect("an entry"))).collect();
    names.retain(|name| !name.ends_with(".lock"));
    names.sort();
    names
}

/// An installation with a bit of everything, and what must be true of it wherever it goes.
struct Inhabited {
    alice: User,
    bob: User,
    gone: User,
    keys: [String; 2],
    events: usize,
}

impl Inhabited {
    async fn new(app: &TestApp) -> Self {
        let alice = app.user("alice").await;
        let acme = app.tenant("Acme", &["acme.example"]).await;
        let bob = acme.user("bob").await;
        let messaging =
            json!({"messaging": {"email": {"smtp_password": SECRET}, "list": [{"auth_token": SECRET}]}});
        let _ = acme.admin().patch("/tenants/org_acme", messaging).await.expect(200);
        // A second key for Acme, and a session that has ended.
        let algorithm = json!({"algorithm": "ES256"});
        let _ = acme.admin().patch("/tenants/org_acme", algorithm).await.expect(200);
        let gone = alice.again().await;
        gone.delete(&format!("/sessions/{}", gone.session_id())).await;
        gone.get("/me").await.is(401);
        // An answer that is kept sealed.
        let body = json!({"identifier": "kept@example.com", "secret": "correct-Horse-battery-9!"});
        let who = app.anonymous().with_header("idempotency-key", "kept");
        let _ = who.post("/auth/register", body).await.expect(201);
        let keys = [published(app, "localhost:8000").await, published(app, "acme.example").await];
        let events = app.audit("org_default").await.len();
        Self { alice, bob, gone, keys, events }
    }

    /// Everybody who was signed in still is, and nobody else; secrets open; nothing is forgotten.
    async fn lives_on(&self, app: &TestApp) {
        for user in [&self.alice, &self.bob] {
            let user = user.on(app);
            assert_eq!(user.get("/me").await.expect(200)["id"], user.id(), "an access token is valid");
            let body = json!({"refresh_token": user.refresh()});
            let _ = user.signed_out().post("/auth/refresh", body).await.expect(200);
        }
        self.gone.on(app).get("/me").await.is(401);
        let keys = [published(app, "localhost:8000").await, published(app, "acme.example").await];
        assert_eq!(keys, self.keys, "the same keys are published");
        let scope = app.scope("org_acme").await;
        let sealed = &scope.profile().tenant.messaging;
        for sealed in [&sealed["email"]["smtp_password"], &sealed["list"][0]["auth_token"]] {
            let sealed = sealed["$sealed"].as_str().expect("a sealed text");
            let opened = scope.profile().seal.open(b"provider-secret", sealed).expect("the secret opens");
            assert_eq!(opened.as_slice(), SECRET.as_bytes());
        }
        self.alice.on(app).again().await;
        assert!(audit_is_whole(app).await >= 3);
        let events = app.audit("org_default").await;
        assert!(events.len() > self.events, "events go on: {} after {}", events.len(), self.events);
    }
}

impl User {
    /// The same person, with the same tokens, at another server.
    fn on(&self, app: &TestApp) -> Self {
        let mut moved = self.clone();
        moved.template_mut().app = app.clone();
        moved
    }
}

/// Fails if something is wrong with an audit log; tells how many there are.
async fn audit_is_whole(app: &TestApp) -> usize {
    let registry = &app.state.registry;
    let logs = verify_audit::verify(registry.system(), registry.seal(), None).await.expect("a look");
    assert!(logs.iter().all(|(_, log)| log.findings.is_empty()), "{logs:?}");
    logs.len()
}

async fn published(app: &TestApp, host: &str) -> String {
    app.on_host(host).get("ROOT/.well-known/jwks.json").await.expect(200).text()
}

/// Every stored text of an installation.
async fn everything(system: &SystemScope) -> String {
    let mut all = String::new();
    for kind in startup::kinds() {
        let found = system.ports().storage.scan(kind.kind, None, u32::MAX >> 1, system.now()).await;
        for located in found.expect("a scan") {
            all.push_str(&format!(
                "{} {} {}\n",
                located.partition, located.document.id, located.document.body
            ));
        }
    }
    all
}

fn has_kept_answer(text: &str) -> bool {
    text.lines().any(|line| {
        let body = line.split_once(" {").map(|(_, rest)| format!("{{{rest}"));
        let body: Option<Value> = body.and_then(|body| serde_json::from_str(&body).ok());
        body.is_some_and(|body| body["data"]["answer"].is_string())
    })
}

/// The kind whose records the writers of a test make.
fn note(id: &str, system: &SystemScope) -> OneTime {
    OneTime { id: id.to_owned(), data: json!({"n": id}), expires_at: system.now().plus_seconds(86_400) }
}
