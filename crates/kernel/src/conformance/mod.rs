//! The suites every adapter must pass: one rule, one case.
//!
//! An adapter's test file says `kernel::storage_conformance!(make);` or `kernel::ephemeral_conformance!(make);`
//! and gets one test per case, each on a fixture of its own. `make` is the path of an
//! `async fn() -> kernel::conformance::Fixture` (or `EphemeralFixture`) that opens an empty adapter, not yet
//! prepared. Every case takes the time as an argument, none sleeps, and a failing assertion names the rule.

#![expect(missing_docs, reason = "the name of a case is its rule")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test suites: a broken rule has to stop the test"
)]

pub mod collection;
pub mod concurrency;
pub mod effects;
pub mod ephemeral;
pub mod isolation;
pub mod lists;
pub mod model;
mod shelf;
pub mod storage;
pub mod transfer;

pub(crate) use shelf::{Shape, Shelf, document, effect, names, successor};

use crate::{Ephemeral, KindSpec, Partition, Storage, TenantId, Timestamp};
use std::any::Any;
use std::sync::Arc;

/// The kinds the cases write; a fixture is prepared for them before each case.
pub const KINDS: &[KindSpec] = &[
    KindSpec { kind: "things", version: 2 },
    KindSpec { kind: "others", version: 1 },
    KindSpec { kind: "notes", version: 2 },
];

/// The time at which cases start.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

/// An empty storage for one case.
pub struct Fixture {
    /// The adapter, not yet prepared.
    pub storage: Arc<dyn Storage>,
    /// What must outlive the case, such as a temporary directory.
    pub keep: Box<dyn Any + Send>,
}

impl Fixture {
    /// A fixture that keeps `keep` until the case is over.
    pub fn new(storage: Arc<dyn Storage>, keep: impl Any + Send) -> Self {
        Self { storage, keep: Box::new(keep) }
    }

    /// The storage, prepared for [`KINDS`].
    ///
    /// # Panics
    /// When the storage can't be prepared.
    pub async fn prepared(&self) -> Arc<dyn Storage> {
        self.storage.prepare(KINDS).await.expect("an empty storage can be prepared");
        self.storage.clone()
    }
}

/// An empty ephemeral store for one case.
pub struct EphemeralFixture {
    /// The adapter.
    pub ephemeral: Arc<dyn Ephemeral>,
    /// What must outlive the case.
    pub keep: Box<dyn Any + Send>,
}

impl EphemeralFixture {
    /// A fixture that keeps `keep` until the case is over.
    pub fn new(ephemeral: Arc<dyn Ephemeral>, keep: impl Any + Send) -> Self {
        Self { ephemeral, keep: Box::new(keep) }
    }
}

/// The partition of a tenant that only a test knows.
pub(crate) fn partition(name: &str) -> Partition {
    Partition::of_tenant(&TenantId::from_slug(name).expect("a usable name"))
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    (storage, $make:path, $suite:ident: $($case:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let fixture: $crate::conformance::Fixture = $make().await;
            $crate::conformance::$suite::$case(fixture.prepared().await).await;
        }
    )*};
    (ephemeral, $make:path, $suite:ident: $($case:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let fixture: $crate::conformance::EphemeralFixture = $make().await;
            $crate::conformance::$suite::$case(fixture.ephemeral.clone()).await;
        }
    )*};
}

