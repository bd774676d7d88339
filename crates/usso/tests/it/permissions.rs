//! Every operation asks for what the table of operations says (checklist API-01): whoever holds that permission and nothing
//! else may, and whoever holds everything but that, and the level below it, may not, and is told which one is missing.

use crate::app::{Answer, Requests, User};
use crate::isolation::{Id, Operation, World, make, operations, rows};
use serde_json::Value;
use std::collections::BTreeSet;
use usso::access_control::operations::{Needs, OPERATIONS, needs};
use usso::access_control::permission::{Permission, Resource};

const RESOURCES: [Resource; 17] = [
    Resource::Agents,
    Resource::ApiKeys,
    Resource::Audit,
    Resource::Credentials,
    Resource::GatewayRoutes,
    Resource::Identifiers,
    Resource::Invitations,
    Resource::Keys,
    Resource::OauthClients,
    Resource::Profiles,
    Resource::Referrals,
    Resource::Roles,
    Resource::ScopeCatalog,
    Resource::Sessions,
    Resource::Tenants,
    Resource::Users,
    Resource::Workspaces,
];

fn below(verb: &str) -> &'static str {
    match verb {
        "read" => "none",
        "create" => "read",
        "update" => "create",
        "delete" => "update",
        "manage" => "delete",
        "admin" => "manage",
        "superadmin" => "admin",
        other => panic!("{other} is no level"),
    }
}

/// Everything there is but these permissions, of whose resources only the level below is left.
fn all_but(needed: &[Permission]) -> Vec<String> {
    let scope = |resource: &Resource| {
        let verb = needed.iter().find(|p| p.resource == *resource).map_or("admin", |p| below(p.verb));
        format!("{verb}:{}", resource.name())
    };
    RESOURCES.iter().map(scope).collect()
}

struct Walk {
    world: World,
    serial: usize,
    asked: usize,
}

impl Walk {
    async fn holding(&self, user: &User, scopes: Vec<String>) -> User {
        self.world.app.change_user(user, |user| user.scopes.clone_from(&scopes)).await;
        user.again().await
    }

    /// Something of somebody else's in the tenant.
    async fn id_for(&mut self, id: Id) -> String {
        self.serial += 1;
        let admin = self.world.b.admin();
        match id {
            Id::None | Id::Invitation => String::new(),
            Id::Session => self.world.user_b.again().await.session_id().to_owned(),
            Id::ApiKey => {
                let made = self.world.user_b.post("/apikeys", serde_json::json!({})).await.expect(201);
                made.str("id").to_owned()
            }
            Id::Event => self.world.events.1.clone(),
            Id::Tenant => "org_company_b".to_owned(),
            Id::Service => "media-b".to_owned(),
            Id::Made(path) => make(&admin, path, 5_000 + self.serial).await,
        }
    }

    async fn ask(
        &mut self,
        operation: &Operation,
        (id, body): (Id, Option<&Value>),
        who: &impl Requests,
    ) -> Answer {
        let id = self.id_for(id).await;
        self.asked += 1;
        let (start, rest) = operation.path.split_once('{').unwrap_or((&operation.path, "}"));
        let rest = rest.split_once('}').map_or("", |(_, rest)| rest);
        let parts: Vec<_> = rest.split('/').map(|p| if p.starts_with('{') { "none" } else { p }).collect();
        let target = format!("ROOT{start}{id}{}", parts.join("/"));
        match body {
            None => who.send(&operation.method, &target, ()).await,
            Some(body) => {
                let text = body.to_string().replace("{n}", &format!("5{}", self.serial));
                who.send(&operation.method, &target, ("application/json", text.as_str())).await
            }
        }
    }
}

/// About the caller alone: nobody else's can be named, and it is the caller's API keys that need the permission.
fn is_about_oneself(path: &str) -> bool {
    let path = path.trim_start_matches("/api/sso/v1");
    ["/identifiers", "/credentials", "/auth/password", "/profiles/mine"].iter().any(|p| path.starts_with(p))
}

fn told(needed: Permission) -> String {
    format!("This needs the permission {}", needed.scope())
}

