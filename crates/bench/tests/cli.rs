//! The drivers from outside.

use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_usso-bench");

fn bench(arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(PROGRAM).args(arguments).output()
}

#[test]
fn a_scenario_that_does_not_exist_is_refused() {
    let answer = bench(&["run", "--usso", PROGRAM, "--only", "nonesuch"]).unwrap();
    assert!(!answer.status.success());
    let told = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert!(told.contains("no scenario `nonesuch`"), "{told}");
}

#[test]
fn every_driver_is_told_of() {
    let answer = bench(&["--help"]).unwrap();
    assert!(answer.status.success());
    let told = String::from_utf8_lossy(&answer.stdout).into_owned();
    for driver in ["run", "crash", "fleet", "rolling", "rotation", "outage", "growth", "enumeration"] {
        assert!(told.lines().any(|line| line.trim_start().starts_with(driver)), "{driver}: {told}");
    }
}
