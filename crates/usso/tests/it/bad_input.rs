//! Bad input: whatever a body holds, the answer is the error envelope, and never a defect of ours.
//!
//! Generated from the OpenAPI document: every operation with a body × every way to spoil it, by somebody who may do the
//! operation and by nobody. The harness checks the envelope of every answer.

use crate::app::{Anonymous, Answer, Body, PASSWORD, Requests, TestApp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a bad request may be answered with.
const REFUSALS: [u16; 6] = [400, 401, 403, 404, 413, 415];

pub(crate) struct Operation {
    pub(crate) id: String,
    method: String,
    path: String,
    /// Whether the body may be absent.
    is_optional: bool,
    /// The fields, with the types each may have.
    pub(crate) fields: BTreeMap<String, Vec<String>>,
    required: Vec<String>,
}

fn resolve<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let named = schema["$ref"]
        .as_str()
        .or_else(|| schema["oneOf"].as_array()?.iter().find_map(|s| s["$ref"].as_str()));
    match named.and_then(|name| name.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).expect("a schema"),
        None => schema,
    }
}

fn types_of(document: &Value, schema: &Value) -> Vec<String> {
    let own = match &schema["type"] {
        Value::String(name) => vec![name.clone()],
        Value::Array(names) => names.iter().filter_map(|n| n.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    if !own.is_empty() {
        return own;
    }
    let parts = schema["oneOf"].as_array().cloned().unwrap_or_default();
    let named = schema["$ref"].as_str().map(|_| resolve(document, schema).clone());
    parts.iter().chain(&named).flat_map(|part| types_of(document, part)).collect()
}

/// Operations that change something and take no body.
const BODILESS: [&str; 10] = [
    "resend_user_identifier",
    "reset_user_credential",
    "restore_tenant",
    "restore_user",
    "erase_user",
    "impersonate_user",
    "accept_workspace_invitation",
    "decline_workspace_invitation",
    "authenticate_agent",
    "agent_scopes",
];

pub(crate) fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(usso::app::router::openapi()).expect("JSON");
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let content = operation["requestBody"]["content"].as_object();
            let has_none = BODILESS.contains(&operation["operationId"].as_str().unwrap_or_default());
            assert!(
                content.is_some() || has_none || !matches!(method.as_str(), "post" | "patch" | "put"),
                "{method} {path} has no body"
            );
            let Some(content) = content else { continue };
            // What is no JSON has tests of its own.
            let Some(json) = content.get("application/json") else { continue };
            let schema = &json["schema"];
            let resolved = resolve(&document, schema);
            let fields = resolved["properties"].as_object().expect("fields");
            let required = resolved["required"].as_array().cloned().unwrap_or_default();
            found.push(Operation {
                id: operation["operationId"].as_str().expect("an id").to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                is_optional: schema["oneOf"].is_array(),
                fields: fields.iter().map(|(name, s)| (name.clone(), types_of(&document, s))).collect(),
                required: required.iter().filter_map(|r| r.as_str().map(str::to_owned)).collect(),
            });
        }
    }
    assert!(found.len() >= 9, "the document has only {} operations with bodies", found.len());
    found
}

struct Walk {
    app: TestApp,
    token: String,
    member: String,
    invitation: String,
    session: String,
    key: String,
    user: String,
    agent: String,
    client: String,
    count: usize,
    wrong: Vec<String>,
}

