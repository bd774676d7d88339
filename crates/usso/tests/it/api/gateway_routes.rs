//! `/gatewayroutes`.

use crate::app::{Requests, TestApp};
use serde_json::json;

#[tokio::test]
async fn a_route_is_made_read_changed_and_removed() {
    let app = TestApp::new().await;
    let tenant = app.tenant("Company A", &["company-a.com"]).await;
    let (admin, alice) = (tenant.admin(), tenant.user("alice").await);
    let body = json!({"slug": "billing", "title": "Billing", "scopes": ["read:invoices"],
        "upstream": {"api_url": "https://billing.example.com/api"}});
    let made = admin.post("/gatewayroutes", body.clone()).await.expect(201);
    assert_eq!((made.str("slug"), &made["front_visible"]), ("billing", &json!(true)));
    let path = format!("/gatewayroutes/{}", made.str("id"));
    assert_eq!(admin.get(&path).await.expect(200).json, made.json);
    admin.post("/gatewayroutes", body.clone()).await.problem(409, "CONFLICT");
    let changed = admin.patch(&path, json!({"title": "Invoices", "front_visible": false})).await.expect(200);
    assert_eq!((changed.str("title"), changed.str("slug")), ("Invoices", "billing"));
    assert_eq!(admin.get("/gatewayroutes").await.expect(200).items().len(), 1);
    let late = admin.clone().with_header("if-match", made.header("etag").expect("a revision"));
    late.patch(&path, json!({"title": "Late"})).await.problem(412, "PRECONDITION_FAILED");
    for refused in [
        alice.get(&path).await,
        alice.get("/gatewayroutes").await,
        alice.post("/gatewayroutes", body).await,
        alice.patch(&path, json!({"title": "x"})).await,
        alice.delete(&path).await,
    ] {
        refused.problem(403, "PERMISSION_DENIED");
    }
    assert_eq!(admin.delete(&path).await.expect(200)["is_deleted"], json!(true));
    admin.get(&path).await.problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_route_is_rejected_when_a_value_can_not_be() {
    let app = TestApp::new().await;
    let admin = app.tenant("Company A", &["company-a.com"]).await.admin();
    for bad in [
        json!({"slug": "No Slug", "title": "x"}),
        json!({"slug": "a", "title": " "}),
        json!({"slug": "a", "title": "x", "icon": "javascript:alert(1)"}),
        json!({"slug": "a", "title": "x", "upstream": {"api_url": "ftp://x"}}),
        json!({"slug": "a", "title": "x", "upstream": {"dashboard_url": "https://a b"}}),
        json!({"slug": "a", "title": "x", "scopes": ["read:[a]"]}),
        json!({"slug": "a", "title": "x", "scopes": vec!["read:a"; 201]}),
        json!({"slug": "a", "title": "x", "description": "y".repeat(2_001)}),
    ] {
        admin.post("/gatewayroutes", bad).await.problem(400, "VALIDATION_ERROR");
    }
}
