//! The hashing pool: Argon2id on a few dedicated threads.
//!
//! A hash takes some 14 ms and 19 MiB, so it never runs on a thread that serves requests. The pool's threads
//! run at low priority, keep their memory between hashes and give it back to the system after a rest. Jobs
//! wait in a [`FairQueue`]; what can't be served soon is shed with [`HashError::Overloaded`], and what nobody
//! waits for any more is skipped. A sign-in with an unknown account costs the same work as a wrong password.

use super::fair_queue::{Admission, FairQueue};
use super::phc::{self, Cost, PhcError, StoredHash};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use secrecy::SecretString;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;
use zeroize::{Zeroize, Zeroizing};

mod thread;

use thread::{nudge_allocator, step_back};

/// The length of a salt, in bytes.
pub const SALT_BYTES: usize = 16;
/// The length of a hash, in bytes.
const HASH_BYTES: usize = 32;

/// How the pool works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HasherConfig {
    /// What a new hash costs.
    pub cost: Cost,
    /// How many hashes are computed at once. Default: the number of cores, at most 2.
    pub threads: usize,
    /// How many jobs may wait.
    pub queue_limit: usize,
    /// How long a job may wait before it is shed.
    pub queue_wait: Duration,
    /// After this long without work a thread frees its memory, and as long again later makes sure that the
    /// allocator has returned it to the system (more than a second, or mimalloc hasn't).
    pub idle_release: Duration,
    /// How far the threads step back behind the others (0 to 19; Linux only); 10 leaves them a tenth of a busy core.
    pub niceness: i32,
}

impl Default for HasherConfig {
    fn default() -> Self {
        Self {
            cost: Cost::default(),
            threads: std::thread::available_parallelism().map_or(1, NonZero::get).min(2),
            queue_limit: 100,
            queue_wait: Duration::from_secs(1),
            idle_release: Duration::from_secs(5),
            niceness: 10,
        }
    }
}

/// Why there is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Too many jobs wait, or this one has waited for too long (503).
    #[error("too many sign-ins at the moment")]
    Overloaded {
        /// Seconds until it makes sense to try again.
        retry_after_seconds: u64,
    },
    /// The password to hash is longer than [`super::MAX_PASSWORD_BYTES`].
    #[error("the password is too long")]
    PasswordTooLong,
    /// The stored hash can't be used.
    #[error(transparent)]
    Stored(#[from] PhcError),
    /// The memory for one hash couldn't be had.
    #[error("not enough memory to hash a password")]
    OutOfMemory,
    /// The pool has been shut down.
    #[error("the hashing pool has stopped")]
    Stopped,
    /// The computation itself failed.
    #[error("the password could not be hashed")]
    Failed,
    /// The configuration is unusable or the threads couldn't be started.
    #[error("the hashing pool could not be started: {0}")]
    Setup(String),
}

/// What checking a password found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is the right password.
    pub matches: bool,
    /// Whether it is right and its stored hash is weaker than those written now: store a new one.
    pub needs_rehash: bool,
}

/// What the pool is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HasherStats {
    /// Jobs that wait.
    pub queued: usize,
    /// Hashes being computed.
    pub running: usize,
    /// Hashes computed since the start.
    pub completed: u64,
    /// Jobs refused, displaced or expired since the start.
    pub shed: u64,
    /// Bytes of working memory the threads hold.
    pub memory_held: usize,
}

/// The pool; a cheap handle. Its threads end when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Hasher {
    pool: Arc<Pool>,
}

