//! Messages: a connection of its own that comes back by itself.
//!
//! While it is away messages are missed, and nobody can say which. So after every (re)subscription each listener is
//! called with an empty message.

use super::link::{CONNECT_TIMEOUT, within};
use futures_util::StreamExt;
use kernel::ephemeral::Listener;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Client, Value};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, interval_at, timeout_at};

/// Between attempts to connect.
const RETRY_GAP: Duration = Duration::from_millis(250);
/// Between pings of the connection.
const PING_GAP: Duration = Duration::from_secs(1);
/// How late the answer to a ping may be. Late messages are better than none.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// A new listener of a channel.
pub(super) struct Order {
    pub(super) channel: String,
    pub(super) listener: Listener,
}

/// The task that owns the connection and the listeners.
pub(super) struct Subscriptions {
    client: Client,
    orders: UnboundedReceiver<Order>,
    listeners: HashMap<String, Vec<Listener>>,
}

/// No more orders can come.
struct Over;

impl Subscriptions {
    pub(super) fn new(client: Client, orders: UnboundedReceiver<Order>) -> Self {
        Self { client, orders, listeners: HashMap::new() }
    }

    pub(super) async fn run(mut self) {
        let Some(first) = self.orders.recv().await else { return };
        self.add(first);
        loop {
            match self.connect().await {
                Ok((sink, stream)) => {
                    self.listeners.values().flatten().for_each(|listener| listener(b""));
                    if let Err(Over) = self.listen(sink, stream).await {
                        return;
                    }
                    tracing::debug!("the subscriptions are lost");
                }
                Err(why) => tracing::debug!(why, "no subscriptions"),
            }
            if let Err(Over) = self.pause().await {
                return;
            }
        }
    }

    fn add(&mut self, order: Order) {
        self.listeners.entry(order.channel).or_default().push(order.listener);
    }

    async fn connect(&self) -> Result<(PubSubSink, PubSubStream), String> {
        let connecting = async {
            let (mut sink, stream) = self.client.get_async_pubsub().await?.split();
            let channels: Vec<&String> = self.listeners.keys().collect();
            sink.subscribe(channels).await?;
            Ok((sink, stream))
        };
        within(CONNECT_TIMEOUT, connecting).await
    }

    /// Hands messages on until the connection is lost.
    async fn listen(&mut self, mut sink: PubSubSink, mut stream: PubSubStream) -> Result<(), Over> {
        let mut ping = interval_at(Instant::now() + PING_GAP, PING_GAP);
        loop {
            let is_alive = tokio::select! {
                order = self.orders.recv() => self.subscribe(order.ok_or(Over)?, &mut sink).await,
                message = stream.next() => message.is_some_and(|message| {
                    let listeners = self.listeners.get(message.get_channel_name());
                    listeners.into_iter().flatten().for_each(|listener| listener(message.get_payload_bytes()));
                    true
                }),
                _ = ping.tick() => within(PING_TIMEOUT, sink.ping::<Value>()).await.is_ok(),
            };
            if !is_alive {
                return Ok(());
            }
        }
    }

    /// Answers whether it came through. If not, the listener is served by the next connection.
    async fn subscribe(&mut self, order: Order, sink: &mut PubSubSink) -> bool {
        let is_new = !self.listeners.contains_key(&order.channel);
        let subscribed = !is_new || within(PING_TIMEOUT, sink.subscribe(&order.channel)).await.is_ok();
        if subscribed {
            (order.listener)(b"");
        }
        self.add(order);
        subscribed
    }

    async fn pause(&mut self) -> Result<(), Over> {
        let end = Instant::now() + RETRY_GAP;
        while let Ok(order) = timeout_at(end, self.orders.recv()).await {
            self.add(order.ok_or(Over)?);
        }
        Ok(())
    }
}
