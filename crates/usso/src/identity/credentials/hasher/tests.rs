//! Tests of the hashing pool. Most of them play the thread's part themselves, step by step.

use super::*;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

const SALT: [u8; SALT_BYTES] = *b"0123456789abcdef";

/// Cheap enough for tests.
fn cheap() -> HasherConfig {
    HasherConfig { cost: Cost { memory_kib: 64, passes: 1, lanes: 1 }, ..HasherConfig::default() }
}

fn poll<F: Future>(future: &mut Pin<&mut F>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Does one job as a thread would; false if there was none.
fn work_once(worker: &mut Worker) -> bool {
    // Nothing waits, so a thread would sleep.
    if worker.shared.lock().queue.is_empty() {
        return false;
    }
    match worker.shared.next(true) {
        Next::Compute(job) => {
            worker.perform(job);
            true
        }
        Next::Rest | Next::Stop => false,
    }
}

fn idle_pool(config: HasherConfig) -> (Hasher, Worker) {
    let hasher = Hasher::without_threads(config).unwrap();
    let worker = Worker::new(Arc::clone(&hasher.pool.shared));
    (hasher, worker)
}

const OVERLOADED: HashError = HashError::Overloaded { retry_after_seconds: 1 };

#[tokio::test]
async fn password_is_recognised_and_another_one_is_not() {
    let hasher = Hasher::new(cheap()).unwrap();
    let phc = hasher.hash("t", &"SecurePassword123!".into(), SALT).await.unwrap();
    assert!(phc.starts_with("$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"), "{phc}");
    let right = hasher.verify("t", Some(&phc), &"SecurePassword123!".into()).await.unwrap();
    assert_eq!(right, Verdict { matches: true, needs_rehash: false });
    let wrong = hasher.verify("t", Some(&phc), &"SecurePassword123?".into()).await.unwrap();
    assert_eq!(wrong, Verdict { matches: false, needs_rehash: false });
}

#[tokio::test]
async fn hash_agrees_with_the_reference_implementation() {
    // argon2id -t 2 -m 8 (256 KiB) -p 1, password "password", salt "somesalt", from its published test vectors.
    let stored = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let hasher = Hasher::new(cheap()).unwrap();
    assert!(hasher.verify("t", Some(stored), &"password".into()).await.unwrap().matches);
}

#[tokio::test]
async fn composed_and_decomposed_passwords_are_the_same() {
    let hasher = Hasher::new(cheap()).unwrap();
    let phc = hasher.hash("t", &"cafe\u{301} noir!".into(), SALT).await.unwrap();
    assert!(hasher.verify("t", Some(&phc), &"caf\u{e9} noir!".into()).await.unwrap().matches);
    assert!(!hasher.verify("t", Some(&phc), &"cafe noir!".into()).await.unwrap().matches);
}

#[tokio::test]
async fn password_is_never_truncated() {
    let hasher = Hasher::new(cheap()).unwrap();
    for (set, tried) in [
        (format!("{}x", "a".repeat(72)), format!("{}y", "a".repeat(72))),
        ("a".repeat(1_024), "a".repeat(1_023)),
        ("with\0nul".to_owned(), "with\0".to_owned()),
        (" spaces ".to_owned(), "spaces".to_owned()),
    ] {
        let phc = hasher.hash("t", &set.clone().into(), SALT).await.unwrap();
        assert!(hasher.verify("t", Some(&phc), &set.into()).await.unwrap().matches);
        assert!(!hasher.verify("t", Some(&phc), &tried.into()).await.unwrap().matches);
    }
}

#[tokio::test]
async fn password_beyond_the_limit_is_refused_when_set_and_wrong_when_tried() {
    let hasher = Hasher::new(cheap()).unwrap();
    let long: SecretString = "a".repeat(1_025).into();
    assert_eq!(hasher.hash("t", &long, SALT).await, Err(HashError::PasswordTooLong));
    assert!(!hasher.verify("t", None, &long).await.unwrap().matches);
    assert_eq!(hasher.stats().completed, 0);
}

#[tokio::test]
async fn weaker_stored_hash_is_to_be_replaced_once_the_password_is_right() {
    let weak = Hasher::new(cheap()).unwrap();
    let phc = weak.hash("t", &"correct".into(), SALT).await.unwrap();
    let cost = Cost { memory_kib: 128, ..cheap().cost };
    let strong = Hasher::new(HasherConfig { cost, ..cheap() }).unwrap();
    let verdict = strong.verify("t", Some(&phc), &"correct".into()).await.unwrap();
    assert_eq!(verdict, Verdict { matches: true, needs_rehash: true });
    let verdict = strong.verify("t", Some(&phc), &"wrong".into()).await.unwrap();
    assert_eq!(verdict, Verdict { matches: false, needs_rehash: false });
    let stronger = strong.hash("t", &"correct".into(), SALT).await.unwrap();
    assert!(!weak.verify("t", Some(&stronger), &"correct".into()).await.unwrap().needs_rehash);
}

#[test]
fn unknown_account_costs_the_work_of_a_wrong_password() {
    let (hasher, mut worker) = idle_pool(cheap());
    let phc = {
        let password = "password".into();
        let mut hash = pin!(hasher.hash("t", &password, SALT));
        assert!(poll(&mut hash).is_pending());
        assert!(work_once(&mut worker));
        let Poll::Ready(phc) = poll(&mut hash) else { panic!("no answer") };
        phc.unwrap()
    };
    let password = "guess".into();
    let mut costs = Vec::new();
    for stored in [Some(phc.as_str()), None] {
        let mut verify = pin!(hasher.verify("t", stored, &password));
        assert!(poll(&mut verify).is_pending());
        let Next::Compute(job) = hasher.pool.shared.next(true) else { panic!("no job") };
        let Task::Hash(task) = &job.task else { panic!("a hash") };
        costs.push((task.cost, task.salt.len(), task.hash_bytes));
        worker.perform(job);
        assert_eq!(poll(&mut verify), Poll::Ready(Ok(Verdict { matches: false, needs_rehash: false })));
    }
    assert_eq!(costs[0], costs[1]);
    assert_eq!(hasher.stats().completed, 3);
}

#[test]
fn unknown_account_never_matches_even_if_the_hash_came_out_as_the_dummy() {
    let (hasher, _worker) = idle_pool(cheap());
    let password = "guess".into();
    let mut verify = pin!(hasher.verify("t", None, &password));
    assert!(poll(&mut verify).is_pending());
    let Next::Compute(job) = hasher.pool.shared.next(true) else { panic!("no job") };
    job.reply.send(Ok(Zeroizing::new(vec![0; HASH_BYTES]))).unwrap();
    assert_eq!(poll(&mut verify), Poll::Ready(Ok(Verdict { matches: false, needs_rehash: false })));
}

#[tokio::test]
async fn hostile_stored_hash_is_refused_before_any_work() {
    let hasher = Hasher::new(cheap()).unwrap();
    let hostile = "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let error = hasher.verify("t", Some(hostile), &"p".into()).await;
    assert_eq!(error, Err(HashError::Stored(PhcError::TooExpensive)));
    assert_eq!(hasher.stats(), HasherStats::default());
}

#[test]
fn flooding_tenant_is_shed_and_the_quiet_one_served() {
    let (hasher, mut worker) = idle_pool(HasherConfig { queue_limit: 3, ..cheap() });
    let password = "p".into();
    let mut flood: Vec<_> = (0..4).map(|_| Box::pin(hasher.verify("flood", None, &password))).collect();
    for future in &mut flood[..3] {
        assert!(poll(&mut future.as_mut()).is_pending());
    }
    assert_eq!(poll(&mut flood[3].as_mut()), Poll::Ready(Err(OVERLOADED)));
    let mut quiet = pin!(hasher.verify("quiet", None, &password));
    assert!(poll(&mut quiet).is_pending());
    assert_eq!(poll(&mut flood[2].as_mut()), Poll::Ready(Err(OVERLOADED)));
    assert!(work_once(&mut worker) && work_once(&mut worker));
    assert!(poll(&mut quiet).is_ready());
    let stats = hasher.stats();
    assert_eq!((stats.queued, stats.completed, stats.shed), (1, 2, 2));
}

#[test]
fn job_that_waited_too_long_is_shed() {
    let (hasher, mut worker) = idle_pool(HasherConfig { queue_wait: Duration::ZERO, ..cheap() });
    let password = "p".into();
    let mut first = pin!(hasher.verify("t", None, &password));
    assert!(poll(&mut first).is_pending());
    let mut second = pin!(hasher.verify("t", None, &password));
    assert!(poll(&mut second).is_pending());
    assert_eq!(poll(&mut first), Poll::Ready(Err(OVERLOADED)));
    assert_eq!((hasher.stats().queued, hasher.stats().shed), (1, 1));
    drop(hasher.pool.shared.lock().queue.expire(Instant::now()));
    assert!(!work_once(&mut worker));
}

#[test]
fn job_of_a_caller_who_went_away_is_skipped() {
    let (hasher, mut worker) = idle_pool(HasherConfig { queue_limit: 2, ..cheap() });
    let password = "p".into();
    {
        let mut gone = pin!(hasher.verify("t", None, &password));
        assert!(poll(&mut gone).is_pending());
    }
    let mut here = pin!(hasher.verify("t", None, &password));
    assert!(poll(&mut here).is_pending());
    let mut another = pin!(hasher.verify("t", None, &password));
    assert!(poll(&mut another).is_pending(), "the place of the one who left is free");
    assert!(work_once(&mut worker));
    assert!(poll(&mut here).is_ready());
    assert_eq!((hasher.stats().completed, hasher.stats().shed), (1, 0));
}

#[test]
fn memory_is_reused_and_an_unusually_large_one_given_back_at_once() {
    let (hasher, mut worker) = idle_pool(cheap());
    let large = phc::format(&Cost { memory_kib: 256, ..cheap().cost }, &SALT, &[0; HASH_BYTES]);
    let password = "p".into();
    let mut held = Vec::new();
    for stored in [None, None, Some(large.as_str())] {
        let mut verify = pin!(hasher.verify("t", stored, &password));
        assert!(poll(&mut verify).is_pending());
        assert!(work_once(&mut worker));
        assert!(poll(&mut verify).is_ready());
        held.push((hasher.stats().memory_held, worker.blocks.as_ptr()));
    }
    assert_eq!(held[0].0, 64 * 1024);
    assert_eq!(held[0], held[1]);
    assert_eq!((held[2].0, worker.blocks.capacity()), (0, 0));
}

/// Waits, without sleeping, for the pool's own threads.
fn eventually(condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

#[tokio::test]
async fn memory_is_given_back_after_a_rest_and_taken_again() {
    let hasher = Hasher::new(HasherConfig { idle_release: Duration::from_millis(1), ..cheap() }).unwrap();
    for _ in 0..2 {
        hasher.verify("t", None, &"p".into()).await.unwrap();
        assert!(eventually(|| hasher.stats().memory_held == 0));
    }
    assert_eq!(hasher.stats().completed, 2);
}

#[tokio::test]
async fn memory_is_kept_between_hashes() {
    let hasher =
        Hasher::new(HasherConfig { threads: 1, idle_release: Duration::from_secs(3_600), ..cheap() })
            .unwrap();
    hasher.verify("t", None, &"p".into()).await.unwrap();
    assert_eq!(hasher.stats().memory_held, 64 * 1024);
}

#[test]
fn threads_end_with_the_last_handle() {
    let hasher = Hasher::new(cheap()).unwrap();
    let shared = Arc::downgrade(&hasher.pool.shared);
    let other = hasher.clone();
    drop(hasher);
    assert!(shared.upgrade().is_some_and(|shared| !shared.lock().stopping));
    drop(other);
    assert!(eventually(|| shared.strong_count() == 0));
}

#[test]
fn stopped_pool_answers_instead_of_hanging() {
    let (hasher, _worker) = idle_pool(cheap());
    hasher.pool.shared.lock().stopping = true;
    let password = "p".into();
    let mut verify = pin!(hasher.verify("t", None, &password));
    assert_eq!(poll(&mut verify), Poll::Ready(Err(HashError::Stopped)));
}

#[test]
fn unusable_configuration_is_refused() {
    let none = HasherConfig { threads: 0, ..cheap() };
    assert!(matches!(Hasher::new(none), Err(HashError::Setup(_))));
    let huge = HasherConfig { cost: Cost { memory_kib: u32::MAX, passes: 1, lanes: 1 }, ..cheap() };
    assert!(matches!(Hasher::new(huge), Err(HashError::Setup(_))));
}

#[test]
fn job_does_not_show_its_password() {
    let (hasher, _worker) = idle_pool(cheap());
    let password = "canary-secret".into();
    let mut verify = pin!(hasher.verify("t", None, &password));
    assert!(poll(&mut verify).is_pending());
    assert!(!format!("{hasher:?}").contains("canary"));
}

#[cfg(target_os = "linux")]
#[test]
fn only_the_hashing_thread_steps_back() {
    let priority = || rustix::process::getpriority_process(None).unwrap();
    let before = priority();
    let stepped_back = std::thread::spawn(move || {
        step_back(5);
        priority()
    });
    assert_eq!(stepped_back.join().unwrap(), (before + 5).min(19));
    assert_eq!(priority(), before);
}

#[tokio::test]
async fn other_work_is_bounded_by_the_same_queue() {
    let hasher = Hasher::without_threads(HasherConfig { queue_limit: 1, ..HasherConfig::default() }).unwrap();
    let waiting = tokio::spawn({
        let hasher = hasher.clone();
        async move { hasher.run("a", || 1).await }
    });
    while hasher.stats().queued == 0 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(hasher.run("a", || 2).await, Err(HashError::Overloaded { .. })));
    drop(hasher);
    waiting.abort();
}

#[tokio::test]
async fn other_work_is_done_and_answered() {
    let hasher = Hasher::new(HasherConfig { threads: 1, ..HasherConfig::default() }).unwrap();
    assert_eq!(hasher.run("a", || 6 * 7).await.unwrap(), 42);
}
