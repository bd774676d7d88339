//! The ephemeral port: lifetimes judged by the caller's clock, one winner, messages by channel.

use super::{NOW, partition};
use crate::{Ephemeral, Partition, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

const MINUTE: Duration = Duration::from_secs(60);

async fn get(store: &Arc<dyn Ephemeral>, key: &str, now: Timestamp) -> Option<Vec<u8>> {
    store.get(&partition("alpha"), key, now).await.expect("get answers")
}

async fn put(store: &Arc<dyn Ephemeral>, key: &str, value: &[u8], ttl: Duration, now: Timestamp) {
    store.put(&partition("alpha"), key, value.to_vec(), ttl, now).await.expect("put answers");
}

async fn increment(store: &Arc<dyn Ephemeral>, whose: &Partition, key: &str, now: Timestamp) -> u64 {
    store.increment(whose, key, MINUTE, now).await.expect("increment answers")
}

pub async fn a_value_is_read_until_it_expires(store: Arc<dyn Ephemeral>) {
    assert_eq!(get(&store, "k", NOW).await, None, "an unknown key is absent");
    let value = [0, 255, b'\n', b'"'];
    put(&store, "k", &value, MINUTE, NOW).await;
    put(&store, "empty", b"", MINUTE, NOW).await;
    for second in [0, 59] {
        let now = NOW.plus_seconds(second);
        assert_eq!(
            get(&store, "k", now).await.as_deref(),
            Some(&value[..]),
            "any bytes come back, until expiry"
        );
    }
    assert_eq!(get(&store, "empty", NOW).await.as_deref(), Some(&b""[..]), "an empty value is a value");
    assert_eq!(get(&store, "k", NOW.plus_seconds(60)).await, None, "expired is absent, from the instant on");
    let taken = store.take(&partition("alpha"), "k", NOW.plus_seconds(60)).await.expect("take answers");
    assert_eq!(taken, None, "an expired value can't be taken");
}

pub async fn a_put_replaces_value_and_lifetime(store: Arc<dyn Ephemeral>) {
    put(&store, "k", b"one", Duration::from_secs(600), NOW).await;
    put(&store, "k", b"two", MINUTE, NOW).await;
    assert_eq!(get(&store, "k", NOW).await.as_deref(), Some(&b"two"[..]), "the later value counts");
    assert_eq!(get(&store, "k", NOW.plus_seconds(60)).await, None, "so does the later, shorter lifetime");
    put(&store, "k", b"three", Duration::from_secs(600), NOW).await;
    let later = get(&store, "k", NOW.plus_seconds(599)).await;
    assert_eq!(later.as_deref(), Some(&b"three"[..]), "and a longer one");
}

pub async fn put_if_absent_keeps_a_live_value(store: Arc<dyn Ephemeral>) {
    let ours = partition("alpha");
    let put = |value: &'static [u8], now| store.put_if_absent(&ours, "k", value.to_vec(), MINUTE, now);
    assert!(put(b"one", NOW).await.expect("answers"), "the first put of a key is done");
    assert!(!put(b"two", NOW.plus_seconds(59)).await.expect("answers"), "a live value stays");
    assert_eq!(
        get(&store, "k", NOW.plus_seconds(59)).await.as_deref(),
        Some(&b"one"[..]),
        "a live value stays"
    );
    assert_eq!(get(&store, "k", NOW.plus_seconds(60)).await, None, "a refused put doesn't prolong it");
    assert!(put(b"three", NOW.plus_seconds(60)).await.expect("answers"), "an expired value is absent");
    let now = get(&store, "k", NOW.plus_seconds(61)).await;
    assert_eq!(now.as_deref(), Some(&b"three"[..]), "the new value is there");
}

pub async fn a_value_is_taken_once(store: Arc<dyn Ephemeral>) {
    let ours = partition("alpha");
    put(&store, "k", b"v", MINUTE, NOW).await;
    let taken = store.take(&ours, "k", NOW).await.expect("take answers");
    assert_eq!(taken.as_deref(), Some(&b"v"[..]), "take answers the value");
    assert_eq!(store.take(&ours, "k", NOW).await.expect("take answers"), None, "a value is taken once");
    assert_eq!(get(&store, "k", NOW).await, None, "a taken value is gone");
}

pub async fn of_parallel_takers_one_gets_the_value(store: Arc<dyn Ephemeral>) {
    for round in 0..10 {
        let key = format!("k{round}");
        put(&store, &key, b"v", MINUTE, NOW).await;
        let takers: Vec<_> = (0..16)
            .map(|_| {
                let (store, key) = (store.clone(), key.clone());
                tokio::spawn(async move {
                    store.take(&partition("alpha"), &key, NOW).await.expect("take answers")
                })
            })
            .collect();
        let mut got = 0;
        for taker in takers {
            got += usize::from(taker.await.expect("finishes").is_some());
        }
        assert_eq!(got, 1, "of parallel takers exactly one gets the value");
    }
}

pub async fn of_parallel_first_puts_one_wins(store: Arc<dyn Ephemeral>) {
    let putters: Vec<_> = (0..32u8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let put = store.put_if_absent(&partition("alpha"), "k", vec![n], MINUTE, NOW).await;
                put.expect("answers").then_some(vec![n])
            })
        })
        .collect();
    let mut winners = Vec::new();
    for putter in putters {
        winners.extend(putter.await.expect("finishes"));
    }
    assert_eq!(winners.len(), 1, "of parallel first puts exactly one is done");
    assert_eq!(get(&store, "k", NOW).await.as_ref(), winners.first(), "and its value is there");
}

