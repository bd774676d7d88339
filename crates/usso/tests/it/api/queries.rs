//! What every list makes of its query: bounds (checklist API-05), and filters and orders that are none (API-06).
//!
//! Generated from the OpenAPI document: every operation that takes `limit` × every bad page, order and filter.

use crate::app::{Requests, User};
use crate::isolation::{World, make};
use serde_json::Value;

/// What may not be a page, an order or a moment.
const REFUSED: [&str; 24] = [
    "limit=0",
    "limit=-1",
    "limit=101",
    "limit=1000000000",
    "limit=99999999999999999999",
    "limit=ten",
    "limit=1e1",
    "limit=",
    "page=0",
    "page=-1",
    "page=first",
    "offset=-1",
    "offset=none",
    "sort=secret_hash",
    "sort=created_at;DROP%20TABLE%20user",
    "sort=created_at,name",
    "sort=(select%201)",
    "sort=body-%3E%3E%27secret%27",
    "sort=%24where",
    "sort=--created_at",
    "sort=created_at%00",
    "created_at_from=yesterday",
    "created_at_to=%27%20OR%201=1",
    "count=all",
];

/// What looks like more than a value to somebody: SQL, documents, patterns, paths, templates, directions, lengths.
const CORPUS: [&str; 22] = [
    "' OR '1'='1",
    "'; DROP TABLE user; --",
    "\" OR \"\"=\"",
    "1) OR (1=1",
    "' UNION SELECT body FROM user --",
    "\\' OR 1=1 #",
    "%",
    "_",
    "*",
    "%' --",
    "{\"$gt\":\"\"}",
    "{\"$where\":\"while(true)\"}",
    "[$ne]=1",
    "active:true",
    "deleted:false",
    "role:admin|",
    "../../../etc/passwd",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "\u{202e}\u{0}\u{ffff}",
    "user:*",
];

/// A list, and the names of its filters.
struct List {
    path: String,
    filters: Vec<String>,
}

fn lists() -> Vec<List> {
    let document = serde_json::to_value(usso::app::router::openapi()).expect("JSON");
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let parameters = methods["get"]["parameters"].as_array().cloned().unwrap_or_default();
        let names: Vec<String> = parameters
            .iter()
            .filter(|p| p["in"] == "query")
            .filter_map(|p| p["name"].as_str().map(str::to_owned))
            .collect();
        if names.iter().any(|name| name == "limit") {
            let common = ["limit", "page", "offset", "sort", "count", "created_at_from", "created_at_to"];
            let filters = names.into_iter().filter(|name| !common.contains(&name.as_str())).collect();
            found.push(List { path: path.clone(), filters });
        }
    }
    assert!(found.len() >= 15, "{}", found.len());
    found
}

fn encoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

/// Somebody who sees every list, and a workspace for those that are a workspace's.
async fn stage() -> (World, User, String) {
    let world = World::new().await;
    let admin = world.b.admin();
    let workspace = make(&admin, "/workspaces", 1).await;
    for path in ["/agents", "/roles", "/referrals", "/gatewayroutes", "/users"] {
        make(&admin, path, 1).await;
    }
    (world, admin, workspace)
}

#[tokio::test]
async fn every_list_refuses_what_is_no_page_order_or_moment() {
    let (_world, admin, workspace) = stage().await;
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for list in lists() {
        let path = list.path.replace("{workspace_id}", &workspace);
        admin.get(&format!("ROOT{path}?limit=1")).await.is(200);
        for query in REFUSED {
            let answer = admin.get(&format!("ROOT{path}?{query}")).await;
            asked += 1;
            if answer.status != 400 || answer["code"] != "VALIDATION_ERROR" {
                wrong.push(format!("{path}?{query}: {} {}", answer.status, answer.text()));
            }
        }
    }
    println!("queries: {} lists, {asked} bad pages, orders and moments refused", lists().len());
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn a_filter_is_a_value_and_nothing_more() {
    let (_world, admin, workspace) = stage().await;
    let (mut wrong, mut asked) = (Vec::new(), 0);
    let long = "x".repeat(4_000);
    for list in lists() {
        let path = list.path.replace("{workspace_id}", &workspace);
        for filter in &list.filters {
            for value in CORPUS.iter().copied().chain([long.as_str()]) {
                let answer = admin.get(&format!("ROOT{path}?{filter}={}", encoded(value))).await;
                asked += 1;
                let is_harmless = match answer.status {
                    200 => answer.items().is_empty(),
                    400 => answer["code"] == "VALIDATION_ERROR" || answer["code"] == "INVALID_IDENTIFIER",
                    _ => false,
                };
                if !is_harmless {
                    let text: String = answer.text().chars().take(200).collect();
                    wrong.push(format!("{path}?{filter}={value:?}: {} {text}", answer.status));
                }
            }
        }
    }
    println!("queries: {asked} filters of {} values", CORPUS.len() + 1);
    assert_eq!(wrong, Vec::<String>::new());
    assert!(asked > 300, "{asked}");
}

/// A parameter that is no filter filters nothing: it can't be used to ask for what isn't shown.
#[tokio::test]
async fn a_parameter_that_is_no_filter_finds_out_nothing() {
    let (_world, admin, workspace) = stage().await;
    for list in lists() {
        let path = list.path.replace("{workspace_id}", &workspace);
        let plain = admin.get(&format!("ROOT{path}?limit=100")).await.expect(200);
        for query in
            ["secret_hash=x", "credentials.secret_hash=x", "$where=1", "role[$ne]=x", "fields=secret_hash"]
        {
            let asked =
                admin.get(&format!("ROOT{path}?limit=100&{}", query.replace('$', "%24"))).await.expect(200);
            let ids = |answer: &crate::app::Answer| -> Vec<Value> {
                answer.items().iter().map(|item| item["id"].clone()).collect()
            };
            // The log grows with what is asked of it.
            assert!(path.ends_with("/audit") || ids(&asked) == ids(&plain), "{path}?{query}");
        }
    }
}
