//! A cluster with a history, watches that lag, lists that are old, reads that take their time, and our own writes:
//! whatever the order in which they are folded in, the index never goes back behind what we wrote, and in the end it
//! is what the cluster is.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::consistency::assert_consistent;
use super::*;

const KINDS: [(&str, &str); 2] = [("example.com/v1", "Thing"), ("v1", "Pod")];
const NAMES: [&str; 3] = ["a", "b", "c"];
const APPS: [&str; 2] = ["web", "shop"];

/// Kind and name of an object.
type Place = (usize, usize);

#[derive(Clone, Debug)]
enum Step {
    /// Somebody writes an object; with an owner, tracking and an image as the numbers say.
    Write(Place, Author, [usize; 3]),
    /// Somebody deletes an object.
    Remove(Place, Author),
    /// The watch or list of a kind gives its next entries.
    Deliver(usize, usize),
    /// A read is answered, but not yet folded in.
    Read(Place),
    /// A read that was answered before is folded in.
    Land(usize, Detail),
    /// A kind is listed anew, in a state that lags by so many versions.
    List(usize, u64),
    /// A kind is no longer watched.
    Drop(usize),
    /// An application renders other objects.
    Render(usize, BTreeSet<Place>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Author {
    Us,
    Other,
}

/// Where the watch of a kind is.
enum Stream {
    Off,
    /// Items still to come of a list, and the version of the list.
    Listing(Vec<Object>, u64),
    /// All up to this version was told.
    Watching(u64),
}

struct World {
    state: LiveState,
    version: u64,
    objects: BTreeMap<Place, Object>,
    /// Every change: its version, its place, the object, none after its deletion.
    history: Vec<(u64, Place, Option<Object>)>,
    streams: [Stream; 2],
    landing: Vec<Object>,
    /// By uid, the version that we wrote; forgotten when the kind is dropped.
    written: BTreeMap<String, (Place, u64)>,
    /// Uids of what we deleted.
    deleted: BTreeMap<String, Place>,
}

fn place_key((kind, name): Place) -> ObjectKey {
    let (api_version, kind) = KINDS[kind];
    thing(NAMES[name], "", 0, json!({"apiVersion": api_version, "kind": kind})).key(cluster())
}

fn group_kind(kind: usize) -> GroupKind {
    place_key((kind, 0)).group_kind()
}

impl World {
    fn new() -> Self {
        let streams = [const { Stream::Watching(0) }; 2];
        let mut state = LiveState::new();
        for kind in 0..KINDS.len() {
            state.begin_reset(&cluster(), &group_kind(kind));
            state.end_reset(&cluster(), &group_kind(kind), "0");
        }
        Self {
            state,
            version: 0,
            objects: BTreeMap::new(),
            history: Vec::new(),
            streams,
            landing: Vec::new(),
            written: BTreeMap::new(),
            deleted: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Write(place, author, shape) => self.write(place, author, shape),
            Step::Remove(place, author) => self.delete(place, author),
            Step::Deliver(kind, count) => (0..count).for_each(|_| self.deliver(kind)),
            Step::Read(place) => self.landing.extend(self.objects.get(&place).cloned()),
            Step::Land(index, detail) if !self.landing.is_empty() => {
                let object = self.landing.swap_remove(index % self.landing.len());
                let object = if detail == Detail::Full { object } else { metadata_of(&object) };
                self.state.fold_response(&cluster(), &object, detail);
            }
            Step::Land(..) => {}
            Step::List(kind, lag) => self.list(kind, lag),
            Step::Drop(kind) => {
                self.state.drop_kind(&cluster(), &group_kind(kind));
                self.streams[kind] = Stream::Off;
                self.written.retain(|_, (place, _)| place.0 != kind);
                self.deleted.retain(|_, place| place.0 != kind);
            }
            Step::Render(application, places) => {
                self.state.set_targets(&app(APPS[application]), places.into_iter().map(place_key));
            }
        }
    }

    fn write(&mut self, place: Place, author: Author, [owner, tracking, image]: [usize; 3]) {
        self.version += 1;
        let (api_version, kind) = KINDS[place.0];
        let uid = self.objects.get(&place).map_or_else(|| format!("uid-{}", self.version), |old| old.uid().to_owned());
        let owner = self.objects.values().nth(owner).map(|owner| json!([{"uid": owner.uid()}]));
        let tracking =
            APPS.get(tracking).map(|name| tracked(name, ["example.com/Thing", "/Pod"][place.0], NAMES[place.1]));
        let more = json!({"apiVersion": api_version, "kind": kind, "metadata": {"ownerReferences": owner}, "spec": {"containers": [{"image": format!("i{image}")}]}});
        let object = thing(NAMES[place.1], &uid, self.version, all([more, tracking.unwrap_or_else(|| json!({}))]));
        self.history.push((self.version, place, Some(object.clone())));
        if author == Author::Us {
            self.state.fold_response(&cluster(), &object, Detail::Full);
            self.written.insert(uid, (place, self.version));
        }
        self.objects.insert(place, object);
    }

    fn delete(&mut self, place: Place, author: Author) {
        let Some(object) = self.objects.remove(&place) else { return };
        self.version += 1;
        self.history.push((self.version, place, None));
        self.written.remove(object.uid());
        if author == Author::Us && self.state.fold_delete(&place_key(place), object.uid()).is_some() {
            self.deleted.insert(object.uid().to_owned(), place);
        }
    }

    fn list(&mut self, kind: usize, lag: u64) {
        let seen = match self.streams[kind] {
            Stream::Off => 0,
            Stream::Listing(_, at) | Stream::Watching(at) => at,
        };
        let at = self.version.saturating_sub(lag).max(seen);
        let mut items = BTreeMap::new();
        for (_, place, object) in self.history.iter().filter(|(version, place, _)| *version <= at && place.0 == kind) {
            items.insert(*place, object.clone());
        }
        self.state.begin_reset(&cluster(), &group_kind(kind));
        self.streams[kind] = Stream::Listing(items.into_values().flatten().collect(), at);
    }

    /// Gives the next entry of a list or watch; the end of a list is one too.
    fn deliver(&mut self, kind: usize) {
        match &mut self.streams[kind] {
            Stream::Off => {}
            Stream::Listing(items, at) => {
                let at = *at;
                if let Some(object) = items.pop() {
                    self.state.apply(&cluster(), &object, Detail::Full);
                } else {
                    self.state.end_reset(&cluster(), &group_kind(kind), &at.to_string());
                    self.streams[kind] = Stream::Watching(at);
                }
            }
            Stream::Watching(at) => {
                let from = *at;
                let Some(next) = self.history.iter().position(|(version, place, _)| *version > from && place.0 == kind)
                else {
                    return;
                };
                let (version, place, object) = self.history[next].clone();
                *at = version;
                if let Some(object) = object {
                    self.state.apply(&cluster(), &object, Detail::Full);
                    return;
                }
                let mut earlier = self.history[..next].iter().rev().filter(|(_, other, _)| *other == place);
                let last = earlier.find_map(|(_, _, object)| object.as_ref());
                let uid = last.expect("only what was written is deleted").uid().to_owned();
                self.state.delete(&place_key(place), &uid, &version.to_string());
            }
        }
    }

    /// Checks that our own writes are never forgotten.
    fn assert_own_writes(&self) {
        for (uid, (place, version)) in &self.written {
            let live = self.state.get(&place_key(*place)).unwrap_or_else(|| panic!("{uid} is forgotten"));
            assert!(live.resource_version.number() >= Some(*version), "{uid} went back");
        }
        for (uid, place) in &self.deleted {
            assert!(
                self.state.get(&place_key(*place)).is_none_or(|live| live.uid.to_string() != *uid),
                "{uid} came back"
            );
        }
    }

    /// Lets everything arrive.
    fn settle(&mut self) {
        while !self.landing.is_empty() {
            self.step(Step::Land(0, Detail::MetadataOnly));
        }
        for kind in 0..KINDS.len() {
            if matches!(self.streams[kind], Stream::Off) {
                self.list(kind, 0);
            }
            (0..200).for_each(|_| self.deliver(kind));
        }
        let missing: Vec<_> = APPS.iter().flat_map(|name| self.state.missing_bodies(&app(name))).collect();
        for key in missing {
            let object = self.objects.values().find(|object| object.key(cluster()) == key).unwrap();
            self.state.fold_response(&cluster(), object, Detail::Full);
        }
    }

    /// Checks the index against the cluster.
    fn assert_settled(&self) {
        for kind in 0..KINDS.len() {
            let found: BTreeSet<_> = self.state.of_kind(&cluster(), &group_kind(kind)).map(|(key, _)| key).collect();
            let expected: BTreeSet<_> =
                self.objects.keys().filter(|place| place.0 == kind).map(|place| place_key(*place)).collect();
            assert_eq!(found, expected);
        }
        for object in self.objects.values() {
            let key = object.key(cluster());
            let live = self.state.get(&key).unwrap();
            assert_eq!(
                (live.uid.to_string(), live.resource_version.to_string()),
                (object.uid().to_owned(), object.resource_version().to_owned())
            );
            if let Some(body) = live.body.held() {
                assert_eq!(body.decode(), *object);
            }
            let children: BTreeSet<_> =
                self.objects.values().filter(|child| owns(object, child)).map(|child| child.key(cluster())).collect();
            assert_eq!(self.state.children(&key), children.into_iter().collect::<Vec<_>>());
        }
        for name in APPS {
            assert_eq!(self.state.missing_bodies(&app(name)), []);
            let tracked: BTreeSet<_> = self
                .objects
                .values()
                .filter(|object| tracks(object, name))
                .map(|object| object.key(cluster()))
                .collect();
            assert_eq!(self.state.tracked_by(&app(name)), tracked.into_iter().collect::<Vec<_>>());
        }
    }
}

fn owns(owner: &Object, object: &Object) -> bool {
    owner.key(cluster()) != object.key(cluster())
        && object.metadata().owner_references.iter().any(|reference| reference.uid == owner.uid())
}

fn tracks(object: &Object, name: &str) -> bool {
    object.annotation(kube_object::TRACKING_ANNOTATION).is_some_and(|id| id.starts_with(&format!("{name}:")))
}

fn step() -> impl Strategy<Value = Step> {
    let place = || (0..KINDS.len(), 0..NAMES.len());
    let kind = || 0..KINDS.len();
    let author = || prop_oneof![Just(Author::Us), Just(Author::Other)];
    let detail = prop_oneof![Just(Detail::Full), Just(Detail::MetadataOnly)];
    prop_oneof![
        6 => (place(), author(), [0..4_usize, 0..3_usize, 0..3_usize]).prop_map(|(place, author, shape)| Step::Write(place, author, shape)),
        3 => (place(), author()).prop_map(|(place, author)| Step::Remove(place, author)),
        6 => (kind(), 1..4_usize).prop_map(|(kind, count)| Step::Deliver(kind, count)),
        2 => place().prop_map(Step::Read),
        2 => (0..4_usize, detail).prop_map(|(index, detail)| Step::Land(index, detail)),
        2 => (kind(), 0..6_u64).prop_map(|(kind, lag)| Step::List(kind, lag)),
        1 => kind().prop_map(Step::Drop),
        2 => (0..APPS.len(), prop::collection::btree_set(place(), 0..3)).prop_map(|(name, places)| Step::Render(name, places)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_becomes_what_the_cluster_is(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
            assert_consistent(&world.state);
            world.assert_own_writes();
        }
        world.settle();
        assert_consistent(&world.state);
        world.assert_settled();
    }
}
