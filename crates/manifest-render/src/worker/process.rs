//! One worker process: its pipes, its deadline, its memory and its end.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use super::frame::{Decoder, Frame, encode};
use super::pool::WorkerOptions;
use super::protocol::{Found, Hello, VERSION, WorkerHello, from_worker, to_worker};

/// How often the memory of a busy worker is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Longest time until a new worker says hello.
const START: Duration = Duration::from_secs(20);
/// Bytes of a worker's complaints that are kept.
const COMPLAINTS: usize = 2048;

/// A worker ended, or had to be ended, before it gave an answer.
#[derive(Debug, thiserror::Error)]
pub enum WorkerFault {
    /// It cannot be started.
    #[error("cannot start the render worker {}: {source}; install it beside driftless", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is of another release.
    #[error("the render worker {} speaks version {theirs} of the protocol, this daemon version {VERSION}; install both from one release", .program.display())]
    Version {
        /// The program.
        program: PathBuf,
        /// Its version of the protocol.
        theirs: u32,
    },
    /// It took too long.
    #[error("rendering took longer than {} s", .0.as_secs())]
    TimedOut(Duration),
    /// It took too much memory.
    #[error("rendering took more than {} MiB of memory", .0 >> 20)]
    Memory(u64),
    /// It ended by itself.
    #[error("the render worker ended while it rendered ({how}){complaint}")]
    Died {
        /// Its exit status or signal.
        how: String,
        /// What it complained of last, after a colon; may be empty.
        complaint: String,
    },
    /// It said what it may not say.
    #[error("the render worker broke the protocol: {0}")]
    Protocol(String),
    /// Its pipes failed.
    #[error("the pipe to the render worker failed: {0}")]
    Pipe(io::Error),
}

impl WorkerFault {
    /// Returns the fault in one word, for counting.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Version { .. } => "version",
            Self::TimedOut(_) => "timeout",
            Self::Memory(_) => "memory",
            Self::Died { .. } => "died",
            Self::Protocol(_) => "protocol",
            Self::Pipe(_) => "pipe",
        }
    }
}

/// A worker that runs.
#[derive(Debug)]
pub(super) struct WorkerProcess {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    errors: Option<ChildStderr>,
    decoder: Decoder,
    complaints: Vec<u8>,
    memory: u64,
}

