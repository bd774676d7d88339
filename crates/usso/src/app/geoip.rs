//! The operator's GeoIP file: read at the start, and again when it changes, as such files do every week.

use crate::app::startup::StartError;
use crate::http::AppState;
use crate::identity::Identity;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Reads the file.
///
/// # Errors
/// When it can't be read, or is no GeoIP file.
pub fn read(file: &Path, identity: &Identity) -> Result<(), StartError> {
    let unusable = |why: String| format!("GEOIP_FILE: {} can't be used: {why}", file.display());
    let bytes = std::fs::read(file).map_err(|e| unusable(e.to_string()))?;
    Ok(identity.places().learn(bytes).map_err(|e| unusable(e.to_string()))?)
}

/// Reads the file again whenever it has changed, until the channel says to stop. What can't be used is logged, and what
/// was known stays.
pub async fn keep_current(file: PathBuf, state: AppState, mut stop: watch::Receiver<bool>) {
    let mut known = stamp(&file);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.changed() => return,
        }
        let found = stamp(&file);
        if found.is_none() || found == known {
            continue;
        }
        known = found;
        let (file, state) = (file.clone(), state.clone());
        let reading = tokio::task::spawn_blocking(move || match read(&file, &state.identity) {
            Ok(()) => tracing::info!(file = %file.display(), "the GeoIP file was read again"),
            Err(error) => tracing::error!(%error, "the new GeoIP file cannot be used, the old one stays"),
        });
        drop(reading.await);
    }
}

/// Which file it is, and when it was written.
fn stamp(file: &Path) -> Option<(u64, u64, i64, i64)> {
    let found = std::fs::metadata(file).ok()?;
    Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}
