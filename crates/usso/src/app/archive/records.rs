//! Records as lines of JSON: one form for each, so that the same records are the same bytes.

use super::ArchiveError;
use crate::app::startup;
use crate::app::upkeep::checksum::canonical;
use kernel::{Document, KindSpec, Revision, Timestamp};
use protocol::b64url;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;

/// A document on a line.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    kind: String,
    id: String,
    revision: String,
    version: u32,
    keys: Vec<String>,
    tags: Vec<String>,
    sorts: Vec<(String, String)>,
    created_at: Timestamp,
    updated_at: Timestamp,
    expires_at: Option<Timestamp>,
    body: Value,
}

/// Writes a document with this body.
///
/// # Errors
/// When it can't be written as JSON: a defect.
pub fn write(document: &Document, body: Value, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let line = Line {
        kind: document.kind.to_owned(),
        id: document.id.clone(),
        revision: document.revision.to_stored().to_string(),
        version: document.version,
        keys: document.keys.clone(),
        tags: document.tags.clone(),
        sorts: document
            .sorts
            .iter()
            .map(|(name, value)| ((*name).to_owned(), b64url::encode(value)))
            .collect(),
        created_at: document.created_at,
        updated_at: document.updated_at,
        expires_at: document.expires_at,
        body: canonical(body),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.push(b'\n');
    Ok(())
}

/// Reads all documents, but not what they are found and sorted by: that is made of their bodies again.
///
/// # Errors
/// [`ArchiveError::Content`] for what isn't one of a kind known here; [`ArchiveError::Newer`].
pub fn read(records: &[u8]) -> Result<Vec<Document>, ArchiveError> {
    let kinds: HashMap<&'static str, KindSpec> =
        startup::kinds().into_iter().map(|spec| (spec.kind, spec)).collect();
    let lines = records.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| document(line, &kinds)).collect()
}

fn document(line: &[u8], kinds: &HashMap<&'static str, KindSpec>) -> Result<Document, ArchiveError> {
    let line: Line = serde_json::from_slice(line).map_err(|e| ArchiveError::Content(e.to_string()))?;
    let unknown = || ArchiveError::Content(format!("records of the unknown kind `{}`", line.kind));
    let spec = kinds.get(line.kind.as_str()).ok_or_else(unknown)?;
    if line.version > spec.version {
        return Err(ArchiveError::Newer);
    }
    let bad = |what: &str| ArchiveError::Content(format!("{} {}: {what}", line.kind, line.id));
    let revision: i64 = line.revision.parse().ok().filter(|r| *r > 0).ok_or_else(|| bad("the revision"))?;
    Ok(Document {
        kind: spec.kind,
        revision: Revision::from_stored(revision),
        version: line.version,
        sorts: Vec::new(),
        created_at: line.created_at,
        updated_at: line.updated_at,
        expires_at: None,
        body: line.body.to_string(),
        id: line.id,
        keys: Vec::new(),
        tags: Vec::new(),
    })
}
