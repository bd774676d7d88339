//! The OpenID provider beside the certified `oidc-provider`, which keeps everything in memory: both set up alike by
//! `tests/e2e/oidc/bench.mjs`, which is the other provider's process, too, and signs the same people in at both.

use super::reads::{all_succeeded, throughput};
use super::{Bench, CONNECTIONS, KEY_SET, SLICE};
use crate::client::{form, get, json_string, position, request};
use crate::load::{self, Fixed, Pace, Work};
use crate::process::{SYSTEM_PASSWORD, Server, TempDir};
use crate::table::Row;
use serde::Deserialize;
use std::io::{BufRead, BufReader, Error, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SCRIPT: &str = "tests/e2e/oidc/bench.mjs";
const PACKAGES: &str = "target/oidc";
const INSTALL: &str = "run `./scripts/test oidc-packages` in the root of the repository first";

/// Somebody signed in at a provider.
#[derive(Debug, Clone, Deserialize)]
struct Session {
    cookie: String,
    access: String,
    refresh: String,
}

/// A provider, its endpoints' paths, its client and the people signed in there.
#[derive(Debug, Clone, Deserialize)]
struct Side {
    port: u16,
    basic: String,
    /// The whole authorization request.
    ask: String,
    verifier: String,
    redirect_uri: String,
    token: String,
    introspection: String,
    userinfo: String,
    sessions: Vec<Session>,
}

#[derive(Debug, Deserialize)]
struct Sides {
    usso: Side,
    certified: Side,
}

/// The other provider; ended when dropped.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(usso: &Server) -> Result<(Node, Sides)> {
    let origin = format!("http://localhost:{}", usso.addr.port());
    let mut child = Command::new("node")
        .args([SCRIPT, PACKAGES, &origin, &CONNECTIONS.to_string()])
        .env("SYSTEM_PASSWORD", SYSTEM_PASSWORD)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| Error::other(format!("node: {e}; {INSTALL}")))?;
    let stdout = child.stdout.take();
    let node = Node(child);
    let lines = BufReader::new(stdout.ok_or_else(|| Error::other("node has no output"))?).lines();
    for line in lines {
        let line = line?;
        if line.starts_with('{') {
            return serde_json::from_str(&line).map(|sides| (node, sides)).map_err(Error::other);
        }
    }
    Err(Error::other(format!("{SCRIPT} ended by itself; {INSTALL}")))
}

impl Side {
    fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    fn form(&self, path: &str, body: &str) -> Vec<u8> {
        form(self.addr(), path, &[("Authorization", &self.basic)], body)
    }

    fn client_credentials(&self) -> Vec<Fixed> {
        vec![Fixed(self.form(&self.token, "grant_type=client_credentials")); CONNECTIONS]
    }

    fn introspection(&self) -> Vec<Fixed> {
        let one = |s: &Session| Fixed(self.form(&self.introspection, &format!("token={}", s.access)));
        self.sessions.iter().map(one).collect()
    }

    fn userinfo(&self) -> Vec<Fixed> {
        let one = |s: &Session| {
            Fixed(get(self.addr(), &self.userinfo, &[("Authorization", &format!("Bearer {}", s.access))]))
        };
        self.sessions.iter().map(one).collect()
    }

    fn refreshes(&self) -> Vec<Refresh> {
        let one = |s: &Session| Refresh { bytes: refresh(self, &s.refresh), side: self.clone() };
        self.sessions.iter().map(one).collect()
    }

    fn flows(&self) -> Vec<Flow> {
        let one = |s: &Session| {
            let ask = get(self.addr(), &self.ask, &[("Cookie", &s.cookie), ("Accept", "text/html")]);
            Flow { redeem: Vec::new(), ask, side: self.clone() }
        };
        self.sessions.iter().map(one).collect()
    }
}

fn refresh(side: &Side, token: &str) -> Vec<u8> {
    side.form(&side.token, &format!("grant_type=refresh_token&refresh_token={token}"))
}

/// Presents the refresh token the last answer gave.
struct Refresh {
    side: Side,
    bytes: Vec<u8>,
}

impl Work for Refresh {
    fn request(&mut self) -> &[u8] {
        &self.bytes
    }