#[test]
fn every_operation_is_in_the_table_and_nothing_else_is() {
    let described: BTreeSet<String> = operations().into_iter().map(|o| o.id).collect();
    let listed: BTreeSet<String> = OPERATIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(described, listed);
    let permissions = OPERATIONS.iter().filter(|(_, needs)| needs.permission().is_some()).count();
    println!("operations: {}, of which {permissions} ask for a permission", listed.len());
}

#[tokio::test]
async fn an_operation_asks_for_its_permission_and_for_no_other() {
    let world = World::new().await;
    let table = rows(&world);
    let (holder, other) = (world.b.user("exactly").await, world.b.user("otherwise").await);
    let mut walk = Walk { world, serial: 0, asked: 0 };
    let mut wrong = Vec::new();
    for operation in operations() {
        let needs = needs(&operation.id).expect("in the table");
        let Some(needed) = needs.permission() else { continue };
        let row = &table[operation.id.as_str()];
        let what = (row.id, row.body.as_ref());
        let mut fail = |how: &str, answer: &Answer| {
            wrong.push(format!("{} {how}: {} {}", operation.id, answer.status, answer.text()));
        };
        // Nobody in a tenant is the system administrator; whoever is has tests of their own.
        let enough = [Some(needed), needs.other()];
        for permission in enough.iter().flatten().filter(|p| p.verb != "superadmin") {
            let holder = walk.holding(&holder, vec![permission.scope()]).await;
            let answer = walk.ask(&operation, what, &holder).await;
            let is_done = match is_about_oneself(&operation.path) {
                true => answer.status != 403,
                false => answer.status == row.own,
            };
            if !is_done {
                fail(&permission.scope(), &answer);
            }
        }
        let needed_all: Vec<Permission> = enough.into_iter().flatten().collect();
        let other = walk.holding(&other, all_but(&needed_all)).await;
        if is_about_oneself(&operation.path) {
            let key = other.post("/apikeys", serde_json::json!({})).await.expect(201);
            let by_key = walk.world.b.anonymous().with_header("x-api-key", key.str("api_key"));
            let answer = walk.ask(&operation, what, &by_key).await;
            let _ = other.delete(&format!("/apikeys/{}", key.str("id"))).await.expect(200);
            if answer.status != 403 || answer["detail"] != told(needed) {
                fail("by a key for everything else", &answer);
            }
            continue;
        }
        let answer = walk.ask(&operation, what, &other).await;
        let is_refused = match needs {
            // One's own can be made and listed without.
            Needs::OwnOr(_) if row.id == Id::None => continue,
            Needs::OwnOr(_) | Needs::OwnOrEither(..) if answer.status == 404 => true,
            _ => answer.status == 403 && answer["detail"] == told(needed),
        };
        if !is_refused {
            fail("with everything else", &answer);
        }
    }
    println!("permissions: {} requests", walk.asked);
    assert_eq!(wrong, Vec::<String>::new());
    assert!(walk.asked > 100, "{}", walk.asked);
}

/// Lists of what is one's own hold what is others' for those who may read it, and for nobody else.
#[tokio::test]
async fn a_list_of_ones_own_holds_what_is_others_by_permission_alone() {
    let world = World::new().await;
    let reader = world.b.user("reader").await;
    let walk = Walk { world, serial: 0, asked: 0 };
    let admin = walk.world.b.admin();
    let _ = admin.post("/apikeys", serde_json::json!({})).await.expect(201);
    for path in ["/agents", "/referrals", "/workspaces"] {
        make(&admin, path, 9_000).await;
    }
    for operation in operations() {
        let Some(Needs::OwnOr(needed)) = needs(&operation.id) else { continue };
        if needed.verb != "read" || operation.path.contains('{') {
            continue;
        }
        let count = async |scopes: Vec<String>| {
            let user = walk.holding(&reader, scopes).await;
            let list = user.get(&format!("ROOT{}?limit=100", operation.path)).await.expect(200);
            list.items().iter().filter(|item| item["user_id"] != user.id()).count()
        };
        assert_eq!(count(all_but(&[needed])).await, 0, "{}", operation.id);
        assert!(count(vec![needed.scope()]).await > 0, "{}", operation.id);
    }
}
