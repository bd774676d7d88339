//! Mass assignment: what the server decides can't be said in a body (checklist API-02).

use crate::app::{Requests, User};
use crate::bad_input;
use crate::isolation::{self, Id, Needs, World, make};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// In every value that is smuggled in; must never come out.
const SENTINEL: &str = "sentinel";

/// What no body may set, with values that would be noticed.
fn smuggled() -> Value {
    let at = "1999-12-31T23:59:59Z";
    json!({
        "id": "user:sentinel", "uid": "user:sentinel", "tenant_id": "org_sentinel", "user_id": "user:sentinel",
        "owner_id": "user:sentinel", "client_id": "service:sentinel", "created_at": at, "updated_at": at,
        "verified_at": at, "last_used_at": at, "joined_at": at, "deleted_at": at, "is_deleted": true, "verified": true,
        "is_verified": true, "is_superuser": true, "is_admin": true, "roles": ["sentinel"], "scopes": ["read:sentinel"],
        "owners": ["user:sentinel"], "secret_hash": "sentinel", "session_epoch": 99, "usage_count": 4_242_424,
        "parent": "key_sentinel", "kid": "sentinel", "moving_to": "org_sentinel", "referred_by": "user:sentinel",
        "history": [{"event": "sentinel"}], "identifiers": [{"type": "username", "identifier": "sentinel"}],
        "credentials": [{"method": "password", "secret_hash": "sentinel"}], "status": "sentinel", "aud": "sentinel",
        "session_type": "sentinel", "acr": "sentinel", "amr": ["sentinel"], "keys": [{"id": "sentinel"}],
        "private_key": "sentinel", "revision": 4_242_424, "is_active": "sentinel", "is_owner": "sentinel",
    })
}

/// Operations that keep whatever they are told, by the contract (5.4): unknown keys of a profile are its data.
const FREE: [&str; 2] = ["update_profile", "update_my_profile"];

/// A value that ended up in an answer under its name, or the sentinel anywhere.
fn leaked(answer: &Value, sent: &serde_json::Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    if answer.to_string().contains(SENTINEL) {
        found.push(format!("{SENTINEL} in {answer}"));
    }
    for (name, value) in sent {
        if !value.is_boolean() && answer.get(name) == Some(value) {
            found.push(format!("{name} is {value}"));
        }
    }
    if answer["is_deleted"] == true && sent.contains_key("is_deleted") {
        found.push("is_deleted".to_owned());
    }
    found
}

async fn id_of(world: &World, id: Id, (admin, serial): (&User, usize)) -> Option<String> {
    Some(match id {
        Id::None => String::new(),
        Id::Tenant => "org_company_b".to_owned(),
        Id::Service => "media-b".to_owned(),
        Id::Session => admin.again().await.session_id().to_owned(),
        Id::ApiKey => admin.post("/apikeys", json!({})).await.expect(201).str("id").to_owned(),
        Id::Made(path) => make(&world.b.admin(), path, serial).await,
        Id::Event | Id::Invitation => return None,
    })
}

#[tokio::test]
async fn no_body_sets_what_the_server_decides() {
    let world = World::new().await;
    let table = isolation::rows(&world);
    let fields: BTreeMap<_, _> = bad_input::operations().into_iter().map(|o| (o.id, o.fields)).collect();
    let admin = world.b.admin();
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for (serial, operation) in isolation::operations().iter().enumerate() {
        let row = &table[operation.id.as_str()];
        let (Some(body), Some(declared)) = (&row.body, fields.get(&operation.id)) else { continue };
        if matches!(row.needs, Needs::Nothing | Needs::System) || FREE.contains(&operation.id.as_str()) {
            continue;
        }
        let serial = 20_000 + serial;
        let Some(id) = id_of(&world, row.id, (&admin, serial)).await else { continue };
        let mut sent = smuggled().as_object().expect("an object").clone();
        sent.retain(|name, _| !declared.contains_key(name));
        let mut body = body.to_string().replace("{n}", &serial.to_string());
        body.truncate(body.len() - 1);
        let more = Value::Object(sent.clone()).to_string();
        let body = if body == "{" { more } else { format!("{body},{}", &more[1..]) };
        let (start, rest) = operation.path.split_once('{').unwrap_or((&operation.path, "}"));
        let rest = rest.split_once('}').map_or("", |(_, rest)| rest);
        let parts: Vec<_> = rest.split('/').map(|p| if p.starts_with('{') { "none" } else { p }).collect();
        let target = format!("ROOT{start}{id}{}", parts.join("/"));
        let answer = admin.send(&operation.method, &target, ("application/json", body.as_str())).await;
        asked += 1;
        let found = leaked(&answer.json, &sent);
        if answer.status != row.own || !found.is_empty() {
            wrong.push(format!("{}: {} {found:?} {}", operation.id, answer.status, answer.text()));
        }
    }
    println!(
        "mass assignment: {asked} operations, {} names each at most",
        smuggled().as_object().map_or(0, |o| o.len())
    );
    assert_eq!(wrong, Vec::<String>::new());
    assert!(asked > 30, "{asked}");
}

/// Registering is everybody's: what would make somebody else of one is ignored there, too.
#[tokio::test]
async fn nobody_registers_themself_as_somebody_more() {
    let world = World::new().await;
    let mut body = smuggled();
    body["identifier"] = json!("sly@example.com");
    body["secret"] = json!(crate::app::PASSWORD);
    let made = world.b.anonymous().post("/auth/register", body).await.expect(201);
    assert!(!made.text().contains(SENTINEL), "{}", made.text());
    assert_eq!((&made["user"]["roles"], &made["user"]["scopes"]), (&json!([]), &json!([])));
    assert_eq!(made["tenant_id"], "org_company_b");
}
