//! The API, file by file as the paths are.

mod api_keys;
mod audit;
mod cookies;
mod cors;
mod csrf;
mod etag;
mod health;
mod idempotency;
mod invitation;
mod lists;
mod login;
mod login_attempts;
mod logout;
mod me;
mod openapi;
mod passwords;
mod refresh;
mod register;
mod sessions;
mod tenant_config;
mod tenant_deletion;
mod tenant_keys;
mod verify_token;
