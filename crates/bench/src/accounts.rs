//! Accounts made for the run: registered over HTTP like anybody's.

use crate::client::{API, Connection, json_string, request};
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::time::Duration;

/// A registered account with one session.
#[derive(Debug, Clone)]
pub struct Account {
    /// The name it signs in with.
    pub identifier: String,
    /// Its password.
    pub password: String,
    /// The access token of its first session.
    pub access: String,
    /// The refresh token of the same session.
    pub refresh: String,
}

/// The body of a login or registration.
pub fn credentials(identifier: &str, password: &str) -> String {
    serde_json::json!({ "identifier": identifier, "secret": password }).to_string()
}

impl Account {
    /// The request that signs it in again.
    pub fn login(&self, addr: SocketAddr) -> Vec<u8> {
        let body = credentials(&self.identifier, &self.password);
        request(addr, "POST", &format!("{API}/auth/login"), None, Some(&body))
    }
}

/// Registers accounts `first..first + count`, waiting whenever the server asks for patience.
///
/// # Errors
/// When the server refuses.
pub fn register(addr: SocketAddr, first: usize, count: usize) -> Result<Vec<Account>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(addr).await?;
        let mut accounts = Vec::with_capacity(count);
        for number in first..first + count {
            accounts.push(register_one(&mut connection, number).await?);
        }
        Ok(accounts)
    })
}

async fn register_one(connection: &mut Connection, number: usize) -> Result<Account> {
    let identifier = format!("bench{number}@example.com");
    let password = format!("Correct-Horse-Battery-7!{number}");
    let body = credentials(&identifier, &password);
    let bytes = request(connection.addr(), "POST", &format!("{API}/auth/register"), None, Some(&body));
    for _ in 0..50 {
        let answer = connection.exchange(&bytes).await?;
        match answer.status {
            200 | 201 => {
                let token = |name| {
                    json_string(answer.body, name)
                        .map(str::to_owned)
                        .ok_or_else(|| Error::other(format!("no {name} in the answer to a registration")))
                };
                let (access, refresh) = (token("access_token")?, token("refresh_token")?);
                return Ok(Account { identifier, password, access, refresh });
            }
            503 => tokio::time::sleep(Duration::from_millis(200)).await,
            status => {
                let text = String::from_utf8_lossy(answer.body).into_owned();
                return Err(Error::other(format!("registration answered {status}: {text}")));
            }
        }
    }
    Err(Error::other("registration answered 503 for ten seconds"))
}
