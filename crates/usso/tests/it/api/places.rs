//! Where sessions are, by a GeoIP file of the operator's (contract 6.4).

use crate::app::{PASSWORD, Requests, TestApp, geoip};
use serde_json::{Value, json};

const PLACES: [geoip::Place; 3] = [
    ("203.0.113.0", 24, Some("Isfahan"), "Iran"),
    ("198.51.100.0", 24, None, "Germany"),
    ("2001:db8:7::", 48, Some("Lyon"), "France"),
];

/// An installation with a file of these bytes.
async fn knowing(file: &[u8]) -> (TestApp, std::path::PathBuf) {
    let app = TestApp::new().await;
    let directory = &app.config().storage.data_dir;
    std::fs::create_dir_all(directory).expect("a directory");
    let path = directory.join("places.mmdb");
    std::fs::write(&path, file).expect("it is written");
    let known = path.clone();
    (app.restarted_with(|config| config.server.geoip_file = Some(known)).await, path)
}

async fn location(app: &TestApp, ip: &str) -> Value {
    let who = app.anonymous().from_ip(ip);
    let name = format!("from-{}", ip.replace([':', '.'], "x"));
    let body = json!({"identifier": name, "secret": PASSWORD, "register": true});
    let signed_in = who.post("/auth/login", body).await.expect(200);
    let session = who
        .with_token(signed_in.str("access_token"))
        .get(&format!("/sessions/{}", signed_in.str("session_id")))
        .await
        .expect(200);
    assert_eq!(session["device_info"]["location"], session["location"]);
    session["location"].clone()
}

#[tokio::test]
async fn a_session_tells_where_its_device_is() {
    let (app, _) = knowing(&geoip::file(&PLACES)).await;
    assert_eq!(location(&app, "203.0.113.7").await, "Isfahan, Iran");
    assert_eq!(location(&app, "198.51.100.9").await, "Germany");
    assert_eq!(location(&app, "2001:db8:7::1").await, "Lyon, France");
    assert_eq!(location(&app, "192.0.2.1").await, Value::Null);
}

#[tokio::test]
async fn without_a_file_nobody_knows_where_a_device_is() {
    let app = TestApp::new().await;
    assert_eq!(location(&app, "203.0.113.7").await, Value::Null);
}

#[tokio::test]
async fn a_file_that_changed_is_read_again_and_one_that_is_broken_is_not() {
    let (app, path) = knowing(&geoip::file(&PLACES)).await;
    std::fs::write(&path, geoip::file(&[("203.0.113.0", 24, Some("Tabriz"), "Iran")]))
        .expect("it is written");
    usso::app::geoip::read(&path, &app.state.identity).expect("it is read");
    assert_eq!(location(&app, "203.0.113.7").await, "Tabriz, Iran");
    std::fs::write(&path, b"no such file").expect("it is written");
    let refused = usso::app::geoip::read(&path, &app.state.identity).expect_err("it is broken");
    assert!(refused.to_string().starts_with("GEOIP_FILE: "), "{refused}");
    assert_eq!(location(&app, "203.0.113.7").await, "Tabriz, Iran");
}

#[tokio::test]
async fn a_start_is_refused_when_the_file_is_not_there() {
    let app = TestApp::new().await;
    let refused =
        app.try_start(app.storage(), |config| config.server.geoip_file = Some("/nowhere/places.mmdb".into()));
    let text = refused.await.expect_err("there is no such file");
    assert!(text.starts_with("GEOIP_FILE: /nowhere/places.mmdb"), "{text}");
}
