//! `usso master-key rotate`.

use super::faulty::Faulty;
use super::{Directory, Inhabited, everything, has_kept_answer};
use crate::app::{Requests, StorageKind, TestApp};
use protocol::seal::SealingKey;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use usso::app::master_key;
use usso::app::upkeep::rotate::{RotateError, Rotated, Step, rotate};
use usso::config::{Config, MasterKey};

const OLD: [u8; 32] = [7; 32];
const NEW: [u8; 32] = [8; 32];

fn key_id(key: &MasterKey) -> String {
    SealingKey::from_master(key.expose()).expect("a key").key_id().to_owned()
}

/// Where the master key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Custody {
    /// The environment, and the new one from a file.
    Given,
    /// The environment, and the new one is generated.
    Generated,
    /// The data directory.
    File,
}

const CUSTODIES: [Custody; 3] = [Custody::Given, Custody::Generated, Custody::File];

struct Place {
    app: TestApp,
    people: Inhabited,
    directory: Directory,
    custody: Custody,
}

impl Place {
    async fn new(custody: Custody) -> Self {
        Self::on(StorageKind::from_environment(), custody).await
    }

    async fn on(kind: StorageKind, custody: Custody) -> Self {
        let directory = Directory::new();
        let dir = directory.0.clone();
        let app = TestApp::on(kind, |config| {
            config.storage.data_dir = dir;
            if custody == Custody::File {
                config.security.master_key = None;
            }
        });
        let app = app.await;
        let people = Inhabited::new(&app).await;
        Self { app, people, directory, custody }
    }

    fn config(&self) -> &Config {
        self.app.config()
    }

    fn old(&self) -> MasterKey {
        match self.custody {
            Custody::File => {
                let read = |name| master_key::read(&self.directory.file(name)).expect("a key file");
                read("master.key.old").or_else(|| read("master.key")).expect("the key")
            }
            Custody::Given | Custody::Generated => MasterKey::new(OLD),
        }
    }

    fn given(&self) -> Option<MasterKey> {
        (self.custody == Custody::Given).then(|| MasterKey::new(NEW))
    }

    /// Rotates until a step is refused.
    async fn rotate(&self, allow: impl FnMut(Step) -> bool) -> Result<Rotated, RotateError> {
        self.rotate_on(self.app.state.registry.system().ports().storage.clone(), allow).await
    }

    async fn rotate_on(
        &self,
        storage: Arc<dyn kernel::Storage>,
        mut allow: impl FnMut(Step) -> bool,
    ) -> Result<Rotated, RotateError> {
        let system = self.app.platform_on(storage);
        let watch = |step| if allow(step) { Ok(()) } else { Err(RotateError::Stopped) };
        rotate(&system, self.config(), self.given(), watch).await
    }

    async fn try_start(&self, key: Option<MasterKey>) -> Result<(), String> {
        let storage = self.app.state.registry.system().ports().storage.clone();
        self.app.try_start(storage, |config| config.security.master_key = key).await
    }

    /// What must hold once the rotation is finished.
    async fn is_rotated(&self, old: &MasterKey, rotated: &Rotated) {
        let new = match self.custody {
            Custody::Given => {
                assert!(rotated.is_given && rotated.to_place.is_none());
                MasterKey::new(NEW)
            }
            Custody::Generated => {
                let (key, kept) = rotated.to_place.as_ref().expect("a key to place");
                assert_eq!(
                    master_key::read(kept).expect("a key file").as_ref(),
                    Some(key),
                    "kept until told"
                );
                key.clone()
            }
            Custody::File => {
                let file = self.directory.file("master.key");
                assert_eq!(file.metadata().expect("the file").permissions().mode() & 0o777, 0o600);
                assert_eq!(self.directory.names(), ["master.key"], "no other key is left behind");
                master_key::read(&file).expect("a key file").expect("the key")
            }
        };
        assert_ne!(new, *old);
        let refused = self.try_start(Some(old.clone())).await.expect_err("the old key");
        assert!(refused.contains("MASTER_KEY is not the key"), "{refused}");
        let configured = (self.custody != Custody::File).then(|| new.clone());
        let app = self.app.restarted_with(|config| config.security.master_key = configured).await;
        self.people.lives_on(&app).await;
        let all = everything(app.state.registry.system()).await;
        assert!(all.contains(&key_id(&new)), "something is sealed under the new key");
        assert!(!all.contains(&key_id(old)), "nothing is sealed under the old one: {all}");
        let events = all
            .lines()
            .filter(|line| line.contains(" event_") && line.contains("master_key.rotated"))
            .count();
        assert_eq!(events, 1, "one event");
    }
}

