use clap::CommandFactory;
use clap::error::ErrorKind;

use super::*;

#[test]
fn the_arguments_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn applications_are_named_with_or_without_namespace() {
    fn check(text: &str, expected: Option<(Option<&str>, &str)>) {
        let found = text.parse::<AppName>().ok();
        let found = found.as_ref().map(|app| (app.namespace.as_deref(), app.name.as_str()));
        assert_eq!(found, expected, "{text}");
    }
    check("web", Some((None, "web")));
    check("team-a/web", Some((Some("team-a"), "web")));
    check("", None);
    check("/web", None);
    check("team-a/", None);
    check("a/b/c", None);
    check("a?b", None);
}

#[test]
fn render_needs_one_source() {
    fn check(args: &[&str], expected: Option<ErrorKind>) {
        let all = ["driftless", "render"].iter().chain(args);
        assert_eq!(Cli::try_parse_from(all).err().map(|error| error.kind()), expected, "{args:?}");
    }
    check(&["apps/web"], None);
    check(&["--repo", "https://example.com/a", "--path", "apps/web"], None);
    check(&["--application", "app.yaml"], None);
    check(&["apps/web", "--application", "app.yaml"], None);
    check(&[], Some(ErrorKind::MissingRequiredArgument));
    check(&["apps/web", "--repo", "https://example.com/a"], Some(ErrorKind::ArgumentConflict));
}

#[test]
fn a_token_is_never_shown() {
    let cli = Cli::try_parse_from(["driftless", "app", "list", "--token", "secret"]).unwrap();
    assert!(!format!("{cli:?}").contains("secret"));
}
