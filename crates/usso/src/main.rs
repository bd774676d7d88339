//! The `usso` binary.

use clap::Parser;
use std::process::ExitCode;

// Hands freed memory back to the system sooner than the default allocator, and is quicker under many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match usso::cli::run(usso::cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("usso: {error}");
            let mut cause = error.source();
            while let Some(inner) = cause {
                text.push_str(&format!(": {inner}"));
                cause = inner.source();
            }
            #[expect(
                clippy::print_stderr,
                reason = "the log may not exist yet, and this is for the operator"
            )]
            {
                eprintln!("{text}");
            }
            ExitCode::FAILURE
        }
    }
}
