//! Child processes that can't outlive this one, however it ends.
//!
//! The kernel delivers the parent-death signal when the *thread* that started the child ends, and a server of a test
//! binary outlives the test that asked for it first. So one thread, which lives as long as the process, starts them all.

use std::ffi::OsStr;
use std::io::{Error, Result};
use std::process::{Child, Command};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};

type Order = (Command, Sender<Result<Child>>);

/// The command that runs `program` under a parent-death signal of SIGKILL. Arguments may be added, as to any command.
pub fn bound(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Starts a command from the thread that lives as long as the process.
///
/// # Errors
/// As [`Command::spawn`], and when the thread can't be started.
pub fn spawn(command: Command) -> Result<Child> {
    static STARTER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in orders {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let (reply, started) = mpsc::channel();
    let gone = |_| Error::other("the thread that starts servers is gone");
    starter.lock().unwrap_or_else(PoisonError::into_inner).send((command, reply)).map_err(|_| gone(()))?;
    started.recv().map_err(|_| gone(()))?
}
