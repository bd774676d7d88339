//! The ephemeral port: what may be lost. Rate windows, caches, wake-up and invalidation messages.

use crate::{BoxFuture, Partition, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// The ephemeral store can't be reached.
#[derive(Debug, thiserror::Error)]
#[error("ephemeral store unavailable: {0}")]
pub struct EphemeralError(pub String);

/// Called with each message of a channel.
pub type Listener = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// A short-lived key-value store with publish/subscribe. Expiry is judged by `now`.
pub trait Ephemeral: Send + Sync + 'static {
    /// Sets a value.
    fn put<'a>(
        &'a self,
        partition: &'a Partition,
        key: &'a str,
        value: Vec<u8>,
        ttl: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), EphemeralError>>;

    /// Sets a value unless a live one is there; answers whether it did.
    fn put_if_absent<'a>(
        &'a self,
        partition: &'a Partition,
        key: &'a str,
        value: Vec<u8>,
        ttl: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, EphemeralError>>;

    /// Reads a live value.
    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        key: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, EphemeralError>>;

    /// Reads and removes a live value; of parallel callers exactly one gets it.
    fn take<'a>(
        &'a self,
        partition: &'a Partition,
        key: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, EphemeralError>>;

    /// Counts one up and answers the new count; the first increment starts the window of `ttl`.
    fn increment<'a>(
        &'a self,
        partition: &'a Partition,
        key: &'a str,
        ttl: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, EphemeralError>>;

    /// System: sends a message, which isn't empty, to every listener of the channel, on every instance.
    fn publish<'a>(
        &'a self,
        channel: &'a str,
        message: &'a [u8],
    ) -> BoxFuture<'a, Result<(), EphemeralError>>;

    /// System: calls the listener for every later message of the channel. A call with an *empty* message says that
    /// the subscription has just taken effect: once after `subscribe`, which doesn't wait for it, and again whenever
    /// the adapter lost its connection and has subscribed anew, so messages may have been missed. A listener must be
    /// quick and not panic.
    fn subscribe<'a>(
        &'a self,
        channel: &'a str,
        listener: Listener,
    ) -> BoxFuture<'a, Result<(), EphemeralError>>;

    /// System: answers when the store does.
    fn ping(&self) -> BoxFuture<'_, Result<(), EphemeralError>>;
}