#[tokio::test]
async fn everything_is_sealed_under_the_new_key_and_nothing_else_changes() {
    for custody in CUSTODIES {
        let place = Place::new(custody).await;
        let old = place.old();
        assert!(everything(place.app.state.registry.system()).await.contains(&key_id(&old)));
        assert!(has_kept_answer(&everything(place.app.state.registry.system()).await), "an answer is kept");
        let rotated = place.rotate(|_| true).await.expect("the rotation");
        assert_eq!(rotated.resealed, 6, "two tenants, a kept answer and three audit chains");
        place.is_rotated(&old, &rotated).await;
    }
}

#[tokio::test]
async fn a_rotation_cut_off_after_any_step_is_finished_by_running_it_again() {
    for custody in CUSTODIES {
        let mut cuts = 0;
        for stop_at in 0.. {
            // In memory: what is tried here is the order of steps, and it is tried often.
            let place = Place::on(StorageKind::Memory, custody).await;
            let old = place.old();
            let (mut steps, mut last) = (0, None);
            let cut = place.rotate(|step| {
                last = Some(step);
                steps += 1;
                steps <= stop_at
            });
            if cut.await.is_ok() {
                break;
            }
            cuts += 1;
            let last = last.expect("a step");
            let started = place.try_start((custody != Custody::File).then(|| old.clone())).await;
            match last {
                Step::KeyKept => assert_eq!(started, Ok(()), "nothing has changed yet"),
                Step::Finished => {}
                _ => {
                    let refused = started.expect_err("half rotated");
                    assert!(refused.contains("usso master-key rotate"), "{last:?}: {refused}");
                    let refused = place.try_start(Some(MasterKey::new(NEW))).await.expect_err("half rotated");
                    assert!(refused.contains("usso master-key rotate"), "{last:?}: {refused}");
                }
            }
            let rotated = place.rotate(|_| true).await;
            let rotated = rotated.unwrap_or_else(|e| panic!("{custody:?} after {last:?}: {e}"));
            place.is_rotated(&old, &rotated).await;
        }
        assert!(cuts >= 6, "{custody:?}: {cuts}");
    }
}

#[tokio::test]
async fn a_rotation_cut_off_at_any_write_is_finished_by_running_it_again() {
    for custody in CUSTODIES {
        let mut cuts = 0;
        for writes in 0.. {
            // In memory: what is tried here is the order of steps, and it is tried often.
            let place = Place::on(StorageKind::Memory, custody).await;
            let old = place.old();
            let storage = place.app.state.registry.system().ports().storage.clone();
            if place.rotate_on(Faulty::after(writes, &storage), |_| true).await.is_ok() {
                break;
            }
            cuts += 1;
            let rotated = place.rotate(|_| true).await;
            let rotated = rotated.unwrap_or_else(|e| panic!("{custody:?} after {writes} writes: {e}"));
            place.is_rotated(&old, &rotated).await;
        }
        assert!(cuts >= 5, "begun, two tenants, an answer, finished: {cuts}");
    }
}

