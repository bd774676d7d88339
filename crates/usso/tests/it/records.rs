//! Golden documents: a record once written must be readable for ever.
//!
//! `fixtures/records/<kind>/v<version>.json` is a body as that version wrote it. When a record changes, its version is
//! raised, its `upgrade` learns the step, and a new fixture joins the old ones.

use kernel::{KindSpec, Record};
use serde_json::Value;
use std::path::PathBuf;
use usso::access_control::catalog::model::ServiceScopes;
use usso::access_control::gateway::model::GatewayRoute;
use usso::access_control::roles::model::Role;
use usso::app::lease::{Instance, Turn};
use usso::app::master_key::Installation;
use usso::app::startup;
use usso::identity::agents::model::Agent;
use usso::identity::agents::usage::AgentUsage;
use usso::identity::api_keys::model::{ApiKey, ApiKeyUsage};
use usso::identity::referrals::model::Referral;
use usso::identity::sessions::model::Session;
use usso::identity::users::consents::Consent;
use usso::identity::users::model::User;
use usso::identity::users::removal::Erasure;
use usso::identity::workspaces::invitations::model::Invitation;
use usso::identity::workspaces::model::Workspace;
use usso::integration::clients::model::Client;
use usso::integration::device::model::DeviceRequest;
use usso::tenant::audit::AuditEvent;
use usso::tenant::audit::chain::AuditHead;
use usso::tenant::audit::checkpoint::Checkpoint;
use usso::tenant::one_time::OneTime;
use usso::tenant::tenants::model::Tenant;
use usso::tenant::usage::TenantUsage;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/records"))
}

fn fixture(kind: &str, version: u32) -> Value {
    let path = folder().join(kind).join(format!("v{version}.json"));
    let text = std::fs::read_to_string(&path);
    let text = text
        .unwrap_or_else(|e| panic!("{} is missing ({e}): every version has its document", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// Decodes every version of a kind. Today's version is also written again, and must come out as it went in.
fn check<R: Record>() -> KindSpec {
    for version in 1..=R::VERSION {
        let body = fixture(R::KIND, version);
        let upgraded =
            R::upgrade(version, body.clone()).unwrap_or_else(|e| panic!("{} v{version}: {e}", R::KIND));
        let record: R =
            serde_json::from_value(upgraded).unwrap_or_else(|e| panic!("{} v{version}: {e}", R::KIND));
        assert!(!record.id().is_empty(), "{} v{version}", R::KIND);
        if version == R::VERSION {
            let written = serde_json::to_value(&record).expect("JSON");
            assert_eq!(
                written,
                body,
                "{} v{version} is written differently today: raise its VERSION",
                R::KIND
            );
        }
    }
    R::spec()
}

#[test]
fn every_record_once_written_is_readable() {
    let checked = [
        check::<Instance>(),
        check::<Turn>(),
        check::<Installation>(),
        check::<Tenant>(),
        check::<Role>(),
        check::<ServiceScopes>(),
        check::<User>(),
        check::<Referral>(),
        check::<GatewayRoute>(),
        check::<Erasure>(),
        check::<Consent>(),
        check::<Client>(),
        check::<DeviceRequest>(),
        check::<Workspace>(),
        check::<Invitation>(),
        check::<Session>(),
        check::<Agent>(),
        check::<AgentUsage>(),
        check::<ApiKey>(),
        check::<ApiKeyUsage>(),
        check::<OneTime>(),
        check::<AuditEvent>(),
        check::<TenantUsage>(),
        check::<AuditHead>(),
        check::<Checkpoint>(),
    ];
    for kind in startup::kinds() {
        assert!(checked.contains(&kind), "{kind:?} is stored, but has no golden document here");
    }
    assert_eq!(checked.len(), startup::kinds().len(), "a kind that is no longer stored");
}

#[test]
fn no_fixture_is_newer_than_the_records() {
    for kind in std::fs::read_dir(folder()).expect("the fixtures") {
        let kind = kind.expect("a folder").path();
        let name = kind.file_name().and_then(|n| n.to_str()).expect("a name").to_owned();
        let spec =
            startup::kinds().into_iter().find(|spec| spec.kind == name).expect("a kind that is stored");
        let count = std::fs::read_dir(&kind).expect("a folder").count();
        assert_eq!(count, spec.version as usize, "{name}: one document a version");
    }
}