impl Walk {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let admin = app.system_admin().await;
        // Changes must not reach the session that makes them.
        let spare = admin.again().await;
        let _ = admin.post("/tenants", json!({"name": "Target"})).await.expect(201);
        let key = admin.post("/apikeys", json!({})).await.expect(201).str("id").to_owned();
        let user = admin.post("/users", json!({"identifier": "target@example.com"})).await.expect(201);
        let user = user.str("id").to_owned();
        let agent = admin.post("/agents", json!({"name": "Target"})).await.expect(201);
        let agent = agent.str("id").to_owned();
        let client = json!({"redirect_uris": ["https://a.example/"]});
        let client = admin.post("/oauth/clients", client).await.expect(201).str("id").to_owned();
        let _ = admin.post("/roles", json!({"name": "Target", "slug": "target_role"})).await.expect(201);
        let _ = admin.post("/workspaces", json!({"name": "Target"})).await.expect(201);
        let member = json!({"user_id": user});
        let _ = admin.post("/workspaces/ws_target/invitations", member).await.expect(201);
        let invite = json!({"email": "invited@example.com"});
        let invited = admin.post("/workspaces/ws_target/invitations", invite).await.expect(201);
        Self {
            member: admin.id().to_owned(),
            invitation: invited.str("id").to_owned(),
            token: admin.access().to_owned(),
            session: spare.session_id().to_owned(),
            key,
            user,
            agent,
            client,
            app,
            count: 0,
            wrong: Vec::new(),
        }
    }

    fn insider(&self) -> Anonymous {
        self.app.anonymous().with_token(&self.token)
    }

    /// Sends a body as somebody who may, and as nobody; gives the former's answer.
    async fn send(&mut self, operation: &Operation, body: impl Into<Body>) -> Answer {
        let path = operation
            .path
            .replace("{session_id}", &self.session)
            .replace("{key_id}", &self.key)
            .replace("{agent_id}", &self.agent)
            .replace("{tenant_id}", "org_target")
            .replace("{role_id}", "target_role")
            .replace("{referral_id}", "referral_nobodys")
            .replace("{route_id}", "gatewayroute_nobodys")
            .replace("/members/{user_id}", &format!("/members/{}", self.member))
            .replace("{user_id}", &self.user)
            .replace("{profile_id}", &self.user)
            .replace("{identifier_id}", "identifier_nobodys")
            .replace("{credential_id}", "credential_nobodys")
            .replace("{workspace_id}", "ws_target")
            .replace("{invitation_id}", &self.invitation)
            .replace("{client_id}", &self.client)
            .replace("{service}", "target")
            .replace("{kid}", "key_nobody");
        let body = body.into();
        let outside = self.app.anonymous().send(&operation.method, &path, body.clone()).await;
        self.count += 2;
        let asks_who = [
            "/sessions",
            "/tenants",
            "/apikeys",
            "/agents",
            "/roles",
            "/scope-catalog",
            "/users",
            "/identifiers",
            "/credentials",
            "/profiles",
            "/workspaces",
            "/referrals",
            "/gatewayroutes",
            "/oauth/clients",
        ]
        .iter()
        .any(|p| operation.path.contains(p));
        if asks_who && !["verify_api_key", "register_agent"].contains(&operation.id.as_str()) {
            assert_eq!(
                outside.status,
                401,
                "who asks comes before what they ask: {} {}",
                outside.asked,
                outside.text()
            );
        } else if outside.status >= 500 {
            self.wrong.push(format!("{}: {}", outside.asked, outside.text()));
        }
        // Logging out with the insider's own token would end the walk.
        let insider = if operation.id == "logout" { self.app.anonymous() } else { self.insider() };
        insider.send(&operation.method, &path, body).await
    }

    fn must(&mut self, what: &str, allowed: &[u16], answer: &Answer) {
        if !allowed.contains(&answer.status) {
            let text: String = answer.text().chars().take(200).collect();
            let what: String = what.chars().take(120).collect();
            self.wrong.push(format!("{} with {what}: {} {text}", answer.asked, answer.status));
        }
    }
}

