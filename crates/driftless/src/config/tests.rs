use super::*;

fn config(settings: Settings) -> ControllerConfig {
    ControllerConfig::new(settings, |name| (name == "HOME").then(|| "/home/a".into()))
}

#[test]
fn the_first_that_sets_a_value_wins() {
    let flags = Settings { namespace: Some("flag".to_owned()), ..Settings::default() };
    let file = Settings::parse("namespace: file\nlog-level: debug\nreconciliation-timeout: 3m\n").unwrap();
    let config = config(flags.or(file));
    assert_eq!((config.namespace.as_str(), config.log_level.as_str()), ("flag", "debug"));
    assert_eq!(config.reconciliation_timeout, Some(Duration::from_mins(3)));
    assert_eq!(config.lease_name, "driftless");
}

#[test]
fn the_defaults_are_those_of_the_manual() {
    let config = config(Settings::default());
    assert_eq!(config.namespace, "argocd");
    assert_eq!(config.http_listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.metrics_listen.to_string(), "0.0.0.0:8082");
    assert_eq!(config.data_dir, PathBuf::from("/home/a/.cache/driftless"));
    assert_eq!((config.reconciliation_timeout, config.log_level.as_str()), (None, "info"));
}

#[test]
fn every_key_of_the_file_is_a_flag() {
    let file = "kubeconfig: a\nnamespace: b\ndata-dir: c\nhttp-listen: localhost:1\nmetrics-listen: ':2'\nreconciliation-timeout: 60\nlog-format: json\nlog-level: warn\nlease-name: d\n";
    let settings = Settings::parse(file).unwrap();
    assert_eq!(settings.http_listen, Some(ListenAddress("127.0.0.1:1".parse().unwrap())));
    assert_eq!(settings.metrics_listen, Some(ListenAddress("0.0.0.0:2".parse().unwrap())));
    assert_eq!(settings.reconciliation_timeout, Some(Interval(Duration::from_mins(1))));
    // What the lower settings hold is taken over for every key.
    assert_eq!(Settings::default().or(settings.clone()), settings);
    assert_eq!(Settings::parse("").unwrap(), Settings::default());
}

#[test]
fn a_wrong_file_is_refused_with_the_place() {
    fn check(text: &str, expected: &str) {
        let message = Settings::parse(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text}: {message}");
    }
    check("namespac: x", "unknown field `namespac`");
    check("http-listen: nowhere", "`nowhere` is not an address");
    check("reconciliation-timeout: soon", "`soon` is not a duration");
    check("namespace: a\nlog-format: xml", "`xml` is not a log format");
}

#[test]
fn intervals_are_not_negative() {
    assert_eq!("1h30m".parse(), Ok(Interval(Duration::from_mins(90))));
    assert!("-3s".parse::<Interval>().unwrap_err().contains("negative"));
}

#[test]
fn the_cache_directory_is_absolute() {
    fn check(variables: &[(&str, &str)], expected: &str) {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        assert_eq!(default_data_dir(find), PathBuf::from(expected), "{variables:?}");
    }
    check(&[("XDG_CACHE_HOME", "/cache"), ("HOME", "/home/a")], "/cache/driftless");
    check(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/home/a")], "/home/a/.cache/driftless");
    check(&[("TMPDIR", "/scratch")], "/scratch/driftless");
    check(&[], "/tmp/driftless");
}

#[test]
fn only_some_settings_need_a_restart() {
    let before = config(Settings::default());
    let file =
        Settings::parse("namespace: x\nlog-level: debug\nreconciliation-timeout: 1s\nhttp-listen: ':1'").unwrap();
    assert_eq!(config(file).needs_restart(&before), ["namespace", "http-listen"]);
}
