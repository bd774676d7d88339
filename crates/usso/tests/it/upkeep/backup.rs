//! `usso backup` and `usso restore`, on real files.

use super::{Directory, note};
use kernel::{Record, StorageError, SystemScope};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use usso::app::startup::{self, Instance};
use usso::app::upkeep::backup::backup;
use usso::app::upkeep::backup_file::{self, FileError, Header};
use usso::app::upkeep::restore::{Restored, Wishes, restore};
use usso::config::{Config, MasterKey};
use usso::tenant::one_time::OneTime;
use usso::tenant::tenants::model::Tenant;

/// An installation in a directory of its own.
struct Site {
    directory: Directory,
    config: Config,
}

impl Site {
    fn new() -> Self {
        let directory = Directory::new();
        let mut config = Config::default();
        config.storage.data_dir = directory.file("data");
        config.security.master_key = Some(MasterKey::new([7; 32]));
        config.security.system_password = Some("quite-Long-system-Secret!7".into());
        config.hashing.memory_kib = 64;
        config.hashing.iterations = 1;
        Self { directory, config }
    }

    async fn open(&self) -> Instance {
        startup::open(&self.config, 8000).await.expect("the installation opens")
    }

    fn file(&self) -> PathBuf {
        self.directory.file("usso.backup")
    }

    fn database(&self) -> PathBuf {
        self.config.storage.data_dir.join("usso.db")
    }

    async fn backup(&self) -> Result<Header, String> {
        let (config, file) = (self.config.clone(), self.file());
        let made = tokio::task::spawn_blocking(move || backup(&config, &file).map_err(|e| e.to_string()));
        made.await.expect("no panic")
    }

    async fn restore(&self, file: &Path, force: bool) -> Result<Restored, String> {
        let wishes = Wishes { force, end_sessions: false };
        restore(&self.config, file, wishes).await.map_err(|e| e.to_string())
    }

    /// Refused, and everything as it was.
    async fn refuses(&self, file: &Path, why: &str) {
        let (before, names) = (std::fs::read(self.database()).ok(), self.names());
        let refused = self.restore(file, true).await.expect_err(why);
        assert!(refused.contains(why), "{why}: {refused}");
        assert_eq!(std::fs::read(self.database()).ok(), before, "{why}: the database is left alone");
        assert_eq!(self.names(), names, "{why}: nothing is left behind");
    }

    fn names(&self) -> Vec<String> {
        std::fs::create_dir_all(&self.config.storage.data_dir).expect("a directory");
        super::names(&self.config.storage.data_dir)
    }
}

fn system(instance: &Instance) -> &SystemScope {
    instance.state.registry.system()
}

async fn has(system: &SystemScope, id: &str) -> bool {
    system.records::<OneTime>().get(id).await.expect("the database").is_some()
}

/// A site with a backup of it, its server stopped.
async fn backed_up() -> Site {
    let site = Site::new();
    let instance = site.open().await;
    system(&instance)
        .records::<OneTime>()
        .insert(note("kept", system(&instance)), Vec::new())
        .await
        .expect("a note");
    site.backup().await.expect("the backup");
    instance.close().await;
    site
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_has_everything_acknowledged_before_it_began() {
    const WRITERS: usize = 8;
    let site = Site::new();
    let instance = Arc::new(site.open().await);
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicUsize::new(0));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (instance, stop) = (instance.clone(), stop.clone());
            let (count, acknowledged) = (count.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let system = system(&instance);
                for n in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return n;
                    }
                    let id = format!("note-{writer}-{n}");
                    system.records::<OneTime>().insert(note(&id, system), Vec::new()).await.expect("a write");
                    acknowledged.lock().expect("no panic").push(id);
                    count.fetch_add(1, Ordering::SeqCst);
                }
                0
            })
        })
        .collect();
    let at_least = async |wanted: usize| {
        while count.load(Ordering::SeqCst) < wanted {
            tokio::task::yield_now().await;
        }
    };
    at_least(400).await;
    let before = acknowledged.lock().expect("no panic").clone();
    let header = site.backup().await.expect("the backup");
    let during = count.load(Ordering::SeqCst);
    // The writers were not stopped by it: they go on.
    at_least(during + 100).await;
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.expect("a writer");
    }
    instance.close().await;
    println!(
        "backup of {} KB under load: {} writes before it began, {} while it ran",
        header.database_bytes / 1_000,
        before.len(),
        during - before.len()
    );

    let target = Site::new();
    let restored = target.restore(&site.file(), false).await.expect("the restored database");
    assert_eq!((restored.predecessor, restored.header), (None, header));
    assert_eq!(target.names(), ["usso.db"], "one file");
    let again = target.open().await;
    for id in &before {
        assert!(has(system(&again), id).await, "{id} was acknowledged before the backup began");
    }
    // Each writer wrote one after the other: what a moment holds has no gap.
    for writer in 0..WRITERS {
        let mut is_end = false;
        for n in 0.. {
            let id = format!("note-{writer}-{n}");
            let is_there = has(system(&again), &id).await;
            assert!(!(is_end && is_there), "{id} follows a gap");
            is_end |= !is_there;
            if !acknowledged.lock().expect("no panic").contains(&id) {
                break;
            }
        }
    }
    again.close().await;
}

