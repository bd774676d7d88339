//! Whether time tells who has an account (checklist 4.8, ruling D28).
//!
//! Every call that takes an identifier is sent for accounts that exist and for some that don't, in turn, each from an address
//! of its own so that no budget is spent. Status and body must be equal, and the medians of the times within three percent.
//! Registration where it opens an account at once is left out: there it is inherent.

use crate::client::{API, Connection, json_string, request};
use crate::process::{SYSTEM_PASSWORD, Server, TempDir, free_port};
use crate::table::{Row, median};
use std::fmt::Display;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

/// How far the medians may be apart, in percent.
const LIMIT: f64 = 3.0;
/// Calls before it counts.
const WARM_UP: usize = 20;
const PASSWORD: &str = "Bench-Lighthouse-Orchard-43!";

/// What to run.
#[derive(Debug)]
pub struct Options {
    /// The release binary.
    pub binary: PathBuf,
    /// Samples of each side of each call.
    pub samples: usize,
}

/// A call that takes an identifier.
struct Call {
    what: &'static str,
    method: &'static str,
    path: &'static str,
    body: fn(&str) -> Option<String>,
    /// Whether its accounts have a password.
    has_password: bool,
}

const fn call(what: &'static str, path: &'static str, body: fn(&str) -> Option<String>) -> Call {
    Call { what, method: "POST", path, body, has_password: false }
}

fn calls() -> [Call; 9] {
    let named = |name: &str| Some(format!("{{\"identifier\":\"{name}\"}}"));
    [
        call("sign-in, the ways there are", "/auth/login", named),
        Call {
            has_password: true,
            ..call("sign-in, wrong password", "/auth/login", |name| {
                Some(format!("{{\"identifier\":\"{name}\",\"secret\":\"wrong\"}}"))
            })
        },
        call("sign-in, wrong code", "/auth/login", |name| {
            Some(format!("{{\"identifier\":\"{name}\",\"method\":\"otp\",\"secret\":\"000000\"}}"))
        }),
        call("asking for a code", "/auth/request-otp", named),
        call("asking for a link", "/auth/request-magic-link", named),
        call("asking for a new password", "/auth/reset-password", named),
        call("asking to prove an address", "/auth/activate", named),
        Call { method: "GET", ..call("passkey options", "/auth/passkey", |_| None) },
        Call {
            has_password: true,
            ..call("registering, approval by code", "/auth/register", |name| {
                Some(format!("{{\"identifier\":\"{name}\",\"secret\":\"{PASSWORD}\"}}"))
            })
        },
    ]
}

