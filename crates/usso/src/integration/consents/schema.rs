//! What consent looks like on the wire (contract 5.9, 9.7).

use super::service::Pending;
use crate::identity::identifiers::IdentifierKind;
use crate::identity::users::consents::Consent;
use crate::integration::clients::model::Client;
use kernel::{Stored, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The client that asks.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AskingClient {
    /// `client_…`.
    pub client_id: String,
    /// What people call it.
    pub name: String,
    /// Its picture.
    pub logo_uri: Option<String>,
    /// Its home page.
    pub client_uri: Option<String>,
    /// What it does with data.
    pub policy_uri: Option<String>,
    /// Its terms.
    pub tos_uri: Option<String>,
}

/// The user who is asked.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AskedUser {
    /// The user.
    pub id: String,
    /// What to call them.
    pub display_name: String,
    /// Their address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// What a user is asked.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ConsentView {
    /// The handle to decide by.
    pub state: String,
    /// The client that asks.
    pub client_id: String,
    /// What people call it.
    pub client_name: String,
    /// More of it.
    pub client: AskingClient,
    /// What it asks for, word by word.
    pub scopes: Vec<String>,
    /// The same as a text.
    pub scope: String,
    /// Who is asked.
    pub user: AskedUser,
    /// What to call them.
    pub user_display_name: String,
}

impl ConsentView {
    /// What is asked under a handle.
    pub fn of(handle: &str, pending: &Pending) -> Self {
        let (client, user) = (&pending.client, &pending.browser.user);
        let scopes = pending.transaction.request.asked();
        let email = user.value_of(IdentifierKind::Email).map(|email| email.value.clone());
        let named = [&user.name, &email].into_iter().flatten().next().cloned();
        let display_name = named.unwrap_or_else(|| user.id.as_str().to_owned());
        Self {
            state: handle.to_owned(),
            client_id: client.id.as_str().to_owned(),
            client_name: client.title().to_owned(),
            client: AskingClient::of(client),
            scope: scopes.join(" "),
            scopes,
            user: AskedUser { id: user.id.as_str().to_owned(), display_name: display_name.clone(), email },
            user_display_name: display_name,
        }
    }
}

impl AskingClient {
    /// A client as people are shown it.
    pub fn of(client: &Client) -> Self {
        let display = client.display.clone();
        Self {
            client_id: client.id.as_str().to_owned(),
            name: client.title().to_owned(),
            logo_uri: display.logo_uri,
            client_uri: display.client_uri,
            policy_uri: display.policy_uri,
            tos_uri: display.tos_uri,
        }
    }
}

/// What is decided, in the query or the body.
#[derive(Debug, Clone, Default, Deserialize, ToSchema, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Decision {
    /// The handle.
    pub state: Option<String>,
    /// Whether it is allowed.
    #[serde(default, deserialize_with = "flag_or_text")]
    #[param(value_type = Option<bool>)]
    #[schema(value_type = Option<bool>)]
    pub consent: Option<String>,
}

/// A query says `"true"`, JSON `true`.
fn flag_or_text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Flag {
        Flag(bool),
        Text(String),
    }
    Ok(Option::<Flag>::deserialize(from)?.map(|flag| match flag {
        Flag::Flag(flag) => flag.to_string(),
        Flag::Text(text) => text,
    }))
}

/// Where to go next, under every name a front end reads.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DecidedView {
    /// The whole address: with the code, or with `error`.
    pub redirect_uri: String,
    /// The same.
    pub redirect_url: String,
    /// The same.
    pub location: String,
    /// The same.
    pub url: String,
}

impl DecidedView {
    /// Where to go.
    pub fn of(url: String) -> Self {
        Self { redirect_uri: url.clone(), redirect_url: url.clone(), location: url.clone(), url }
    }
}

/// What a user has allowed a client.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GivenConsentView {
    /// `consent_…`.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The tenant.
    pub tenant_id: String,
    /// Whose.
    pub user_id: String,
    /// For which client.
    pub client_id: String,
    /// What people call it; none if it is gone.
    pub client_name: Option<String>,
    /// What was allowed, word by word.
    pub scopes: Vec<String>,
    /// The same as a text.
    pub scope: String,
    /// When last.
    #[schema(value_type = String, format = DateTime)]
    pub given_at: Timestamp,
    /// When first.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl GivenConsentView {
    /// A consent of a tenant's user.
    pub fn of(tenant_id: &str, consent: &Stored<Consent>, client: Option<&Client>) -> Self {
        Self {
            id: consent.id.clone(),
            uid: consent.id.clone(),
            tenant_id: tenant_id.to_owned(),
            user_id: consent.user_id.as_str().to_owned(),
            client_id: consent.client_id.as_str().to_owned(),
            client_name: client.map(|client| client.title().to_owned()),
            scopes: consent.scope.clone(),
            scope: consent.scope.join(" "),
            given_at: consent.given_at,
            created_at: consent.created_at,
        }
    }
}
