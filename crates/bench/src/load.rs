//! The load generator: closed loop (each connection asks again as soon as it is answered) and open loop (requests
//! leave by the clock, whatever the server does, and a latency counts from the moment the request was due).
//!
//! Two threads with a single-threaded runtime each, like the usual generators: no work stealing, no shared queue.

use crate::client::Connection;
use crate::histogram::Histogram;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Threads of the generator.
pub const THREADS: usize = 2;

/// What one connection asks, and what it learns from the answers.
pub trait Work: Send + 'static {
    /// The bytes to send next.
    fn request(&mut self) -> &[u8];
    /// Called with each answer.
    fn answered(&mut self, _status: u16, _body: &[u8]) {}
}

/// Always the same request.
#[derive(Debug, Clone)]
pub struct Fixed(pub Vec<u8>);

impl Work for Fixed {
    fn request(&mut self) -> &[u8] {
        &self.0
    }
}

/// What a run counted.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Latencies of answers with status 200 or 201.
    pub latencies: Histogram,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Exchanges that ended with a broken connection.
    pub broken: u64,
    /// How long it ran.
    pub elapsed: Duration,
}

impl Tally {
    /// Counts one answer.
    pub fn count(&mut self, status: u16, latency: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        if matches!(status, 200 | 201) {
            self.latencies.record(latency);
        }
    }

    /// Adds what others counted at the same time.
    pub fn merge(&mut self, other: &Self) {
        self.latencies.merge(&other.latencies);
        other.statuses.iter().for_each(|(status, count)| *self.statuses.entry(*status).or_default() += count);
        self.broken += other.broken;
        self.elapsed = self.elapsed.max(other.elapsed);
    }

    /// Successful answers per second.
    pub fn rate(&self) -> f64 {
        self.latencies.total() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Requests answered or broken.
    pub fn sent(&self) -> u64 {
        self.statuses.values().sum::<u64>() + self.broken
    }

    /// The 99th percentile in milliseconds.
    pub fn p99_ms(&self) -> f64 {
        self.latencies.quantile(0.99).as_secs_f64() * 1e3
    }

    /// The statuses other than success, for a note.
    pub fn failures(&self) -> String {
        let mut parts: Vec<String> = self
            .statuses
            .iter()
            .filter(|(status, _)| !matches!(**status, 200 | 201))
            .map(|(status, count)| format!("{count} × {status}"))
            .collect();
        if self.broken > 0 {
            parts.push(format!("{} broken", self.broken));
        }
        parts.join(", ")
    }
}

/// When requests leave.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// As soon as the previous one is answered.
    Closed,
    /// This many per second over all connections.
    PerSecond(f64),
}

/// Runs each work on a connection of its own and gives the works back.
///
/// # Errors
/// When a connection can't be opened, or a thread can't be started.
pub fn run<W: Work>(
    addr: SocketAddr,
    works: Vec<W>,
    pace: Pace,
    time: Duration,
) -> io::Result<(Vec<W>, Tally)> {
    let total = works.len();
    let mut shares: Vec<Vec<(usize, W)>> = (0..THREADS).map(|_| Vec::new()).collect();
    for (index, work) in works.into_iter().enumerate() {
        if let Some(share) = shares.get_mut(index % THREADS) {
            share.push((index, work));
        }
    }
    let threads: Vec<_> = shares
        .into_iter()
        .map(|share| std::thread::spawn(move || run_share(addr, share, total, pace, time)))
        .collect();
    let (mut works, mut tally) = (Vec::new(), Tally::default());
    for thread in threads {
        let (share, counted) = thread.join().map_err(|_| io::Error::other("a generator thread failed"))??;
        works.extend(share);
        tally.merge(&counted);
    }
    Ok((works, tally))
}

fn run_share<W: Work>(
    addr: SocketAddr,
    share: Vec<(usize, W)>,
    total: usize,
    pace: Pace,
    time: Duration,
) -> io::Result<(Vec<W>, Tally)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connected = Vec::with_capacity(share.len());
        for (index, work) in share {
            connected.push((index, work, Connection::open(addr).await?));
        }
        let begun = Instant::now();
        let tasks: Vec<_> = connected
            .into_iter()
            .map(|(index, work, connection)| match pace {
                Pace::Closed => tokio::spawn(closed(connection, work, begun + time)),
                Pace::PerSecond(rate) => {
                    let gap = Duration::from_secs_f64(1.0 / rate);
                    let first = begun + gap.mul_f64(index as f64);
                    tokio::spawn(open(
                        connection,
                        work,
                        Schedule { first, gap: gap * total as u32, end: begun + time },
                    ))
                }
            })
            .collect();
        let (mut works, mut tally) = (Vec::new(), Tally::default());
        for task in tasks {
            let (work, counted) = task.await.map_err(io::Error::other)??;
            works.push(work);
            tally.merge(&counted);
        }
        tally.elapsed = begun.elapsed();
        Ok((works, tally))
    })
}

async fn closed<W: Work>(mut connection: Connection, mut work: W, end: Instant) -> io::Result<(W, Tally)> {
    let mut tally = Tally::default();
    let mut sent = Instant::now();
    while sent < end {
        let answer = connection.exchange(work.request()).await?;
        let now = Instant::now();
        tally.count(answer.status, now - sent);
        work.answered(answer.status, answer.body);
        sent = now;
    }
    Ok((work, tally))
}

struct Schedule {
    first: Instant,
    gap: Duration,
    end: Instant,
}

async fn open<W: Work>(
    mut connection: Connection,
    mut work: W,
    schedule: Schedule,
) -> io::Result<(W, Tally)> {
    let mut tally = Tally::default();
    let mut due = schedule.first;
    while due < schedule.end && Instant::now() < schedule.end {
        tokio::time::sleep_until(due.into()).await;
        match connection.exchange(work.request()).await {
            Ok(answer) => {
                tally.count(answer.status, due.elapsed());
                work.answered(answer.status, answer.body);
            }
            Err(_) => {
                tally.broken += 1;
                connection = Connection::open(connection.addr()).await?;
            }
        }
        due += schedule.gap;
    }
    Ok((work, tally))
}
