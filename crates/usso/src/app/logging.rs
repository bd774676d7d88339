//! The log: events to the standard error output and, if a directory is configured, as JSON lines to `app.log` in it.
//!
//! The file is written by one thread behind a bounded queue: a full queue drops lines and counts them, and a disk that
//! fails costs lines, never the server.

use crate::config::{Log, LogFormat};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use tracing::Subscriber;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// Lines that may wait for the disk.
const QUEUE_LINES: usize = 16_384;

/// Why logging can't begin.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The directory or the file can't be made or opened.
    #[error("log.dir (LOG_DIR): cannot open {path:?} for the log")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The process already has a log.
    #[error("the process already has a log")]
    AlreadyBegun(#[from] SetGlobalDefaultError),
}

/// Keeps the log going; dropping it writes what still waits.
#[must_use = "the log file ends when the guard is dropped"]
pub struct Guard {
    file: Option<(WorkerGuard, ErrorCounter)>,
}

impl Guard {
    /// Lines that the log file didn't get because its queue was full.
    pub fn dropped_lines(&self) -> usize {
        self.file.as_ref().map_or(0, |(_, counter)| counter.dropped_lines())
    }
}

/// Begins the log of this process. `debug` is development mode, which by default says more.
///
/// # Errors
/// [`LoggingError`] when the log file can't be opened or the process already has a log.
pub fn init(log: &Log, debug: bool) -> Result<Guard, LoggingError> {
    let (subscriber, guard) = subscriber(log, debug, io::stderr)?;
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(guard)
}

fn subscriber<W>(
    log: &Log,
    debug: bool,
    console: W,
) -> Result<(impl Subscriber + use<W>, Guard), LoggingError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (writer, guard) = match &log.dir {
        Some(dir) => {
            let (writer, worker) = file_writer(dir)?;
            let counter = writer.error_counter();
            (Some(writer), Guard { file: Some((worker, counter)) })
        }
        None => (None, Guard { file: None }),
    };
    // A failing writer must not be reported on the error output: that may be what fails, and failing there panics.
    let console = layer().with_writer(console).log_internal_errors(false);
    let console: Box<dyn Layer<Registry> + Send + Sync> = match log.format {
        LogFormat::Pretty if io::stderr().is_terminal() => console.boxed(),
        LogFormat::Pretty => console.with_ansi(false).boxed(),
        LogFormat::Json => console.json().flatten_event(true).boxed(),
    };
    let file = writer.map(|writer| {
        layer()
            .with_ansi(false)
            .json()
            .flatten_event(true)
            .with_writer(writer)
            .log_internal_errors(false)
            .boxed()
    });
    let layers: Vec<_> = std::iter::once(console).chain(file).collect();
    Ok((tracing_subscriber::registry().with(layers).with(filter(log, debug)), guard))
}

fn filter(log: &Log, debug: bool) -> EnvFilter {
    let usual = if debug { "info,usso=debug" } else { "info" };
    let directives = log.level.as_ref().map_or(usual, |level| level.as_str());
    // It calls whatever a stranger sends an error, at length; what comes of it is told by the answer.
    EnvFilter::builder().parse_lossy(format!("webauthn_rs=off,webauthn_rs_core=off,{directives}"))
}

fn file_writer(dir: &Path) -> Result<(NonBlocking, WorkerGuard), LoggingError> {
    let path = dir.join("app.log");
    let open = || -> io::Result<File> {
        std::fs::create_dir_all(dir)?;
        OpenOptions::new().append(true).create(true).open(&path)
    };
    let file = open().map_err(|error| LoggingError::File { path: path.clone(), error })?;
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUE_LINES);
    Ok(builder.thread_name("log-file").finish(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Flags, Sources};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Console(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Console {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Console {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    struct Broken;

    impl io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("no space left"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A directory of its own, removed at the end.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("usso-log-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&dir);
            Self(dir)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn config(variables: &[(&str, &str)]) -> Config {
        let environment = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let read_secret = |_: &Path| Err(io::ErrorKind::NotFound.into());
        Sources { file: None, dot_env: None, environment, flags: Flags::default(), read_secret }
            .load()
            .unwrap()
    }

    #[test]
    fn log_directory_gets_json_lines_beside_the_console() {
        let dir = Dir::new("file");
        let nested = dir.0.join("app/logs");
        let config = config(&[("LOG_DIR", nested.to_str().unwrap())]);
        let console = Console::default();
        for word in ["first", "second"] {
            let writer = console.clone();
            let (subscriber, guard) = subscriber(&config.log, false, move || writer.clone()).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                tracing::info!(word, "hello");
                tracing::debug!("hidden");
            });
            assert_eq!(guard.dropped_lines(), 0);
            drop(guard);
        }
        let text = std::fs::read_to_string(nested.join("app.log")).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "appended, nothing below info: {text}");
        assert_eq!((&lines[0]["word"], &lines[1]["word"]), (&"first".into(), &"second".into()));
        assert_eq!(lines[0]["message"], "hello");
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(console.text().matches("hello").count(), 2);
    }

    #[test]
    fn console_speaks_json_when_asked() {
        let console = Console::default();
        let writer = console.clone();
        let config = config(&[("USSO__LOG__FORMAT", "json"), ("USSO__LOG__LEVEL", "warn")]);
        let (subscriber, _guard) = subscriber(&config.log, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("hidden");
            tracing::warn!("shown");
        });
        let line: serde_json::Value = serde_json::from_str(console.text().trim()).unwrap();
        assert_eq!(line["message"], "shown");
    }

    #[test]
    fn failing_writers_do_not_end_the_server() {
        let (writer, worker) =
            NonBlockingBuilder::default().lossy(true).buffered_lines_limit(1).finish(Broken);
        let mut file = writer.clone();
        for _ in 0..100 {
            io::Write::write_all(&mut file, b"line\n").unwrap();
        }
        drop(worker);
        let (subscriber, _guard) = subscriber(&config(&[]).log, false, || Broken).unwrap();
        tracing::subscriber::with_default(subscriber, || tracing::info!("lost"));
    }

    #[test]
    fn directory_that_cannot_be_made_is_refused_by_name() {
        let dir = Dir::new("blocked");
        std::fs::write(&dir.0, "a file").unwrap();
        let config = config(&[("LOG_DIR", dir.0.join("logs").to_str().unwrap())]);
        let Err(error) = subscriber(&config.log, false, io::sink) else { panic!("opened below a file") };
        let _ = std::fs::remove_file(&dir.0);
        assert!(error.to_string().contains("LOG_DIR"), "{error}");
    }
}
