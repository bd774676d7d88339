//! Commands for a stopped server, and servers: never both.

use super::Directory;
use std::sync::Arc;
use tokio::sync::watch;
use usso::app::upkeep::copy::copy;
use usso::app::upkeep::exclusive::Exclusive;
use usso::app::{jobs, startup};
use usso::config::{Config, DatabaseUrl, MasterKey};

fn key() -> protocol::seal::SealingKey {
    protocol::seal::SealingKey::from_master(&[7; 32]).expect("a key")
}

fn config(directory: &Directory, database: &DatabaseUrl) -> Config {
    let mut config = Config::default();
    config.storage.data_dir = directory.0.clone();
    config.storage.database_url = Some(database.clone());
    config.security.master_key = Some(MasterKey::new([7; 32]));
    config.security.system_password = Some("quite-Long-system-Secret!7".into());
    config.hashing.memory_kib = 64;
    config.hashing.iterations = 1;
    config
}

fn refusal<T>(opened: Result<T, startup::StartError>) -> String {
    opened.err().expect("a refusal").to_string()
}

#[tokio::test]
async fn the_embedded_database_is_locked_to_one() {
    let directory = Directory::new();
    let database = DatabaseUrl::Sqlite(directory.file("usso.db"));
    let config = config(&directory, &database);
    let held = Exclusive::open(&database).await.expect("nobody has it");
    assert!(refusal(startup::open(&config, 8000).await).contains("in use by another process"));
    held.close().await.expect("it was ours all the time");
    let instance = startup::open(&config, 8000).await.expect("nobody has it");
    assert!(refusal(Exclusive::open(&database).await).contains("in use by another process"));
    instance.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_database_is_held_alone_and_moves_to_a_file_and_back() {
    let directory = Directory::new();
    let servers = testbed::postgres::shared().expect("a PostgreSQL server");
    let fresh =
        || servers.fresh_database().expect("an empty database").parse::<DatabaseUrl>().expect("a URL");
    let (first, second) = (fresh(), fresh());
    let config = config(&directory, &first);

    let instance = Arc::new(startup::open(&config, 8000).await.expect("nobody has it"));
    let (stop, _) = watch::channel(false);
    let mut jobs = jobs::start(&instance, &stop);
    let refused = refusal(Exclusive::open(&first).await);
    assert!(refused.contains("stop every one") && !refused.contains("postgres:@"), "{refused}");
    stop.send(true).expect("the jobs listen");
    while jobs.join_next().await.is_some() {}
    instance.close().await;

    let held = Exclusive::open(&first).await.expect("nobody has it");
    let (another, server) = tokio::join!(Exclusive::open(&first), startup::open(&config, 8000));
    assert!(refusal(another).contains("stop every one"));
    assert!(refusal(server).contains("another instance is running"));

    // There and back again.
    let file = DatabaseUrl::Sqlite(directory.file("usso.db"));
    let there = Exclusive::open(&file).await.expect("a new file");
    let outcome = copy((held.system(), Some(&key())), there.system(), |_, _, _| ()).await.expect("the copy");
    assert!(outcome.is_same(), "{outcome:?}");
    held.close().await.expect("it was ours all the time");
    let back = Exclusive::open(&second).await.expect("an empty database");
    let outcome = copy((there.system(), Some(&key())), back.system(), |_, _, _| ()).await.expect("the copy");
    assert!(outcome.is_same(), "{outcome:?}");
    there.close().await.expect("it was ours all the time");
    back.close().await.expect("it was ours all the time");
    let mut config = config;
    config.storage.database_url = Some(second);
    let instance = startup::open(&config, 8000).await.expect("the installation");
    assert!(instance.generated_password.is_none());
    instance.close().await;
}
