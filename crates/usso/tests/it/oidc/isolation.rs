//! Two tenants: nothing of one is worth anything at the other (TEN-02, TEN-03).

use super::{Rp, handle, oauth_error, sign_in};
use crate::app::{Requests, TestApp};
use serde_json::json;

#[tokio::test]
async fn ten_02_clients_tokens_and_requests_of_one_tenant_are_unknown_at_another() {
    let app = TestApp::new().await;
    let a = app.tenant("Company A", &["company-a.com"]).await;
    let b = app.tenant("Company B", &["company-b.com"]).await;
    let said = json!({"grant_types": ["authorization_code", "refresh_token", "client_credentials"], "is_first_party": false});
    let rp = Rp::new(&a.admin(), said).await;
    let at_b = Rp { who: b.anonymous(), ..rp.clone() };
    let browser = sign_in(&a.browser(), "admin@company-a.com").await;
    let state = handle(&rp.authorize(&browser, &[]).await);
    // Somebody at B with the same handle, or the same client.
    let other = sign_in(&b.browser(), "admin@company-b.com").await;
    other.get(&format!("/oauth/consent?state={state}")).await.problem(400, "INVALID_REQUEST");
    other
        .post(&format!("/oauth/consent?state={state}&consent=true"), ())
        .await
        .problem(400, "INVALID_REQUEST");
    other.get(&format!("ROOT/oauth/authorize?state={state}")).await.problem(400, "INVALID_REQUEST");
    rp.authorize(&other, &[]).await.problem(400, "INVALID_REQUEST");
    browser.post(&format!("/oauth/consent?state={state}&consent=true"), ()).await.expect(200);
    let tokens = rp.tokens(&browser, &[]).await;
    let own = rp.token(&[("grant_type", "client_credentials")]).await.expect(200);
    oauth_error(&at_b.token(&[("grant_type", "client_credentials")]).await, 401, "invalid_client");
    oauth_error(&at_b.refresh(tokens.str("refresh_token")).await, 401, "invalid_client");
    for token in [tokens.str("access_token"), own.str("access_token"), tokens.str("id_token")] {
        at_b.userinfo(token).await.problem(401, "TOKEN_INVALID");
        b.anonymous().with_token(token).get("/me").await.problem(401, "TOKEN_INVALID");
    }
    let theirs = Rp::new(&b.admin(), json!({})).await;
    oauth_error(&theirs.refresh(tokens.str("refresh_token")).await, 400, "invalid_grant");
    theirs.post("revoke", &[("token", tokens.str("refresh_token"))]).await.expect(200);
    rp.refresh(tokens.str("refresh_token")).await.expect(200);
    b.admin().get(&format!("/oauth/clients/{}", rp.id)).await.problem(404, "NOT_FOUND");
    b.admin().delete(&format!("/oauth/consents/{}", rp.id)).await.problem(404, "NOT_FOUND");
    assert!(b.admin().get("/oauth/consents").await.expect(200).items().is_empty());
}

#[tokio::test]
async fn a_tenant_may_be_addressed_in_three_ways_and_each_issuers_tokens_are_good_in_all() {
    let app = TestApp::new().await;
    let a = app.tenant("Company A", &["company-a.com"]).await;
    let rp = Rp::new(&a.admin(), json!({})).await;
    let browser = sign_in(&a.browser(), "admin@company-a.com").await;
    let tokens = rp.tokens(&browser, &[]).await;
    let by_path = app.anonymous().with_token(tokens.str("access_token"));
    by_path.get("ROOT/t/org_company_a/oauth/userinfo").await.expect(200);
    let by_header = by_path.with_header("x-tenant-id", "org_company_a");
    by_header.get("ROOT/oauth/userinfo").await.expect(200);
}