impl Hasher {
    /// Starts the pool.
    ///
    /// # Errors
    /// [`HashError::Setup`] if the configuration is unusable or a thread can't be started.
    pub fn new(config: HasherConfig) -> Result<Self, HashError> {
        if config.threads == 0 {
            return Err(HashError::Setup("it needs at least one thread".to_owned()));
        }
        let threads = config.threads;
        let hasher = Self::without_threads(config)?;
        for number in 0..threads {
            let worker = Worker::new(Arc::clone(&hasher.pool.shared));
            // Detached: it ends by itself once the pool stops, and nobody should block on it.
            std::thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || worker.run())
                .map_err(|error| HashError::Setup(error.to_string()))?;
        }
        Ok(hasher)
    }

    fn without_threads(config: HasherConfig) -> Result<Self, HashError> {
        if !config.cost.is_acceptable() {
            return Err(HashError::Setup("the cost is out of bounds".to_owned()));
        }
        let block_count = params(&config.cost, HASH_BYTES)?.block_count();
        let state = State {
            queue: FairQueue::new(config.queue_limit, config.queue_wait),
            running: 0,
            completed: 0,
            shed: 0,
            stopping: false,
        };
        let shared = Shared {
            config,
            block_count,
            state: Mutex::new(state),
            work: Condvar::new(),
            memory_held: AtomicUsize::new(0),
        };
        Ok(Self { pool: Arc::new(Pool { shared: Arc::new(shared) }) })
    }

    /// Hashes a new password; the answer is a PHC string. `tenant` is only used to share the pool fairly,
    /// `salt` must be fresh and random.
    ///
    /// # Errors
    /// [`HashError::PasswordTooLong`], and those of the pool.
    pub async fn hash(
        &self,
        tenant: &str,
        password: &SecretString,
        salt: [u8; SALT_BYTES],
    ) -> Result<String, HashError> {
        let password = super::normalise(password).ok_or(HashError::PasswordTooLong)?;
        let cost = self.pool.shared.config.cost;
        let task = HashTask { password, salt: salt.to_vec(), cost, hash_bytes: HASH_BYTES };
        let hash = self.submit(tenant, Task::Hash(task)).await?;
        Ok(phc::format(&cost, &salt, &hash))
    }

    /// Checks a password against a stored PHC string. `None` stands for an account that doesn't exist or
    /// has no password: it costs the work of one hash with the present parameters, and never matches.
    ///
    /// # Errors
    /// [`HashError::Stored`] if the stored hash is unusable, and those of the pool.
    pub async fn verify(
        &self,
        tenant: &str,
        stored: Option<&str>,
        password: &SecretString,
    ) -> Result<Verdict, HashError> {
        // No such password can have been set. This is decided before the account matters, so it tells nothing.
        let Some(password) = super::normalise(password) else {
            return Ok(Verdict { matches: false, needs_rehash: false });
        };
        let current = self.pool.shared.config.cost;
        let is_known = stored.is_some();
        let stored = match stored {
            Some(phc) => StoredHash::parse(phc)?,
            None => StoredHash { cost: current, salt: vec![0; SALT_BYTES], hash: vec![0; HASH_BYTES] },
        };
        let task = HashTask {
            password,
            salt: stored.salt.clone(),
            cost: stored.cost,
            hash_bytes: stored.hash.len(),
        };
        let hash = self.submit(tenant, Task::Hash(task)).await?;
        let is_equal: bool = hash.as_slice().ct_eq(&stored.hash).into();
        let matches = is_equal & is_known;
        let needs_rehash = matches && stored.is_weaker_than(&current, SALT_BYTES, HASH_BYTES);
        Ok(Verdict { matches, needs_rehash })
    }

    /// Does other slow work on the pool, under the same limits: bounded, low-priority, fair between tenants.
    ///
    /// # Errors
    /// Those of the pool.
    pub async fn run<T: Send + 'static>(
        &self,
        tenant: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let (reply, answer) = oneshot::channel();
        let task = Task::Other(Box::new(move || drop(reply.send(work()))));
        self.submit(tenant, task).await?;
        answer.await.map_err(|_| HashError::Failed)
    }

    /// What the pool is doing now.
    pub fn stats(&self) -> HasherStats {
        let shared = &self.pool.shared;
        let state = shared.lock();
        HasherStats {
            queued: state.queue.len(),
            running: state.running,
            completed: state.completed,
            shed: state.shed,
            memory_held: shared.memory_held.load(Ordering::Relaxed),
        }
    }

    async fn submit(&self, tenant: &str, task: Task) -> Hashed {
        let (reply, answer) = oneshot::channel();
        self.pool.shared.admit(tenant, Job { task, reply });
        // No answer at all: the pool stopped, and its queue was dropped.
        answer.await.unwrap_or(Err(HashError::Stopped))
    }
}

/// The handles' share: when the last of them goes, the threads are told to end.
#[derive(Debug)]
struct Pool {
    shared: Arc<Shared>,
}

impl Drop for Pool {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.shared.lock();
            state.stopping = true;
            std::mem::replace(&mut state.queue, FairQueue::new(0, Duration::ZERO))
        };
        self.shared.work.notify_all();
        drop(waiting);
    }
}

type Hashed = Result<Zeroizing<Vec<u8>>, HashError>;

/// What a thread is asked to do.
enum Task {
    Hash(HashTask),
    /// Other slow work, which answers by itself.
    Other(Box<dyn FnOnce() + Send>),
}

/// One hash.
struct HashTask {
    password: Zeroizing<String>,
    salt: Vec<u8>,
    cost: Cost,
    hash_bytes: usize,
}

struct Job {
    task: Task,
    reply: oneshot::Sender<Hashed>,
}

// Written out, because a job holds a password.
impl std::fmt::Debug for Job {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Job").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct State {
    queue: FairQueue<Job>,
    running: usize,
    completed: u64,
    shed: u64,
    stopping: bool,
}

#[derive(Debug)]
struct Shared {
    config: HasherConfig,
    /// How many blocks a hash of the present cost needs.
    block_count: usize,
    /// Held for some microseconds at most, so async code may lock it.
    state: Mutex<State>,
    work: Condvar,
    memory_held: AtomicUsize,
}

