//! Refreshing: every request presents the newest token of its own session, so every answer is a generation
//! committed to the disk.

use super::reads::{all_succeeded, pair_of};
use super::{Bench, CONNECTIONS, SLICE};
use crate::client::{API, json_string, request};
use crate::load::{self, Pace, Work};
use crate::table::Row;
use std::io::Result;
use std::net::SocketAddr;

/// Presents the refresh token the last answer gave.
#[derive(Debug, Clone)]
pub struct Chain {
    addr: SocketAddr,
    path: String,
    bytes: Vec<u8>,
}

impl Chain {
    /// Presents this token first.
    pub fn new(addr: SocketAddr, path: &str, token: &str) -> Self {
        let mut chain = Self { addr, path: path.to_owned(), bytes: Vec::new() };
        chain.present(token);
        chain
    }

    fn present(&mut self, token: &str) {
        let body = format!("{{\"refresh_token\":\"{token}\"}}");
        self.bytes = request(self.addr, "POST", &self.path, None, Some(&body));
    }
}

impl Work for Chain {
    fn request(&mut self) -> &[u8] {
        &self.bytes
    }

    fn answered(&mut self, _status: u16, body: &[u8]) {
        if let Some(token) = json_string(body, "refresh_token") {
            self.present(token);
        }
    }
}

/// Durable refreshes against a bare route that verifies one token and signs two.
pub fn refresh(bench: &mut Bench) -> Result<Vec<Row>> {
    let (usso, bare) = (bench.usso.addr, bench.bare.addr);
    let path = format!("{API}/auth/refresh");
    let mut ours: Vec<Chain> = bench.accounts.iter().map(|a| Chain::new(usso, &path, &a.refresh)).collect();
    let token = pair_of(bare)?.1;
    let mut limit = vec![Chain::new(bare, "/verify-sign", &token); CONNECTIONS];
    let drive = |addr: SocketAddr, works: &mut Vec<Chain>, time| {
        let (given_back, tally) = load::run(addr, std::mem::take(works), Pace::Closed, time)?;
        *works = given_back;
        all_succeeded(&tally)?;
        Ok(tally.rate())
    };
    let pair =
        bench.alternate(SLICE, |time| drive(usso, &mut ours, time), |time| drive(bare, &mut limit, time))?;
    Ok(vec![Row::ratio("refresh, durable, 32 sessions; bare: verify one, sign two", "req/s", pair, 0.45)])
}
