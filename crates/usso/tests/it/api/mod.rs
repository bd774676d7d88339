//! The API, file by file as the paths are.

mod admin_tenants;
mod api_keys;
mod cookies;
mod cors;
mod csrf;
mod domains;
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
mod tenant_settings;
mod tenant_usage;
mod verify_token;
