//! In-memory adapters: for tests, and the ephemeral store of a single instance.