/// What a thread does next.
enum Next {
    Compute(Job),
    Rest,
    Stop,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, tenant: &str, job: Job) {
        let now = Instant::now();
        let units = match &job.task {
            Task::Hash(task) => task.cost.relative_to(&self.config.cost),
            Task::Other(_) => 1,
        };
        let mut state = self.lock();
        if state.stopping {
            return;
        }
        let mut shed = state.queue.expire(now);
        if state.queue.is_full() {
            state.queue.retain(|waiting| !waiting.reply.is_closed());
        }
        match state.queue.push(tenant, job, units, now) {
            Admission::Queued => {}
            Admission::Displaced(other) | Admission::Refused(other) => shed.push(other),
        }
        state.shed += shed.len() as u64;
        drop(state);
        self.work.notify_one();
        self.refuse(shed);
    }

    /// Tells the callers of shed jobs; called without the lock, because it wakes their tasks.
    fn refuse(&self, shed: Vec<Job>) {
        let retry_after_seconds = self.config.queue_wait.as_millis().div_ceil(1_000).max(1);
        let retry_after_seconds = u64::try_from(retry_after_seconds).unwrap_or(u64::MAX);
        for job in shed {
            // It fails only if the caller went away, and then nobody needs to know.
            let _ = job.reply.send(Err(HashError::Overloaded { retry_after_seconds }));
        }
    }

    /// Waits for something to do; with `may_rest`, for no longer than `idle_release`.
    fn next(&self, may_rest: bool) -> Next {
        let mut state = self.lock();
        let mut is_rested = false;
        loop {
            if state.stopping {
                return Next::Stop;
            }
            let expired = state.queue.expire(Instant::now());
            if !expired.is_empty() {
                state.shed += expired.len() as u64;
                drop(state);
                self.refuse(expired);
                state = self.lock();
                continue;
            }
            if let Some(job) = state.queue.pop() {
                if job.reply.is_closed() {
                    continue;
                }
                state.running += 1;
                return Next::Compute(job);
            }
            if !may_rest {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else if is_rested {
                return Next::Rest;
            } else {
                let (guard, timeout) = self
                    .work
                    .wait_timeout(state, self.config.idle_release)
                    .unwrap_or_else(PoisonError::into_inner);
                state = guard;
                is_rested = timeout.timed_out();
            }
        }
    }

    fn finish(&self) {
        let mut state = self.lock();
        state.running -= 1;
        state.completed += 1;
    }
}

/// One thread and its working memory.
struct Worker {
    shared: Arc<Shared>,
    blocks: Vec<Block>,
}

impl Worker {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared, blocks: Vec::new() }
    }

    fn run(mut self) {
        step_back(self.shared.config.niceness);
        let mut is_settled = true;
        loop {
            match self.shared.next(!is_settled) {
                Next::Compute(job) => {
                    self.perform(job);
                    is_settled = false;
                }
                Next::Rest if self.blocks.is_empty() => {
                    nudge_allocator();
                    is_settled = true;
                }
                Next::Rest => self.release(),
                Next::Stop => return,
            }
        }
    }

    fn perform(&mut self, job: Job) {
        let Job { task, reply } = job;
        // Should the computation ever panic, one sign-in fails; the pool doesn't lose a thread.
        let work = AssertUnwindSafe(|| match task {
            Task::Hash(task) => self.compute(&task),
            Task::Other(work) => {
                work();
                Ok(Zeroizing::default())
            }
        });
        let hashed = catch_unwind(work).unwrap_or(Err(HashError::Failed));
        // An imported hash may have needed more than usual: not to be kept.
        if self.blocks.len() > self.shared.block_count {
            self.release();
        }
        self.shared.finish();
        let _ = reply.send(hashed);
    }

    fn compute(&mut self, task: &HashTask) -> Hashed {
        let params = params(&task.cost, task.hash_bytes)?;
        let count = params.block_count();
        if self.blocks.len() < count {
            self.release();
            self.acquire(count)?;
        }
        let blocks = self.blocks.get_mut(..count).ok_or(HashError::Failed)?;
        let mut hash = Zeroizing::new(vec![0; task.hash_bytes]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(task.password.as_bytes(), &task.salt, &mut hash, blocks)
            .map_err(|_| HashError::Failed)?;
        Ok(hash)
    }

    fn acquire(&mut self, count: usize) -> Result<(), HashError> {
        self.blocks.try_reserve_exact(count).map_err(|_| HashError::OutOfMemory)?;
        self.blocks.resize(count, Block::new());
        self.shared.memory_held.fetch_add(count * Block::SIZE, Ordering::Relaxed);
        Ok(())
    }

    /// Wipes the working memory, from which the last password could be attacked, and frees it.
    fn release(&mut self) {
        self.blocks.iter_mut().for_each(Zeroize::zeroize);
        self.shared.memory_held.fetch_sub(self.blocks.len() * Block::SIZE, Ordering::Relaxed);
        self.blocks = Vec::new();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.release();
    }
}

fn params(cost: &Cost, hash_bytes: usize) -> Result<Params, HashError> {
    Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(hash_bytes)).map_err(|_| HashError::Failed)
}

#[cfg(test)]
mod tests;
