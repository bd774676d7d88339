//! Others that hold locks, callers that go away, and a server that answers late or not what was hoped for.

use super::*;

/// What a VACUUM holds.
const VACUUM: &str = "BEGIN; LOCK TABLE notes_sorts IN SHARE UPDATE EXCLUSIVE MODE";

/// Lets no one read notes.
const SHUT: &str = "BEGIN; LOCK TABLE notes IN ACCESS EXCLUSIVE MODE";

/// A note of a later version, which is sorted by its text.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sorted {
    id: String,
}

impl Record for Sorted {
    const KIND: &'static str = Note::KIND;
    const VERSION: u32 = Note::VERSION;

    fn id(&self) -> &str {
        &self.id
    }
    fn sorts(&self) -> Vec<(&'static str, String)> {
        vec![("text", self.id.clone())]
    }
}

async fn insert_sorted(tenant: &TenantScope, id: &str) -> Result<(), StorageError> {
    tenant.records::<Sorted>().insert(Sorted { id: id.to_owned() }, Vec::new()).await.map(drop)
}

fn assert_unavailable<T: std::fmt::Debug>(answer: &Result<T, StorageError>, why: &str) {
    assert!(matches!(answer, Err(StorageError::Unavailable(text)) if text.contains(why)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_instance_takes_no_lock_for_a_sort_attribute_that_is_there() {
    let url = database().await;
    let (_old, tenant) = prepared(&url).await;
    insert_sorted(&tenant, "a").await.unwrap();
    let (_new, tenant) = prepared(&url).await;
    let vacuum = stranger(&url).await;
    vacuum.batch_execute(VACUUM).await.unwrap();
    insert_sorted(&tenant, "b").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sort_attribute_that_cannot_be_added_yet_holds_writers_up_briefly() {
    let url = database().await;
    let (_storage, tenant) = prepared(&url).await;
    let (vacuum, watcher) = (stranger(&url).await, stranger(&url).await);
    vacuum.batch_execute(VACUUM).await.unwrap();
    let ids: Vec<String> = (0..12).map(|n| n.to_string()).collect();
    let adding = futures_util::future::join_all(ids.iter().map(|id| insert_sorted(&tenant, id)));
    let other = async {
        let waiters = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
            WHERE d.datname = current_database() AND mode = 'ShareRowExclusiveLock' AND NOT granted";
        let start = Instant::now();
        loop {
            let waiters: i64 = watcher.query_one(waiters, &[]).await.unwrap().get(0);
            assert!(waiters <= 1, "{waiters} tasks want the lock");
            if waiters == 1 {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(5), "nobody adds it");
        }
        tenant.records::<Note>().insert(Note::new("other"), Vec::new()).await.unwrap();
    };
    let (added, ()) = tokio::join!(adding, other);
    assert!(added.iter().all(|added| matches!(added, Err(StorageError::Unavailable(_)))), "{added:?}");
    vacuum.batch_execute("COMMIT").await.unwrap();
    let start = Instant::now();
    while let Err(error) = insert_sorted(&tenant, "a").await {
        assert!(start.elapsed() < Duration::from_secs(3), "{error}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_two_calls_ends_in_time_while_the_server_is_frozen() {
    let server = server(postgres::Options::volatile()).await;
    let (_storage, tenant) = prepared(&server.url()).await;
    let notes = tenant.records::<Note>();
    notes.insert(Note::new("a"), Vec::new()).await.unwrap();
    for _ in 0..2 {
        let frozen = server.clone();
        blocking(move || frozen.freeze().unwrap()).await;
        let start = Instant::now();
        assert_unavailable(&notes.get("a").await, "in time");
        assert_unavailable(&notes.insert(Note::new("b"), Vec::new()).await, "in time");
        assert!(start.elapsed() < Duration::from_millis(1500), "two calls took {:?}", start.elapsed());
        server.thaw().unwrap();
        let recovery = recovery(&tenant, "a").await;
        assert!(recovery < Duration::from_secs(2), "recovered after {recovery:?}");
    }
    // Once it answers, calls have all their time again.
    let shut = stranger(&server.url()).await;
    shut.batch_execute(SHUT).await.unwrap();
    let start = Instant::now();
    assert_unavailable(&notes.get("a").await, "55P03");
    assert!(start.elapsed() > Duration::from_millis(500), "given up after {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_is_held_up_is_not_taken_for_read() {
    let url = database().await;
    let (storage, tenant) = prepared(&url).await;
    let notes = tenant.records::<Note>();
    let head = storage.effects_head().await.unwrap();
    let slow = stranger(&url).await;
    slow.batch_execute("BEGIN; LOCK TABLE effects IN ROW EXCLUSIVE MODE").await.unwrap();
    assert_eq!(storage.effects_since(head, 10).await.unwrap(), [], "nobody took a position");
    notes.insert(Note::new("a"), vec![stale("a")]).await.unwrap();
    assert_unavailable(&storage.effects_since(head, 10).await, "held up by a long transaction");
    slow.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(storage.effects_since(head, 10).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_leaves_nobody_a_busy_connection() {
    let url = database().await;
    let (prepared, _) = prepared(&url).await;
    prepared.close().await;
    let storage = Arc::new(PostgresStorage::open(&url, Options { connections: 2 }).unwrap());
    storage.prepare(&[Note::spec()]).await.unwrap();
    let tenant = tenant(storage.clone());
    let notes = tenant.records::<Note>();
    notes.get("a").await.unwrap();
    let shut = stranger(&url).await;
    shut.batch_execute(SHUT).await.unwrap();
    let gone = tokio::time::timeout(Duration::from_millis(100), notes.get("a")).await;
    assert!(gone.is_err());
    let start = Instant::now();
    storage.ping().await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(400), "waited {:?} for others", start.elapsed());
    shut.batch_execute("ROLLBACK").await.unwrap();
    futures_util::future::join_all((0..8).map(|_| notes.get("a"))).await.into_iter().for_each(|got| {
        got.unwrap();
    });
    let count = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'usso'";
    let connections: i64 = shut.query_one(count, &[]).await.unwrap().get(0);
    assert!(connections <= 2, "{connections} connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn effects_are_served_while_requests_hold_every_connection() {
    let url = database().await;
    let storage = Arc::new(PostgresStorage::open(&url, Options { connections: 1 }).unwrap());
    storage.prepare(&[Note::spec()]).await.unwrap();
    let requests = tenant(storage.clone());
    requests.records::<Note>().get("a").await.unwrap();
    let shut = stranger(&url).await;
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for round in 0..2 {
        shut.batch_execute(SHUT).await.unwrap();
        let requests = requests.clone();
        let request = tokio::spawn(async move { requests.records::<Note>().get("a").await });
        while shut.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            assert!(!request.is_finished());
        }
        let due = storage.effects_due(Timestamp::from_unix_seconds(0), 1);
        let (head, due) = tokio::join!(storage.effects_head(), due);
        assert_eq!((head.unwrap(), due.unwrap()), (Position(0), Vec::new()));
        // Making the connection had to wait for its turn.
        assert!(round == 0 || !request.is_finished(), "the request ended before");
        shut.batch_execute("ROLLBACK").await.unwrap();
        let answer = request.await.unwrap();
        assert!(round == 0 || answer.unwrap().is_none());
    }
}

/// Has something happen before each insertion of a note; `$n` counts them.
async fn before_insertions(url: &str, what: &str) {
    let sql = format!(
        "CREATE SEQUENCE tries;
         CREATE FUNCTION before() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE n int := nextval('tries'); BEGIN
             {what} RETURN NEW; END $$;
         CREATE TRIGGER before BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION before();"
    );
    stranger(url).await.batch_execute(&sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_the_server_cannot_take_is_not_an_outage() {
    let url = database().await;
    let (_storage, tenant) = prepared(&url).await;
    before_insertions(
        &url,
        "IF n = 1 THEN RAISE SQLSTATE '22003'; ELSIF n = 2 THEN RAISE SQLSTATE '54000'; END IF;",
    )
    .await;
    for _ in 0..2 {
        let refused = tenant.records::<Note>().insert(Note::new("a"), Vec::new()).await;
        assert!(matches!(refused, Err(StorageError::Corrupt(_))), "{refused:?}");
    }
    tenant.records::<Note>().insert(Note::new("a"), Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clash_after_a_lost_connection_says_that_nothing_is_known() {
    let url = database().await;
    let (_storage, tenant) = prepared(&url).await;
    let notes = tenant.records::<Note>();
    notes.insert(Note::new("a"), Vec::new()).await.unwrap();
    before_insertions(&url, "IF n = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;").await;
    let clashing = Note { id: "b".to_owned(), text: "a".to_owned() };
    assert_unavailable(&notes.insert(clashing.clone(), Vec::new()).await, "isn't known");
    let refused = notes.insert(clashing, Vec::new()).await;
    assert!(matches!(refused, Err(StorageError::KeyTaken { .. })), "{refused:?}");
}