pub async fn a_window_starts_with_its_first_increment(store: Arc<dyn Ephemeral>) {
    let ours = partition("alpha");
    for (second, expected) in [(0, 1), (30, 2), (59, 3)] {
        let count = increment(&store, &ours, "k", NOW.plus_seconds(second)).await;
        assert_eq!(count, expected, "increments within the window count up");
    }
    let count = increment(&store, &ours, "k", NOW.plus_seconds(60)).await;
    assert_eq!(count, 1, "the window ends `ttl` after its first increment, later ones don't prolong it");
    assert_eq!(increment(&store, &ours, "k", NOW.plus_seconds(119)).await, 2, "the new window counts anew");
    assert_eq!(increment(&store, &ours, "other", NOW).await, 1, "every key has its own count");
}

pub async fn parallel_increments_are_all_counted(store: Arc<dyn Ephemeral>) {
    let counters: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut counts = Vec::new();
                for _ in 0..25 {
                    counts.push(increment(&store, &partition("alpha"), "k", NOW).await);
                }
                counts
            })
        })
        .collect();
    let mut counts = Vec::new();
    for counter in counters {
        counts.extend(counter.await.expect("finishes"));
    }
    counts.sort_unstable();
    assert_eq!(
        counts,
        (1..=200).collect::<Vec<u64>>(),
        "every increment is counted once and answers its count"
    );
}

pub async fn ephemeral_keys_are_apart_by_partition(store: Arc<dyn Ephemeral>) {
    let (ours, theirs) = (partition("alpha"), partition("beta"));
    put(&store, "k", b"ours", MINUTE, NOW).await;
    assert_eq!(store.get(&theirs, "k", NOW).await.expect("get answers"), None, "a foreign key is absent");
    assert_eq!(store.take(&theirs, "k", NOW).await.expect("take answers"), None, "and can't be taken");
    let put = store.put_if_absent(&theirs, "k", b"theirs".to_vec(), MINUTE, NOW).await;
    assert!(put.expect("answers"), "a foreign key isn't in the way");
    assert_eq!(get(&store, "k", NOW).await.as_deref(), Some(&b"ours"[..]), "the own value is untouched");
    assert_eq!(increment(&store, &ours, "n", NOW).await, 1);
    assert_eq!(increment(&store, &theirs, "n", NOW).await, 1, "counts are apart, too");
}

/// Subscribes, and waits until the subscription has taken effect.
async fn listen(store: &Arc<dyn Ephemeral>, channel: &str) -> mpsc::UnboundedReceiver<Vec<u8>> {
    let (sender, mut inbox) = mpsc::unbounded_channel();
    let listener = Arc::new(move |message: &[u8]| drop(sender.send(message.to_vec())));
    store.subscribe(channel, listener).await.expect("subscribe answers");
    assert_eq!(
        receive(&mut inbox).await,
        b"",
        "an empty message says that the subscription has taken effect"
    );
    inbox
}

async fn receive(inbox: &mut mpsc::UnboundedReceiver<Vec<u8>>) -> Vec<u8> {
    let received = tokio::time::timeout(Duration::from_secs(10), inbox.recv()).await;
    received.expect("a message arrives").expect("the listener is kept")
}

pub async fn a_message_reaches_every_listener_of_its_channel_only(store: Arc<dyn Ephemeral>) {
    let mut inboxes = Vec::new();
    for channel in ["ours", "ours", "others"] {
        inboxes.push(listen(&store, channel).await);
    }
    store.publish("nobody", b"lost").await.expect("publishing to nobody is no error");
    for message in [&b"one"[..], b"two", b"\0\xff"] {
        store.publish("ours", message).await.expect("publish answers");
    }
    store.publish("others", b"other").await.expect("publish answers");
    for inbox in &mut inboxes[..2] {
        for expected in [&b"one"[..], b"two", b"\0\xff"] {
            assert_eq!(receive(inbox).await, expected, "every listener, in order, with every byte");
        }
    }
    assert_eq!(receive(&mut inboxes[2]).await, b"other", "a listener hears its own channel only");
}

pub async fn the_store_answers_a_ping(store: Arc<dyn Ephemeral>) {
    store.ping().await.expect("a store that can be reached answers");
}
