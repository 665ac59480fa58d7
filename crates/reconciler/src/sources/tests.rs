use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::RepoFailure;
use crate::repos::Interval;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn sources() -> SourceSet {
    let sources = json!([
        {"repoURL": "https://git/a", "path": "x", "targetRevision": "main"},
        {"repoURL": "https://charts", "chart": "web", "targetRevision": ">=1, <2"},
        {"repoURL": "https://git/b", "ref": "env"},
    ]);
    SourceSet::list(serde_json::from_value(sources).unwrap())
}

/// What a poll says of each revision, or why it failed.
type Answer<'a> = Result<&'a [(&'a str, Result<&'a str, &'a str>)], &'a str>;

/// Has each repository answer its poll, or fail; says what is known of all.
fn known(answers: &[(&str, RepoKind, Answer<'_>)]) -> (SetLookup, Known<String>) {
    let (app, sources) = (AppKey::new("argocd", "web"), sources());
    let mut repos = Repos::default();
    repos.want(&app, &places(&sources, &target_revisions(&sources)).collect(), NOW);
    repos.start_due(NOW, &mut Vec::new());
    let interval = Interval { poll: SignedDuration::from_mins(2), jitter: SignedDuration::ZERO };
    for (url, kind, answer) in answers {
        let repo = SourceRepo { kind: *kind, url: RepoUrl::new(url) };
        let said = |(name, found): &(&str, Result<&str, &str>)| {
            ((*name).to_owned(), found.map(str::to_owned).map_err(str::to_owned))
        };
        let result = answer.map(|found| found.iter().map(said).collect::<BTreeMap<_, _>>());
        let result = result.map_err(|message| RepoFailure { message: message.to_owned() });
        repos.polled(&repo, NOW, result, interval, NOW);
    }
    (repos.look_up_all(&app, &sources, &target_revisions(&sources), None), repos.known_all(&sources))
}

#[test]
fn the_revisions_of_all_sources_are_one() {
    let a = ("https://git/a", RepoKind::Git, Ok(&[("main", Ok("c1"))][..]));
    let charts = ("https://charts", RepoKind::Charts, Ok(&[("web:>=1, <2", Ok("1.9.0"))][..]));
    let b = ("https://git/b", RepoKind::Git, Ok(&[("", Ok("c2"))][..]));
    let all = || "c1,1.9.0,c2".to_owned();
    assert_eq!(known(&[a, charts, b]), (SetLookup::Commit { commit: all(), doubt: None }, Known::Commit(all())));
    assert_eq!(known(&[a, b]), (SetLookup::Pending { at: 1 }, Known::Awaited));

    let none = ("https://charts", RepoKind::Charts, Ok(&[("web:>=1, <2", Err("none"))][..]));
    let unknown = SetLookup::Unknown { at: 1, message: "none".to_owned() };
    assert_eq!(known(&[a, none, b]), (unknown, Known::Absent));

    let down = ("https://git/b", RepoKind::Git, Err("down"));
    let (found, state) = known(&[a, charts, down]);
    assert!(matches!(&found, SetLookup::Failed { at: 2, doubt } if doubt.message == "down"), "{found:?}");
    assert_eq!(state, Known::Unreadable);

    let (found, _) = known(&[a, charts, b, ("https://git/a", RepoKind::Git, Err("down"))]);
    let in_doubt = |found: &SetLookup| matches!(found, SetLookup::Commit { commit, doubt: Some((0, doubt)) } if *commit == all() && doubt.message == "down");
    assert!(in_doubt(&found), "{found:?}");
}

#[test]
fn a_poll_names_the_chart_before_the_version() {
    let sources = sources();
    let names: Vec<String> = places(&sources, &target_revisions(&sources)).map(|(_, name)| name).collect();
    assert_eq!(names, ["main", "web:>=1, <2", ""]);
    assert_eq!(wanted_chart(&names[1]), ("web", ">=1, <2"));
    let held: Vec<String> =
        commits(&sources, "c1,1.9.0,c2").map(|(repo, commit)| format!("{} {commit}", repo.url)).collect();
    assert_eq!(held, ["https://git/a c1", "https://charts 1.9.0", "https://git/b c2"]);
    assert_eq!(of_source(&sources, 1, "gone"), "source 2 of 3: gone");
}
