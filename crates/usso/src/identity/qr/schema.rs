//! What sign-in by QR code accepts and answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An answer to a request that was scanned; empty to make a request.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct QrAnswer {
    /// What the picture holds.
    pub qr_code: Option<String>,
    /// `false` to refuse; true by default.
    pub approve: Option<bool>,
    /// The number the asking browser shows; without it the answer tells who asks, and three numbers to choose from.
    pub number: Option<u8>,
}

/// Of which request to tell.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QrStatusParams {
    /// The token that came with the request.
    pub qr_token: String,
}

/// A request to be approved by another device.
#[derive(Debug, Serialize, ToSchema)]
pub struct QrView {
    /// What to ask for the status with; whoever has it gets the session.
    pub qr_token: String,
    /// What the picture holds, without the address.
    pub qr_code: String,
    /// The picture: an SVG in a `data:` URL.
    pub qr: String,
    /// What the picture holds.
    pub url: String,
    /// The number to show beside the picture.
    pub number: u8,
    /// Seconds it is good.
    pub expires_in: i64,
}

/// A request as the device sees that scanned it.
#[derive(Debug, Serialize, ToSchema)]
pub struct QrScanView {
    /// `scanned`, `completed` or `rejected`.
    pub status: &'static str,
    /// The address the request came from.
    pub ip: String,
    /// With which browser.
    pub user_agent: Option<String>,
    /// One of these is shown beside the picture.
    pub choices: [u8; 3],
    /// Null: this device is signed in already.
    #[schema(value_type = Option<Object>)]
    pub tokens: Option<()>,
    /// Seconds it is good.
    pub expires_in: i64,
}

/// A request, made or answered.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum QrAnswerView {
    /// It was made.
    Made(QrView),
    /// It was scanned or answered.
    Scanned(QrScanView),
}

/// Where a request stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct QrStatusView {
    /// `pending`, `scanned`, `authenticated`, `rejected` or `expired`; once `authenticated`, with all that a sign-in answers.
    pub status: &'static str,
}
