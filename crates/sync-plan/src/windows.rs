//! Sync windows of a project: times in which syncs are allowed or denied (Argo CD semantics, 2.8).

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

use application_api::{Pattern, PatternKind, SyncWindow, SyncWindowKind, parse_duration};

use crate::cron::Schedule;

/// What windows are matched against.
#[derive(Clone, Copy, Debug)]
pub struct WindowSubject<'a> {
    /// Name of the Application.
    pub application: &'a str,
    /// Namespace of the destination.
    pub namespace: &'a str,
    /// Server of the destination.
    pub server: &'a str,
    /// Name of the destination's cluster.
    pub cluster: &'a str,
}

/// Who asks for a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncedBy {
    /// A person.
    Person,
    /// The engine itself.
    Automation,
}

/// Why a sync has to wait for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowBlock {
    /// The windows that decide, such as `deny 0 22 * * * for 8h`; or what is wrong with one of them.
    pub windows: Vec<String>,
    /// When it is to be looked at again; none when only a change of the project helps.
    pub until: Option<Timestamp>,
}

/// The windows of a project, read.
#[derive(Clone, Debug, Default)]
pub struct SyncWindows {
    windows: Vec<Window>,
}

#[derive(Clone, Debug)]
struct Window {
    written: SyncWindow,
    applications: Vec<Pattern>,
    namespaces: Vec<Pattern>,
    clusters: Vec<Pattern>,
    /// When it is open, or what is wrong with it.
    times: Result<Times, String>,
}

#[derive(Clone, Debug)]
struct Times {
    schedule: Schedule,
    duration: SignedDuration,
    zone: TimeZone,
}

impl SyncWindows {
    /// Reads the windows of a project. One that cannot be read denies everything that it is about.
    pub fn read(windows: &[SyncWindow]) -> Self {
        Self { windows: windows.iter().map(Window::read).collect() }
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Says why a sync has to wait, if it has to; `started_at` is the start of one that runs.
    pub fn block(
        &self,
        subject: WindowSubject<'_>,
        by: SyncedBy,
        started_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<WindowBlock> {
        let matching: Vec<&Window> = self.windows.iter().filter(|window| window.is_about(subject)).collect();
        let deciding = deciding(&matching, by, now)?;
        let may_overrun = deciding.iter().all(|window| window.written.sync_overrun && window.times.is_ok());
        if may_overrun && started_at.is_some_and(|started_at| self::deciding(&matching, by, started_at).is_none()) {
            return None;
        }
        let changes = matching.iter().filter_map(|window| window.times.as_ref().ok()?.next_change(now));
        Some(WindowBlock { windows: deciding.iter().map(|window| window.told()).collect(), until: changes.min() })
    }
}

/// Returns the windows that forbid a sync at a time; none when it is allowed.
fn deciding<'a>(matching: &[&'a Window], by: SyncedBy, at: Timestamp) -> Option<Vec<&'a Window>> {
    let broken: Vec<&Window> = matching.iter().copied().filter(|window| window.times.is_err()).collect();
    if !broken.is_empty() {
        return Some(broken);
    }
    let of = |kind: SyncWindowKind| matching.iter().copied().filter(move |w| w.written.kind == Some(kind.clone()));
    let is_open = |window: &&Window| window.times.as_ref().is_ok_and(|times| times.is_open(at));
    // A person needs leave from every window that stands in the way.
    let unless_permitted = |windows: Vec<&'a Window>| {
        let permitted = by == SyncedBy::Person && windows.iter().all(|window| window.written.manual_sync);
        (!permitted).then_some(windows)
    };
    let denying: Vec<&Window> = of(SyncWindowKind::Deny).filter(is_open).collect();
    if !denying.is_empty() {
        return unless_permitted(denying);
    }
    let allowing: Vec<&Window> = of(SyncWindowKind::Allow).collect();
    if allowing.is_empty() || allowing.iter().any(is_open) {
        return None;
    }
    unless_permitted(allowing)
}