#[tokio::test]
async fn a_backup_is_its_owners_and_overwrites_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let site = backed_up().await;
    let mode = site.file().metadata().expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(site.directory.names(), ["data", "usso.backup"], "nothing else is left");
    let refused = site.backup().await.expect_err("there is a file");
    assert!(refused.contains("exists already"), "{refused}");
    let bytes = std::fs::read(site.file()).expect("the backup");
    let key = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, [7; 32]);
    for secret in [[7; 32].as_slice(), key.as_bytes()] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "the master key isn't inside");
    }
}

#[tokio::test]
async fn without_a_database_or_its_key_there_is_no_backup() {
    let site = Site::new();
    let refused = site.backup().await.expect_err("no database");
    assert!(refused.contains("there is no database"), "{refused}");
    let mut site = backed_up().await;
    std::fs::remove_file(site.file()).expect("removed");
    site.config.security.master_key = Some(MasterKey::new([9; 32]));
    let refused = site.backup().await.expect_err("another key");
    assert!(refused.contains("MASTER_KEY is not the key"), "{refused}");
    site.config.security.master_key = None;
    let refused = site.backup().await.expect_err("no key");
    assert!(refused.contains("master.key is missing"), "{refused}");
    assert_eq!(site.directory.names(), ["data"], "nothing is left behind");
}

#[tokio::test]
async fn a_truncated_backup_is_refused() {
    let site = backed_up().await;
    let whole = std::fs::read(site.file()).expect("the backup");
    let part = site.directory.file("part");
    let lengths =
        [0, 1, 13, 14, 50, 200, whole.len() / 2, whole.len() - 33, whole.len() - 32, whole.len() - 1];
    for length in lengths {
        std::fs::write(&part, &whole[..length]).expect("written");
        let why = match length {
            0..14 => "is not a backup",
            14..=50 => "altered",
            _ => "is not complete",
        };
        site.refuses(&part, why).await;
    }
    std::fs::write(&part, [whole.as_slice(), b"more"].concat()).expect("written");
    site.refuses(&part, "is not complete").await;
}

#[tokio::test]
async fn one_flipped_bit_anywhere_is_refused() {
    let site = backed_up().await;
    let mut bytes = std::fs::read(site.file()).expect("the backup");
    let altered = site.directory.file("altered");
    // Every byte of the head and of the tag, and a sample of the database.
    let (head, end) = (200, bytes.len());
    let places = (0..head).step_by(7).chain((head..end - 32).step_by(end / 40)).chain(end - 32..end);
    let mut tried = 0;
    for (bit, place) in places.enumerate() {
        bytes[place] ^= 1 << (bit % 8);
        std::fs::write(&altered, &bytes).expect("written");
        site.refuses(&altered, "backup").await;
        bytes[place] ^= 1 << (bit % 8);
        tried += 1;
    }
    assert!(tried > 90, "{tried}");
    println!("flipped bits refused: {tried}");
}

#[tokio::test]
async fn a_backup_made_under_another_key_is_refused_by_name() {
    let site = backed_up().await;
    let mut other = Site::new();
    other.config.security.master_key = Some(MasterKey::new([9; 32]));
    other.refuses(&site.file(), "another master key").await;
    assert_eq!(other.names(), Vec::<String>::new());
}

/// A backup of anything, made by somebody who has the key.
fn forged(site: &Site, database: &[u8]) -> PathBuf {
    let key = protocol::seal::SealingKey::from_master(&[7; 32]).expect("a key");
    let header = Header {
        created_at: kernel::Timestamp::default(),
        usso: "0".to_owned(),
        master_key_id: key.key_id().to_owned(),
        database_bytes: database.len() as u64,
    };
    let file = site.directory.file("forged");
    let mut to = std::fs::File::create(&file).expect("a file");
    backup_file::write(&header, &mut &*database, &key, &mut to).expect("written");
    file
}