/// A body that reaches the operation's work; an operation without one fails.
fn good(operation: &str) -> Value {
    match operation {
        "login" => json!({"identifier": "bad-input@example.com"}),
        "register" => json!({"identifier": "bad-input", "secret": PASSWORD}),
        "refresh" | "logout" => json!({"refresh_token": "a.b.c"}),
        "telegram_login" => json!({"id": 1, "auth_date": 1, "hash": "00"}),
        "answer_qr" => json!({"qr_code": "x"}),
        "begin_link" => json!({"redirect_url": "/"}),
        "verify_token" => json!({"token": "a.b.c"}),
        "accept_invitation" => json!({"token": "nobodys", "secret": PASSWORD}),
        "update_session" => json!({"meta_data": {"k": 1}}),
        // Refused for what it says: with a right one every request would make a key.
        "create_api_key" => json!({"agent_id": "service:nobody"}),
        "update_api_key" => json!({"name": "Target"}),
        // Refused for what it says: with a right one every request would make an agent.
        "create_agent" => json!({"name": "Target", "alg": "RS256"}),
        "create_registration_key" => json!({"name": "Target"}),
        "register_agent" => {
            json!({"registration_key": "usso_rk_nobodys", "name": "Target", "verify_key": "none"})
        }
        "update_agent" => json!({"name": "Target"}),
        // Refused for what it says: with a right one every request would make a role.
        "create_role" => json!({"name": "Target", "slug": "No Slug"}),
        "put_scope_catalog" => json!({"scopes": [{"scope": "read:target"}]}),
        "update_role" => json!({"name": "Target"}),
        // Refused for what they say: with right ones every request would make something.
        "create_user" | "add_user_identifier" | "add_identifier" => {
            json!({"identifier": "1", "type": "telegram_id"})
        }
        "create_referral" => json!({"code": "-"}),
        "update_referral" => json!({"max_usage": 5}),
        "create_gateway_route" => json!({"slug": "No Slug", "title": "x"}),
        "update_gateway_route" => json!({"title": "Target"}),
        "move_user" => json!({"tenant_id": "org_nobody"}),
        "update_user" => json!({"name": "Target"}),
        "update_user_identifier" => json!({"is_primary": true}),
        "set_user_credential" | "set_credential" => json!({"method": "totp", "secret": "x"}),
        "rename_credential" => json!({"name": "Target"}),
        "register_passkey" | "enrol_passkey" => {
            json!({"id": "AA", "response": {"clientDataJSON": "AA", "attestationObject": "AA"}})
        }
        "passkey_sign_in" => json!({"identifier": "bad-input@example.com"}),
        "verify_captcha" => json!({"payload": "e30="}),
        "confirm_user_credential" | "confirm_credential" => json!({"code": "000000"}),
        "request_otp" | "activate" | "request_magic_link" => json!({"identifier": "somebody"}),
        "use_magic_link" => json!({"token": "a.b.c"}),
        "reset_password" => json!({"token": "a.b.c", "new_password": "x"}),
        "change_password" => json!({"old_password": "x", "new_password": "x"}),
        "preview_template" => json!({"template": "magic_link"}),
        "enrol" => json!({"method": "totp"}),
        "confirm_enrolment" => json!({"credential_id": "credential_x", "code": "000000"}),
        "create_profile" => json!({"user_id": "user:nobody"}),
        "update_profile" | "update_my_profile" => json!({"profile_data": {"k": 1}}),
        // Refused for what it says: with a right one every request would make a workspace.
        "create_workspace" => json!({"name": "Target", "slug": "--"}),
        "update_workspace" => json!({"name": "Target"}),
        "update_member" => json!({"is_owner": true}),
        // Refused for what it says: with a right one every request would invite.
        "create_workspace_invitation" => json!({"email": "invited@example.com", "expires_in_days": 0}),
        "resend_workspace_invitation" => json!({"expires_in_days": 1}),
        "verify_api_key" => json!({"api_key": "usso_sk_nobodys"}),
        "create_tenant" => json!({"name": "Target"}),
        // Refused for what they say: with a right one every request would publish a key.
        "create_key" | "rotate_keys" => json!({"algorithm": "none"}),
        "update_key" => json!({"is_active": true}),
        // Refused for what it says: with a right one every request would make a client.
        "create_oauth_client" => json!({"redirect_uris": []}),
        "update_oauth_client" => json!({"description": "Target"}),
        "rotate_oauth_client_secret" => json!({"overlap_seconds": 60}),
        // Refused, for registration is off.
        "register_client" | "replace_registration" => json!({"redirect_uris": []}),
        "answer_device" => json!({"user_code": "x", "approve": true}),
        "add_domain" => json!({"domain": "target.example"}),
        // Of a domain that isn't there.
        "verify_domain" => json!({"method": "dns"}),
        "update_tenant" => json!({"custom_payload": {"k": 1}}),
        other => panic!("{other} takes a body, but has no row here"),
    }
}

