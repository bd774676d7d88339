//! The API, file by file as the paths are.

mod api_keys;
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
mod roles;
mod sessions;
mod tenant_config;
mod tenant_deletion;
mod tenant_keys;
mod user_access;
mod user_removal;
mod users;
mod verify_token;
