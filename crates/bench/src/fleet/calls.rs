//! The calls the drivers make, and the accounts they make them for.

use crate::accounts::credentials;
use crate::client::{API, Connection, json_string, request};
use crate::crash::{Reply, claims, refresh_body};
use serde_json::Value;
use std::io::{Error, Result};
use std::time::Duration;

/// How often an overloaded server is asked again, and how long to wait before it.
const PATIENCE: (u32, Duration) = (300, Duration::from_millis(100));

/// A tenant by the path it is reached under: empty for the default one, `/t/{id}` for others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct At {
    path: String,
    id: String,
}

impl At {
    /// A tenant by its id.
    pub fn tenant(id: &str) -> Self {
        Self { path: format!("/t/{id}"), id: id.to_owned() }
    }

    /// Its id; empty for the default one.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A path below this tenant's root.
    pub fn root(&self, path: &str) -> String {
        format!("{}{path}", self.path)
    }

    /// The bytes of a call below the API root of this tenant.
    pub fn bytes(
        &self,
        connection: &Connection,
        (method, path): (&str, &str),
        bearer: Option<&str>,
        body: Option<&str>,
    ) -> Vec<u8> {
        request(connection.addr(), method, &format!("{}{API}{path}", self.path), bearer, body)
    }

    /// Makes the call.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn call(
        &self,
        connection: &mut Connection,
        line: (&str, &str),
        bearer: Option<&str>,
        body: Option<&str>,
    ) -> Result<Reply> {
        let bytes = self.bytes(connection, line, bearer, body);
        let answer = connection.exchange(&bytes).await?;
        Ok(Reply { status: answer.status, body: answer.body.to_vec() })
    }

    /// Makes the call until the server isn't too busy for it any more.
    ///
    /// # Errors
    /// When the connection breaks, or the last answer isn't a success.
    pub async fn insist(
        &self,
        connection: &mut Connection,
        line: (&str, &str),
        bearer: Option<&str>,
        body: Option<&str>,
    ) -> Result<Reply> {
        let (times, pause) = PATIENCE;
        for _ in 0..times {
            let reply = self.call(connection, line, bearer, body).await?;
            match reply.status {
                200 | 201 => return Ok(reply),
                503 => tokio::time::sleep(pause).await,
                _ => return Err(Error::other(format!("{} {}: {}", line.0, line.1, reply.text()))),
            }
        }
        Err(Error::other(format!("{} {}: 503 for half a minute", line.0, line.1)))
    }

    /// Signs in and answers the session.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn login(&self, connection: &mut Connection, account: &Account) -> Result<Session> {
        let body = credentials(&account.identifier, &account.password);
        let reply = self.insist(connection, ("POST", "/auth/login"), None, Some(&body)).await?;
        Session::of(self, &reply)
    }
}

/// What one signs in with.
#[derive(Debug, Clone)]
pub struct Account {
    identifier: String,
    password: String,
}

impl Account {
    /// The account of this number, to be registered or made the administrator of a tenant.
    pub fn numbered(name: &str, number: usize) -> Self {
        Self {
            identifier: format!("{name}{number}@example.com"),
            password: format!("Correct-Horse-Battery-7!{number}"),
        }
    }

    /// Registers it with the default tenant and answers its first session.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn register(&self, connection: &mut Connection) -> Result<Session> {
        let body = credentials(&self.identifier, &self.password);
        let reply = At::default().insist(connection, ("POST", "/auth/register"), None, Some(&body)).await?;
        Session::of(&At::default(), &reply)
    }

    /// The bytes of a login.
    pub fn signing_in(&self, at: &At, connection: &Connection) -> Vec<u8> {
        let body = credentials(&self.identifier, &self.password);
        at.bytes(connection, ("POST", "/auth/login"), None, Some(&body))
    }

    /// The bytes of a login with a wrong password.
    pub fn guessing(&self, at: &At, connection: &Connection) -> Vec<u8> {
        let body = credentials(&self.identifier, "not-the-password");
        at.bytes(connection, ("POST", "/auth/login"), None, Some(&body))
    }

    /// The bytes of its registration with the default tenant.
    pub fn registering(&self, connection: &Connection) -> Vec<u8> {
        let body = credentials(&self.identifier, &self.password);
        At::default().bytes(connection, ("POST", "/auth/register"), None, Some(&body))
    }

    /// Makes a tenant with this account as its administrator.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn found(&self, connection: &mut Connection, admin: &str, tenant: Value) -> Result<At> {
        let mut tenant = tenant;
        let owner = serde_json::json!({ "identifier": self.identifier, "password": self.password });
        tenant.as_object_mut().map(|body| body.insert("admin".to_owned(), owner));
        let (line, body) = (("POST", "/tenants"), tenant.to_string());
        let reply = At::default().insist(connection, line, Some(admin), Some(&body)).await?;
        let id = json_string(&reply.body, "id").ok_or_else(|| Error::other("a tenant without id"))?;
        Ok(At::tenant(id))
    }
}

/// A signed-in device.
#[derive(Debug, Clone)]
pub struct Session {
    /// Where it is valid.
    pub at: At,
    /// Its id.
    pub id: String,
    /// The newest access token.
    pub access: String,
    /// The newest refresh token.
    pub refresh: String,
    /// The generation of that.
    pub generation: u64,
}

impl Session {
    /// The session of a login's, registration's or refresh's answer.
    ///
    /// # Errors
    /// When there are no tokens in it.
    pub fn of(at: &At, reply: &Reply) -> Result<Self> {
        let read = || {
            let refresh = json_string(&reply.body, "refresh_token")?.to_owned();
            let claims = claims(&refresh)?;
            Some(Self {
                at: at.clone(),
                id: claims.get("session_id")?.as_str()?.to_owned(),
                access: json_string(&reply.body, "access_token")?.to_owned(),
                generation: claims.get("g")?.as_u64()?,
                refresh,
            })
        };
        read().ok_or_else(|| Error::other(format!("no session in {}", reply.text())))
    }

    /// The bytes of `/me` with the access token.
    pub fn me(&self, connection: &Connection) -> Vec<u8> {
        self.at.bytes(connection, ("GET", "/me"), Some(&self.access), None)
    }

    /// The bytes of a refresh with the refresh token.
    pub fn refreshing(&self, connection: &Connection) -> Vec<u8> {
        let body = refresh_body(&self.refresh);
        self.at.bytes(connection, ("POST", "/auth/refresh"), None, Some(&body))
    }

    /// Refreshes.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn refreshed(&self, connection: &mut Connection) -> Result<Self> {
        let body = refresh_body(&self.refresh);
        let reply = self.at.insist(connection, ("POST", "/auth/refresh"), None, Some(&body)).await?;
        Self::of(&self.at, &reply)
    }
}