/// Measures every call; a row for each.
///
/// # Errors
/// When the server can't be started or answers what it should not.
pub fn run(options: &Options, say: impl Fn(String)) -> Result<Vec<Row>> {
    let directory = TempDir::new("enumeration")?;
    let environment = [
        ("DEBUG", "1".to_owned()),
        ("TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        ("USSO__LOG__LEVEL", "error".to_owned()),
    ];
    let place = (free_port()?, "/health");
    let server = Server::usso_with(&options.binary, directory.path(), place, &environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(measure(server.addr, options.samples, say))?;
    server.stop()?;
    Ok(rows)
}

async fn measure(addr: SocketAddr, samples: usize, say: impl Fn(String)) -> Result<Vec<Row>> {
    let mut stage = Stage { connection: Connection::open(addr).await?, addr, admin: String::new(), next: 0 };
    stage.prepare().await?;
    let mut rows = Vec::new();
    for (place, call) in calls().into_iter().enumerate() {
        let row = stage.compare(place, &call, samples).await?;
        say(crate::table::markdown_row(&row));
        rows.push(row);
    }
    Ok(rows)
}

struct Stage {
    connection: Connection,
    addr: SocketAddr,
    admin: String,
    next: u32,
}

impl Stage {
    async fn prepare(&mut self) -> Result<()> {
        let body = format!("{{\"identifier\":\"admin\",\"secret\":\"{SYSTEM_PASSWORD}\"}}");
        let login = request(self.addr, "POST", &format!("{API}/auth/login"), None, Some(&body));
        let answer = self.connection.exchange(&login).await?;
        let token = json_string(answer.body, "access_token").ok_or_else(|| wrong("login", answer.status))?;
        self.admin = token.to_owned();
        let body = "{\"config\":{\"messages_per_day\":10000000,\"registration\":{\"approval_mode\":\"identifier\"}}}";
        self.as_admin("PATCH", "/tenants/org_default", body, 200).await
    }

    async fn as_admin(&mut self, method: &str, path: &str, body: &str, wanted: u16) -> Result<()> {
        let request = request(self.addr, method, &format!("{API}{path}"), Some(&self.admin), Some(body));
        let status = self.connection.exchange(&request).await?.status;
        if status == wanted { Ok(()) } else { Err(wrong(path, status)) }
    }

    async fn compare(&mut self, place: usize, call: &Call, samples: usize) -> Result<Row> {
        let count = samples + WARM_UP;
        let name = |side: &str, n: usize| format!("{side}{place}.{n:06}@example.com");
        for n in 0..count {
            let password =
                if call.has_password { format!(",\"password\":\"{PASSWORD}\"") } else { String::new() };
            let body = format!("{{\"identifier\":\"{}\"{password}}}", name("user", n));
            self.as_admin("POST", "/users", &body, 201).await?;
        }
        let mut times = [Vec::with_capacity(samples), Vec::with_capacity(samples)];
        let mut answers: [Option<(u16, Vec<u8>)>; 2] = [None, None];
        let mut is_same = true;
        for n in 0..count {
            for (side, prefix) in ["user", "none"].into_iter().enumerate() {
                // Neither side always comes first.
                let (side, prefix) = if n.is_multiple_of(2) { (side, prefix) } else { swapped(side) };
                let (took, answer) = self.timed(call, &name(prefix, n)).await?;
                let shape = (answer.0, without_digits(&answer.1));
                match answers.get_mut(side) {
                    Some(Some(first)) => is_same &= *first == shape,
                    Some(first) => *first = Some(shape),
                    None => {}
                }
                if n >= WARM_UP
                    && let Some(times) = times.get_mut(side)
                {
                    times.push(took);
                }
            }
        }
        let [known, unknown] = times;
        is_same &= answers.first() == answers.get(1);
        Ok(row(call.what, (&known, &unknown), is_same))
    }

    async fn timed(&mut self, call: &Call, name: &str) -> Result<(f64, (u16, Vec<u8>))> {
        self.next += 1;
        let [_, a, b, c] = self.next.to_be_bytes();
        let body = (call.body)(name);
        let query = if body.is_none() { format!("?identifier={name}") } else { String::new() };
        let path = format!("{API}{}{query}", call.path);
        let plain = request(self.addr, call.method, &path, None, body.as_deref());
        let plain = String::from_utf8_lossy(&plain).into_owned();
        let sent = plain.replacen("\r\n", &format!("\r\nX-Forwarded-For: 10.{a}.{b}.{c}\r\n"), 1);
        let begun = Instant::now();
        let answer = self.connection.exchange(sent.as_bytes()).await?;
        let took = begun.elapsed().as_secs_f64() * 1e6;
        Ok((took, (answer.status, answer.body.to_vec())))
    }
}

fn swapped(side: usize) -> (usize, &'static str) {
    if side == 0 { (1, "none") } else { (0, "user") }
}

fn wrong(what: impl Display, status: u16) -> Error {
    Error::other(format!("{what} answered {status}"))
}

/// What differs between any two answers is random: tokens, challenges, ids. Their lengths are not.
fn without_digits(body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    let parts =
        text.split('"').map(|part| if part.len() > 16 { part.len().to_string() } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("\"").into_bytes()
}

fn row(what: &str, (known, unknown): (&[f64], &[f64]), is_same: bool) -> Row {
    let (a, b) = (median(known), median(unknown));
    let apart = (a - b).abs() / b.max(1e-9) * 100.0;
    let figure = |value: f64| format!("{} µs", crate::table::number(value));
    let same = if is_same { "status and body equal" } else { "**answers differ**" };
    Row {
        what: what.to_owned(),
        figure: figure(a),
        bare: figure(b),
        ratio: format!("{apart:.2} %"),
        goal: format!("≤ {LIMIT} %"),
        met: Some(apart <= LIMIT && is_same),
        note: format!(
            "{} samples of each, in turn; {same}; KS p = {:.3}",
            known.len(),
            alike(known, unknown)
        ),
    }
}

/// The probability that two samples of one distribution are as far apart as these (Kolmogorov and Smirnov).
fn alike(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> =
        a.iter().map(|value| (*value, true)).chain(b.iter().map(|value| (*value, false))).collect();
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    let (n, m) = (a.len().max(1) as f64, b.len().max(1) as f64);
    let (mut gap, mut widest) = (0.0f64, 0.0f64);
    for (_, is_first) in all {
        gap += if is_first { 1.0 / n } else { -1.0 / m };
        widest = widest.max(gap.abs());
    }
    let size = (n * m / (n + m)).sqrt();
    let scaled = (size + 0.12 + 0.11 / size) * widest;
    let terms = (1..=100i32).map(|k| {
        let sign = if k % 2 == 1 { 2.0 } else { -2.0 };
        sign * (-2.0 * f64::from(k * k) * scaled * scaled).exp()
    });
    if scaled < 0.2 { 1.0 } else { terms.sum::<f64>().clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_samples_are_alike_and_shifted_ones_are_not() {
        let a: Vec<f64> = (0..500).map(f64::from).collect();
        let shifted: Vec<f64> = a.iter().map(|value| value + 100.0).collect();
        assert!(alike(&a, &a) > 0.99);
        assert!(alike(&a, &shifted) < 0.001);
        assert_eq!(row("x", (&a, &shifted), true).met, Some(false));
        assert_eq!(row("x", (&a, &a), false).met, Some(false));
        assert_eq!(row("x", (&a, &a), true).met, Some(true));
    }

    #[test]
    fn what_is_random_is_left_out_of_the_comparison() {
        let body = |token: &str| format!("{{\"challenge\":\"{token}\",\"n\":1}}").into_bytes();
        let one = without_digits(&body("aaaaaaaaaaaaaaaaaaaaaaa"));
        assert_eq!(one, without_digits(&body("bbbbbbbbbbbbbbbbbbbbbbb")));
        assert_ne!(one, without_digits(&body("bbbbbbbbbbbbbbbbbbbbbbbb")));
    }
}
