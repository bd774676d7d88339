//! Storage in SQL databases.
//!
//! Every record kind has a table of its own with the same columns, so an operator can read `users` in a shell,
//! and index tables beside it: `<kind>_keys` (unique names), `<kind>_tags` (filter, in order of creation) and
//! `<kind>_sorts` (filter, in order of another attribute). [`schema`] says what they look like in any SQL
//! dialect, `labels` how keys, tags and sort attributes are written, `page` how a list becomes SQL.
//! [`sqlite`] is the embedded database.

mod labels;
mod page;
pub mod schema;
pub mod sqlite;
pub mod sqlite_backup;
mod sqlite_change;
mod sqlite_open;
mod sqlite_query;
mod sqlite_statements;
mod sqlite_transfer;
mod sqlite_writer;
