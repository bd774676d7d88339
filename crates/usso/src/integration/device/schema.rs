//! What devices and the page to enter the code are told.

use super::model::DeviceRequest;
use crate::integration::clients::model::Client;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The codes of a device (RFC 8628 §3.2).
#[derive(Serialize, ToSchema)]
pub struct DeviceCodesView {
    /// What the device asks with.
    pub device_code: String,
    /// What it shows.
    pub user_code: String,
    /// Where somebody enters that.
    pub verification_uri: String,
    /// The same with the code in it, for a picture.
    pub verification_uri_complete: String,
    /// Seconds the codes are good.
    pub expires_in: i64,
    /// Seconds to wait between two questions.
    pub interval: i64,
}

/// Which code was entered.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeviceParams {
    /// The code, in any case, with or without its dash.
    pub user_code: String,
}

/// The answer to a device's request.
#[derive(Debug, Deserialize, ToSchema)]
pub struct DeviceAnswer {
    /// The code, in any case, with or without its dash.
    pub user_code: String,
    /// Whether the device may.
    pub approve: bool,
}

/// What somebody is asked who entered a code: who asks for what, and from where.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceRequestView {
    /// The client.
    pub client_id: String,
    /// What people call it.
    pub client_name: String,
    /// Its picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// What it asks for.
    pub scopes: Vec<String>,
    /// From which address the device asked.
    pub ip: String,
    /// With what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

impl DeviceRequestView {
    /// A request and whose it is.
    pub fn of(request: &DeviceRequest, client: &Client) -> Self {
        Self {
            client_id: client.id.as_str().to_owned(),
            client_name: client.title().to_owned(),
            logo_uri: client.display.logo_uri.clone(),
            scopes: request.scope.clone(),
            ip: request.ip.clone(),
            user_agent: request.user_agent.clone(),
        }
    }
}

/// That an answer was taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceAnswerView {
    /// `approved` or `denied`.
    pub status: &'static str,
}
