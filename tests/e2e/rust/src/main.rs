//! What an application does with the published `usso` crate, against the server that the environment names. Prints a line
//! for each thing that works and panics at the first that doesn't.

use serde_json::json;
use usso::client::async_code::AsyncUssoClient;
use usso::client::sync::UssoClient;
use usso::core::UssoAuth;
// The SDK verifies with what this chooses.
use jsonwebtoken as _;

struct Given {
    url: String,
    refresh_token: String,
    api_key: String,
    agent_id: String,
    agent_key: String,
}

fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn main() {
    let given = Given {
        url: given("USSO_BASE_URL"),
        refresh_token: given("USSO_REFRESH_TOKEN"),
        api_key: given("USSO_API_KEY"),
        agent_id: given("AGENT_ID"),
        agent_key: given("AGENT_PRIVATE_KEY"),
    };
    let by_token = || UssoClient::new(&given.url, None, None, None, Some(given.refresh_token.clone()));
    let by_key = || UssoClient::new(&given.url, Some(given.api_key.clone()), None, None, None);
    administers("refresh token", by_token());
    // A process starts with the token it was given, however often.
    administers("refresh again", by_token());
    administers("API key", by_key());
    verifies(&given, by_token());
    agent(&given);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(asynchronous(&given));
}

fn administers(how: &str, mut client: UssoClient) {
    client.get_session().expect("a session");
    let name = format!("rust-{}", how.to_lowercase().replace([' ', ','], "-"));
    let body = json!({"identifier": format!("{name}@example.com"), "name": name});
    let made = client.create_users(Some(body)).expect("a user");
    assert_eq!((made.name.as_deref(), made.tenant_id.as_deref()), (Some(&*name), Some("org_default")));
    assert!(client.get_users().expect("users").iter().any(|user| user.uid == made.uid));
    let added = client.add_identifier(&made.uid, "username", &name).expect("an identifier");
    assert_eq!((&added["type"], &added["identifier"]), (&json!("username"), &json!(name)));
    let profile = client.get_profile(&made.uid).expect("a profile");
    assert_eq!((&profile["user_id"], &profile["profile_data"]), (&json!(made.uid), &json!({})));
    let scopes = client.get_scopes().expect("scopes");
    assert!(scopes.contains(&"superadmin:*".to_owned()), "{scopes:?}");
    println!("ok {how}: create_users, get_users, add_identifier, get_profile, get_scopes");
}

fn verifies(given: &Given, mut client: UssoClient) {
    client.refresh().expect("a token");
    let token = client.access_token.expect("a token");
    let auth = UssoAuth::new(None, Some(given.url.clone()));
    let user = auth.user_data_from_token(&token, Some("access")).expect("a user");
    assert_eq!(
        (user.tenant_id.as_deref(), user.token_type.as_deref()),
        (Some("org_default"), Some("access"))
    );
    assert!(
        auth.user_data_from_token(&given.refresh_token, Some("access")).is_err(),
        "a refresh token is none"
    );
    let by_key = auth.user_data_from_api_key(&given.api_key, &Default::default());
    // The SDK asks its own address about keys, whatever base URL it was given, unless it is configured.
    let mut configured = usso::config::AuthConfig::new(None);
    let header = configured.api_key_header.as_mut().expect("a header");
    header.verify_endpoint = format!("{}/api/sso/v1/apikeys/verify", given.url);
    let by_endpoint = UssoAuth::new(Some(configured), None)
        .user_data_from_api_key(&given.api_key, &Default::default())
        .expect("a key");
    assert_eq!(by_endpoint.sub, user.sub);
    assert!(by_endpoint.scopes.is_some_and(|scopes| !scopes.is_empty()));
    println!("ok UssoAuth: token, refresh token refused, API key (by base URL: {})", by_key.is_ok());
}

fn agent(given: &Given) {
    let (id, key) = (Some(given.agent_id.clone()), Some(given.agent_key.clone()));
    let mut client = UssoClient::new(&given.url, None, id, key, None);
    assert_eq!(client.get_scopes().expect("scopes"), ["read:users"]);
    let scopes = ["read:users".to_owned()];
    let token = client.get_token(&scopes, "reports").expect("an answer").expect("a token");
    let auth = UssoAuth::new(None, Some(given.url.clone()));
    // The crate's validation accepts no audience (contract 12.2): whoever wants one verifies elsewhere.
    assert!(auth.user_data_from_token(&token, Some("access")).is_err());
    assert!(!client.get_users().expect("users").is_empty());
    let refused = client.create_users(Some(json!({"identifier": "by-agent@example.com"})));
    assert!(refused.is_err(), "an agent that may read makes nobody");
    client.use_agent_token(&[], "reports", Some("org_default")).expect("a token");
    println!("ok agent: get_scopes, get_token, use_agent_token with and without tenant");
}

async fn asynchronous(given: &Given) {
    let refresh_token = Some(given.refresh_token.clone());
    let mut client = AsyncUssoClient::new(&given.url, None, None, None, refresh_token);
    client.get_session().await.expect("a session");
    let body = json!({"identifier": "rust-async@example.com", "name": "async"});
    let made = client.create_users(Some(body)).await.expect("a user");
    assert!(client.get_users().await.expect("users").iter().any(|user| user.uid == made.uid));
    let added = client.add_identifier(&made.uid, "username", "rust-async").await.expect("an identifier");
    assert_eq!(added["identifier"], "rust-async");
    assert_eq!(client.get_profile(&made.uid).await.expect("a profile")["user_id"], json!(made.uid));

    let (id, key) = (Some(given.agent_id.clone()), Some(given.agent_key.clone()));
    let mut agent = AsyncUssoClient::new(&given.url, None, id, key, None);
    let token = agent.use_agent_token(&["read:users".to_owned()], "reports", None).await.expect("a token");
    assert_eq!(token.split('.').count(), 3);
    assert!(!agent.get_users().await.expect("users").is_empty());
    println!("ok async: get_session, create_users, get_users, add_identifier, get_profile, use_agent_token");
}