impl WorkerProcess {
    /// Starts a worker and waits for its hello.
    pub(super) fn start(options: &WorkerOptions) -> Result<Self, WorkerFault> {
        let failed = |source| WorkerFault::Start { program: options.program.clone(), source };
        let mut child = Command::new(&options.program)
            // Go collects garbage harder as it comes near this; the watch on resident memory is the bound.
            .args(["--memory-limit", &(options.memory / 4 * 3).to_string()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else {
            return Err(failed(io::Error::other("it has no pipes")));
        };
        let mut worker = Self {
            child,
            input,
            output,
            errors: Some(errors),
            decoder: Decoder::default(),
            complaints: Vec::new(),
            memory: options.memory,
        };
        for pipe in [worker.input.as_fd(), worker.output.as_fd()] {
            rustix::io::ioctl_fionbio(pipe, true).map_err(|error| failed(error.into()))?;
        }
        if let Some(errors) = &worker.errors {
            rustix::io::ioctl_fionbio(errors, true).map_err(|error| failed(error.into()))?;
        }
        let clock = Clock::new(START);
        worker.send_json(to_worker::HELLO, &Hello { protocol: VERSION }, clock)?;
        let frame = worker.receive(4096, clock)?;
        let hello: WorkerHello = match frame.kind {
            from_worker::HELLO => read(&frame)?,
            kind => return Err(WorkerFault::Protocol(format!("it began with a message of kind {kind}"))),
        };
        if hello.protocol != VERSION {
            return Err(WorkerFault::Version { program: options.program.clone(), theirs: hello.protocol });
        }
        tracing::info!(
            pid = worker.child.id(),
            helm = hello.helm,
            kustomize = hello.kustomize,
            "started a render worker"
        );
        Ok(worker)
    }

    /// Sends a message made of JSON.
    pub(super) fn send_json(&mut self, kind: u8, message: &impl Serialize, clock: Clock) -> Result<(), WorkerFault> {
        let payload = serde_json::to_vec(message).map_err(|error| WorkerFault::Protocol(error.to_string()))?;
        self.send(&encode(kind, &[&payload]), clock)
    }

    /// Answers a question.
    pub(super) fn answer(&mut self, found: &Found, clock: Clock) -> Result<(), WorkerFault> {
        let (outcome, content) = found.encode();
        self.send(&encode(to_worker::ANSWER, &[&[outcome], &content]), clock)
    }

    /// Waits for the next message, of at most `most` bytes.
    pub(super) fn receive(&mut self, most: usize, clock: Clock) -> Result<Frame, WorkerFault> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match self.decoder.next(most) {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(error) => return Err(WorkerFault::Protocol(error.to_string())),
            }
            match self.output.read(&mut buffer) {
                Ok(0) => return Err(self.died()),
                Ok(read) => self.decoder.push(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(PollFlags::IN, clock)?,
                Err(error) => return Err(WorkerFault::Pipe(error)),
            }
        }
    }

    /// Tells whether the worker can take another render: it lives and has said nothing unasked.
    pub(super) fn is_ready(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None)) && self.decoder.is_empty()
    }

    /// Returns the resident memory in bytes; 0 where it cannot be read.
    pub(super) fn resident(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap_or_default();
        let pages: Option<u64> = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
        pages.unwrap_or(0) * rustix::param::page_size() as u64
    }

    fn send(&mut self, mut bytes: &[u8], clock: Clock) -> Result<(), WorkerFault> {
        while !bytes.is_empty() {
            match self.input.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(PollFlags::OUT, clock)?,
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Err(self.died()),
                Err(error) => return Err(WorkerFault::Pipe(error)),
            }
        }
        Ok(())
    }

    /// Waits until the pipe is ready, within the bounds on time and memory.
    fn wait(&mut self, direction: PollFlags, clock: Clock) -> Result<(), WorkerFault> {
        loop {
            let left = clock.left()?;
            let pipe = if direction == PollFlags::OUT { self.input.as_fd() } else { self.output.as_fd() };
            let errors = self.errors.as_ref().map(AsFd::as_fd);
            let (is_ready, has_complaint) =
                ready(pipe, direction, errors, left.min(LOOK)).map_err(WorkerFault::Pipe)?;
            if has_complaint {
                self.hear();
            }
            if is_ready {
                return Ok(());
            }
            if self.resident() > self.memory {
                return Err(WorkerFault::Memory(self.memory));
            }
        }
    }

    /// Takes in what the worker complains of; the last of it is kept.
    fn hear(&mut self) {
        let Some(errors) = &mut self.errors else { return };
        let mut buffer = [0; 4096];
        match errors.read(&mut buffer) {
            Ok(0) => self.errors = None,
            Ok(read) => {
                self.complaints.extend_from_slice(&buffer[..read]);
                // Of a broken-off program the first lines tell why, and nothing else is said before.
                self.complaints.truncate(COMPLAINTS);
            }
            Err(_) => {}
        }
    }

    fn died(&mut self) -> WorkerFault {
        self.hear();
        let how = match self.child.wait() {
            Ok(status) => described(status),
            Err(error) => error.to_string(),
        };
        let text = String::from_utf8_lossy(&self.complaints);
        let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let complaint = if first.is_empty() { String::new() } else { format!(": {first}") };
        WorkerFault::Died { how, complaint }
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Reads a message made of JSON.
pub(super) fn read<T: serde::de::DeserializeOwned>(frame: &Frame) -> Result<T, WorkerFault> {
    serde_json::from_slice(&frame.payload).map_err(|error| WorkerFault::Protocol(error.to_string()))
}

/// When a render has to be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    until: Instant,
    allowed: Duration,
}

impl Clock {
    pub(super) fn new(allowed: Duration) -> Self {
        Self { until: Instant::now() + allowed, allowed }
    }

    fn left(self) -> Result<Duration, WorkerFault> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(WorkerFault::TimedOut(self.allowed)) } else { Ok(left) }
    }
}

/// Waits for a pipe or for complaints; tells which are there.
fn ready(
    pipe: BorrowedFd<'_>,
    direction: PollFlags,
    errors: Option<BorrowedFd<'_>>,
    wait: Duration,
) -> io::Result<(bool, bool)> {
    let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
    let mut watched = vec![PollFd::from_borrowed_fd(pipe, direction)];
    watched.extend(errors.map(|errors| PollFd::from_borrowed_fd(errors, PollFlags::IN)));
    match poll(&mut watched, Some(&wait)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let is_ready = |at: usize| watched.get(at).is_some_and(|watched| !watched.revents().is_empty());
    Ok((is_ready(0), is_ready(1)))
}

fn described(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(signal) => format!("signal {signal}"),
        None => format!("exit status {}", status.code().unwrap_or_default()),
    }
}
