//! The edge: everything between a socket and a handler.
//!
//! [`edge::Edge`] takes each request once: who sent it, which tenant it names, CORS, the router, and the common headers
//! and error envelope on the way back. Extractors ([`tenant::Tenant`], [`caller::Caller`], [`json::Json`]) give handlers
//! what they need in types.

pub mod browser;
pub mod caller;
pub mod captcha;
pub mod client_ip;
pub mod cookie;
pub mod cors;
pub mod creating;
pub mod csrf;
mod denied;
pub mod docs;
pub mod dpop;
pub mod edge;
pub mod error;
pub mod form;
#[doc(hidden)]
pub mod fuzzing;
pub mod health;
pub mod idempotency;
pub mod json;
pub mod list;
pub mod oauth;
pub mod own_page;
pub mod redirect;
pub mod request_info;
pub mod revision;
pub mod signed_in;
pub mod state;
pub mod tenant;
mod visit;

pub use caller::{Caller, OptionalCaller, SystemAdmin};
pub use error::{ApiError, ErrorView};
pub use json::{Json, OptionalJson};
pub use request_info::RequestInfo;
pub use state::{AppState, HttpConfig};
pub use tenant::Tenant;
