//! The in-memory adapters pass the suites every adapter must pass.

use kernel::conformance::{EphemeralFixture, Fixture};
use kernel::memory::{DocumentStorage, MemoryEphemeral, MemoryStorage};
use std::sync::Arc;

async fn plain() -> Fixture {
    Fixture::new(Arc::new(MemoryStorage::new()), ())
}

async fn documents() -> Fixture {
    Fixture::new(Arc::new(DocumentStorage::new()), ())
}

async fn ephemeral() -> EphemeralFixture {
    EphemeralFixture::new(Arc::new(MemoryEphemeral::new()), ())
}

mod memory_storage {
    kernel::storage_conformance!(super::plain);
}

mod document_storage {
    kernel::storage_conformance!(super::documents);
}

mod memory_ephemeral {
    kernel::ephemeral_conformance!(super::ephemeral);
}

mod properties {
    use kernel::conformance::model;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_sequence_on_documents_behaves_like_the_reference(codes in proptest::collection::vec(any::<u32>(), 1..80)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let storage = super::documents().await.prepared().await;
                model::sequence_behaves_like_the_reference(storage, &codes).await;
            });
        }
    }
}

/// A case that no macro lists would never run.
#[test]
fn every_case_is_listed() {
    let list = include_str!("../src/conformance/mod.rs");
    let suites = [
        include_str!("../src/conformance/storage.rs"),
        include_str!("../src/conformance/lists.rs"),
        include_str!("../src/conformance/effects.rs"),
        include_str!("../src/conformance/concurrency.rs"),
        include_str!("../src/conformance/isolation.rs"),
        include_str!("../src/conformance/collection.rs"),
        include_str!("../src/conformance/ephemeral.rs"),
        include_str!("../src/conformance/transfer.rs"),
    ];
    for line in suites.iter().flat_map(|suite| suite.lines()) {
        let case = line.strip_prefix("pub async fn ").and_then(|rest| rest.split('(').next());
        if let Some(case) = case {
            assert!(
                list.lines().any(|l| l.trim() == case),
                "the case {case} isn't listed in conformance/mod.rs"
            );
        }
    }
}
