//! Sync windows: whom they are about, when they are open, and what they decide.

use application_api::{SyncWindow, SyncWindowKind};
use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::cron::Schedule;
use crate::{SyncWindows, SyncedBy, WindowSubject};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(kind: SyncWindowKind, schedule: &str, duration: &str) -> SyncWindow {
    SyncWindow {
        kind: Some(kind),
        schedule: schedule.to_owned(),
        duration: duration.to_owned(),
        applications: vec!["*".to_owned()],
        ..SyncWindow::default()
    }
}

fn deny(schedule: &str, duration: &str) -> SyncWindow {
    window(SyncWindowKind::Deny, schedule, duration)
}

fn allow(schedule: &str, duration: &str) -> SyncWindow {
    window(SyncWindowKind::Allow, schedule, duration)
}

const SUBJECT: WindowSubject<'_> = WindowSubject {
    application: "web",
    namespace: "shop",
    server: "https://kubernetes.default.svc",
    cluster: "in-cluster",
};

/// Writes what windows say: `free`, or when it is looked at again.
fn says(windows: &[SyncWindow], by: SyncedBy, started: Option<&str>, now: &str) -> String {
    match SyncWindows::read(windows).block(SUBJECT, by, started.map(at), at(now)) {
        None => "free".to_owned(),
        Some(block) => block.until.map_or_else(|| "for good".to_owned(), |until| until.to_string()),
    }
}

#[track_caller]
fn check(windows: &[SyncWindow], now: &str, automated: &str, manual: &str) {
    assert_eq!(says(windows, SyncedBy::Automation, None, now), automated, "automated");
    assert_eq!(says(windows, SyncedBy::Person, None, now), manual, "manual");
}

#[test]
fn schedules_are_those_of_cron() {
    let next = |schedule: &str, after: &str| -> String {
        let after: DateTime = after.parse().unwrap();
        schedule.parse::<Schedule>().unwrap().next(after).map_or_else(String::new, |next| next.to_string())
    };
    for (schedule, after, expected) in [
        ("* * * * *", "2026-03-01T12:00:00", "2026-03-01T12:01:00"),
        ("* * * * *", "2026-03-01T12:00:30", "2026-03-01T12:01:00"),
        ("*/15 8-10 * * *", "2026-03-01T10:45:00", "2026-03-02T08:00:00"),
        ("5/20 * * * *", "2026-03-01T12:06:00", "2026-03-01T12:25:00"),
        ("0 22 * * mon-FRI", "2026-03-06T22:00:00", "2026-03-09T22:00:00"),
        ("0 0 29 2 *", "2026-03-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 31 * *", "2026-03-31T00:00:00", "2026-05-31T00:00:00"),
        // A day of the month or a day of the week, where both are named; both, where one is a star.
        ("0 0 13 * 5", "2026-03-01T00:00:00", "2026-03-06T00:00:00"),
        ("0 0 13 * *", "2026-03-01T00:00:00", "2026-03-13T00:00:00"),
        ("0 0 */2 * 1", "2026-03-01T00:00:00", "2026-03-09T00:00:00"),
        ("0 0 1 jan,JUL *", "2026-03-01T00:00:00", "2026-07-01T00:00:00"),
        ("@daily", "2026-12-31T00:00:00", "2027-01-01T00:00:00"),
        ("@weekly", "2026-03-01T00:00:00", "2026-03-08T00:00:00"),
        ("0 0 30 2 *", "2026-03-01T00:00:00", ""),
    ] {
        assert_eq!(next(schedule, after), expected, "{schedule} after {after}");
    }
    for wrong in
        ["", "* * * *", "60 * * * *", "* * 0 * *", "* * * * 7", "*/0 * * * *", "5-1 * * * *", "a * * * *", "@never"]
    {
        assert!(wrong.parse::<Schedule>().is_err(), "{wrong}");
    }
}

#[test]
fn without_a_window_that_matches_syncs_are_free() {
    check(&[], "2026-03-01T12:00:00Z", "free", "free");
    let other = SyncWindow { applications: vec!["api-*".to_owned()], ..deny("* * * * *", "1h") };
    check(&[other], "2026-03-01T12:00:00Z", "free", "free");
    let nobody = SyncWindow { applications: Vec::new(), ..deny("* * * * *", "1h") };
    check(&[nobody], "2026-03-01T12:00:00Z", "free", "free");
}

#[test]
fn a_denying_window_holds_what_begins_in_it() {
    let nightly = deny("0 22 * * *", "8h");
    check(std::slice::from_ref(&nightly), "2026-03-01T21:00:00Z", "free", "free");
    check(
        std::slice::from_ref(&nightly),
        "2026-03-01T23:00:00Z",
        "2026-03-02T06:00:00.001Z",
        "2026-03-02T06:00:00.001Z",
    );
    check(std::slice::from_ref(&nightly), "2026-03-02T06:00:00Z", "free", "free");
    let for_people = SyncWindow { manual_sync: true, ..nightly.clone() };
    check(std::slice::from_ref(&for_people), "2026-03-01T23:00:00Z", "2026-03-02T06:00:00.001Z", "free");
    // Every window has to permit it.
    check(&[for_people, nightly], "2026-03-01T23:00:00Z", "2026-03-02T06:00:00.001Z", "2026-03-02T06:00:00.001Z");
}