#[tokio::test]
async fn a_backup_of_a_broken_or_foreign_database_is_refused() {
    let site = backed_up().await;
    let mut broken = std::fs::read(site.database()).expect("the database");
    broken[8_192..16_384].fill(0xa5);
    site.refuses(&forged(&site, &broken), "").await;
    site.refuses(&forged(&site, b"no database at all"), "").await;
    // A database without an installation.
    site.refuses(&forged(&site, b""), "MASTER_KEY is not the key").await;
    // One that was sealed with another key.
    let mut other = Site::new();
    other.config.security.master_key = Some(MasterKey::new([9; 32]));
    other.open().await.close().await;
    let foreign = std::fs::read(other.database()).expect("the database");
    site.refuses(&forged(&site, &foreign), "MASTER_KEY is not the key").await;
}

#[tokio::test]
async fn an_existing_database_is_replaced_by_force_only_and_kept() {
    let site = backed_up().await;
    let instance = site.open().await;
    let later = note("later", system(&instance));
    system(&instance).records::<OneTime>().insert(later, Vec::new()).await.expect("a note");
    // As after a crash: the newest changes are in the log only.
    let refused = site.restore(&site.file(), true).await.expect_err("a server is running");
    assert!(refused.contains("in use by another process"), "{refused}");
    instance.close().await;
    let refused = site.restore(&site.file(), false).await.expect_err("there is a database");
    assert!(refused.contains("--force"), "{refused}");

    let restored = site.restore(&site.file(), true).await.expect("restored");
    let kept = restored.predecessor.expect("the database before");
    assert!(kept.to_string_lossy().contains("usso.db.before-restore-"), "{}", kept.display());
    let instance = site.open().await;
    assert!(has(system(&instance), "kept").await && !has(system(&instance), "later").await);
    instance.close().await;

    let mut before = site.config.clone();
    before.storage.database_url = Some(format!("sqlite:{}", kept.display()).parse().expect("a URL"));
    let instance = startup::open(&before, 8000).await.expect("the database before opens");
    assert!(has(system(&instance), "later").await, "it has what was written last");
    instance.close().await;
}

#[tokio::test]
async fn the_log_of_a_killed_server_is_not_taken_for_the_restored_databases() {
    let site = backed_up().await;
    let instance = site.open().await;
    for n in 0..50 {
        let new = note(&format!("later-{n}"), system(&instance));
        system(&instance).records::<OneTime>().insert(new, Vec::new()).await.expect("a note");
    }
    // What a killed server leaves: the files as they are while it runs.
    let killed = Site::new();
    killed.names();
    for name in ["usso.db", "usso.db-wal"] {
        let (from, to) = (&site.config.storage.data_dir, &killed.config.storage.data_dir);
        std::fs::copy(from.join(name), to.join(name)).expect("copied");
    }
    instance.close().await;
    let restored = killed.restore(&site.file(), true).await.expect("restored");
    let instance = killed.open().await;
    assert!(has(system(&instance), "kept").await && !has(system(&instance), "later-49").await);
    instance.close().await;
    let mut before = killed.config.clone();
    let kept = restored.predecessor.expect("the database before");
    before.storage.database_url = Some(format!("sqlite:{}", kept.display()).parse().expect("a URL"));
    let instance = startup::open(&before, 8000).await.expect("the database before opens");
    assert!(has(system(&instance), "later-49").await, "with what only its log had");
    instance.close().await;
}

#[test]
fn refusals_name_what_is_wrong() {
    let wrong = FileError::OtherKey { found: "a".to_owned(), present: "b".to_owned() };
    assert!(wrong.to_string().contains("MASTER_KEY"));
    let gone = StorageError::Corrupt("x".to_owned());
    assert!(gone.to_string().contains("unreadable"));
}

#[tokio::test]
async fn with_end_sessions_no_session_of_the_backup_lives_again() {
    let epochs = async |instance: &Instance| {
        let tenants = system(instance).records::<Tenant>().page(kernel::Query::all(Tenant::KIND)).await;
        tenants.expect("the tenants").items.iter().map(|tenant| tenant.session_epoch).collect::<Vec<_>>()
    };
    let site = backed_up().await;
    let instance = site.open().await;
    let before = epochs(&instance).await;
    instance.close().await;
    for (end_sessions, more) in [(false, 0), (true, 1)] {
        let target = Site::new();
        let wishes = Wishes { force: false, end_sessions };
        restore(&target.config, &site.file(), wishes).await.map_err(|e| e.to_string()).expect("restored");
        let again = target.open().await;
        let wanted: Vec<_> = before.iter().map(|epoch| epoch + more).collect();
        assert_eq!(epochs(&again).await, wanted, "end_sessions: {end_sessions}");
        again.close().await;
    }
}
