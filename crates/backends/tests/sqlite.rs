//! The embedded database: the rules every storage keeps, and those of a file on a disk.

#![expect(clippy::unwrap_used, reason = "tests")]

use backends::sql::sqlite::{Options, SqliteStorage};
use kernel::conformance::Fixture;
use kernel::{
    Change, Effect, Key, Ports, Query, Record, Sort, Storage, StorageError, SystemClock, SystemRandom,
    SystemScope, TagMatch, TenantId, TenantScope, Timestamp, Topic,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory that is removed with the value.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("sqlite-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn database(&self) -> PathBuf {
        self.0.join("usso.db")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn fixture() -> Fixture {
    let directory = Directory::new();
    let storage = SqliteStorage::open(&directory.database(), Options::default()).unwrap();
    Fixture::new(Arc::new(storage), directory)
}

mod conformance {
    kernel::storage_conformance!(super::fixture);
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    id: String,
    text: String,
    labels: Vec<String>,
    titled: bool,
}

impl Note {
    fn new(id: &str) -> Self {
        Self { id: id.to_owned(), text: id.to_owned(), labels: vec!["all".to_owned()], titled: false }
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
        self.labels.clone()
    }
    fn sorts(&self) -> Vec<(&'static str, String)> {
        if self.titled { vec![("title", self.text.clone())] } else { Vec::new() }
    }
}

fn open(path: &Path) -> Result<Arc<SqliteStorage>, StorageError> {
    SqliteStorage::open(path, Options::default()).map(Arc::new)
}

async fn prepared(path: &Path) -> (Arc<SqliteStorage>, TenantScope) {
    let storage = open(path).unwrap();
    storage.prepare(&[Note::spec()]).await.unwrap();
    (storage.clone(), tenant(storage))
}

fn tenant(storage: Arc<SqliteStorage>) -> TenantScope {
    let ports = Ports {
        storage,
        ephemeral: Arc::new(kernel::memory::MemoryEphemeral::default()),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    };
    SystemScope::new(ports).open(TenantId::default_tenant(), ())
}

fn audit(name: &str) -> Effect {
    Effect { topic: Topic::Audit, payload: serde_json::json!(name), due_at: Timestamp::from_unix_seconds(0) }
}

#[tokio::test]
async fn a_second_opener_is_refused_until_the_first_closes() {
    let directory = Directory::new();
    let first = open(&directory.database()).unwrap();
    let refused = open(&directory.database()).unwrap_err();
    assert!(matches!(&refused, StorageError::Locked(why) if why.contains("another process")), "{refused}");
    first.close().await;
    let second = open(&directory.database()).unwrap();
    drop(second);
    open(&directory.database()).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new();
    let (_storage, tenant) = prepared(&directory.database()).await;
    tenant.records::<Note>().insert(Note::new("a"), Vec::new()).await.unwrap();
    for name in ["usso.db", "usso.db-wal", "usso.db-shm", "usso.db.lock"] {
        let mode = std::fs::metadata(directory.0.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn reopening_finds_everything() {
    let directory = Directory::new();
    let (storage, tenant) = prepared(&directory.database()).await;
    let note = Note { titled: true, ..Note::new("a") };
    let written = tenant.records::<Note>().insert(note, vec![audit("made")]).await.unwrap();
    let head = storage.effects_head().await.unwrap();
    storage.close().await;
    assert!(!directory.0.join("usso.db-wal").exists(), "closing leaves one file");

    let (storage, tenant) = prepared(&directory.database()).await;
    let notes = tenant.records::<Note>();
    assert_eq!(notes.get("a").await.unwrap().unwrap(), written);
    assert_eq!(notes.find(&Note::key("a")).await.unwrap().unwrap(), written);
    let tagged = Query {
        sort: Sort { field: "title", descending: false },
        ..Query::all("notes").with_all(vec![TagMatch::Is("all".to_owned())])
    };
    assert_eq!(notes.page(tagged).await.unwrap().items, [written]);
    assert_eq!(storage.effects_head().await.unwrap(), head);
    let due = storage.effects_due(tenant.now(), 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].effect, audit("made"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_writes_share_commits() {
    let directory = Directory::new();
    let (storage, tenant) = prepared(&directory.database()).await;
    let before = storage.stats();
    let writes: Vec<_> = (0..64)
        .map(|n| {
            let tenant = tenant.clone();
            tokio::spawn(async move {
                for round in 0..4 {
                    let note = Note::new(&format!("{n}-{round}"));
                    tenant.records::<Note>().insert(note, Vec::new()).await.unwrap();
                }
            })
        })
        .collect();
    for write in writes {
        write.await.unwrap();
    }
    let after = storage.stats();
    assert_eq!(after.writes - before.writes, 256);
    let commits = after.commits - before.commits;
    assert!(commits < 128, "{commits} commits for 256 writes");
}

/// A database in which other tools made a rule that breaks one write in the middle.
fn forbid(path: &Path, id: &str) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let rule = format!(
        "CREATE TRIGGER forbidden BEFORE INSERT ON notes_tags WHEN NEW.id = '{id}'
         BEGIN SELECT RAISE(ABORT, 'forbidden'); END"
    );
    connection.execute_batch(&rule).unwrap();
}

#[tokio::test]
async fn a_failing_write_does_not_spoil_its_group() {
    let directory = Directory::new();
    let (storage, tenant) = prepared(&directory.database()).await;
    forbid(&directory.database(), "15");
    let notes = tenant.records::<Note>();
    notes.insert(Note::new("taken"), Vec::new()).await.unwrap();
    let writes: Vec<_> = (0..32)
        .map(|n| {
            let tenant = tenant.clone();
            // Every fourth is refused, one breaks after its row is written.
            let text = if n % 4 == 0 { "taken".to_owned() } else { n.to_string() };
            let note = Note { text, ..Note::new(&n.to_string()) };
            tokio::spawn(
                async move { tenant.records::<Note>().insert(note, vec![audit(&n.to_string())]).await },
            )
        })
        .collect();
    for (n, write) in writes.into_iter().enumerate() {
        match write.await.unwrap() {
            Err(StorageError::KeyTaken { key }) => assert!(n % 4 == 0 && key == "name:taken", "{n}"),
            Err(StorageError::Unavailable(why)) => {
                assert!(n == 15 && why.contains("forbidden"), "{n}: {why}")
            }
            Err(other) => panic!("{n}: {other}"),
            Ok(_) => assert!(n % 4 != 0 && n != 15, "{n}"),
        }
    }
    assert!(notes.get("15").await.unwrap().is_none());
    assert!(notes.find(&Note::key("15")).await.unwrap().is_none());
    assert_eq!(notes.page(Query::all("notes")).await.unwrap().total, 1 + 32 - 8 - 1);
    assert_eq!(storage.effects_due(tenant.now(), 100).await.unwrap().len(), 32 - 8 - 1);
}

#[tokio::test]
async fn a_write_whose_caller_is_gone_still_happens() {
    let directory = Directory::new();
    let (storage, tenant) = prepared(&directory.database()).await;
    let notes = tenant.records::<Note>();
    {
        let mut write = Box::pin(notes.insert(Note::new("a"), Vec::new()));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = write.as_mut().poll(&mut context);
    }
    storage.close().await;
    let (_storage, tenant) = prepared(&directory.database()).await;
    assert!(tenant.records::<Note>().get("a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_replace_that_changes_no_label_writes_one_row() {
    let directory = Directory::new();
    let (_storage, tenant) = prepared(&directory.database()).await;
    let notes = tenant.records::<Note>();
    notes.insert(Note::new("a"), Vec::new()).await.unwrap();
    let connection = rusqlite::Connection::open(directory.database()).unwrap();
    for table in ["notes_keys", "notes_tags"] {
        let rule = |event: &str| {
            format!(
                "CREATE TRIGGER {table}_{event} BEFORE {event} ON {table}
                 BEGIN SELECT RAISE(ABORT, 'touched'); END;"
            )
        };
        connection.execute_batch(&["INSERT", "UPDATE", "DELETE"].map(rule).concat()).unwrap();
    }
    for titled in [false, true] {
        let changed = notes
            .update("a", |note| {
                Ok::<_, StorageError>(Change::Put(Note { titled, ..note.record.clone() }, Vec::new()))
            })
            .await;
        // A new sort attribute is a label: its tags are written again, which the rule above forbids.
        assert_eq!(changed.is_ok(), !titled, "{changed:?}");
    }
}

#[tokio::test]
async fn a_sort_attribute_added_later_counts_as_empty_before() {
    let directory = Directory::new();
    let (_storage, tenant) = prepared(&directory.database()).await;
    let notes = tenant.records::<Note>();
    let sorted = |descending| Query {
        sort: Sort { field: "title", descending },
        ..Query::all("notes").with_all(vec![TagMatch::Is("all".to_owned())])
    };
    let ids =
        |page: kernel::Page<Note>| page.items.iter().map(|n| n.id.clone()).collect::<Vec<_>>().join(" ");
    notes.insert(Note::new("old"), Vec::new()).await.unwrap();
    notes.insert(Note::new("older"), Vec::new()).await.unwrap();
    assert_eq!(ids(notes.page(sorted(false)).await.unwrap()), "old older");
    notes.insert(Note { titled: true, ..Note::new("a") }, Vec::new()).await.unwrap();
    assert_eq!(ids(notes.page(sorted(false)).await.unwrap()), "old older a");
    assert_eq!(ids(notes.page(sorted(true)).await.unwrap()), "a older old");
    let old = notes.get("old").await.unwrap().unwrap();
    notes.delete(&old, Vec::new()).await.unwrap();
    assert_eq!(ids(notes.page(sorted(true)).await.unwrap()), "a older");
}

#[tokio::test]
async fn a_sort_attribute_of_a_failed_write_is_forgotten() {
    let directory = Directory::new();
    let (_storage, tenant) = prepared(&directory.database()).await;
    forbid(&directory.database(), "bad");
    let notes = tenant.records::<Note>();
    notes.insert(Note::new("old"), Vec::new()).await.unwrap();
    assert!(notes.insert(Note { titled: true, ..Note::new("bad") }, Vec::new()).await.is_err());
    notes.insert(Note { titled: true, ..Note::new("good") }, Vec::new()).await.unwrap();
    let sorted = Query { sort: Sort { field: "title", descending: false }, ..Query::all("notes") };
    let page = notes.page(sorted).await.unwrap();
    assert_eq!(page.items.iter().map(|n| n.id.as_str()).collect::<Vec<_>>(), ["old", "good"]);
}

#[tokio::test]
async fn many_alternatives_are_one_list() {
    let directory = Directory::new();
    let (_storage, tenant) = prepared(&directory.database()).await;
    let notes = tenant.records::<Note>();
    for n in 0..30 {
        let labels = vec![format!("n:{n}"), format!("odd:{}", n % 2)];
        notes.insert(Note { labels, ..Note::new(&format!("{n:02}")) }, Vec::new()).await.unwrap();
    }
    let single = |n: u32| vec![TagMatch::Is(format!("n:{n}"))];
    let double = |n: u32| vec![TagMatch::Is("odd:1".to_owned()), TagMatch::Is(format!("n:{n}"))];
    let prefixed = |n: u32| vec![TagMatch::Is("odd:0".to_owned()), TagMatch::StartsWith(format!("n:{n}"))];
    let total = async |any_of| notes.page(Query { any_of, ..Query::all("notes") }).await.unwrap().total;
    assert_eq!(total((0..20).map(single).collect()).await, 20);
    assert_eq!(total((0..600).map(double).collect()).await, 15);
    assert_eq!(total((0..20).map(single).chain((20..30).map(double)).collect()).await, 25);
    assert_eq!(total(vec![prefixed(1)]).await, 5, "10 12 14 16 18");
    assert_eq!(total(vec![single(1), prefixed(1), double(1)]).await, 6);
    assert_eq!(total(vec![vec![TagMatch::Is(String::new())]]).await, 0);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let directory = Directory::new();
    let (storage, _) = prepared(&directory.database()).await;
    storage.close().await;
    let set = |name: &str, version: u32| {
        let connection = rusqlite::Connection::open(directory.database()).unwrap();
        connection
            .execute("UPDATE schema_versions SET version = ?2 WHERE name = ?1", (name, version))
            .unwrap();
    };
    set("kind:notes", 3);
    let storage = open(&directory.database()).unwrap();
    let refused = storage.prepare(&[Note::spec()]).await.unwrap_err();
    assert!(matches!(&refused, StorageError::NewerSchema { what, found: 3, known: 2 } if what == "notes"));
    storage.close().await;
    set("schema", 99);
    let refused = open(&directory.database()).unwrap_err();
    assert!(matches!(&refused, StorageError::NewerSchema { what, found: 99, .. } if what == "schema"));
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_recovers() {
    let directory = Directory::new();
    // A database that may not grow fails as on a full disk: with SQLITE_FULL, in the middle of a write.
    let options = Options { max_bytes: Some(400_000), ..Options::default() };
    let storage = Arc::new(SqliteStorage::open(&directory.database(), options).unwrap());
    storage.prepare(&[Note::spec()]).await.unwrap();
    let tenant = tenant(storage.clone());
    let notes = tenant.records::<Note>();
    let large = |n: u32| Note { text: format!("{n}{}", "x".repeat(8000)), ..Note::new(&n.to_string()) };
    let mut written = 0;
    let refused = loop {
        match notes.insert(large(written), vec![audit("made")]).await {
            Ok(_) => written += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(&refused, StorageError::Unavailable(why) if why.contains("full")), "{refused}");
    assert!(notes.get(&written.to_string()).await.unwrap().is_none());
    assert_eq!(storage.effects_due(tenant.now(), 1000).await.unwrap().len(), written as usize);
    for n in ["0", "1"] {
        let old = notes.get(n).await.unwrap().unwrap();
        notes.delete(&old, Vec::new()).await.unwrap();
    }
    notes.insert(large(written), Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_kind_that_was_not_prepared_is_refused() {
    let directory = Directory::new();
    let storage = open(&directory.database()).unwrap();
    let refused = tenant(storage.clone()).records::<Note>().get("a").await.unwrap_err();
    assert!(refused.to_string().contains("`notes` wasn't prepared"), "{refused}");
    let refused = storage.prepare(&[kernel::KindSpec { kind: "Bad-Name", version: 1 }]).await.unwrap_err();
    assert!(refused.to_string().contains("Bad-Name"), "{refused}");
}

#[tokio::test]
async fn a_database_goes_on_after_a_rest() {
    static TIDIED: AtomicU64 = AtomicU64::new(0);
    let directory = Directory::new();
    let (storage, tenant) = prepared(&directory.database()).await;
    let notes = tenant.records::<Note>();
    notes.insert(Note::new("a"), Vec::new()).await.unwrap();
    for id in ["b", "c"] {
        let tidy = || {
            TIDIED.fetch_add(1, Ordering::Relaxed);
        };
        storage.rest(tidy).await;
        notes.insert(Note::new(id), Vec::new()).await.unwrap();
        assert_eq!(notes.page(Query::all("notes")).await.unwrap().total, if id == "b" { 2 } else { 3 });
        assert!(notes.find(&Note::key("a")).await.unwrap().is_some());
    }
    assert!(TIDIED.load(Ordering::Relaxed) >= 2, "the writer's thread has had its turns");
}

#[tokio::test]
async fn a_list_by_tag_is_read_from_its_index_in_order() {
    let directory = Directory::new();
    let (_storage, tenant) = prepared(&directory.database()).await;
    tenant.records::<Note>().insert(Note { titled: true, ..Note::new("a") }, Vec::new()).await.unwrap();
    let connection = rusqlite::Connection::open(directory.database()).unwrap();
    let explain = |sql: &str| -> String {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    for (table, order) in [("notes_tags", "created_at"), ("notes_sorts", "value")] {
        let field = if table == "notes_sorts" { "AND t.field = 'title'" } else { "" };
        let plan = explain(&format!(
            "SELECT t.{order} AS o, t.id FROM {table} t WHERE t.partition = 'p' AND t.tag = 'all' {field}
             AND (t.expiring = 0 OR EXISTS (SELECT 1 FROM notes d WHERE d.partition = t.partition AND d.id = t.id
             AND d.expires_at > 1)) ORDER BY 1 DESC, 2 DESC LIMIT 20"
        ));
        assert!(plan.contains("PRIMARY KEY") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}
