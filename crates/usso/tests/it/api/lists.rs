//! What every list takes and answers (contract 1.8, rulings D15 and D34, checklist API-05).

use crate::app::{Requests, TestApp, User};
use serde_json::json;

async fn with_sessions(count: usize) -> (TestApp, User) {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    for _ in 1..count {
        app.wait(1);
        alice.again().await;
    }
    (app, alice)
}

#[tokio::test]
async fn a_list_has_both_envelopes() {
    let (_app, alice) = with_sessions(5).await;
    let list = alice.get("/sessions?page=2&limit=2").await.expect(200);
    assert_eq!(list["meta"], json!({"page": 2, "limit": 2, "total": 5, "pages": 3, "total_exact": true}));
    assert_eq!((&list["total"], &list["offset"], &list["limit"]), (&json!(5), &json!(2), &json!(2)));
    assert_eq!(list["heads"], json!({}));
    assert_eq!(list["data"], list["items"]);
    assert_eq!(list.items().len(), 2);
    let names: Vec<&String> = list.json.as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 7, "{names:?}");
}

#[tokio::test]
async fn pages_are_complete_disjoint_and_in_order() {
    let (_app, alice) = with_sessions(7).await;
    let mut seen = Vec::new();
    for page in 1..=4 {
        let list = alice.get(&format!("/sessions?limit=2&page={page}&sort=created_at")).await.expect(200);
        seen.extend(list.items().iter().map(|s| s["created_at"].as_str().unwrap().to_owned()));
    }
    assert_eq!(seen.len(), 7);
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    let newest = alice.get("/sessions?limit=1").await;
    assert_eq!(newest.items()[0]["created_at"], json!(seen[6]), "newest first by default");
    let beyond = alice.get("/sessions?page=9").await.expect(200);
    assert_eq!((beyond.items().len(), &beyond["total"]), (0, &json!(7)));
}

#[tokio::test]
async fn an_offset_wins_over_a_page() {
    let (_app, alice) = with_sessions(3).await;
    let list = alice.get("/sessions?offset=1&page=3&limit=1&sort=created_at").await.expect(200);
    assert_eq!((&list["offset"], list.items().len()), (&json!(1), 1));
}

#[tokio::test]
async fn a_list_can_be_narrowed_by_time() {
    let (_app, alice) = with_sessions(3).await;
    let all = alice.get("/sessions?sort=created_at").await.expect(200);
    let middle = all.items()[1]["created_at"].as_str().unwrap().replace('+', "%2B");
    assert_eq!(alice.get(&format!("/sessions?created_at_from={middle}")).await["total"], 2);
    assert_eq!(alice.get(&format!("/sessions?created_at_to={middle}")).await["total"], 2);
    let both = alice.get(&format!("/sessions?created_at_from={middle}&created_at_to={middle}")).await;
    assert_eq!(both["total"], 1);
}

#[tokio::test]
async fn a_list_is_rejected_when_its_parameters_are_out_of_bounds() {
    let (_app, alice) = with_sessions(1).await;
    let bad = [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=1.5",
        "limit=",
        "limit=99999999999999999999",
        "page=0",
        "page=-1",
        "page=x",
        "offset=-1",
        "offset=x",
        "sort=secret_hash",
        "sort=",
        "sort=-",
        "sort=--created_at",
        "created_at_from=yesterday",
        "created_at_to=2027",
        "count=all",
        "page=1&page=1",
        "limit=1&limit=2",
        "is_active=2",
        "is_active=",
    ];
    for query in bad {
        let answer = alice.get(&format!("/sessions?{query}")).await;
        assert_eq!((answer.status, answer.code()), (400, "VALIDATION_ERROR"), "{query}: {}", answer.text());
        let name = query.split('=').next().unwrap();
        assert_eq!(answer["errors"][0]["loc"], json!(["query", name]), "{query}");
    }
    for good in
        ["limit=100", "limit=1", "page=1", "offset=0", "count=exact", "sort=-created_at", "unknown=1", ""]
    {
        alice.get(&format!("/sessions?{good}")).await.is(200);
    }
}

#[tokio::test]
async fn the_largest_numbers_are_no_problem() {
    let (_app, alice) = with_sessions(1).await;
    for query in ["page=10000000&limit=100", "offset=1000000000"] {
        let list = alice.get(&format!("/sessions?{query}")).await.expect(200);
        assert!(list.items().is_empty());
    }
}

#[tokio::test]
async fn tenants_are_a_list_too() {
    let app = TestApp::new().await;
    for name in ["Delta", "alpha", "Charlie", "bravo"] {
        app.tenant(name, &[]).await;
    }
    let system = app.system_admin().await;
    let list = system.get("/tenants?sort=name").await.expect(200);
    let names: Vec<&str> = list.items().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["alpha", "bravo", "Charlie", "Default Tenant", "Delta"], "case does not matter");
    let back = system.get("/tenants?sort=-name&limit=2").await.expect(200);
    assert_eq!(back.items()[0]["name"], "Delta");
    assert_eq!(back["total"], 5);
}