fn json_text(text: &str) -> (&'static str, String) {
    ("application/json", text.to_owned())
}

/// Bodies that are no JSON object, or not one that may be trusted.
fn malformed(good: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let text = good.to_string();
    let (name, value) = good.as_object().and_then(|o| o.iter().next()).expect("a member");
    let inside = &text[1..text.len() - 1];
    let list: Vec<(&'static str, String)> = vec![
        ("open brace", "{".into()),
        ("cut off", text[..text.len() - 1].into()),
        ("trailing comma", format!("{{{inside},}}")),
        ("trailing text", format!("{text} x")),
        ("two objects", format!("{text}{text}")),
        ("single quotes", text.replace('"', "'")),
        ("comment", format!("/* hello */ {text}")),
        ("a word", "nul".into()),
        ("an array", "[]".into()),
        ("an array of it", format!("[{text}]")),
        ("a number", "1".into()),
        ("a string", "\"x\"".into()),
        ("true", "true".into()),
        ("null", "null".into()),
        ("NaN", format!("{{{inside}, \"n\": NaN}}")),
        ("infinite", format!("{{{inside}, \"n\": 1e999}}")),
        ("duplicate member", format!("{{{inside}, \"{name}\": {value}}}")),
        (
            "duplicate escaped",
            format!("{{{inside}, \"\\u{:04x}{}\": {value}}}", name.as_bytes()[0], &name[1..]),
        ),
        ("duplicate nested", format!("{{{inside}, \"extra\": {{\"a\": 1, \"a\": 2}}}}")),
        ("duplicate in a list", format!("{{{inside}, \"extra\": [{{\"a\": 1, \"a\": 2}}]}}")),
        ("nested deeply", format!("{{{inside}, \"extra\": {}{}}}", "[".repeat(40), "]".repeat(40))),
        ("nested very deeply", format!("{{{inside}, \"extra\": {}", "[".repeat(50_000))),
        (
            "objects deeply",
            format!("{{{inside}, \"extra\": {}1{}}}", "{\"a\":".repeat(5_000), "}".repeat(5_000)),
        ),
        ("lone surrogate", format!("{{{inside}, \"extra\": \"\\ud800\"}}")),
        ("raw control character", format!("{{{inside}, \"extra\": \"\u{1}\"}}")),
        ("byte order mark", format!("\u{feff}{text}")),
    ];
    let mut bodies: Vec<(&'static str, Vec<u8>)> =
        list.into_iter().map(|(what, text)| (what, text.into_bytes())).collect();
    bodies.push(("invalid UTF-8", [b"{\"", &[0xff, 0xfe][..], b"\": 1}"].concat()));
    bodies.push(("NUL bytes", vec![0; 64]));
    bodies.push(("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()));
    bodies.push(("overlong UTF-8", [text.as_bytes(), &[0xc0, 0xaf]].concat()));
    bodies
}

#[tokio::test]
async fn malformed_bodies_are_refused_everywhere() {
    let mut walk = Walk::new().await;
    for operation in operations() {
        for (what, bytes) in malformed(&good(&operation.id)) {
            let answer = walk.send(&operation, Body::Bytes(Some("application/json".into()), bytes)).await;
            walk.must(what, &[400], &answer);
            if answer.code() != "VALIDATION_ERROR" {
                walk.wrong.push(format!("{} with {what}: {}", answer.asked, answer.text()));
            }
        }
        let empty = walk.send(&operation, Body::Bytes(Some("application/json".into()), Vec::new())).await;
        walk.must(
            "an empty body",
            if operation.is_optional { &[200, 201, 400, 401, 403, 404, 409] } else { &[400] },
            &empty,
        );
    }
    println!("malformed bodies: {} requests", walk.count);
    assert_eq!(walk.wrong, Vec::<String>::new());
}

#[tokio::test]
async fn other_media_types_are_415() {
    let mut walk = Walk::new().await;
    let types = [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/jsonx"),
        Some("text/json"),
        Some("application/problem+json"),
        Some(""),
        Some(";"),
        Some("application/json-patch+json"),
    ];
    for operation in operations() {
        let text = good(&operation.id).to_string().into_bytes();
        for media_type in types {
            let answer =
                walk.send(&operation, Body::Bytes(media_type.map(str::to_owned), text.clone())).await;
            // A page's button sends a form, from a page of the tenant.
            let is_form = media_type == Some("application/x-www-form-urlencoded");
            let wanted = if operation.id == "use_magic_link" && is_form { 403 } else { 415 };
            walk.must(media_type.unwrap_or("no type"), &[wanted], &answer);
        }
        // Parameters and case are the sender's to choose (RFC 9110 §8.3.1).
        for media_type in ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"] {
            let answer = walk.send(&operation, Body::Bytes(Some(media_type.to_owned()), text.clone())).await;
            if answer.status == 415 {
                walk.wrong.push(format!("{}: {media_type} is JSON", answer.asked));
            }
        }
    }
    println!("media types: {} requests", walk.count);
    assert_eq!(walk.wrong, Vec::<String>::new());
}

#[tokio::test]
async fn oversized_bodies_are_413() {
    let mut walk = Walk::new().await;
    let filler = "x".repeat(1024 * 1024);
    for operation in operations() {
        let mut body = good(&operation.id);
        body["filler"] = json!(filler);
        let answer = walk.send(&operation, body).await;
        walk.must("2 MiB", &[413], &answer);
    }
    println!("oversized bodies: {} requests", walk.count);
    assert_eq!(walk.wrong, Vec::<String>::new());
}

/// A value of each type, and some at the edges of it.
fn values() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("boolean", "true", json!(true)),
        ("integer", "0", json!(0)),
        ("integer", "-1", json!(-1)),
        ("integer", "2^63", json!(9_223_372_036_854_775_808_u64)),
        ("integer", "2^64-1", json!(u64::MAX)),
        ("integer", "-2^63", json!(i64::MIN)),
        ("number", "0.5", json!(0.5)),
        ("number", "1e308", json!(1e308)),
        ("number", "-1e-308", json!(-1e-308)),
        ("array", "[]", json!([])),
        ("array", "[null]", json!([null])),
        ("array", "[[[]]]", json!([[[]]])),
        ("array", "numbers", json!([1, 2, 3])),
        ("array", "many", json!(vec!["x"; 5_000])),
        ("object", "{}", json!({})),
        ("object", "{\"a\": {}}", json!({"a": {"b": null}})),
        (
            "object",
            "odd names",
            json!({"": 1, "\u{0}": 2, "a.b": {"$sealed": "x"}, "$sealed": "y", "__proto__": {"x": 1}}),
        ),
        ("null", "null", Value::Null),
        ("string", "empty", json!("")),
        ("string", "blank", json!(" \t\n ")),
        ("string", "NUL", json!("a\u{0}b")),
        ("string", "control", json!("\u{1}\u{7f}\u{85}\r\n")),
        ("string", "right to left", json!("\u{202e}nimda\u{2066}")),
        ("string", "combining", json!("e\u{301}".repeat(300))),
        ("string", "long", json!("x".repeat(60_000))),
        ("string", "long mail", json!(format!("{}@example.com", "x".repeat(60_000)))),
        ("string", "long number", json!("9".repeat(50_000))),
        ("string", "emoji", json!("👩‍👩‍👧‍👦".repeat(50))),
        ("string", "quoting", json!("'; DROP TABLE users; -- {{7*7}} ${jndi:ldap://x} <script>")),
        ("string", "dots", json!("../../../../etc/passwd")),
        ("string", "three parts", json!("e30.e30.e30")),
    ]
}

