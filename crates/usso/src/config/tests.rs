//! The configuration as a whole: precedence, refusals by source, secrets, and the generated documents.

use super::*;
use clap::Parser as _;
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use std::io;
use std::path::{Path, PathBuf};

const CANARY: &str = "canary-3f81";
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn secret_files(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/run/secrets/password") => Ok(format!("{CANARY}\r\n")),
        Some("/run/secrets/key") => Ok(format!("{KEY}\n")),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn sources(file: &str, dot_env: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Sources {
    let text = |path: &str, text: &str| TextFile { path: PathBuf::from(path), text: text.to_owned() };
    Sources {
        file: Some(text("usso.toml", file)),
        dot_env: Some(text(".env", dot_env)),
        environment: environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        flags: Flags::with(flags),
        read_secret: secret_files,
    }
}

fn from_file(text: &str) -> Result<Config, ConfigError> {
    sources(text, "", &[], &[]).load()
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    sources("", "", variables, &[]).load()
}

fn refusal(config: Result<Config, ConfigError>) -> String {
    config.unwrap_err().to_string()
}

#[test]
fn nothing_configured_gives_the_documented_defaults() {
    let config = sources("", "", &[], &[]).load().unwrap();
    assert_eq!(config, Config::default());
    assert_eq!((config.server.host.to_string().as_str(), config.server.port), ("127.0.0.1", 8000));
    assert_eq!(config.storage.database(), DatabaseUrl::Sqlite("./data/usso.db".into()));
    assert_eq!(config.origin(8000).to_string(), "http://localhost:8000");
    assert_eq!((config.server.project_name.as_str(), config.server.debug), ("USSO", false));
    let domains: Vec<_> = config.tenants.default_domains.iter().map(HostName::as_str).collect();
    assert_eq!(domains, ["localhost", "127.0.0.1", "dev.usso.io"]);
}

#[test]
fn later_sources_replace_earlier_ones() {
    let file = "[server]\nport = 1\n";
    let environment = [("PORT", "3")];
    let flags = [("server.port", "4")];
    for (dot_env, environment, flags, port, source) in [
        ("", &[][..], &[][..], 1, "file \"usso.toml\" line 2"),
        ("# x\nPORT=2", &[][..], &[][..], 2, "file \".env\" line 2, PORT"),
        ("PORT=2", &environment[..], &[][..], 3, "environment variable PORT"),
        ("PORT=2", &environment[..], &flags[..], 4, "flag --port"),
        ("PORT=2", &[][..], &flags[..], 4, "flag --port"),
        ("USSO__SERVER__PORT=2", &[("PORT", "")][..], &[][..], 2, "file \".env\" line 1, USSO__SERVER__PORT"),
    ] {
        let config = sources(file, dot_env, environment, flags).load().unwrap();
        assert_eq!(config.server.port, port);
        assert_eq!(config.source_of("server.port").to_string(), source);
        assert_eq!(config.source_of("server.host"), Source::Default);
    }
}

#[test]
fn bad_value_that_is_replaced_does_no_harm() {
    let config = sources("", "", &[("HOST", "my-machine")], &[("server.host", "::1")]).load().unwrap();
    assert_eq!(config.server.host.to_string(), "::1");
}

#[test]
fn every_key_is_read_from_its_generated_variable() {
    for key in keys().filter(|key| !key.secret) {
        let default = (key.show)(&Config::default());
        let example = key.example.map(str::to_owned).or(default).unwrap();
        let value = example.replace(['"', '[', ']'], "");
        let name = key.variable();
        let mut config = Config::default();
        (key.read)(&mut config, &setting::Raw::One(value.clone())).unwrap();
        assert_eq!((key.show)(&config), Some(example), "{name}={value}");
        assert!(key.is_named(&name) && !key.meaning.is_empty());
    }
}

#[test]
fn names_are_unique() {
    let mut names: Vec<String> = keys().map(Key::variable).collect();
    names.extend(keys().flat_map(|key| key.environment.iter().map(|name| (*name).to_owned())));
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn unknown_key_of_the_file_is_refused_with_its_line() {
    let error = refusal(from_file("[server]\nport = 1\nprot = 2\n"));
    assert!(error.starts_with("file \"usso.toml\" line 3: unknown key \"prot\" in [server]"), "{error}");
    assert!(error.contains("port"), "{error}");
    let error = refusal(from_file("\n[sevrer]\nport = 1\n"));
    assert!(error.starts_with("file \"usso.toml\" line 2: unknown section \"sevrer\""), "{error}");
    let error = refusal(from_file("port = 1\n"));
    assert!(error.starts_with("file \"usso.toml\" line 1: unknown section \"port\""), "{error}");
    assert!(refusal(from_file("server = 1")).contains("must be a section"));
    assert!(refusal(from_file("[server.port]\nx = 1")).contains("server.port (file \"usso.toml\" line 1)"));
}

#[test]
fn unknown_variable_of_ours_is_refused_by_name() {
    for name in ["USSO__SERVER__PROT", "USSO__SERVER", "USSO__server__port", "USSO__SERVER__PORT_FILE"] {
        let error = refusal(from_environment(&[(name, CANARY)]));
        assert!(error.starts_with(&format!("environment variable {name}: unknown")), "{error}");
        assert!(!error.contains(CANARY));
    }
    let error = refusal(sources("", "A=1\nUSSO__X=1", &[], &[]).load());
    assert!(error.starts_with("file \".env\" line 2, USSO__X: unknown"), "{error}");
    assert!(from_environment(&[("USSO_BASE_URL", "x"), ("PATH", "y"), ("AGENT_ID", "z")]).is_ok());
}

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    Serve,
}

#[test]
fn flags_stand_before_or_after_the_subcommand() {
    for line in [
        "usso --port 9000 --config x.toml",
        "usso --port 9000 --config x.toml serve",
        "usso serve --port=9000 --config=x.toml",
    ] {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(cli.command.is_some(), line.contains("serve"));
        assert_eq!(cli.flags.config.as_deref(), Some(Path::new("x.toml")));
        let sources = Sources { flags: cli.flags, ..sources("", "", &[], &[]) };
        assert_eq!(sources.load().unwrap().server.port, 9000, "{line}");
    }
    let flags: Vec<_> = keys().filter_map(|key| key.flag).collect();
    assert_eq!(flags, ["host", "port", "base-url", "data-dir", "database-url", "redis-uri"]);
}

#[test]
fn unknown_flag_is_refused_by_name() {
    let Err(error) = Cli::try_parse_from(["usso", "--prot", "1"]) else { panic!("accepted") };
    assert!(error.to_string().contains("--prot"));
}

#[test]
fn bad_values_are_refused_by_key_and_source() {
    for (name, value, words) in [
        (
            "PORT",
            "80000",
            "server.port (environment variable PORT): \"80000\" is not a whole number from 0 to 65535",
        ),
        ("PORT", "+1", "server.port"),
        ("HOST", "my-machine", "server.host (environment variable HOST): \"my-machine\" is not an address"),
        ("DEBUG", "maybe", "\"maybe\" is none of 1 0 true false yes no on off"),
        ("BASE_URL", "https://example.com/", "server.base_url (environment variable BASE_URL)"),
        ("DOMAIN", "https://example.com", "server.base_url (environment variable DOMAIN)"),
        (
            "TRUSTED_PROXIES",
            "10.0.0.0/8,proxy",
            "server.trusted_proxies (environment variable TRUSTED_PROXIES): \"proxy\"",
        ),
        ("USSO__LOG__LEVEL", "chatty", "log.level"),
        ("USSO__LOG__FORMAT", "xml", "\"xml\" is neither pretty nor json"),
        (
            "USSO__HASHING__MEMORY_KIB",
            "1024",
            "hashing.memory_kib (environment variable USSO__HASHING__MEMORY_KIB): must be from 19456",
        ),
        ("USSO__SERVER__BODY_LIMIT_BYTES", "0", "server.body_limit_bytes"),
        ("USSO__SERVER__DRAIN_SECONDS", "4000", "server.drain_seconds"),
        ("USSO__TENANTS__DEFAULT_DOMAINS", "a..b", "tenants.default_domains"),
        (
            "PROJECT_NAME",
            "a\nb",
            "server.project_name (environment variable PROJECT_NAME): must not contain control",
        ),
        ("TLS_CERT", "a.pem", "tls.cert (environment variable TLS_CERT): needs tls.key"),
        ("TLS_KEY", "a.pem", "tls.key (environment variable TLS_KEY): needs tls.cert"),
        ("SMTP_HOST", "mail", "smtp.host (environment variable SMTP_HOST): needs smtp.sender"),
        ("SMTP_USERNAME", "me", "smtp.username (environment variable SMTP_USERNAME): needs smtp.password"),
        ("SMTP_SENDER", "nobody", "smtp.sender (environment variable SMTP_SENDER): is not an address"),
        ("SMTP_SENDER", "a@b\r\nBcc: c@d", "smtp.sender"),
        ("SYSTEM_PASSWORD_FILE", "/nowhere", "cannot read \"/nowhere\" (SYSTEM_PASSWORD_FILE)"),
    ] {
        let error = refusal(from_environment(&[(name, value)]));
        assert!(error.starts_with(words) || error.contains(words), "{error}");
    }
    let error = refusal(from_file("[server]\n\nport = 1.5\n"));
    assert!(error.starts_with("server.port (file \"usso.toml\" line 3): must be a string"), "{error}");
    let error = refusal(from_file("[server]\nhost = [\"::1\"]\n"));
    assert_eq!(error, "server.host (file \"usso.toml\" line 2): takes one value, not a list");
    let error = refusal(from_file("[server\nport = 1"));
    assert!(error.starts_with("file \"usso.toml\" line 1: "), "{error}");
    let error = refusal(sources("", "PORT", &[], &[]).load());
    assert_eq!(error, "file \".env\" line 1: is not NAME=VALUE");
}

#[test]
fn booleans_are_read_in_eight_spellings() {
    for (text, truth) in [
        ("1", true),
        ("true", true),
        ("yes", true),
        ("on", true),
        ("On", true),
        ("0", false),
        ("false", false),
        ("no", false),
        ("off", false),
        ("FALSE", false),
    ] {
        assert_eq!(from_environment(&[("DEBUG", text)]).unwrap().server.debug, truth, "{text}");
        assert_eq!(from_environment(&[("SMTP_USE_TLS", text)]).unwrap().smtp.use_tls, truth, "{text}");
    }
    assert!(from_file("[server]\ndebug = true").unwrap().server.debug);
}

#[test]
fn file_named_by_the_flag_must_exist() {
    let flags = Flags { config: Some(PathBuf::from("/nowhere/usso.toml")), ..Flags::default() };
    let Err(error) = Sources::from_process(flags) else { panic!("accepted") };
    assert_eq!(
        error.to_string(),
        "cannot read \"/nowhere/usso.toml\" (flag --config): No such file or directory (os error 2)"
    );
}

#[test]
fn lists_come_from_toml_and_from_commas() {
    let written = from_file("[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]").unwrap();
    let variable = from_environment(&[("TRUSTED_PROXIES", "10.0.0.0/8, ::1,")]).unwrap();
    assert_eq!(written.server, variable.server);
    assert!(written.server.is_trusted_proxy("10.1.1.1".parse().unwrap()));
    assert!(!written.server.is_trusted_proxy("192.0.2.1".parse().unwrap()));
}

#[test]
fn domain_stands_for_the_base_url() {
    let origin = |variables: &[(&str, &str)]| from_environment(variables).unwrap().origin(9000).to_string();
    assert_eq!(origin(&[("DOMAIN", "sso.example.com")]), "https://sso.example.com");
    assert_eq!(origin(&[("DOMAIN", "localhost")]), "http://localhost:9000");
    assert_eq!(origin(&[("DOMAIN", "localhost:81")]), "http://localhost:81");
    assert_eq!(origin(&[("BASE_URL", "http://localhost")]), "http://localhost");
    assert_eq!(origin(&[("TLS_CERT", "c"), ("TLS_KEY", "k")]), "https://localhost:9000");
    let error = refusal(from_environment(&[("BASE_URL", "https://a.example"), ("DOMAIN", "a.example")]));
    assert!(
        error.contains("BASE_URL") && error.contains("DOMAIN") && error.contains("server.base_url"),
        "{error}"
    );
}

#[test]
fn mongodb_is_refused_in_one_sentence() {
    for uri in ["mongodb://u:canary-3f81@h/db", "mongodb+srv://h/db", "anything", "sqlite:x"] {
        let error = refusal(from_environment(&[("MONGO_URI", uri)]));
        assert!(error.contains("MONGO_URI): this build cannot use MongoDB yet"), "{error}");
        assert!(!error.contains(CANARY));
    }
    let error = refusal(from_environment(&[("DATABASE_URL", "mongodb://u:canary-3f81@h/db")]));
    assert!(
        error.contains("DATABASE_URL): this build cannot use MongoDB yet") && !error.contains(CANARY),
        "{error}"
    );
    assert!(from_environment(&[("MONGO_URI", "")]).is_ok(), "empty is not set");
}

#[test]
fn mongo_uri_together_with_database_url_is_refused() {
    let both = [("MONGO_URI", "mongodb://h/db"), ("DATABASE_URL", "sqlite:x")];
    let error = refusal(from_environment(&both));
    assert!(
        error.contains("MONGO_URI and environment variable DATABASE_URL both set")
            || error.contains("DATABASE_URL and environment variable MONGO_URI both set"),
        "{error}"
    );
    let error = refusal(sources("", "DATABASE_URL=sqlite:x", &both[..1], &[]).load());
    assert!(error.contains("MONGO_URI and file \".env\" line 1, DATABASE_URL both set"), "{error}");
    let error = refusal(sources("", "", &both[..1], &[("storage.database_url", "sqlite:x")]).load());
    assert!(error.contains("MONGO_URI and flag --database-url both set"), "{error}");
}

#[test]
fn postgresql_needs_a_master_key_that_instances_share() {
    let url = ("DATABASE_URL", "postgres://u:canary-3f81@h/db");
    let error = refusal(from_environment(&[url]));
    assert!(error.contains("MASTER_KEY") && !error.contains("canary"), "{error}");
    let config =
        from_environment(&[url, ("MASTER_KEY", KEY), ("REDIS_URI", "redis://:canary-3f81@h")]).unwrap();
    assert!(matches!(config.storage.database(), DatabaseUrl::Postgres(_)));
    assert!(config.storage.redis_uri.is_some());
    assert!(!format!("{config:?} {}", config.print()).contains("canary"));
}

#[test]
fn databases_this_build_lacks_are_refused() {
    for (name, value) in [
        ("DATABASE_URL", "postgres:canary-3f81"),
        ("DATABASE_URL", "postgres://"),
        ("REDIS_URI", "canary-3f81"),
        ("REDIS_URI", "http://:canary-3f81@h"),
        ("DATABASE_URL", "mysql://u:canary-3f81@h"),
        ("DATABASE_URL", "sqlite::memory:"),
        ("DATABASE_URL", "sqlite:"),
        ("DATABASE_URL", "sqlite:x?mode=ro"),
    ] {
        let error = refusal(from_environment(&[(name, value)]));
        assert!(
            error.contains(&format!("environment variable {name}): ")) && !error.contains(CANARY),
            "{error}"
        );
    }
    for (url, file) in [("sqlite:x.db", "x.db"), ("sqlite:///a/x.db", "/a/x.db"), ("SQLITE:/x.db", "/x.db")] {
        let config = from_environment(&[("DATABASE_URL", url)]).unwrap();
        assert_eq!(config.storage.database(), DatabaseUrl::Sqlite(file.into()));
    }
}

#[test]
fn secrets_come_from_files_too() {
    let config = from_environment(&[
        ("SYSTEM_PASSWORD_FILE", "/run/secrets/password"),
        ("MASTER_KEY_FILE", "/run/secrets/key"),
    ])
    .unwrap();
    assert_eq!(config.security.system_password().unwrap().expose_secret(), CANARY);
    assert_eq!(config.security.master_key.unwrap().expose().last(), Some(&31));
    let error = refusal(from_environment(&[
        ("SYSTEM_PASSWORD", CANARY),
        ("SYSTEM_PASSWORD_FILE", "/run/secrets/password"),
    ]));
    assert!(
        error.contains("SYSTEM_PASSWORD_FILE") && error.contains("keep one") && !error.contains(CANARY),
        "{error}"
    );
    let generated = [("USSO__SECURITY__SYSTEM_PASSWORD_FILE", "/run/secrets/password")];
    assert!(from_environment(&generated).unwrap().security.system_password().is_some());
}

#[test]
fn master_key_is_base64_of_32_bytes() {
    for key in
        [KEY, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "__________________________________________8="]
    {
        assert!(MasterKey::from_base64(key).is_some(), "{key}");
    }
    for key in [
        "",
        "AAEC",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIA==",
        "canary-3f81 is no base64 of 32 bytes!",
    ] {
        assert!(MasterKey::from_base64(key).is_none());
        if !key.is_empty() {
            let error = refusal(from_environment(&[("MASTER_KEY", key)]));
            assert!(
                error.contains("MASTER_KEY): must be base64 of exactly 32 bytes") && !error.contains(key),
                "{error}"
            );
        }
    }
}

#[test]
fn secrets_are_never_shown() {
    let variables = [
        ("SYSTEM_PASSWORD", CANARY),
        ("SMTP_PASSWORD", CANARY),
        ("SMTP_USERNAME", "me"),
        ("MASTER_KEY", KEY),
    ];
    let config = from_environment(&variables).unwrap();
    let flags = Flags::with(&[("storage.database_url", CANARY)]);
    let shown = format!("{config:?} {} {flags:?}", config.print());
    assert!(!shown.contains(CANARY) && !shown.contains(KEY) && !shown.contains("[0, 1, 2"), "{shown}");
    assert_eq!(config.print().matches("= \"********\" # environment variable").count(), 3);
    for text in [
        format!("[security]\nsystem_password = \"{CANARY}"),
        format!("[security]\nsystem_password = {CANARY}"),
        format!("[security]\nsystem_password = [\"{CANARY}\"]"),
        format!("[security]\nmaster_key = \"{CANARY}\""),
        format!("[security]\nsystem_password = \"a\"\nsystem_password = \"{CANARY}\""),
    ] {
        let error = from_file(&text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
    }
    let error = sources("", &format!("SYSTEM_PASSWORD='{CANARY}"), &[], &[]).load().unwrap_err();
    assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
}

#[test]
fn printed_configuration_can_be_read_again() {
    let config =
        from_file("[server]\nproject_name = 'a \"b\" \\ c'\ntrusted_proxies = ['10.0.0.0/8']\n").unwrap();
    let printed = config.print();
    assert!(
        printed.contains("port = 8000 # default\n") && printed.contains("# base_url is not set: "),
        "{printed}"
    );
    let again = from_file(&printed).unwrap();
    assert_eq!(
        (again.server, again.storage, again.log, again.hashing, again.tenants),
        (config.server, config.storage, config.log, config.hashing, config.tenants)
    );
}

#[test]
fn example_file_works_as_it_is_and_with_its_lines_uncommented() {
    assert_eq!(from_file(&example()).unwrap(), Config::default());
    let uncommented: String = example()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') && !keys().any(|k| k.secret && rest.starts_with(k.name)) => {
                rest
            }
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    // The password beside the user name is a secret, and so left out above; so is what a provider of texts needs.
    let without = uncommented.replace("username = ", "#username = ").replace("provider = ", "#provider = ");
    let config = from_file(&without).unwrap();
    assert_eq!(config.server.base_url.unwrap().to_string(), "https://sso.example.com");
    assert_eq!(
        keys().count(),
        example().lines().filter(|l| l.starts_with('#') && !l.starts_with("# ")).count()
    );
}

#[test]
fn generated_documents_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (file, text, command) in [
        ("docs/configuration.md", reference(), "usso config reference"),
        ("usso.example.toml", example(), "usso config example"),
    ] {
        let found = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        assert!(found == text, "{file} is out of date: run `{command} > {file}`");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn loading_never_panics(
        file in "(\\[(server|log|x)\\]\n)?((port|host|level|debug|base_url) ?= ?(\"[^\"]{0,12}\"|[0-9x.]{0,6}|\\PC{0,8})\n){0,4}\\PC{0,20}",
        dot_env in "((export )?[A-Z_]{0,6}=['\"]?\\PC{0,12}['\"]?\n?){0,4}",
        index in 0..64usize,
        value in "\\PC{0,24}|[0-9./:\\[\\]]{0,24}|(https?|sqlite|mongodb)://\\PC{0,16}",
    ) {
        let names: Vec<String> = keys().flat_map(|k| k.environment.iter().map(|n| (*n).to_owned()).chain([k.variable()])).collect();
        let name = names.iter().cycle().nth(index).cloned().unwrap_or_default();
        let _ = sources(&file, &dot_env, &[], &[]).load().map(|config| config.print());
        let _ = from_environment(&[(&name, &value)]).map(|config| (config.print(), config.origin(8000)));
    }

    #[test]
    fn dot_env_gives_back_what_was_quoted(value in "\\PC{0,32}") {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
        let found = dot_env::parse(&format!("A=\"{escaped}\"")).unwrap();
        prop_assert_eq!(found.first().map(|a| a.value.as_str()), Some(value.as_str()));
    }
}