    fn answered(&mut self, _status: u16, body: &[u8]) {
        if let Some(token) = json_string(body, "refresh_token") {
            self.bytes = refresh(&self.side, token);
        }
    }
}

/// Asks for a code with a session's cookie, which comes in a form, and redeems it.
struct Flow {
    side: Side,
    ask: Vec<u8>,
    redeem: Vec<u8>,
}

impl Work for Flow {
    fn request(&mut self) -> &[u8] {
        if self.redeem.is_empty() { &self.ask } else { &self.redeem }
    }

    fn answered(&mut self, _status: u16, body: &[u8]) {
        self.redeem = code(body).map_or_else(Vec::new, |code| {
            let Side { redirect_uri, verifier, token, .. } = &self.side;
            let body = format!(
                "grant_type=authorization_code&code={code}&redirect_uri={redirect_uri}&code_verifier={verifier}"
            );
            self.side.form(token, &body)
        });
    }
}

/// The code in a page that posts it.
fn code(page: &[u8]) -> Option<&str> {
    let rest = page.get(position(page, b"name=\"code\"")?..)?;
    let rest = rest.get(position(rest, b"value=\"")? + 7..)?;
    std::str::from_utf8(rest.get(..position(rest, b"\"")?)?).ok()
}

/// Successes per second of works that go on where they stopped.
fn drive<W: Work>(addr: SocketAddr, works: &mut Vec<W>, time: Duration) -> Result<f64> {
    let (given_back, tally) = load::run(addr, std::mem::take(works), Pace::Closed, time)?;
    *works = given_back;
    all_succeeded(&tally)?;
    Ok(tally.rate())
}

/// Everything that is held against the other provider.
pub fn oidc(bench: &mut Bench) -> Result<Vec<Row>> {
    let directory = TempDir::new("bench-oidc")?;
    let server = Server::usso_for_browsers(&bench.options.binary, directory.path(), KEY_SET)?;
    let (_node, Sides { usso, certified }) = start(&server)?;
    let fixed = |of: fn(&Side) -> Vec<Fixed>| {
        bench.alternate(
            SLICE,
            |time| throughput(usso.addr(), of(&usso), time),
            |time| throughput(certified.addr(), of(&certified), time),
        )
    };
    let mut rows = Vec::new();
    let beside = |what: &str, pair, goal| {
        Row::ratio(&format!("{what}, 32 connections; beside it: `oidc-provider`"), "req/s", pair, goal)
    };
    rows.push(beside("client credentials", fixed(Side::client_credentials)?, 4.0));
    rows.push(signing(bench, &usso)?);
    rows.push(beside("introspection", fixed(Side::introspection)?, 3.0));
    let (mut ours, mut theirs) = (usso.refreshes(), certified.refreshes());
    let pair = bench.alternate(
        SLICE,
        |time| drive(usso.addr(), &mut ours, time),
        |time| drive(certified.addr(), &mut theirs, time),
    )?;
    rows.push(beside("refresh grant with an EdDSA id token", pair, 3.0));
    rows.push(beside("userinfo", fixed(Side::userinfo)?, 3.0));
    let (mut ours, mut theirs) = (usso.flows(), certified.flows());
    let (ours, theirs) = bench.alternate(
        SLICE,
        |time| drive(usso.addr(), &mut ours, time),
        |time| drive(certified.addr(), &mut theirs, time),
    )?;
    // Two requests each.
    let flows = Row::ratio(
        "code flows without a browser; beside it: `oidc-provider`",
        "per s",
        (ours / 2.0, theirs / 2.0),
        0.0,
    );
    rows.push(Row { goal: "–".to_owned(), met: None, ..flows });
    Ok(rows)
}

/// Client credentials against a bare route that signs one token.
fn signing(bench: &Bench, usso: &Side) -> Result<Row> {
    let bare = bench.bare.addr;
    let limit = vec![Fixed(request(bare, "POST", "/sign", None, Some("{}"))); CONNECTIONS];
    let pair = bench.alternate(
        SLICE,
        |time| throughput(usso.addr(), usso.client_credentials(), time),
        |time| throughput(bare, limit.clone(), time),
    )?;
    Ok(Row::ratio("client credentials, 32 connections; bare: sign one token", "req/s", pair, 0.6))
}