#[tokio::test]
async fn another_new_key_in_the_middle_is_refused() {
    let place = Place::new(Custody::Given).await;
    assert!(place.rotate(|step| step != Step::Begun).await.is_err());
    let system = place.app.state.registry.system();
    for other in [Some(MasterKey::new([9; 32])), None] {
        let refused = rotate(system, place.config(), other, |_| Ok(())).await;
        assert!(matches!(refused, Err(RotateError::OtherBegun(_))), "{refused:?}");
    }
    let mut wrong = place.config().clone();
    wrong.security.master_key = Some(MasterKey::new([9; 32]));
    let refused = rotate(system, &wrong, place.given(), |_| Ok(())).await;
    assert!(matches!(refused, Err(RotateError::NoFormer)), "{refused:?}");
    let rotated = place.rotate(|_| true).await.expect("the rest");
    place.is_rotated(&MasterKey::new(OLD), &rotated).await;
}

#[tokio::test]
async fn a_wrong_or_the_present_key_is_refused_and_changes_nothing() {
    let place = Place::new(Custody::Given).await;
    let system = place.app.state.registry.system();
    let before = everything(system).await;
    let mut wrong = place.config().clone();
    wrong.security.master_key = Some(MasterKey::new([9; 32]));
    assert!(matches!(rotate(system, &wrong, place.given(), |_| Ok(())).await, Err(RotateError::Key(_))));
    let same = Some(MasterKey::new(OLD));
    assert!(matches!(rotate(system, place.config(), same, |_| Ok(())).await, Err(RotateError::Same)));
    assert_eq!(everything(system).await, before);
    assert_eq!(place.directory.names(), Vec::<String>::new(), "no key file is left");
}

#[tokio::test]
async fn running_it_again_when_it_is_done_says_the_same() {
    let place = Place::new(Custody::Generated).await;
    let first = place.rotate(|_| true).await.expect("the rotation");
    // The operator didn't see it: the old key is still configured, the new one still kept.
    let again = place.rotate(|_| true).await.expect("once more");
    assert_eq!(again.to_place, first.to_place);
    assert_eq!(again.resealed, 0);

    let place = Place::new(Custody::Given).await;
    place.rotate(|_| true).await.expect("the rotation");
    let again = place.rotate(|_| true).await.expect("once more");
    assert!(again.is_given && again.resealed == 0);
}

#[tokio::test]
async fn a_file_that_holds_the_key_may_be_rotated_many_times() {
    let place = Place::new(Custody::File).await;
    let mut seen = vec![place.old()];
    for _ in 0..3 {
        place.rotate(|_| true).await.expect("the rotation");
        let now = place.old();
        assert!(!seen.contains(&now));
        seen.push(now);
    }
    let app = place.app.restarted().await;
    place.people.lives_on(&app).await;
}

#[tokio::test]
async fn what_a_rotation_forgets_is_what_the_guide_says() {
    let place = Place::new(Custody::Given).await;
    let rotated = place.rotate(|_| true).await.expect("the rotation");
    assert!(rotated.is_given);
    let app = place.app.restarted_with(|config| config.security.master_key = Some(MasterKey::new(NEW))).await;
    // A request repeated across the rotation isn't carried out twice; it isn't answered either.
    let body = json!({"identifier": "kept@example.com", "secret": "correct-Horse-battery-9!"});
    let who = app.anonymous().with_header("idempotency-key", "kept");
    who.post("/auth/register", body).await.problem(409, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn a_half_rotated_installation_is_not_copied() {
    use usso::app::upkeep::copy::{CopyError, copy};
    let place = Place::new(Custody::Given).await;
    assert!(place.rotate(|step| step != Step::Begun).await.is_err());
    let target = Arc::new(crate::app::Database::open(StorageKind::Memory).await);
    let to = place.app.platform_on(target.storage());
    let refused =
        copy((place.app.state.registry.system(), Some(place.app.state.registry.seal())), &to, |_, _, _| ())
            .await;
    assert!(matches!(refused, Err(CopyError::Unfinished(_))), "{refused:?}");
}
