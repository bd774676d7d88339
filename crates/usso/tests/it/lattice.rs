//! No credential exceeds its maker: random role lattices, random grants, and one invariant (checklist API-03).
//!
//! Whatever anybody does, nobody gains by it what the one who did it doesn't hold: of every user in and outside of every
//! workspace, of every API key, of every agent and of every session in somebody's name, what it may do after a request is covered by what
//! it could do before, together with what the sender of the request holds.

use crate::app::{Requests, TenantHandle, TestApp, User};
use protocol::scope::{Scope, is_narrower};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ROUNDS: usize = 400;
const PEOPLE: usize = 6;
const WORKSPACE: &str = "ws_a";
const SLUGS: [&str; 5] = ["one", "two", "three", "four", "five"];

/// Numbers that are the same in every run of a seed (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("small")
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }

    fn scope(&mut self) -> String {
        let verb = self.pick(&["read", "create", "update", "delete", "manage", "admin", "*", "publish"]);
        let path = self.pick(&[
            "posts",
            "blog/posts",
            "*",
            "*/posts",
            "users",
            "roles",
            "apikeys",
            "agents",
            "sso/users",
        ]);
        let filter = self.pick(&["", "", "", "?user_id=1", "?tenant_id=org_*"]);
        format!("{verb}:{path}{filter}")
    }

    fn scopes(&mut self) -> Vec<String> {
        (0..self.roll(3)).map(|_| self.scope()).collect()
    }

    fn slugs(&mut self) -> Vec<&'static str> {
        (0..self.roll(3)).map(|_| self.pick(&SLUGS)).collect()
    }
}

struct World {
    app: TestApp,
    tenant: TenantHandle,
    people: Vec<User>,
    keys: Vec<String>,
    agents: Vec<String>,
    /// Access and refresh token of a session in somebody's name, and who began it.
    acting: Vec<(String, String, usize)>,
}

/// What each principal may do.
type Holdings = BTreeMap<String, Vec<String>>;

impl World {
    async fn new(dice: &mut Dice) -> Self {
        let app = TestApp::new().await;
        let tenant = app.tenant("Company A", &["company-a.com"]).await;
        let mut people = vec![tenant.admin()];
        people[0].post("/workspaces", json!({"name": "A"})).await.is(201);
        for n in 1..PEOPLE {
            let user = tenant.user(&format!("person-{n}")).await;
            // Enough to try things, and some to hand on.
            let mut scopes = dice.scopes();
            scopes.push("manage:sso/*".to_owned());
            scopes.extend((n % 2 == 0).then(|| "admin:users".to_owned()));
            app.change_user(&user, |u| u.scopes.clone_from(&scopes)).await;
            people.push(user.again().await);
        }
        Self { app, tenant, people, keys: Vec::new(), agents: Vec::new(), acting: Vec::new() }
    }

    async fn held(&self, person: usize, workspace: Option<&str>) -> Vec<String> {
        let scope = self.app.scope(&self.tenant.id).await;
        let id = kernel::UserId::parse(self.people[person].id()).expect("an id");
        let user = self.app.state.identity.user_from_store(&scope, &id).await.expect("the database");
        let user = user.expect("the user");
        self.app.state.identity.effective(&scope, &user, workspace).await.expect("the database").scopes
    }

    async fn holdings(&self) -> Holdings {
        let mut all = Holdings::new();
        for person in 0..self.people.len() {
            for workspace in [None, Some(WORKSPACE)] {
                all.insert(format!("person {person} in {workspace:?}"), self.held(person, workspace).await);
            }
        }
        for key in &self.keys {
            let seen = self.tenant.anonymous().post("/apikeys/verify", json!({"api_key": key})).await;
            all.insert(format!("key {key}"), texts(&seen.json["scopes"]));
        }
        for agent in &self.agents {
            let seen = self.people[0].get(&format!("/agents/{agent}")).await;
            all.insert(format!("agent {agent}"), texts(&seen.json["scopes"]));
        }
        for (n, (_, refresh, _)) in self.acting.iter().enumerate() {
            let fresh =
                self.tenant.anonymous().post("/auth/refresh", json!({"refresh_token": refresh})).await;
            let access = fresh.json["access_token"].as_str().map(crate::app::token::Jwt::decode);
            let scopes = access.map(|token| texts(&token.claims["scopes"])).unwrap_or_default();
            all.insert(format!("acting {n}"), scopes);
        }
        all
    }

