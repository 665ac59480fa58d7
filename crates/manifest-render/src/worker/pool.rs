//! The workers that stay warm.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::process::{Clock, WorkerFault, WorkerProcess, read};
use super::protocol::{Failed, FailureKind, Found, Job, LookUp, Rendered, from_worker, to_worker};

/// How workers are run.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// The program.
    pub program: PathBuf,
    /// Workers at once.
    pub most: usize,
    /// Bytes of resident memory of one; it is ended when it takes more.
    pub memory: u64,
    /// Longest time of a render.
    pub deadline: Duration,
    /// How long a worker waits for its next render before it is ended.
    pub idle: Duration,
    /// Bytes of what a render may come to.
    pub output: usize,
}

impl WorkerOptions {
    /// Makes the usual options for a program.
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            most: 2,
            memory: 384 << 20,
            deadline: Duration::from_mins(1),
            idle: Duration::from_mins(5),
            output: 100 << 20,
        }
    }
}

/// Why a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerEnd {
    /// It had nothing to do for long.
    Idle,
    /// It held more memory after a render than it needs to stay warm.
    Large,
    /// A render went wrong; the word of [`WorkerFault::as_str`], or `internal` when a library broke off.
    Fault(&'static str),
}

/// The render workers of this process: started when first needed, kept while they are used. Cheap to clone.
#[derive(Clone)]
pub struct RenderWorkers {
    shared: Arc<Shared>,
}

struct Shared {
    options: WorkerOptions,
    workers: Mutex<Workers>,
    freed: Condvar,
    ended: Box<dyn Fn(WorkerEnd) + Send + Sync>,
}

#[derive(Default)]
struct Workers {
    idle: Vec<Idle>,
    busy: usize,
}

struct Idle {
    process: WorkerProcess,
    since: Instant,
}

impl std::fmt::Debug for RenderWorkers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RenderWorkers").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl RenderWorkers {
    /// Makes a pool that is empty; `ended` hears of every worker that ends.
    pub fn new(options: WorkerOptions, ended: impl Fn(WorkerEnd) + Send + Sync + 'static) -> Self {
        let shared = Shared { options, workers: Mutex::default(), freed: Condvar::new(), ended: Box::new(ended) };
        Self { shared: Arc::new(shared) }
    }

    /// Ends workers that have been idle for long; to be called from time to time.
    pub fn end_idle(&self) {
        let old: Vec<Idle> = {
            let idle = self.shared.options.idle;
            self.lock().idle.extract_if(.., |worker| worker.since.elapsed() >= idle).collect()
        };
        for _ in &old {
            (self.shared.ended)(WorkerEnd::Idle);
        }
    }

    /// Returns the bounds that a render must stay in.
    pub(crate) fn limits(&self) -> super::Limits {
        super::Limits { output_bytes: self.shared.options.output }
    }

    /// Renders, and answers the worker's questions with `look_up`. Blocks.
    ///
    /// Waits for a worker that is free; its own time counts from then.
    pub(crate) fn render(
        &self,
        job: &Job,
        look_up: impl FnMut(LookUp) -> Found,
    ) -> Result<Result<Rendered, Failed>, WorkerFault> {
        let mut turn = self.take();
        let result = self.run(&mut turn, job, look_up);
        match &result {
            Ok(Err(failed)) if failed.kind == FailureKind::Internal => turn.spoil(WorkerEnd::Fault("internal")),
            Ok(_) => {}
            Err(fault) => turn.spoil(WorkerEnd::Fault(fault.as_str())),
        }
        result
    }

    fn run(
        &self,
        turn: &mut Turn,
        job: &Job,
        mut look_up: impl FnMut(LookUp) -> Found,
    ) -> Result<Result<Rendered, Failed>, WorkerFault> {
        let options = &self.shared.options;
        let process = match &mut turn.process {
            Some(process) => process,
            none => none.insert(WorkerProcess::start(options)?),
        };
        let clock = Clock::new(options.deadline);
        process.send_json(to_worker::RENDER, job, clock)?;
        // Text in JSON may be longer than what it stands for.
        let most = options.output.saturating_mul(2).saturating_add(1 << 20);
        loop {
            let frame = process.receive(most, clock)?;
            match frame.kind {
                from_worker::LOOK_UP => process.answer(&look_up(read(&frame)?), clock)?,
                from_worker::RENDERED => return Ok(Ok(read(&frame)?)),
                from_worker::FAILED => return Ok(Err(read(&frame)?)),
                kind => return Err(WorkerFault::Protocol(format!("a message of kind {kind}"))),
            }
        }
    }

    /// Takes a turn, with a worker that is warm if there is one.
    fn take(&self) -> Turn {
        let most = self.shared.options.most.max(1);
        let mut workers = self.lock();
        while workers.busy >= most {
            workers = self.shared.freed.wait(workers).unwrap_or_else(PoisonError::into_inner);
        }
        workers.busy += 1;
        let mut process = None;
        while let Some(mut idle) = workers.idle.pop() {
            if idle.process.is_ready() {
                process = Some(idle.process);
                break;
            }
            (self.shared.ended)(WorkerEnd::Fault("died"));
        }
        Turn { pool: self.clone(), process }
    }

    fn lock(&self) -> MutexGuard<'_, Workers> {
        self.shared.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to use one worker.
struct Turn {
    pool: RenderWorkers,
    process: Option<WorkerProcess>,
}

impl Turn {
    /// Ends the worker.
    fn spoil(&mut self, why: WorkerEnd) {
        self.process = None;
        (self.pool.shared.ended)(why);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // What a large render leaves behind is more than starting anew costs.
        let most = self.pool.shared.options.memory / 2;
        if self.process.as_ref().is_some_and(|process| process.resident() > most) {
            self.spoil(WorkerEnd::Large);
        }
        let process = self.process.take();
        let mut workers = self.pool.lock();
        workers.busy -= 1;
        workers.idle.extend(process.map(|process| Idle { process, since: Instant::now() }));
        drop(workers);
        self.pool.shared.freed.notify_one();
    }
}