#[tokio::test]
async fn every_field_survives_every_value() {
    let mut walk = Walk::new().await;
    for operation in operations() {
        for (field, types) in &operation.fields {
            for (kind, what, value) in values() {
                let mut body = good(&operation.id);
                body[field] = value;
                let answer = walk.send(&operation, body).await;
                let name = format!("{field} = {what} ({kind})");
                let fits = types.iter().any(|t| t == kind || (t == "number" && kind == "integer"));
                // Null is as good as absent; an identifier of one kind is free text.
                if fits || kind == "null" || types.is_empty() {
                    if answer.status >= 500 {
                        walk.wrong.push(format!(
                            "{} with {name}: {} {}",
                            answer.asked,
                            answer.status,
                            answer.text()
                        ));
                    }
                } else {
                    walk.must(&name, &REFUSALS, &answer);
                    // Who asks comes before what they ask: a client shows the token of its own registration.
                    let is_asked_first = operation.id == "replace_registration" && answer.status == 401;
                    walk.must(&name, if is_asked_first { &[401] } else { &[400] }, &answer);
                }
            }
        }
    }
    println!("fields and values: {} requests", walk.count);
    assert_eq!(walk.wrong, Vec::<String>::new());
}

#[tokio::test]
async fn missing_required_fields_are_named() {
    let mut walk = Walk::new().await;
    for operation in operations() {
        for field in &operation.required {
            let mut body = good(&operation.id);
            body.as_object_mut().expect("an object").remove(field);
            let answer = walk.send(&operation, body).await;
            walk.must(field, &[400], &answer);
            let loc = &answer["errors"][0]["loc"];
            assert_eq!(*loc, json!(["body", field]), "{} {}", answer.asked, answer.text());
        }
        let nothing = walk.send(&operation, json!({})).await;
        if !operation.required.is_empty() {
            walk.must("{}", &[400], &nothing);
        }
    }
    println!("missing fields: {} requests", walk.count);
    assert_eq!(walk.wrong, Vec::<String>::new());
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let mut walk = Walk::new().await;
    for operation in operations() {
        let plain = walk.send(&operation, good(&operation.id)).await;
        let mut body = good(&operation.id);
        let extra = json!({"deep": [1, {"x": null}]});
        for name in
            ["unknown", "is_superuser", "roles", "scopes", "tenant_id", "id", "uid", "created_at", "verified"]
        {
            if !operation.fields.contains_key(name) {
                body[name] = extra.clone();
            }
        }
        let more = walk.send(&operation, body).await;
        assert!(
            plain.status == more.status || plain.status == 201,
            "{}: {} {}",
            plain.asked,
            plain.text(),
            more.text()
        );
    }
    // And they grant nothing.
    let body = json!({"identifier": "sly@example.com", "secret": PASSWORD, "roles": ["admin"], "scopes": ["*:*"], "verified": true});
    let sly = walk.app.anonymous().post("/auth/register", body).await.expect(201);
    assert_eq!(sly["user"]["roles"], json!([]));
    walk.app
        .anonymous()
        .with_token(sly.str("access_token"))
        .get("/tenants")
        .await
        .problem(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn settings_of_any_shape_are_judged_and_never_break_a_tenant() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let _ = admin.post("/tenants", json!({"name": "Target"})).await.expect(201);
    let shown = admin.get("/tenants/org_target").await.expect(200);
    let mut names: Vec<Vec<String>> = Vec::new();
    for (name, value) in shown["config"].as_object().expect("settings") {
        match value.as_object() {
            Some(inner) => names.extend(inner.keys().map(|key| vec![name.clone(), key.clone()])),
            None => names.push(vec![name.clone()]),
        }
    }
    assert!(names.len() > 20, "{names:?}");
    let mut count = 0;
    for name in names {
        for (_, what, value) in values() {
            let nested = name
                .iter()
                .rev()
                .fold(value, |inner, part| Value::Object(Map::from_iter([(part.clone(), inner)])));
            let answer = admin.patch("/tenants/org_target", json!({"config": nested})).await;
            assert!(matches!(answer.status, 200 | 400), "{name:?} = {what}: {}", answer.text());
            count += 1;
            // Whatever was accepted, the tenant still answers, and resetting works.
            let probe = app
                .anonymous()
                .with_header("x-tenant-id", "org_target")
                .login("x@example.com", "wrong")
                .await;
            assert!(probe.status < 500, "{name:?} = {what}: {}", probe.text());
            let reset = name
                .iter()
                .rev()
                .fold(Value::Null, |inner, part| Value::Object(Map::from_iter([(part.clone(), inner)])));
            let _ = admin.patch("/tenants/org_target", json!({"config": reset})).await.expect(200);
        }
    }
    println!("settings: {count} requests");
}

#[tokio::test]
async fn odd_queries_and_paths_are_refused_politely() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let queries = [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=1e3",
        "limit=99999999999999999999",
        "page=0",
        "page=x",
        "offset=-1",
        "offset=x",
        "sort=nonsense",
        "sort=",
        "sort=--created_at",
        "created_at_from=yesterday",
        "created_at_to=2026-13-45",
        "limit=1&limit=2",
        "count=many",
    ];
    for path in ["/sessions", "/tenants"] {
        for query in queries {
            let answer = admin.get(&format!("{path}?{query}")).await;
            assert!(matches!(answer.status, 200 | 400), "{path}?{query}: {}", answer.text());
            assert!(answer.status == 400 || query.starts_with("count"), "{path}?{query} was accepted");
        }
        for query in ["unknown=1", "%00=%00", "limit=%31", "a=%ff%fe", "&&&", "="] {
            let answer = admin.get(&format!("{path}?{query}")).await;
            assert!(answer.status < 500, "{path}?{query}: {}", answer.text());
        }
    }
    for id in [
        "x",
        "session:",
        "session:%00",
        "session:%ff",
        "session:a%2fb",
        "%2e%2e",
        "session:'--",
        &"s".repeat(5_000),
    ] {
        for path in ["/sessions", "/tenants"] {
            for method in ["GET", "PATCH", "DELETE"] {
                let body = json!({"meta_data": {}});
                let answer = admin.send(method, &format!("{path}/{id}"), body).await;
                assert!(matches!(answer.status, 400 | 404 | 405), "{method} {path}/{id}: {}", answer.text());
            }
        }
    }
    for authorization in
        ["", "Bearer", "Bearer ", "Basic Og==", "Bearer a b", "bearer x", "é", "Bearer e30.e30.e30", "DPoP x"]
    {
        let who = app.anonymous();
        let mut who = who;
        who.template_mut().headers.insert(
            "authorization",
            http::HeaderValue::from_bytes(authorization.as_bytes()).expect("a value"),
        );
        who.get("/me").await.is(401);
    }
    let (media_type, text) = json_text("{}");
    app.anonymous().post("/auth/nothing", (media_type, text.as_str())).await.problem(404, "NOT_FOUND");
    app.anonymous().send("PUT", "/auth/login", ()).await.problem(405, "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn an_array_is_no_object_however_well_its_elements_fit() {
    let app = TestApp::new().await;
    let admin = app.system_admin().await;
    let person = json!({"name": "Listed", "admin": ["boss@example.com", null, PASSWORD]});
    let refused = admin.post("/tenants", person).await;
    refused.problem(400, "VALIDATION_ERROR");
    assert_eq!(refused["errors"][0]["loc"], json!(["body", "admin"]));
    let missing = admin.post("/tenants", json!({"name": "Listed", "admin": {"name": "Nobody"}})).await;
    assert_eq!(missing["errors"][0]["loc"], json!(["body", "admin", "identifier"]), "{}", missing.text());
    admin.post("/auth/verify-token", json!([admin.access(), null])).await.problem(400, "VALIDATION_ERROR");
    let _ = admin.post("/tenants", json!({"name": "Unlisted", "admin": null})).await.expect(201);
}
