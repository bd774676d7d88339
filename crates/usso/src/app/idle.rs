//! How long a connection may keep the server waiting for a request's head.
//!
//! A head must be complete within the limit, counted from the moment the connection was opened or the answer before
//! it was written. One sleep per connection watches over that and is only set anew when it ends: a timer started and
//! stopped for every request costs a twentieth of a short one.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

/// Since when a connection waits for a head.
#[derive(Debug)]
pub struct Waiting {
    opened: Instant,
    /// Milliseconds after `opened`; `BUSY` while a request is under way.
    since: AtomicU64,
}

const BUSY: u64 = u64::MAX;

impl Waiting {
    /// A connection that was just opened.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { opened: Instant::now(), since: AtomicU64::new(0) })
    }

    /// A request's head is complete.
    pub fn begin(&self) {
        self.since.store(BUSY, Ordering::Relaxed);
    }

    /// Its answer is made, or a piece of it was written.
    pub fn end(&self) {
        let elapsed = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(BUSY - 1);
        self.since.store(elapsed, Ordering::Relaxed);
    }

    fn wrote(&self) {
        if self.since.load(Ordering::Relaxed) != BUSY {
            self.end();
        }
    }

    /// Ends when the connection has waited longer than the limit.
    pub async fn is_over(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            let since = match self.since.load(Ordering::Relaxed) {
                BUSY => now,
                millis => self.opened + Duration::from_millis(millis),
            };
            if since + limit <= now {
                return;
            }
            sleep_until(since + limit).await;
        }
    }
}

/// A stream whose writes count as life.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    waiting: Arc<Waiting>,
}

impl<S> Watched<S> {
    /// Watches over a stream.
    pub fn new(stream: S, waiting: Arc<Waiting>) -> Self {
        Self { stream, waiting }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if written.is_ready() {
            self.waiting.wrote();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        if written.is_ready() {
            self.waiting.wrote();
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::advance;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_sends_no_head_is_over_after_the_limit() {
        let waiting = Waiting::new();
        let began = Instant::now();
        waiting.is_over(LIMIT).await;
        assert_eq!(began.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_may_take_its_time_and_the_limit_counts_from_its_answer() {
        let waiting = Waiting::new();
        let began = Instant::now();
        let watch = tokio::spawn({
            let waiting = waiting.clone();
            async move { waiting.is_over(LIMIT).await }
        });
        advance(Duration::from_secs(5)).await;
        waiting.begin();
        advance(Duration::from_secs(60)).await;
        assert!(!watch.is_finished());
        waiting.end();
        watch.await.unwrap();
        assert!((75..=76).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn writing_is_life_and_reading_is_not() {
        let waiting = Waiting::new();
        let (near, mut far) = tokio::io::duplex(64);
        let mut stream = Watched::new(near, waiting.clone());
        advance(Duration::from_secs(6)).await;
        stream.write_all(b"answer").await.unwrap();
        let began = Instant::now();
        far.write_all(b"GET /").await.unwrap();
        stream.read_u8().await.unwrap();
        waiting.is_over(LIMIT).await;
        assert_eq!(began.elapsed().as_secs(), 10);
    }
}