#[test]
fn an_allowing_window_forbids_what_is_outside_of_it() {
    let office = allow("0 9 * * 1-5", "8h");
    check(std::slice::from_ref(&office), "2026-03-02T10:00:00Z", "free", "free");
    check(
        std::slice::from_ref(&office),
        "2026-03-02T18:00:00Z",
        "2026-03-03T09:00:00.001Z",
        "2026-03-03T09:00:00.001Z",
    );
    let for_people = SyncWindow { manual_sync: true, ..office.clone() };
    check(&[for_people], "2026-03-02T18:00:00Z", "2026-03-03T09:00:00.001Z", "free");
    // One that is open is enough, and a denying one is stronger.
    check(&[office.clone(), allow("0 0 * * *", "24h")], "2026-03-02T18:00:00Z", "free", "free");
    check(
        &[office, deny("0 10 * * *", "1h")],
        "2026-03-02T10:30:00Z",
        "2026-03-02T11:00:00.001Z",
        "2026-03-02T11:00:00.001Z",
    );
}

#[test]
fn windows_follow_the_clock_of_their_zone() {
    let berlin = SyncWindow { time_zone: "Europe/Berlin".to_owned(), ..deny("0 22 * * *", "1h") };
    check(
        std::slice::from_ref(&berlin),
        "2026-01-15T21:30:00Z",
        "2026-01-15T22:00:00.001Z",
        "2026-01-15T22:00:00.001Z",
    );
    check(
        std::slice::from_ref(&berlin),
        "2026-07-15T20:30:00Z",
        "2026-07-15T21:00:00.001Z",
        "2026-07-15T21:00:00.001Z",
    );
    check(std::slice::from_ref(&berlin), "2026-07-15T21:30:00Z", "free", "free");
    // The change of the clock is looked at as well.
    let before_the_change = allow("0 12 * * *", "1h");
    let before_the_change = SyncWindow { time_zone: "Europe/Berlin".to_owned(), ..before_the_change };
    check(&[before_the_change], "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z");
}

#[test]
fn a_sync_that_has_begun_may_overrun() {
    let nightly = |overrun| SyncWindow { sync_overrun: overrun, ..deny("0 22 * * *", "8h") };
    let says =
        |overrun, started| says(&[nightly(overrun)], SyncedBy::Automation, Some(started), "2026-03-01T23:00:00Z");
    assert_eq!(says(true, "2026-03-01T21:00:00Z"), "free");
    assert_eq!(says(true, "2026-03-01T22:30:00Z"), "2026-03-02T06:00:00.001Z");
    assert_eq!(says(false, "2026-03-01T21:00:00Z"), "2026-03-02T06:00:00.001Z");
}

#[test]
fn windows_are_about_applications_clusters_and_namespaces() {
    let about = |applications: &[&str], clusters: &[&str], namespaces: &[&str], and_operator| {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let window = SyncWindow {
            applications: texts(applications),
            clusters: texts(clusters),
            namespaces: texts(namespaces),
            and_operator,
            ..deny("* * * * *", "1h")
        };
        says(&[window], SyncedBy::Person, None, "2026-03-01T12:00:30Z") != "free"
    };
    assert!(about(&["we?"], &[], &[], false) && about(&[], &["in-*"], &[], false) && about(&[], &[], &["shop"], false));
    assert!(about(&[], &["https://kubernetes.default.svc"], &[], false));
    assert!(about(&["api"], &[], &["shop"], false) && !about(&["api"], &[], &["shop"], true));
    assert!(about(&["web"], &[], &["shop"], true) && !about(&[], &[], &[], true));
}

#[test]
fn what_cannot_be_read_denies() {
    let now = "2026-03-01T12:00:00Z";
    for (wrong, expected) in [
        (allow("soon", "1h"), "expected minute"),
        (allow("* * * * *", "long"), "not a duration"),
        (allow("* * * * *", "0"), "not positive"),
        (SyncWindow { kind: None, ..allow("* * * * *", "1h") }, "neither allow nor deny"),
        (SyncWindow { time_zone: "Moon".to_owned(), ..allow("* * * * *", "1h") }, "no time zone Moon"),
        (SyncWindow { applications: vec!["[".to_owned()], ..allow("* * * * *", "1h") }, "not a pattern"),
    ] {
        let block = SyncWindows::read(&[wrong]).block(SUBJECT, SyncedBy::Person, None, at(now)).unwrap();
        assert!(block.windows[0].contains(expected), "{block:?}");
    }
}
