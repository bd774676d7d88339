//! Random sequences of operations, compared step by step with [`MemoryStorage`].
//!
//! A step is decoded from one number, so a property test can shrink a failing sequence by leaving numbers out,
//! and a failing seed says everything needed to repeat it.

use super::{NOW, Shape, document, effect, names, successor};
use crate::memory::MemoryStorage;
use crate::{
    Count, Document, Effect, Partition, Position, Query, Revision, Settlement, Sort, Storage, StorageError,
    StoredEffect, TagMatch, Timestamp, Topic,
};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use std::ops::Range;
use std::sync::Arc;

const IDS: [&str; 4] = ["a", "b", "c", "d"];
const KEYS: [&str; 4] = ["k:1", "k:2", "k:3", "k:4"];
const TAGS: [&str; 4] = ["r:admin", "r:user", "x", "xy"];
const SORTS: [&[u8]; 4] = [b"", b"a", b"ab", b"\xff"];
const KINDS: [&str; 2] = ["things", "others"];

/// Takes choices out of a step's number.
struct Choices(u32);

impl Choices {
    fn below(&mut self, n: u32) -> usize {
        let choice = self.0 % n;
        self.0 /= n;
        choice as usize
    }

    fn some(&mut self, of: [&'static str; 4]) -> Vec<&'static str> {
        let bits = self.below(16);
        (0..4).filter(|n| bits & (1 << n) != 0).map(|n| of[n]).collect()
    }
}

/// What a write said, in a form that can be compared.
fn said(result: &Result<(), StorageError>) -> String {
    match result {
        Ok(()) => "Ok".into(),
        Err(StorageError::KeyTaken { key }) => format!("KeyTaken {key}"),
        Err(other) => format!("{other:?}"),
    }
}

fn told(effects: &[StoredEffect]) -> Vec<(String, String, Timestamp, u32)> {
    let tell = |e: &StoredEffect| {
        (names(std::slice::from_ref(e)).concat(), e.partition.clone(), e.effect.due_at, e.attempts)
    };
    effects.iter().map(tell).collect()
}

/// The storage under test and the reference, side by side.
struct Pair {
    tested: Arc<dyn Storage>,
    reference: MemoryStorage,
    partitions: [Partition; 2],
    now: Timestamp,
    heads: (Position, Position),
    effects: u32,
    log: Vec<String>,
}

impl Pair {
    fn new(tested: Arc<dyn Storage>) -> Self {
        let partitions = [super::partition("m"), super::partition("m_2")];
        let heads = (Position(0), Position(0));
        Self {
            tested,
            reference: MemoryStorage::new(),
            partitions,
            now: NOW,
            heads,
            effects: 0,
            log: Vec::new(),
        }
    }

    fn assert_same<T: PartialEq + std::fmt::Debug>(&self, tested: T, reference: T, what: &str) {
        assert_eq!(
            tested,
            reference,
            "{what} differs from the reference (right) after\n  {}",
            self.log.join("\n  ")
        );
    }

    async fn start(&mut self, name: &str) {
        self.now = NOW;
        self.log = vec![name.to_owned()];
        self.partitions = [super::partition(&format!("m_{name}")), super::partition(&format!("m_{name}_2"))];
        let tested = self.tested.effects_head().await.expect("effects_head answers");
        let reference = self.reference.effects_head().await.expect("effects_head answers");
        self.heads = (tested, reference);
    }

    async fn step(&mut self, code: u32) {
        let mut choices = Choices(code);
        match choices.below(16) {
            0..=4 => self.insert(&mut choices).await,
            5..=8 => self.replace(&mut choices).await,
            9 => self.delete(&mut choices).await,
            10 | 11 => {
                self.now = self.now.plus_seconds(7);
                self.log.push("seven seconds pass".into());
            }
            12 => self.purge().await,
            13 => self.settle(&mut choices).await,
            14 => self.drop_partition(&mut choices).await,
            _ => self.query(&mut choices).await,
        }
    }

    fn document(&self, choices: &mut Choices, kind: &'static str) -> Document {
        let mut one =
            document(IDS[choices.below(4)]).kind(kind).keys(&choices.some(KEYS)).tags(&choices.some(TAGS));
        let sort = choices.below(5);
        if sort < 4 {
            one = one.sort("name", SORTS[sort]);
        }
        one.expires_at =
            [None, None, Some(self.now.plus_seconds(14)), Some(self.now.plus_seconds(1))][choices.below(4)];
        one.created(self.now)
    }

    fn effects(&mut self, choices: &mut Choices) -> Vec<Effect> {
        let topics: &[Topic] =
            [&[][..], &[Topic::Audit], &[Topic::Invalidation], &[Topic::Invalidation, Topic::Message]]
                [choices.below(4)];
        let mut effects = Vec::new();
        for topic in topics {
            self.effects += 1;
            effects.push(effect(*topic, &format!("e{}", self.effects), self.now));
        }
        effects
    }

    async fn insert(&mut self, choices: &mut Choices) {
        let (kind, whose) = (KINDS[choices.below(2)], self.partitions[choices.below(2)].clone());
        let one = self.document(choices, kind);
        let (effects, times) = (self.effects(choices), 1 + choices.below(4) / 3);
        self.log.push(format!("insert {times}x {whose:?} {one:?} {} effects", effects.len()));
        for _ in 0..times {
            let tested = self.tested.insert(&whose, one.clone(), effects.clone(), self.now).await;
            let reference = self.reference.insert(&whose, one.clone(), effects.clone(), self.now).await;
            self.assert_same(said(&tested), said(&reference), "insert");
        }
        self.compare(&whose, kind, &one.id).await;
    }

    async fn replace(&mut self, choices: &mut Choices) {
        let (kind, whose) = (KINDS[choices.below(2)], self.partitions[choices.below(2)].clone());
        let mut new = self.document(choices, kind);
        let stored = self.reference.get(&whose, kind, &new.id, self.now).await.expect("get answers");
        let expected = stored.as_ref().map_or(new.revision, |old| old.revision);
        new = successor(&new);
        new.created_at = stored.map_or(self.now, |old| old.created_at);
        let (effects, times) = (self.effects(choices), 1 + choices.below(4) / 3);
        let expected = if choices.below(8) == 7 { Revision::from_stored(i64::MAX) } else { expected };
        self.log
            .push(format!("replace {times}x {whose:?} {expected:?} by {new:?} {} effects", effects.len()));
        for _ in 0..times {
            let tested = self.tested.replace(&whose, new.clone(), expected, effects.clone(), self.now).await;
            let reference =
                self.reference.replace(&whose, new.clone(), expected, effects.clone(), self.now).await;
            self.assert_same(said(&tested), said(&reference), "replace");
        }
        self.compare(&whose, kind, &new.id).await;
    }

    async fn delete(&mut self, choices: &mut Choices) {
        let (kind, whose) = (KINDS[choices.below(2)], self.partitions[choices.below(2)].clone());
        let id = IDS[choices.below(4)];
        let stored = self.reference.get(&whose, kind, id, self.now).await.expect("get answers");
        let expected = stored.map_or(Revision::from_stored(i64::MAX), |old| old.revision);
        let effects = self.effects(choices);
        self.log.push(format!("delete {whose:?} {kind} {id} {expected:?} {} effects", effects.len()));
        let tested = self.tested.delete(&whose, kind, id, expected, effects.clone(), self.now).await;
        let reference = self.reference.delete(&whose, kind, id, expected, effects, self.now).await;
        self.assert_same(said(&tested), said(&reference), "delete");
        self.compare(&whose, kind, id).await;
    }

    async fn purge(&mut self) {
        self.log.push("purge".into());
        for storage in [self.tested.as_ref(), &self.reference as &dyn Storage] {
            while storage.purge_expired(self.now, 50).await.expect("purge_expired answers") > 0 {}
        }
    }

    async fn drop_partition(&mut self, choices: &mut Choices) {
        // Rarely, or the partitions would be empty most of the time.
        if choices.below(3) > 0 {
            return self.query(choices).await;
        }
        let whose = self.partitions[choices.below(2)].clone();
        self.log.push(format!("drop {whose:?}"));
        for storage in [self.tested.as_ref(), &self.reference as &dyn Storage] {
            while storage.drop_partition(&whose, 2).await.expect("drop_partition answers") > 0 {}
        }
    }

    async fn settle(&mut self, choices: &mut Choices) {
        let settlement = match choices.below(2) {
            0 => Settlement::Done,
            _ => Settlement::RetryAt(self.now.plus_seconds(5)),
        };
        let (tested, reference) = self.due().await;
        if !reference.is_empty() {
            let chosen = choices.below(u32::try_from(reference.len()).expect("few effects"));
            self.log.push(format!("settle {:?} {settlement:?}", reference[chosen]));
            let (ours, theirs) = (tested[chosen].position, reference[chosen].position);
            self.tested.effects_settle(&[(ours, settlement)]).await.expect("settling answers");
            self.reference.effects_settle(&[(theirs, settlement)]).await.expect("settling answers");
        }
        self.due().await;
    }

    /// What is due on both sides, in the order of positions, after comparing it.
    async fn due(&self) -> (Vec<StoredEffect>, Vec<StoredEffect>) {
        let mut tested = self.tested.effects_due(self.now, 1_000).await.expect("effects_due answers");
        let mut reference = self.reference.effects_due(self.now, 1_000).await.expect("effects_due answers");
        tested.sort_by_key(|e| e.position);
        reference.sort_by_key(|e| e.position);
        self.assert_same(told(&tested), told(&reference), "what is due");
        (tested, reference)
    }

    async fn query(&mut self, choices: &mut Choices) {
        let whose = self.partitions[choices.below(2)].clone();
        let any_of = match choices.below(4) {
            0 => vec![],
            1 => vec![vec![TagMatch::Is(TAGS[choices.below(4)].into())]],
            2 => vec![vec![TagMatch::StartsWith(["x", "r:", "", "r:a"][choices.below(4)].into())]],
            _ => vec![choices.some(TAGS).into_iter().map(|tag| TagMatch::Is(tag.into())).collect()],
        };
        let sort =
            Sort { field: ["name", "created_at"][choices.below(2)], descending: choices.below(2) == 1 };
        let (offset, limit) = (choices.below(3) as u64, [10, 2][choices.below(2)]);
        let query =
            Query { any_of, sort, offset, limit, count: Count::Exact, ..Query::all(KINDS[choices.below(2)]) };
        let tested = self.tested.query(&whose, query.clone(), self.now).await.expect("query answers");
        let reference = self.reference.query(&whose, query.clone(), self.now).await.expect("query answers");
        self.assert_same(tested, reference, &format!("{query:?}"));
    }

    async fn compare(&self, whose: &Partition, kind: &'static str, id: &str) {
        let tested = self.tested.get(whose, kind, id, self.now).await.expect("get answers");
        let reference = self.reference.get(whose, kind, id, self.now).await.expect("get answers");
        self.assert_same(tested, reference, "get");
    }

    async fn finish(&mut self) {
        for whose in self.partitions.clone() {
            for kind in KINDS {
                for key in KEYS {
                    let tested = self.tested.find(&whose, kind, key, self.now).await.expect("find answers");
                    let reference =
                        self.reference.find(&whose, kind, key, self.now).await.expect("find answers");
                    self.assert_same(tested, reference, "find");
                }
                let query = Query { limit: 100, ..Query::all(kind) };
                let tested = self.tested.query(&whose, query.clone(), self.now).await.expect("query answers");
                let reference = self.reference.query(&whose, query, self.now).await.expect("query answers");
                self.assert_same(tested, reference, "the list of everything");
            }
        }
        let tested = self.tested.effects_since(self.heads.0, 1_000).await.expect("effects_since answers");
        let reference =
            self.reference.effects_since(self.heads.1, 1_000).await.expect("effects_since answers");
        self.assert_same(told(&tested), told(&reference), "the feed");
        self.now = self.now.plus_seconds(10);
        let (tested, reference) = self.due().await;
        let done = |e: &StoredEffect| (e.position, Settlement::Done);
        let (ours, theirs): (Vec<_>, Vec<_>) =
            (tested.iter().map(done).collect(), reference.iter().map(done).collect());
        self.tested.effects_settle(&ours).await.expect("settling answers");
        self.reference.effects_settle(&theirs).await.expect("settling answers");
        let (left, _) = self.due().await;
        self.assert_same(left.len(), 0, "what is left after settling everything");
    }
}

/// Runs one sequence of steps, each decoded from a number.
///
/// # Panics
/// When the storage behaves otherwise than the reference; the message lists the steps so far.
pub async fn sequence_behaves_like_the_reference(storage: Arc<dyn Storage>, codes: &[u32]) {
    let mut pair = Pair::new(storage);
    pair.start("one").await;
    for code in codes {
        pair.step(*code).await;
    }
    pair.finish().await;
}

/// Runs a sequence of `steps` (at most 80) for each seed, all on the same storage in partitions of their own.
///
/// # Panics
/// When the storage behaves otherwise than the reference; the message lists the seed and the steps so far.
pub async fn seeds_behave_like_the_reference(storage: Arc<dyn Storage>, seeds: Range<u64>, steps: usize) {
    let mut pair = Pair::new(storage);
    for seed in seeds {
        pair.start(&format!("seed{seed}")).await;
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..steps {
            pair.step(random.next_u32()).await;
        }
        pair.finish().await;
    }
}

pub async fn random_sequences_behave_like_the_reference(storage: Arc<dyn Storage>) {
    seeds_behave_like_the_reference(storage, 0..48, 40).await;
}
