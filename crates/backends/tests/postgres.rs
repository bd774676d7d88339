//! PostgreSQL: the rules every storage keeps, and those of a server that others use and that may be away.

#![expect(clippy::unwrap_used, reason = "tests")]

use backends::sql::postgres::{Options, PostgresStorage};
use kernel::conformance::Fixture;
use kernel::{
    Effect, Key, KindSpec, Ports, Position, Query, Record, Storage, StorageError, Stored, SystemClock,
    SystemRandom, SystemScope, TagMatch, TenantId, TenantScope, Timestamp, Topic,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testbed::postgres::{self, Server};
use tokio_postgres::NoTls;

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn database() -> String {
    blocking(|| postgres::shared().unwrap().fresh_database().unwrap()).await
}

async fn server(options: postgres::Options) -> Arc<Server> {
    Arc::new(blocking(|| Server::start(options).unwrap()).await)
}

fn open(url: &str) -> Arc<PostgresStorage> {
    Arc::new(PostgresStorage::open(url, Options::default()).unwrap())
}

async fn fixture() -> Fixture {
    Fixture::new(open(&database().await), ())
}

#[path = "postgres/pressure.rs"]
mod pressure;

mod conformance {
    kernel::storage_conformance!(super::fixture);
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    id: String,
    text: String,
}

impl Note {
    fn new(id: &str) -> Self {
        Self { id: id.to_owned(), text: id.to_owned() }
    }

    fn key(id: &str) -> Key {
        Key::new("name", id)
    }
}

impl Record for Note {
    const KIND: &'static str = "notes";
    const VERSION: u32 = 2;

    fn id(&self) -> &str {
        &self.id
    }
    fn keys(&self) -> Vec<Key> {
        vec![Self::key(&self.text)]
    }
    fn tags(&self) -> Vec<String> {
        vec!["all".to_owned(), format!("text:{}", self.text)]
    }
}

fn tenant(storage: Arc<PostgresStorage>) -> TenantScope {
    let ports = Ports {
        storage,
        ephemeral: Arc::new(kernel::memory::MemoryEphemeral::default()),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    };
    SystemScope::new(ports).open(TenantId::default_tenant(), ())
}

async fn prepared(url: &str) -> (Arc<PostgresStorage>, TenantScope) {
    let storage = open(url);
    storage.prepare(&[Note::spec()]).await.unwrap();
    (storage.clone(), tenant(storage))
}

fn stale(name: &str) -> Effect {
    let due_at = Timestamp::from_unix_seconds(0);
    Effect { topic: Topic::Invalidation, payload: serde_json::json!({ "name": name }), due_at }
}

/// A connection of somebody else.
async fn stranger(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_start_at_once_prepare_one_schema() {
    let url = database().await;
    let kinds = [Note::spec(), KindSpec { kind: "others", version: 1 }];
    let starting = (0..8).map(|_| {
        let storage = open(&url);
        tokio::spawn(async move { storage.prepare(&kinds).await.map(|()| storage) })
    });
    for (n, started) in starting.collect::<Vec<_>>().into_iter().enumerate() {
        let storage = started.await.unwrap().unwrap();
        tenant(storage).records::<Note>().insert(Note::new(&n.to_string()), Vec::new()).await.unwrap();
    }
    let (_, tenant) = prepared(&url).await;
    assert_eq!(tenant.records::<Note>().page(Query::all("notes")).await.unwrap().total, 8);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let url = database().await;
    let (storage, _) = prepared(&url).await;
    let client = stranger(&url).await;
    client.execute("UPDATE schema_versions SET version = 3 WHERE name = 'kind:notes'", &[]).await.unwrap();
    let refused = storage.prepare(&[Note::spec()]).await.unwrap_err();
    assert!(matches!(&refused, StorageError::NewerSchema { what, found: 3, known: 2 } if what == "notes"));
    client.execute("UPDATE schema_versions SET version = 99 WHERE name = 'schema'", &[]).await.unwrap();
    let refused = open(&url).prepare(&[Note::spec()]).await.unwrap_err();
    assert!(matches!(&refused, StorageError::NewerSchema { what, found: 99, .. } if what == "schema"));
}

#[tokio::test]
async fn a_kind_that_was_not_prepared_is_refused() {
    let storage = open(&database().await);
    let refused = tenant(storage.clone()).records::<Note>().get("a").await.unwrap_err();
    assert!(refused.to_string().contains("`notes` wasn't prepared"), "{refused}");
    let refused = storage.prepare(&[KindSpec { kind: "Bad-Name", version: 1 }]).await.unwrap_err();
    assert!(refused.to_string().contains("Bad-Name"), "{refused}");
}

#[tokio::test]
async fn the_null_character_is_kept_everywhere() {
    let (_storage, tenant) = prepared(&database().await).await;
    let notes = tenant.records::<Note>();
    for text in ["a\0b", "a\u{1}b", "a\0", "\0"] {
        let note = Note {
            id: format!("id{}", text.len() + usize::from(text.contains('\u{1}'))),
            text: text.to_owned(),
        };
        let id = format!("{}-{}", note.id, text.replace(['\0', '\u{1}'], "_"));
        let inserted = notes.insert(Note { id, ..note }, vec![]).await.unwrap();
        assert_eq!(notes.find(&Note::key(text)).await.unwrap().as_ref(), Some(&inserted));
        let tagged = Query::all("notes").with_all(vec![TagMatch::Is(format!("text:{text}"))]);
        assert_eq!(notes.page(tagged).await.unwrap().items, [inserted]);
    }
    let prefixed = Query::all("notes").with_all(vec![TagMatch::StartsWith("text:a\0".to_owned())]);
    assert_eq!(notes.page(prefixed).await.unwrap().total, 2);
    assert!(notes.get("no\0such").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_reads_a_kind_in_its_table() {
    let url = database().await;
    let (_storage, tenant) = prepared(&url).await;
    tenant.records::<Note>().insert(Note::new("a"), Vec::new()).await.unwrap();
    let sql =
        "SELECT body->>'text', tags[1], pg_typeof(body)::text FROM notes WHERE partition = 'org_default'";
    let row = stranger(&url).await.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), ("a", "all", "jsonb"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_waits_for_a_transaction_that_took_a_position_before() {
    let url = database().await;
    let (storage, tenant) = prepared(&url).await;
    let notes = tenant.records::<Note>();
    notes.insert(Note::new("first"), vec![stale("first")]).await.unwrap();
    let head = storage.effects_head().await.unwrap();
    // Another instance is slow to commit what has a lower position than what comes now.
    let slow = stranger(&url).await;
    slow.batch_execute(
        "BEGIN; INSERT INTO effects (partition, topic, payload, due_at, attempts, recorded_at)
         VALUES ('p', 'invalidation', '{\"name\": \"slow\"}', 0, 0, 0)",
    )
    .await
    .unwrap();
    notes.insert(Note::new("quick"), vec![stale("quick")]).await.unwrap();
    storage.effects_since(head, 10).await.expect_err("what is newer waits for what is older");
    assert_eq!(storage.effects_head().await.unwrap(), head, "the head doesn't pass it either");
    let known = storage.effects_since(Position(0), 10).await.unwrap();
    assert_eq!(known.len(), 1, "what was complete before is still given");
    // Who writes nothing here, or in another database, doesn't hold the feed up.
    slow.batch_execute("COMMIT; BEGIN; CREATE TABLE others (n int)").await.unwrap();
    let feed = storage.effects_since(head, 10).await.unwrap();
    let names: Vec<_> = feed.iter().map(|e| e.effect.payload["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["slow", "quick"]);
    assert!(storage.effects_head().await.unwrap() >= feed[1].position);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_clashes_is_tried_again() {
    let url = database().await;
    let (_storage, tenant) = prepared(&url).await;
    let client = stranger(&url).await;
    client
        .batch_execute(
            "CREATE SEQUENCE tries;
             CREATE FUNCTION clash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 CASE nextval('tries') WHEN 1 THEN RAISE SQLSTATE '40001'; WHEN 2 THEN RAISE SQLSTATE '40P01';
                 ELSE RETURN NEW; END CASE; END $$;
             CREATE TRIGGER clash BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION clash();",
        )
        .await
        .unwrap();
    tenant.records::<Note>().insert(Note::new("a"), vec![stale("once")]).await.unwrap();
    let tries: i64 = client.query_one("SELECT last_value FROM tries", &[]).await.unwrap().get(0);
    let effects: i64 = client.query_one("SELECT count(*) FROM effects", &[]).await.unwrap().get(0);
    assert_eq!((tries, effects), (3, 1));
}

/// Repeats a call until it succeeds, and answers how long that took.
async fn recovery(notes: &TenantScope, id: &str) -> Duration {
    let start = Instant::now();
    while let Err(error) = notes.records::<Note>().get(id).await {
        assert!(start.elapsed() < Duration::from_secs(5), "{error}");
        tokio::task::yield_now().await;
    }
    start.elapsed()
}

/// Every kind of call ends in time and says why.
async fn assert_away(storage: &PostgresStorage, tenant: &TenantScope, old: &Stored<Note>) {
    let start = Instant::now();
    let notes = tenant.records::<Note>();
    let calls = tokio::join!(
        async { notes.get("a").await.map(drop) },
        async { notes.page(Query::all("notes")).await.map(drop) },
        async { notes.insert(Note::new("b"), vec![]).await.map(drop) },
        async { notes.replace(old, Note::new("a"), vec![stale("a")]).await.map(drop) },
        async { notes.delete(old, vec![]).await },
        async { storage.ping().await },
        async { storage.effects_since(Position(0), 10).await.map(drop) },
        async { storage.purge_expired(tenant.now(), 10).await.map(drop) },
    );
    let calls = [calls.0, calls.1, calls.2, calls.3, calls.4, calls.5, calls.6, calls.7];
    for call in calls {
        let why = call.unwrap_err();
        assert!(matches!(&why, StorageError::Unavailable(_)), "{why:?}");
        assert!(!why.to_string().contains("only-a-test"), "the password is in {why}");
    }
    assert!(start.elapsed() < Duration::from_millis(1200), "calls took {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_is_unavailable_in_time_and_recovers() {
    let server = server(postgres::Options::volatile()).await;
    let (storage, tenant) = prepared(&server.url()).await;
    let old = tenant.records::<Note>().insert(Note::new("a"), Vec::new()).await.unwrap();
    for _ in 0..2 {
        let frozen = server.clone();
        blocking(move || frozen.freeze().unwrap()).await;
        for _ in 0..3 {
            assert_away(&storage, &tenant, &old).await;
        }
        server.thaw().unwrap();
        let recovery = recovery(&tenant, "a").await;
        assert!(recovery < Duration::from_secs(2), "recovered after {recovery:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_unavailable_in_time_and_recovers() {
    let server = server(postgres::Options::default()).await;
    let (storage, tenant) = prepared(&server.url()).await;
    let notes = tenant.records::<Note>();
    let mut old = notes.insert(Note::new("a"), Vec::new()).await.unwrap();
    for round in 0..2 {
        // All of the pool's connections are in use once.
        futures_util::future::join_all((0..32).map(|_| notes.get("a"))).await;
        let killed = server.clone();
        blocking(move || killed.kill().unwrap()).await;
        assert_away(&storage, &tenant, &old).await;
        let started = server.clone();
        blocking(move || started.start_again().unwrap()).await;
        let recovery = recovery(&tenant, "a").await;
        assert!(recovery < Duration::from_secs(2), "recovered after {recovery:?}");
        let text = format!("round {round}");
        old = notes.replace(&old, Note { text, ..Note::new("a") }, Vec::new()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_unnoticed_fail_nobody() {
    let url = database().await;
    let (_storage, tenant) = prepared(&url).await;
    let notes = tenant.records::<Note>();
    let mut old = notes.insert(Note::new("a"), Vec::new()).await.unwrap();
    let client = stranger(&url).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'usso'";
    for round in 0..3 {
        futures_util::future::join_all((0..6).map(|_| notes.get("a"))).await;
        client.execute(end, &[]).await.unwrap();
        let text = format!("round {round}");
        old = notes.replace(&old, Note { text, ..Note::new("a") }, vec![stale("a")]).await.unwrap();
        client.execute(end, &[]).await.unwrap();
        assert!(notes.get("a").await.unwrap().is_some());
    }
    let effects: i64 = client.query_one("SELECT count(*) FROM effects", &[]).await.unwrap().get(0);
    assert_eq!(effects, 3, "a repeated write is one write");
}

#[tokio::test]
async fn the_password_is_in_no_error_and_no_debug_output() {
    let url = "postgres://usso:hunter2@127.0.0.1:1/none?sslmode=disable";
    let storage = open(url);
    let refused = storage.ping().await.unwrap_err();
    let shown = format!("{refused} {refused:?} {storage:?}");
    assert!(matches!(refused, StorageError::Unavailable(_)) && !shown.contains("hunter2"), "{shown}");
    let server = postgres::shared().unwrap();
    let wrong = server.url().replace("postgres://usso:", "postgres://nobody:");
    let refused = open(&wrong).ping().await.unwrap_err().to_string();
    assert!(refused.contains("nobody") && !refused.contains("only-a-test"), "{refused}");
}

/// A file that is removed with the value.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// An authority, and a certificate with its key that it signed for a host.
fn certified(host: &str) -> (String, String, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let root_key = KeyPair::generate().unwrap();
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_certificate = root.self_signed(&root_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(root, root_key);
    let certificate =
        CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    (root_certificate, certificate.pem(), key.serialize_pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_checks_what_sslmode_says() {
    let (root, certificate, key) = certified("localhost");
    let (stranger, ..) = certified("localhost");
    let (right, wrong) = (File::new("right.pem", &root), File::new("wrong.pem", &stranger));
    let options = postgres::Options { tls: Some((certificate, key)), ..postgres::Options::volatile() };
    let server = server(options).await;
    let named = server.url().replace("127.0.0.1", "localhost");
    let ask = async |base: &str, mode: &str, root: Option<&File>| {
        let root = root.map(|file| format!("&sslrootcert={}", file.0.display())).unwrap_or_default();
        open(&format!("{base}?sslmode={mode}{root}")).ping().await
    };
    ask(&named, "verify-full", Some(&right)).await.unwrap();
    ask(&named, "prefer", None).await.unwrap();
    ask(&named, "require", None).await.unwrap();
    ask(&server.url(), "verify-ca", Some(&right)).await.unwrap();
    for (base, mode, root) in [
        (&server.url(), "verify-full", Some(&right)),
        (&named, "verify-full", Some(&wrong)),
        (&named, "verify-full", None),
        (&named, "verify-ca", Some(&wrong)),
        (&named, "require", Some(&wrong)),
        (&named, "disable", None),
    ] {
        let refused = ask(base, mode, root).await;
        assert!(matches!(refused, Err(StorageError::Unavailable(_))), "{mode}: {refused:?}");
    }
    let missing =
        PostgresStorage::open(&format!("{named}?sslmode=verify-full&sslrootcert=/none"), Options::default());
    assert!(missing.unwrap_err().to_string().contains("/none"));
}
