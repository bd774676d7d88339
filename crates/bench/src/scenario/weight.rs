//! What ten thousand tenants with ten roles each weigh when all of them are in memory.

use super::Bench;
use crate::growth::configured;
use crate::process::{MASTER_KEY, TempDir};
use crate::table::Row;
use kernel::collection::encode;
use kernel::{Located, Query, Record, Revision, RoleId, SystemRandom};
use std::io::{Error, Result};
use std::path::Path;
use std::process::Command;
use tokio::runtime::Runtime;
use usso::access_control::roles::model::Role;
use usso::app::startup::{self, Instance};
use usso::tenant::tenants::model::Tenant;
use usso::tenant::tenants::service::{Authority, create};
use usso::tenant::{Actor, ClientInfo};

const TENANTS: usize = 10_000;
const ROLES: usize = 10;
const LIMIT_MIB: f64 = 200.0;
const KIB_PER_MIB: f64 = 1024.0;

/// Fills a database, and has another process open it and hold everything.
pub fn tenants_and_roles(_: &mut Bench) -> Result<Vec<Row>> {
    let directory = TempDir::new("weight")?;
    let runtime = runtime()?;
    runtime.block_on(fill(directory.path()))?;
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.arg("weigh").arg(directory.path()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let kib: f64 = text
        .trim()
        .parse()
        .map_err(|_| Error::other(format!("weighing: {text}{}", String::from_utf8_lossy(&output.stderr))))?;
    let what = format!("resident, {TENANTS} tenants × {ROLES} roles in memory");
    Ok(vec![Row::at_most(&what, "MiB", kib / KIB_PER_MIB, LIMIT_MIB)])
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

async fn open(directory: &Path) -> Result<Instance> {
    let environment = vec![
        ("DATA_DIR", directory.display().to_string()),
        ("SYSTEM_PASSWORD", crate::process::SYSTEM_PASSWORD.to_owned()),
        ("MASTER_KEY", MASTER_KEY.to_owned()),
    ];
    startup::open(&configured(environment)?, 8_000).await.map_err(Error::other)
}

async fn fill(directory: &Path) -> Result<()> {
    let instance = open(directory).await?;
    let (registry, client) = (&instance.state.registry, ClientInfo::local());
    for number in 0..TENANTS {
        let request = serde_json::json!({ "name": format!("Tenant {number}") });
        let request = serde_json::from_value(request).map_err(Error::other)?;
        let authority = Authority { actor: &Actor::System, client: &client, is_system: true };
        let tenant = create(registry, request, authority).await.map_err(Error::other)?;
        let roles = (0..ROLES).map(|role| {
            let role = Role {
                id: RoleId::generate(tenant.now(), &SystemRandom),
                slug: format!("role-{role}"),
                name: format!("Role {role}"),
                description: Some("What somebody does here".to_owned()),
                scopes: ["read:users", "update:media/files", "manage:finance/wallets"]
                    .map(|scope| format!("{scope}?workspace_id=ws_{role}"))
                    .to_vec(),
                is_active: true,
                workspace_id: None,
            };
            let now = tenant.now();
            let document =
                encode(&role, Revision::generate(&SystemRandom), now, now).map_err(Error::other)?;
            Ok(Located { partition: tenant.id().as_str().to_owned(), document })
        });
        let roles: Vec<Located> = roles.collect::<Result<_>>()?;
        registry.system().ports().storage.load(roles).await.map_err(Error::other)?;
    }
    instance.close().await;
    Ok(())
}

/// Opens all tenants and finds all their roles; answers the resident kibibytes then.
pub fn weigh(directory: &Path) -> Result<u64> {
    runtime()?.block_on(async {
        let instance = open(directory).await?;
        let (registry, identity) = (&instance.state.registry, &instance.state.identity);
        let mut query = Query { limit: 500, ..Query::all(Tenant::KIND) };
        loop {
            let page =
                registry.system().records::<Tenant>().page(query.clone()).await.map_err(Error::other)?;
            for tenant in &page.items {
                let scope = registry.open(&tenant.id).await.map_err(Error::other)?;
                let scope = scope.ok_or_else(|| Error::other("a tenant is not there"))?;
                for role in 0..ROLES {
                    let slug = format!("role-{role}");
                    identity.roles().find(&scope, &slug, true).await.map_err(Error::other)?;
                }
            }
            if page.items.len() < 500 {
                break;
            }
            query.offset += 500;
        }
        let status = std::fs::read_to_string("/proc/self/status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").trim().parse().ok());
        instance.close().await;
        kib.ok_or_else(|| Error::other("no VmRSS"))
    })
}
