//! The ephemeral port on Redis (6.2 or later, or Valkey): what several instances share and may lose.
//!
//! The database is the truth; a product that loses Redis goes on. So no call waits longer than [`Options::timeout`],
//! and when Redis is away calls fail at once while a task in the background looks for it (`link`). Expiry is judged
//! by the caller's clock (`value`); messages come over a connection of their own (`subscription`).
//!
//! A key is `usso:{namespace}:{partition}|{key}`, a channel `usso:{namespace}:{channel}`. The password of the URL
//! never gets into an error or a log.

mod link;
mod subscription;
mod value;

use kernel::ephemeral::{EphemeralError, Listener};
use kernel::{BoxFuture, Ephemeral, Partition, Timestamp};
use link::Link;
use redis::{Client, Cmd, ConnectionAddr, cmd};
use std::sync::Arc;
use std::time::Duration;
use subscription::{Order, Subscriptions};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How the store is used.
#[derive(Debug, Clone)]
pub struct Options {
    /// Keeps installations that share a Redis apart.
    pub namespace: String,
    /// How long a call may take.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { namespace: "usso".into(), timeout: Duration::from_millis(100) }
    }
}

/// Short-lived values and messages in Redis.
pub struct RedisEphemeral {
    prefix: String,
    link: Arc<Link>,
    orders: mpsc::UnboundedSender<Order>,
    /// They end with this value.
    _tasks: JoinSet<()>,
}

impl RedisEphemeral {
    /// Uses the Redis at `redis://[[user]:password@]host[:port][/database]`; `rediss://` for TLS with the system's root
    /// certificates. A Redis that is away now is found when it comes.
    ///
    /// # Errors
    /// When the URL is unusable.
    pub async fn open(url: &str, options: Options) -> Result<Self, EphemeralError> {
        let client = client(url)?;
        let link = Arc::new(Link::new(client.clone(), options.timeout));
        link.connect().await;
        let (orders, received) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(link::keep(link.clone()));
        tasks.spawn(Subscriptions::new(client, received).run());
        Ok(Self { prefix: format!("usso:{}:", options.namespace), link, orders, _tasks: tasks })
    }

    /// No partition's name has a bar in it, so two partitions can't spell the same name.
    fn name(&self, partition: &Partition, key: &str) -> String {
        format!("{}{}|{key}", self.prefix, partition.as_str())
    }

    fn channel(&self, channel: &str) -> String {
        format!("{}{channel}", self.prefix)
    }
}

fn client(url: &str) -> Result<Client, EphemeralError> {
    let usage = "the Redis URL is unusable, it should be redis://[[user]:password@]host[:port][/database], \
                 or rediss:// for TLS";
    let client = Client::open(url).map_err(|_| EphemeralError(usage.into()))?;
    if let ConnectionAddr::TcpTls { insecure: true, .. } = client.get_connection_info().addr() {
        return Err(EphemeralError(
            "the Redis URL says #insecure: TLS without certificates is refused".into(),
        ));
    }
    Ok(client)
}

fn script(text: &str, name: &str) -> Cmd {
    let mut command = cmd("EVAL");
    command.arg(text).arg(1).arg(name);
    command
}

impl Ephemeral for RedisEphemeral {
    fn put<'a>(
        &'a self,
        partition: &'a Partition,
        key: &'a str,
        value: Vec<u8>,
        ttl: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), EphemeralError>> {
        Box::pin(async move {
            let mut command = cmd("SET");
            command.arg(self.name(partition, key)).arg(value::encode(&value, value::expiry(ttl, now)));
            self.link.call(command.arg("PX").arg(value::kept(ttl))).await
        })
    }

    fn put_if_absent<'a>(
        &'a self,
        partition: &'a Partition,
        key: &'a str,
        value: Vec<u8>,
        ttl: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, EphemeralError>> {
        Box::pin(async move {
            let mut command = script(value::PUT_IF_ABSENT, &self.name(partition, key));
            command.arg(now.unix_micros()).arg(value::encode(&value, value::expiry(ttl, now)));
            self.link.call(command.arg(value::kept(ttl))).await
        })
    }

    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        key: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, EphemeralError>> {
        Box::pin(async move {
            let held = self.link.call(cmd("GET").arg(self.name(partition, key))).await?;
            value::live(held, now)
        })
    }

    fn take<'a>(
        &'a self,
        partition: &'a Partition,
        key: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, EphemeralError>> {
        Box::pin(async move {
            let held = self.link.call(cmd("GETDEL").arg(self.name(partition, key))).await?;
            value::live(held, now)
        })
    }

    fn increment<'a>(
        &'a self,
        partition: &'a Partition,
        key: &'a str,
        ttl: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, EphemeralError>> {
        Box::pin(async move {
            let mut command = script(value::INCREMENT, &self.name(partition, key));
            command.arg(now.unix_micros()).arg(value::expiry(ttl, now).unix_micros());
            self.link.call(command.arg(value::kept(ttl))).await
        })
    }

    fn publish<'a>(
        &'a self,
        channel: &'a str,
        message: &'a [u8],
    ) -> BoxFuture<'a, Result<(), EphemeralError>> {
        Box::pin(async move { self.link.call(cmd("PUBLISH").arg(self.channel(channel)).arg(message)).await })
    }

    fn subscribe<'a>(
        &'a self,
        channel: &'a str,
        listener: Listener,
    ) -> BoxFuture<'a, Result<(), EphemeralError>> {
        let order = Order { channel: self.channel(channel), listener };
        let sent = self.orders.send(order).map_err(|_| EphemeralError("nobody listens any more".into()));
        Box::pin(std::future::ready(sent))
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), EphemeralError>> {
        Box::pin(async move { self.link.call(&cmd("PING")).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_urls_are_refused_without_quoting_them() {
        for url in ["", "redis", "http://:hunter2@localhost", "redis://:hunter2@", "redis://:hunter2@h:99999"]
        {
            let text = client(url).unwrap_err().to_string();
            assert!(text.contains("rediss://") && !text.contains("hunter2"), "{text}");
        }
        let text = client("rediss://:hunter2@localhost/#insecure").unwrap_err().to_string();
        assert!(text.contains("#insecure") && !text.contains("hunter2"), "{text}");
        assert!(client("rediss://user:hunter2@localhost:6380/1").is_ok());
    }
}