    /// Somebody does something; true if it was done.
    async fn act(&mut self, dice: &mut Dice, by: usize) -> bool {
        let actor = self.people[by].again().await;
        self.people[by] = actor.clone();
        let target = dice.roll(self.people.len());
        let whom = format!("/users/{}", self.people[target].id());
        let slug = dice.pick(&SLUGS);
        match dice.roll(10) {
            0 => {
                let body = json!({"name": slug, "slug": slug, "scopes": dice.scopes()});
                actor.post("/roles", body).await.status == 201
            }
            1 => {
                let change = match dice.roll(3) {
                    0 => json!({"scopes": dice.scopes()}),
                    1 => json!({"is_active": dice.roll(2) == 0}),
                    _ => json!({"workspace_id": dice.pick(&[None, Some(WORKSPACE)])}),
                };
                actor.patch(&format!("/roles/{slug}"), change).await.status == 200
            }
            2 => actor.delete(&format!("/roles/{slug}")).await.status == 200,
            3 => actor.patch(&whom, json!({"roles": dice.slugs()})).await.status == 200,
            4 => {
                let mut scopes = dice.scopes();
                scopes.push("manage:sso/*".to_owned());
                actor.patch(&whom, json!({"scopes": scopes})).await.status == 200
            }
            5 => {
                let change =
                    json!({"workspace_ids": [WORKSPACE], "workspace_roles": {WORKSPACE: dice.slugs()}});
                actor.patch(&whom, change).await.status == 200
            }
            6 => {
                let wanted = (dice.roll(2) == 0).then(|| dice.scopes());
                let made = actor.post("/apikeys", json!({"scopes": wanted})).await;
                if made.status == 201 && self.keys.len() < 12 {
                    self.keys.push(made.str("api_key").to_owned());
                }
                made.status == 201
            }
            7 => {
                let invited = json!({"user_id": self.people[target].id(), "roles": dice.slugs()});
                actor.post(&format!("/workspaces/{WORKSPACE}/invitations"), invited).await.status == 201
            }
            8 => {
                let made = actor.post("/agents", json!({"name": slug, "scopes": dice.scopes()})).await;
                if made.status == 201 && self.agents.len() < 8 {
                    self.agents.push(made.str("id").to_owned());
                }
                made.status == 201
            }
            _ => {
                let opened = actor.post(&format!("{whom}/impersonate"), ()).await;
                if opened.status == 200 && self.acting.len() < 8 {
                    let token = |name| opened.str(name).to_owned();
                    self.acting.push((token("access_token"), token("refresh_token"), by));
                }
                opened.status == 200
            }
        }
    }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

fn covered(scope: &str, by: &[String]) -> bool {
    by.iter().any(|held| is_narrower(&Scope::parse(scope), &Scope::parse(held)))
}

/// What principals hold that was neither theirs before nor the actor's.
fn gains(before: &Holdings, after: &Holdings, actor: &[String]) -> Vec<String> {
    let nothing = Vec::new();
    let mut gains = Vec::new();
    for (who, scopes) in after {
        let had = before.get(who).unwrap_or(&nothing);
        gains.extend(
            scopes
                .iter()
                .filter(|scope| !covered(scope, had) && !covered(scope, actor))
                .map(|scope| format!("{who} gained {scope}")),
        );
    }
    gains
}

async fn play(seed: u64) -> (usize, usize) {
    let mut dice = Dice(seed);
    let mut world = World::new(&mut dice).await;
    let (mut done, mut checked) = (0, 0);
    let mut before = world.holdings().await;
    for round in 0..ROUNDS {
        let by = dice.roll(world.people.len());
        let actor = world.held(by, None).await;
        done += usize::from(world.act(&mut dice, by).await);
        let after = world.holdings().await;
        assert_eq!(
            gains(&before, &after, &actor),
            Vec::<String>::new(),
            "seed {seed}, round {round}, by {by}"
        );
        for (n, (_, _, maker)) in world.acting.iter().enumerate() {
            let maker = world.held(*maker, None).await;
            for scope in &after[&format!("acting {n}")] {
                assert!(
                    covered(scope, &maker),
                    "seed {seed}, round {round}: acting {n} exceeds its maker: {scope}"
                );
            }
        }
        checked += after.values().map(Vec::len).sum::<usize>();
        before = after;
    }
    (done, checked)
}

#[tokio::test]
async fn no_credential_exceeds_its_maker() {
    let (mut done, mut checked) = (0, 0);
    for seed in [0x5eed_0001, 0x5eed_0002, 0x5eed_0003] {
        let (acts, scopes) = play(seed).await;
        done += acts;
        checked += scopes;
    }
    println!("role lattices: {} requests, {done} of them granted, {checked} scopes checked", 3 * ROUNDS);
    assert!(done > ROUNDS / 2 && checked > 10_000, "too little happened: {done}, {checked}");
}

#[test]
fn a_gain_is_noticed() {
    let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let one = |scopes: &[&str]| Holdings::from([("person 1".to_owned(), own(scopes))]);
    assert!(gains(&one(&["update:posts"]), &one(&["read:posts"]), &[]).is_empty());
    assert!(gains(&one(&[]), &one(&["read:posts"]), &own(&["*:posts"])).is_empty());
    assert_eq!(gains(&one(&["read:posts"]), &one(&["update:posts"]), &own(&["read:*"])).len(), 1);
}