/// Expands into one test per rule of the storage port. The argument is the path of an
/// `async fn() -> kernel::conformance::Fixture`; the user's crate needs `tokio` with `rt-multi-thread` and `macros`.
#[macro_export]
macro_rules! storage_conformance {
    ($make:path) => {
        $crate::conformance_tests! { storage, $make, storage:
            an_inserted_document_is_read_back_whole
            an_unknown_id_or_key_is_absent
            a_live_id_is_not_inserted_twice
            a_taken_key_is_refused_by_name
            an_id_and_a_key_of_the_same_text_do_not_clash
            ids_and_keys_are_unique_per_kind
            a_replace_frees_old_keys_and_takes_new_ones
            a_replace_needs_the_expected_revision
            a_failed_replace_changes_nothing
            a_failed_insert_changes_nothing
            a_repeated_insert_is_recognised_by_its_revision
            a_repeated_replace_is_recognised_by_its_revision
            a_deleted_document_and_its_keys_are_gone
            a_delete_needs_the_expected_revision
            an_expired_document_is_absent
            an_expired_document_is_neither_replaced_nor_deleted
            an_expired_id_is_inserted_over
            an_expired_holder_loses_its_key
            a_key_of_an_expired_holder_is_taken_by_a_replace
            purging_takes_expired_documents_up_to_the_limit
            preparing_twice_keeps_the_documents
            a_kind_written_by_a_newer_binary_is_refused
            a_closed_storage_is_unavailable
        }
        $crate::conformance_tests! { storage, $make, lists:
            lists_follow_tags
            lists_follow_tag_prefixes
            prefixes_are_literal
            a_document_matching_twice_is_listed_once
            lists_follow_replaced_tags
            lists_follow_the_created_range
            lists_sort_by_creation_with_ties_by_id
            lists_sort_by_attribute_with_ties_by_id
            documents_without_the_sort_attribute_count_as_empty
            sort_attributes_compare_as_bytes
            pages_are_cut_by_offset_and_limit
            counts_are_exact_on_request_and_bounded_otherwise
        }
        $crate::conformance_tests! { storage, $make, effects:
            effects_commit_with_each_write
            effects_of_a_failed_write_are_not_committed
            effects_of_a_repeated_write_are_not_doubled
            effects_survive_the_delete_of_their_document
            effects_survive_reinsertion_and_expiry_of_their_document
            effects_wait_until_they_are_due
            effects_come_oldest_first_up_to_the_limit
            a_settled_effect_is_never_given_out_again
            a_retried_effect_comes_again_with_its_attempts
            settling_unknown_positions_does_nothing
            settling_leaves_the_revision_alone
            invalidations_are_a_feed_and_never_due
            the_feed_is_read_by_position
            the_feed_is_kept_ten_minutes
            positions_grow_for_ever
        }
        $crate::conformance_tests! { storage, $make, concurrency:
            of_parallel_inserts_of_one_key_one_wins
            of_parallel_inserts_of_one_id_one_wins
            of_parallel_replaces_one_wins_each_round
            of_a_parallel_replace_and_delete_one_wins
            parallel_writers_of_several_keys_do_not_deadlock
            readers_never_see_half_a_write
            a_reader_of_the_feed_misses_nothing
            parallel_updates_are_never_lost
        }
        $crate::conformance_tests! { storage, $make, isolation:
            the_same_id_and_key_live_in_two_partitions
            a_foreign_id_or_key_is_absent
            no_write_touches_another_partition
            lists_show_one_partition
            dropping_a_partition_in_chunks_leaves_the_others
            effects_name_their_partition
        }
        $crate::conformance_tests! { storage, $make, collection:
            a_record_is_stored_with_its_revision_and_times
            an_update_keeps_the_creation_time
            an_update_that_keeps_writes_nothing
            an_update_of_an_absent_record_is_none
            an_old_body_is_upgraded_when_read
            a_newer_body_is_refused
            an_update_that_keeps_losing_is_contended
            records_of_two_tenants_are_apart
        }
        $crate::conformance_tests! { storage, $make, transfer:
            a_scan_gives_every_live_document_once_in_byte_order
            a_scan_skips_what_has_expired
            a_scan_goes_on_after_a_place_that_is_gone
            a_snapshot_holds_one_partition_and_what_is_beside_it
            a_snapshot_is_of_one_moment
            a_loaded_document_is_as_it_was
            a_repeated_load_writes_nothing
            a_load_that_clashes_writes_nothing
            a_loaded_document_is_a_document_like_any_other
            a_load_keeps_to_the_partitions
            a_load_has_no_effects
        }
        $crate::conformance_tests! { storage, $make, model:
            random_sequences_behave_like_the_reference
        }
    };
}

/// Expands into one test per rule of the ephemeral port. The argument is the path of an
/// `async fn() -> kernel::conformance::EphemeralFixture`.
#[macro_export]
macro_rules! ephemeral_conformance {
    ($make:path) => {
        $crate::conformance_tests! { ephemeral, $make, ephemeral:
            a_value_is_read_until_it_expires
            a_put_replaces_value_and_lifetime
            put_if_absent_keeps_a_live_value
            a_value_is_taken_once
            of_parallel_takers_one_gets_the_value
            of_parallel_first_puts_one_wins
            a_window_starts_with_its_first_increment
            parallel_increments_are_all_counted
            ephemeral_keys_are_apart_by_partition
            a_message_reaches_every_listener_of_its_channel_only
            the_store_answers_a_ping
        }
    };
}
