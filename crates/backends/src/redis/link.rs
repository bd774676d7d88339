//! The connection behind a circuit breaker.
//!
//! There is a connection or there is none. With one, a call uses it and waits no longer than the timeout; three
//! failures in a row, or a broken connection, take it away. Without one, calls fail at once, and only the task in the
//! background waits: it connects again, proves the new connection with a ping, and hands it over.

use super::value;
use kernel::ephemeral::EphemeralError;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, RedisResult, cmd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Failures in a row that take the connection away.
const FAILURES: u32 = 3;
/// Between attempts to connect.
const PROBE_GAP: Duration = Duration::from_millis(500);
/// Between pings of a connection, so that a dead one is found before a caller is.
const PING_GAP: Duration = Duration::from_secs(1);
/// How long the background, where nobody waits, gives name resolution, TCP, TLS and authentication together.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

const LATE: &str = "no answer in time";

/// See the module.
pub(super) struct Link {
    client: Client,
    timeout: Duration,
    /// The connection, or why there is none.
    live: Mutex<Result<Arc<Live>, String>>,
    lost: Notify,
    /// Whether the log says that Redis is away.
    is_reported: AtomicBool,
}

struct Live {
    connection: MultiplexedConnection,
    failures: AtomicU32,
}

/// Keeps the connection alive and looks for a new one, for ever.
pub(super) async fn keep(link: Arc<Link>) {
    loop {
        if link.live().is_ok() {
            // Whatever ends the wait: a ping of a lost connection fails at once.
            let _ = timeout(PING_GAP, link.lost.notified()).await;
            let _ = link.call::<()>(&cmd("PING")).await;
        } else if !link.connect().await {
            tokio::time::sleep(PROBE_GAP).await;
        }
    }
}

impl Link {
    pub(super) fn new(client: Client, timeout: Duration) -> Self {
        let (live, is_reported) = (Mutex::new(Err("not connected yet".into())), AtomicBool::new(false));
        Self { client, timeout, live, lost: Notify::new(), is_reported }
    }

    /// Sends one command.
    pub(super) async fn call<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, EphemeralError> {
        let live = self.live().map_err(|why| EphemeralError(format!("no connection to Redis: {why}")))?;
        let mut connection = live.connection.clone();
        let failure = match timeout(self.timeout, command.query_async(&mut connection)).await {
            Ok(Ok(answer)) => {
                live.failures.store(0, Ordering::Relaxed);
                return Ok(answer);
            }
            Ok(Err(error)) => match about_the_value(&error) {
                Some(refused) => {
                    live.failures.store(0, Ordering::Relaxed);
                    return Err(refused);
                }
                None => Failure { is_final: error.is_unrecoverable_error(), text: describe(&error) },
            },
            Err(_) => Failure { is_final: false, text: LATE.into() },
        };
        let failures = live.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failure.is_final || failures >= FAILURES {
            self.lose(&live, &failure.text);
        }
        Err(EphemeralError(failure.text))
    }

    /// Tries once; answers whether there is a connection now.
    pub(super) async fn connect(&self) -> bool {
        // Time is kept here: one limit for a whole call.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let attempt = async {
            let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
            let mut connection = within(CONNECT_TIMEOUT, connecting).await?;
            // Who answers late to this would to every call.
            within(self.timeout, cmd("PING").query_async::<()>(&mut connection)).await?;
            Ok::<_, String>(connection)
        };
        match attempt.await {
            Ok(connection) => {
                *self.lock() = Ok(Arc::new(Live { connection, failures: AtomicU32::new(0) }));
                if self.is_reported.swap(false, Ordering::Relaxed) {
                    tracing::info!(server = %self.client.get_connection_info().addr(), "Redis is back");
                }
                true
            }
            Err(why) => {
                self.report(&why);
                *self.lock() = Err(why);
                false
            }
        }
    }

    fn live(&self) -> Result<Arc<Live>, String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Result<Arc<Live>, String>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the connection away, unless it has been replaced.
    fn lose(&self, lost: &Arc<Live>, why: &str) {
        let mut live = self.lock();
        if live.as_ref().is_ok_and(|live| Arc::ptr_eq(live, lost)) {
            *live = Err(why.to_owned());
            drop(live);
            self.report(why);
            self.lost.notify_one();
        }
    }

    /// Once per outage.
    fn report(&self, why: &str) {
        if !self.is_reported.swap(true, Ordering::Relaxed) {
            let server = self.client.get_connection_info().addr();
            tracing::warn!(%server, why, "Redis is away; going on without it");
        }
    }
}

struct Failure {
    /// Whether the connection is of no more use.
    is_final: bool,
    text: String,
}

/// An answer that says something of the value and nothing of the server's health.
fn about_the_value(error: &RedisError) -> Option<EphemeralError> {
    error
        .code()
        .filter(|code| matches!(*code, "WRONGTYPE" | value::FOREIGN | value::NOT_A_COUNT))
        .map(value::refused)
}

/// What a step of the background came to.
pub(super) async fn within<T>(
    limit: Duration,
    step: impl Future<Output = RedisResult<T>>,
) -> Result<T, String> {
    timeout(limit, step).await.map_err(|_| LATE.to_owned())?.map_err(|error| describe(&error))
}

/// Of an answer only its code: a server quotes what it was sent, the password too.
fn describe(error: &RedisError) -> String {
    match error.code() {
        Some(code) => format!("Redis answered {code}"),
        None if error.is_io_error() => error.to_string(),
        None => error.category().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::{ErrorKind, make_extension_error};

    #[test]
    fn an_error_is_described_without_what_the_server_quotes() {
        let quote = "unknown command 'AUTH', with args beginning with: 'hunter2'".to_owned();
        let answer = make_extension_error("ERR".into(), Some(quote.clone()));
        assert_eq!(describe(&answer), "Redis answered ERR");
        let refused = RedisError::from((ErrorKind::AuthenticationFailed, "refused", quote));
        assert_eq!(describe(&refused), "authentication failed");
    }

    #[test]
    fn answers_about_a_value_are_no_failures() {
        for code in ["WRONGTYPE", value::FOREIGN, value::NOT_A_COUNT] {
            assert!(about_the_value(&make_extension_error(code.into(), None)).is_some(), "{code}");
        }
        for code in ["NOAUTH", "LOADING", "READONLY", "ERR"] {
            assert!(about_the_value(&make_extension_error(code.into(), None)).is_none(), "{code}");
        }
    }
}
