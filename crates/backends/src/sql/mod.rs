//! Storage in SQL databases.
//!
//! Every record kind has a table of its own with the same columns, so an operator can read `users` in a shell,
//! and index tables beside it: `<kind>_keys` (unique names), `<kind>_tags` (filter, in order of creation) and
//! `<kind>_sorts` (filter, in order of another attribute). [`schema`] says what they look like in any SQL
//! dialect, `page` how a list becomes SQL.
//! [`sqlite`] is the embedded database, [`postgres`] the one that many instances share.

mod labels;
mod page;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "postgres")]
mod postgres_call;
#[cfg(feature = "postgres")]
mod postgres_change;
#[cfg(feature = "postgres")]
mod postgres_connect;
#[cfg(feature = "postgres")]
mod postgres_effects;
#[cfg(feature = "postgres")]
mod postgres_prepare;
#[cfg(feature = "postgres")]
mod postgres_query;
#[cfg(feature = "postgres")]
mod postgres_statements;
#[cfg(feature = "postgres")]
mod postgres_tls;
#[cfg(feature = "postgres")]
mod postgres_transfer;
#[cfg(feature = "postgres")]
mod postgres_values;
pub mod schema;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "sqlite")]
pub mod sqlite_backup;
#[cfg(feature = "sqlite")]
mod sqlite_change;
#[cfg(feature = "sqlite")]
mod sqlite_labels;
#[cfg(feature = "sqlite")]
mod sqlite_open;
#[cfg(feature = "sqlite")]
mod sqlite_query;
#[cfg(feature = "sqlite")]
mod sqlite_statements;
#[cfg(feature = "sqlite")]
mod sqlite_transfer;
#[cfg(feature = "sqlite")]
mod sqlite_writer;
