//! The API server and the way to it fail at random, and everything ends as Git says all the same.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Method;
use integration_tests::{ApiRequest, Environment, Refusal, Treatment, WatchEnd};

use crate::life::{Data, Lease, Life, Living, Operations};
use crate::sweep::{Dice, Series, sweep};

/// How many objects the Application has.
const SIZE: usize = 25;
/// How many requests of a hundred something happens to.
const PERCENT: u64 = 10;
/// What a 429 asks to wait.
const RETRY_AFTER: u32 = 1;
/// Long enough for requests that are never answered, which end after half a minute.
const PATIENCE: Duration = Duration::from_mins(4);
const LANES: usize = 4;

/// What can happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    TooMany,
    Internal,
    Unavailable,
    Gone,
    Reset,
    LostAnswer,
    WatchExpires,
    WatchBreaks,
    Hang,
}

/// All that happens in short runs.
const QUICK: [Fault; 8] = [
    Fault::TooMany,
    Fault::Internal,
    Fault::Unavailable,
    Fault::Gone,
    Fault::Reset,
    Fault::LostAnswer,
    Fault::WatchExpires,
    Fault::WatchBreaks,
];

/// Runs come in tens: eight with one kind of fault each, one with all of them, one with all of them and requests that are never
/// answered. The run's number is its seed.
#[tokio::test(flavor = "multi_thread")]
async fn fault_after_fault() {
    sweep(Series { topic: "fault", few: vec![0, 5, 6, 8, 18], all: 200, lanes: LANES }, run).await;
}

async fn run(seed: u64) -> String {
    let kinds = match usize::try_from(seed % 10) {
        Ok(single @ 0..8) => vec![QUICK[single]],
        Ok(8) => QUICK.to_vec(),
        _ => [&QUICK[..], &[Fault::Hang]].concat(),
    };
    let living = Living {
        size: SIZE,
        data: Data::Kept,
        lease: Lease::Freed,
        propagation: if seed / 10 % 2 == 1 { "Foreground" } else { "Background" },
        patience: PATIENCE,
    };
    let mut life = Life::begin(Environment::new("fault").await, living).await;
    let happened = Arc::new(Mutex::new(Happened::default()));
    let (mut dice, log) = (Dice::new(seed), Arc::clone(&happened));
    life.proxy.follow(move |request| {
        let fault =
            (dice.below(100) < PERCENT).then(|| kinds[usize::try_from(dice.below(kinds.len() as u64)).unwrap()]);
        let which = usize::try_from(dice.below(1000)).unwrap();
        let treatment = fault.map_or(Treatment::Pass, |fault| fault.treatment(request, which));
        log.lock().unwrap().note(request, fault, treatment);
        treatment
    });
    life.sync(Operations::UntilOneSucceeds, ready(())).await;
    life.update(Operations::UntilOneSucceeds, ready(())).await;
    life.heal().await;
    life.delete(ready(())).await;
    life.proxy.follow(|_| Treatment::Pass);
    let (deaths, happened) = (life.deaths(), std::mem::take(&mut *happened.lock().unwrap()));
    assert_eq!(happened.hasty, Vec::<String>::new(), "sent again sooner than the API server asked for");
    life.clean_up().await;
    format!("{:?} in {} requests, {deaths} restarts", happened.faults, happened.requests)
}

impl Fault {
    fn treatment(self, request: &ApiRequest, which: usize) -> Treatment {
        match self {
            Self::TooMany => Treatment::Refuse(Refusal::TooMany { retry_after: RETRY_AFTER }),
            Self::Internal => Treatment::Refuse(Refusal::Internal),
            Self::Unavailable => Treatment::Refuse(Refusal::Unavailable),
            // Only what has a version can be too old.
            Self::Gone if request.is_watch() => Treatment::Refuse(Refusal::Gone),
            Self::Gone | Self::WatchExpires => Treatment::EndWatch { which, how: WatchEnd::Expired },
            Self::WatchBreaks => Treatment::EndWatch { which, how: WatchEnd::Reset },
            Self::Reset => Treatment::Reset,
            Self::LostAnswer => Treatment::LoseAnswer,
            Self::Hang => Treatment::Hang,
        }
    }
}

/// What happened in a run.
#[derive(Default)]
struct Happened {
    requests: usize,
    faults: BTreeMap<Fault, usize>,
    /// When each write was told to wait.
    told: BTreeMap<String, Instant>,
    /// Writes that came again too soon.
    hasty: Vec<String>,
}

impl Happened {
    fn note(&mut self, request: &ApiRequest, fault: Option<Fault>, treatment: Treatment) {
        self.requests += 1;
        if let Some(fault) = fault {
            *self.faults.entry(fault).or_default() += 1;
        }
        if !request.is_write() || request.method == Method::POST {
            return;
        }
        let name = format!("{} {}", request.method, request.path);
        if let Some(told) = self.told.remove(&name)
            && told.elapsed() < Duration::from_secs(RETRY_AFTER.into())
        {
            self.hasty.push(format!("{name} after {:?}", told.elapsed()));
        }
        if treatment == (Treatment::Refuse(Refusal::TooMany { retry_after: RETRY_AFTER })) {
            self.told.insert(name, Instant::now());
        }
    }
}
