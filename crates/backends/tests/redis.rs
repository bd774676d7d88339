//! The Redis adapter: the conformance suite on a real server, and what happens when that server is away, slow, frozen,
//! flushed, or full of somebody else's values.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use backends::redis::{Options, RedisEphemeral};
use kernel::conformance::EphemeralFixture;
use kernel::ephemeral::EphemeralError;
use kernel::memory::MemoryStorage;
use kernel::{Ephemeral, Ports, SystemClock, SystemRandom, SystemScope, TenantId, TenantScope};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use testbed::proxy::Proxy;
use testbed::redis::Server;
use tokio::sync::mpsc;

const HOUR: Duration = Duration::from_secs(3600);
/// The timeout of a call, and time for a busy machine to come back to us.
const ONE_CALL: Duration = Duration::from_millis(250);
const RECOVERY: Duration = Duration::from_secs(2);
/// For what has no limit of its own.
const PATIENCE: Duration = Duration::from_secs(20);

fn namespace() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn open(url: &str) -> Arc<RedisEphemeral> {
    let options = Options { namespace: namespace(), ..Options::default() };
    Arc::new(RedisEphemeral::open(url, options).await.expect("a usable URL"))
}

async fn fixture() -> EphemeralFixture {
    let server = testbed::redis::shared().expect("redis-server starts");
    EphemeralFixture::new(open(&server.url()).await, ())
}

mod conformance {
    kernel::ephemeral_conformance!(super::fixture);
}

/// A tenant whose counts are in `store`.
fn tenant(store: Arc<dyn Ephemeral>) -> TenantScope {
    let ports = Ports {
        storage: Arc::new(MemoryStorage::new()),
        ephemeral: store,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    };
    SystemScope::new(ports).open(TenantId::default_tenant(), ())
}

async fn timed(store: &RedisEphemeral) -> (Result<(), EphemeralError>, Duration) {
    let begun = Instant::now();
    (store.ping().await, begun.elapsed())
}

/// Three calls may wait for the timeout; all after them fail at once.
async fn expect_an_open_circuit(store: &RedisEphemeral) {
    for _ in 0..3 {
        let (answer, took) = timed(store).await;
        assert!(answer.is_err() && took <= ONE_CALL, "{answer:?} after {took:?}");
    }
    let mut times = Vec::new();
    for _ in 0..21 {
        let (answer, took) = timed(store).await;
        assert!(answer.is_err(), "the circuit is open");
        times.push(took);
    }
    times.sort_unstable();
    assert!(times[10] < Duration::from_millis(5), "calls fail at once: {times:?}");
}

async fn expect_recovery(store: &RedisEphemeral, limit: Duration) {
    let begun = Instant::now();
    while let Err(error) = store.ping().await {
        assert!(begun.elapsed() <= limit, "after {:?}: {error}", begun.elapsed());
        tokio::task::yield_now().await;
    }
}

type Inbox = mpsc::UnboundedReceiver<Vec<u8>>;

async fn subscribe(store: &RedisEphemeral, channel: &str) -> Inbox {
    let (sender, inbox) = mpsc::unbounded_channel();
    let listener = Arc::new(move |message: &[u8]| drop(sender.send(message.to_vec())));
    store.subscribe(channel, listener).await.expect("subscribe answers");
    inbox
}

