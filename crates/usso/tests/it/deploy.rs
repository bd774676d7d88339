//! The files of `deploy/`: what they start is what the tests start.

use std::path::PathBuf;

fn compose() -> String {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/compose.yaml"));
    std::fs::read_to_string(path).unwrap()
}

/// The command of a service. The file writes lists of commands on one line, so that they are JSON.
fn command(service: &str) -> Vec<String> {
    let compose = compose();
    let block = compose.split(&format!("\n  {service}:\n")).nth(1).expect("the service");
    let line = block.lines().find_map(|line| line.strip_prefix("    command: ")).expect("its command");
    serde_json::from_str(line).unwrap()
}

/// The arguments of a running process, without the program.
fn arguments(pid: u32) -> Vec<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let line = String::from_utf8(line).unwrap();
    line.strip_suffix('\0').unwrap().split('\0').skip(1).map(str::to_owned).collect()
}

/// Pairs of an option and its value, but for those that say where a server is.
fn settings(arguments: &[String], elsewhere: &[&str]) -> Vec<(String, String)> {
    let pairs = arguments.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone()));
    pairs.filter(|(option, value)| !elsewhere.iter().any(|e| option == e || value.starts_with(e))).collect()
}

#[test]
fn postgresql_is_started_as_the_tests_start_it() {
    let server = testbed::postgres::Server::start(testbed::postgres::Options::default()).unwrap();
    let place = ["-D", "listen_addresses=", "port=", "unix_socket_directories=", "ssl="];
    let [program, given @ ..] = &command("postgres")[..] else { panic!("no command") };
    assert_eq!(program, "postgres");
    let started = settings(&arguments(server.pid()), &place);
    assert!(started.len() > 3, "{started:?}");
    assert_eq!(settings(given, &[]), started);
}

#[test]
fn redis_is_started_as_the_tests_start_it() {
    let [program, given @ ..] = &command("redis")[..] else { panic!("no command") };
    assert_eq!(program, "redis-server");
    // A running one shows its arguments no longer; the list stands where the tests start it.
    let testbed = include_str!("../../../testbed/src/redis.rs");
    let list = serde_json::to_string(given).unwrap().replace(',', ", ");
    assert!(testbed.contains(&format!(".args({list})")), "{list}");
}

#[test]
fn usso_is_started_by_the_command_that_is_its_default() {
    assert_eq!(command("usso"), ["serve"]);
    let dockerfile =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Dockerfile")).unwrap();
    for line in ["ENTRYPOINT [\"/usso\"]", "CMD [\"serve\"]", "USER 65532:65532", "FROM scratch"] {
        assert!(dockerfile.lines().any(|l| l == line), "{line}");
    }
}