impl Window {
    fn read(window: &SyncWindow) -> Self {
        // A pattern that cannot be read is about everything: what it was to forbid stays forbidden.
        let patterns = |texts: &[String]| -> Result<Vec<Pattern>, String> {
            let read = |text: &String| Pattern::new(text, PatternKind::Glob).map_err(|error| error.to_string());
            texts.iter().map(read).collect()
        };
        let (mut applications, mut namespaces, mut clusters) = (Vec::new(), Vec::new(), Vec::new());
        let mut times = Times::read(window);
        for (list, texts) in [
            (&mut applications, &window.applications),
            (&mut namespaces, &window.namespaces),
            (&mut clusters, &window.clusters),
        ] {
            match patterns(texts) {
                Ok(read) => *list = read,
                Err(error) => {
                    list.extend(Pattern::new("*", PatternKind::Glob));
                    times = Err(error);
                }
            }
        }
        Self { written: window.clone(), applications, namespaces, clusters, times }
    }

    fn is_about(&self, subject: WindowSubject<'_>) -> bool {
        let matches = |patterns: &[Pattern], texts: &[&str]| {
            patterns.iter().any(|pattern| texts.iter().any(|text| pattern.matches(text)))
        };
        let lists = [
            (&self.applications, matches(&self.applications, &[subject.application])),
            (&self.clusters, matches(&self.clusters, &[subject.cluster, subject.server])),
            (&self.namespaces, matches(&self.namespaces, &[subject.namespace])),
        ];
        let mut given = lists.iter().filter(|(list, _)| !list.is_empty()).map(|(_, matched)| *matched).peekable();
        if self.written.and_operator {
            given.peek().is_some() && given.all(|matched| matched)
        } else {
            given.any(|m| m)
        }
    }

    fn told(&self) -> String {
        let SyncWindow { kind, schedule, duration, time_zone, .. } = &self.written;
        let kind = kind.as_ref().map(ToString::to_string).unwrap_or_default();
        let zone = if time_zone.is_empty() { String::new() } else { format!(" {time_zone}") };
        let problem = self.times.as_ref().err().map(|problem| format!(" ({problem})")).unwrap_or_default();
        format!("{kind} {schedule} for {duration}{zone}{problem}")
    }
}

impl Times {
    fn read(window: &SyncWindow) -> Result<Self, String> {
        if !matches!(window.kind, Some(SyncWindowKind::Allow | SyncWindowKind::Deny)) {
            return Err("its kind is neither allow nor deny".to_owned());
        }
        let duration = parse_duration(&window.duration).map_err(|error| error.to_string())?;
        if !duration.is_positive() {
            return Err(format!("its duration {} is not positive", window.duration));
        }
        let name = if window.time_zone.is_empty() { "UTC" } else { &window.time_zone };
        let zone = TimeZoneDatabase::bundled().get(name).map_err(|_| format!("there is no time zone {name}"))?;
        Ok(Self { schedule: window.schedule.parse()?, duration, zone })
    }

    /// Tells whether the window is open: it last opened less than its duration ago, by the zone's offset of that moment.
    fn is_open(&self, at: Timestamp) -> bool {
        let Some((local, since)) = self.local(at) else { return false };
        self.schedule.next(since).is_some_and(|opened| opened < local)
    }

    fn local(&self, at: Timestamp) -> Option<(DateTime, DateTime)> {
        let local = self.zone.to_offset(at).to_datetime(at);
        Some((local, local.checked_sub(self.duration).ok()?))
    }

    /// Returns when the window may open or close next, or its zone's offset changes.
    fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let (local, since) = self.local(now)?;
        let offset = self.zone.to_offset(now);
        let opens = self.schedule.next(local);
        let closes = self.schedule.next(since).and_then(|opened| opened.checked_add(self.duration).ok());
        let local_changes = [opens, closes].into_iter().flatten().filter_map(|change| offset.to_timestamp(change).ok());
        // It is open only after the moment at which it opens.
        let later = local_changes.filter_map(|change| change.checked_add(SignedDuration::from_millis(1)).ok());
        let shift = self.zone.following(now).next().map(|transition| transition.timestamp());
        later.chain(shift).filter(|change| *change > now).min()
    }
}