async fn receive(inbox: &mut Inbox) -> Vec<u8> {
    let received = tokio::time::timeout(PATIENCE, inbox.recv()).await;
    received.expect("a message arrives").expect("the listener is kept")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_redis_fails_calls_at_once_and_is_used_again_within_two_seconds_of_its_return() {
    let server = Server::start().unwrap();
    let store = open(&server.url()).await;
    store.ping().await.expect("a new store is connected");
    server.kill().unwrap();
    expect_an_open_circuit(&store).await;
    server.start_again().unwrap();
    expect_recovery(&store, RECOVERY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_redis_costs_three_timeouts_and_is_used_again_when_it_is_quick() {
    let server = Server::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let store = open(&server.url_at(proxy.address())).await;
    store.ping().await.expect("a new store is connected");
    proxy.delay(500, 0);
    expect_an_open_circuit(&store).await;
    proxy.heal();
    expect_recovery(&store, RECOVERY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_redis_costs_three_timeouts_and_is_used_again_when_it_goes_on() {
    let server = Server::start().unwrap();
    let store = open(&server.url()).await;
    store.ping().await.expect("a new store is connected");
    server.freeze().unwrap();
    expect_an_open_circuit(&store).await;
    server.thaw().unwrap();
    expect_recovery(&store, RECOVERY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_broke_while_nobody_called_is_replaced_before_anybody_does() {
    let server = Server::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let store = open(&server.url_at(proxy.address())).await;
    let mut inbox = subscribe(&store, "c").await;
    assert_eq!(receive(&mut inbox).await, b"", "subscribed");
    proxy.cut();
    proxy.heal();
    assert_eq!(receive(&mut inbox).await, b"", "the subscription is back by itself");
    expect_recovery(&store, RECOVERY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_opens_without_redis_and_finds_it_when_it_comes() {
    let server = Server::start().unwrap();
    server.kill().unwrap();
    let store = open(&server.url()).await;
    let mut inbox = subscribe(&store, "c").await;
    expect_an_open_circuit(&store).await;
    server.start_again().unwrap();
    expect_recovery(&store, RECOVERY).await;
    assert_eq!(receive(&mut inbox).await, b"", "a subscription made before takes effect, too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_redis_counts_anew() {
    let server = Server::start().unwrap();
    let tenant = tenant(open(&server.url()).await);
    assert_eq!(tenant.increment("k", HOUR).await.unwrap(), 1);
    assert_eq!(tenant.increment("k", HOUR).await.unwrap(), 2);
    server.flush().unwrap();
    assert_eq!(tenant.increment("k", HOUR).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_put_by_somebody_else_are_errors_and_no_outage() {
    let server = Server::start().unwrap();
    let store = RedisEphemeral::open(&server.url(), Options::default()).await.unwrap();
    let tenant = tenant(Arc::new(store));
    let name = |key: &str| format!("usso:usso:{}|{key}", tenant.id().as_str());
    server.command(&["RPUSH", &name("list"), "a"]).unwrap();
    server.command(&["SET", &name("text"), "hello"]).unwrap();
    server.command(&["SET", &name("word"), "9000000000000000:hello"]).unwrap();
    for _ in 0..4 {
        for (key, expected) in
            [("list", "somebody else"), ("text", "somebody else"), ("word", "isn't a count")]
        {
            let text = tenant.increment(key, HOUR).await.unwrap_err().to_string();
            assert!(text.contains(expected), "{key}: {text}");
        }
    }
    assert_eq!(tenant.increment("ours", HOUR).await.unwrap(), 1, "twelve such answers open no circuit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_collects_a_value_an_hour_after_its_expiry() {
    let server = Server::start().unwrap();
    let tenant = tenant(Arc::new(RedisEphemeral::open(&server.url(), Options::default()).await.unwrap()));
    let name = format!("usso:usso:{}|k", tenant.id().as_str());
    for count in 1..=2 {
        assert_eq!(tenant.increment("k", Duration::from_secs(60)).await.unwrap(), count);
        let left: u64 = server.command(&["PTTL", &name]).unwrap().parse().unwrap();
        assert!((3_600_001..=3_660_000).contains(&left), "{left} ms are left after {count}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn namespaces_are_apart() {
    let url = testbed::redis::shared().unwrap().url();
    let (ours, theirs) = (open(&url).await, open(&url).await);
    let mut inbox = subscribe(&ours, "c").await;
    assert_eq!(receive(&mut inbox).await, b"");
    theirs.publish("c", b"theirs").await.unwrap();
    ours.publish("c", b"ours").await.unwrap();
    assert_eq!(receive(&mut inbox).await, b"ours");
    for store in [ours, theirs] {
        assert_eq!(tenant(store).increment("k", HOUR).await.unwrap(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_survives_a_restart_and_says_that_messages_may_be_missing() {
    let server = Server::start().unwrap();
    let store = open(&server.url()).await;
    let (mut first, mut second) = (subscribe(&store, "c").await, subscribe(&store, "other").await);
    assert!(receive(&mut first).await.is_empty() && receive(&mut second).await.is_empty());
    server.kill().unwrap();
    server.start_again().unwrap();
    let begun = Instant::now();
    assert!(receive(&mut first).await.is_empty() && receive(&mut second).await.is_empty());
    assert!(begun.elapsed() <= RECOVERY, "subscribed again after {:?}", begun.elapsed());
    expect_recovery(&store, RECOVERY).await;
    store.publish("c", b"again").await.unwrap();
    assert_eq!(receive(&mut first).await, b"again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_in_a_black_hole_is_renewed() {
    let server = Server::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let url = server.url_at(proxy.address());
    let store = RedisEphemeral::open(&url, Options::default()).await.unwrap();
    let mut inbox = subscribe(&store, "c").await;
    assert!(receive(&mut inbox).await.is_empty());
    proxy.black_hole();
    expect_an_open_circuit(&store).await;
    let begun = Instant::now();
    while server.command(&["PUBLISH", "usso:usso:c", "lost"]).unwrap() != "0" {
        assert!(begun.elapsed() < PATIENCE, "the silent connection is given up");
        tokio::task::yield_now().await;
    }
    proxy.heal();
    assert!(receive(&mut inbox).await.is_empty(), "messages may be missing");
    expect_recovery(&store, RECOVERY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_opens_the_door_and_is_in_no_error() {
    let server = Server::start_with_password("hunter2").unwrap();
    let store = open(&server.url()).await;
    store.ping().await.expect("the password is right");
    let mut inbox = subscribe(&store, "c").await;
    assert!(receive(&mut inbox).await.is_empty(), "the subscription knows it, too");
    server.command(&["CONFIG", "SET", "requirepass", "swordfish"]).unwrap();
    server.command(&["PING"]).unwrap_err();
    let refused = open(&server.url()).await;
    let text = refused.ping().await.unwrap_err().to_string();
    assert!(text.contains("authentication failed") && !text.contains("hunter2"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_to_a_server_that_speaks_none_is_an_outage_like_any_other() {
    let url = testbed::redis::shared().unwrap().url().replace("redis://", "rediss://");
    let text = open(&url).await.ping().await.unwrap_err().to_string();
    assert!(text.contains("unavailable"), "{text}");
}
