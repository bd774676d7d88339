//! Cold starts, from spawning the process to the first answer, and the size of the binary.

use super::KEY_SET;
use crate::process::{Server, TempDir};
use crate::table::{Row, median, number};
use std::io::Result;
use std::path::Path;

const STARTS: usize = 9;

/// Nine starts on a new database, nine on one of them.
pub fn cold(binary: &Path) -> Result<Vec<Row>> {
    let (mut new, mut existing) = (Vec::new(), Vec::new());
    let mut directory = TempDir::new("start")?;
    for _ in 0..STARTS {
        directory = TempDir::new("start")?;
        new.push(start(binary, directory.path())?);
    }
    for _ in 0..STARTS {
        existing.push(start(binary, directory.path())?);
    }
    let row = |what: &str, times: &[f64], limit| {
        let (least, most) = times.iter().fold((f64::MAX, 0.0f64), |(a, b), t| (a.min(*t), b.max(*t)));
        let note = format!("median of {STARTS}, {} to {} ms", number(least), number(most));
        Row::at_most(what, "ms", median(times), limit).note(note)
    };
    Ok(vec![
        row("cold start to first answer, existing database", &existing, 150.0),
        row("cold start to first answer, new database", &new, 300.0),
    ])
}

fn start(binary: &Path, data: &Path) -> Result<f64> {
    let server = Server::usso(binary, data, KEY_SET)?;
    let took = server.started_in.as_secs_f64() * 1e3;
    server.stop()?;
    Ok(took)
}

/// The binary's size.
pub fn size(binary: &Path) -> Result<Vec<Row>> {
    let bytes = std::fs::metadata(binary)?.len();
    let mib = bytes as f64 / (1024.0 * 1024.0);
    Ok(vec![Row::plain("release binary", format!("{} MiB", number(mib)))])
}
