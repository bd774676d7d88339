//! Routes of a gateway: which application stands behind which name, and which scopes it asks for. USSO keeps them for
//! gateways and portals to read; it forwards nothing itself.

pub mod model;
pub mod routes;
pub mod schema;
pub mod service;
