//! The one client that asks others on behalf of tenants and their clients: public addresses only (CLI-07).

use crate::app::{SmallInternet, TestApp};
use kernel::WebRequest;
use std::net::Ipv4Addr;
use usso::config::{Config, HostName};

fn get(url: &str) -> WebRequest {
    WebRequest { method: "GET", url: url.to_owned(), ..WebRequest::default() }
}

/// A server on a small internet that guards private addresses, as it does by default.
async fn guarded(internet: &SmallInternet, change: impl FnOnce(&mut Config)) -> (TestApp, u16) {
    let app = TestApp::with(|config| {
        internet.configure(config);
        config.tenants.proof_from_private_addresses = false;
        change(config);
    })
    .await;
    let port = app.config().tenants.proof_port;
    (app, port)
}

#[tokio::test]
async fn cli_07_a_private_address_is_not_asked_however_it_is_written() {
    let internet = SmallInternet::start().await;
    let (app, port) = guarded(&internet, |_| {}).await;
    internet.address("rp.example", Ipv4Addr::LOCALHOST);
    internet.address("metadata.example", Ipv4Addr::new(169, 254, 169, 254));
    internet.address("intranet.example", Ipv4Addr::new(10, 0, 0, 1));
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "localhost",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[fe80::1]",
        "[fc00::1]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "rp.example",
        "metadata.example",
        "intranet.example",
        "user@rp.example",
        "rp.example@127.0.0.1",
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/jwks.json");
            assert!(app.state.internet.send(get(&url)).await.is_err(), "{url}");
        }
    }
    for url in ["", "file:///etc/passwd", "gopher://rp.example/", "//rp.example/", "rp.example"] {
        assert!(app.state.internet.send(get(url)).await.is_err(), "{url}");
    }
    assert_eq!(internet.asked(), Vec::<String>::new(), "nobody was even connected to");
}

#[tokio::test]
async fn cli_07_an_allowed_host_is_asked_and_no_other() {
    let internet = SmallInternet::start().await;
    let allow = |config: &mut Config| {
        config.outbound.allow_hosts = vec![HostName::parse("rp.example").expect("a host name")];
    };
    let (app, port) = guarded(&internet, allow).await;
    internet.address("rp.example", Ipv4Addr::LOCALHOST);
    internet.file(&format!("rp.example:{port}"), "/jwks.json", "{}");
    internet.address("other.example", Ipv4Addr::LOCALHOST);
    let answer = app.state.internet.send(get(&format!("http://rp.example:{port}/jwks.json"))).await;
    assert_eq!(answer.expect("an answer").body, b"{}");
    let other = app.state.internet.send(get(&format!("http://other.example:{port}/jwks.json"))).await;
    assert!(other.is_err());
    assert_eq!(internet.asked().len(), 1);
}

#[tokio::test]
async fn cli_07_a_redirect_is_not_followed() {
    let internet = SmallInternet::start().await;
    let app = TestApp::with(|config| internet.configure(config)).await;
    let port = app.config().tenants.proof_port;
    let host = format!("rp.example:{port}");
    internet.address("rp.example", Ipv4Addr::LOCALHOST);
    for target in ["http://169.254.169.254/", "http://127.0.0.1/", "http://[::1]/", "/elsewhere"] {
        let moved = format!(
            "HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        internet.response(&host, "/moved", &moved);
        let answer = app.state.internet.send(get(&format!("http://{host}/moved"))).await.expect("an answer");
        assert_eq!(answer.status, 302, "{target}");
    }
    assert!(internet.asked().iter().all(|asked| asked.ends_with("/moved")), "{:?}", internet.asked());
}
