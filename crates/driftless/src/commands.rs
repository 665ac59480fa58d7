//! The commands, one module each, and the exit codes they end with.

mod app;
mod crds;
mod health;
mod render;
mod version;
mod why;

use std::io;
use std::process::ExitCode;

use crate::cli::{AppCommand, Cli, Command};
use crate::{controller, output};

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As asked: exit code 0.
    Done,
    /// Asked for something that is not so, such as a wait that timed out: exit code 1.
    NotSo,
}

/// Runs a command and reports its error; returns the exit code of the process.
pub(crate) fn run(cli: Cli) -> ExitCode {
    // Where 1 has a meaning of its own, errors are 2.
    let failure = if matches!(cli.command, Command::App(AppCommand::Wait(_))) { 2 } else { 1 };
    match dispatch(cli.command) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::NotSo) => ExitCode::from(1),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::from(failure)
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Controller(args) => block_on(controller::run_controller(args)).map(|()| Outcome::Done),
        Command::Crds => crds::run(),
        Command::Render(args) => block_on(render::run(args)),
        Command::Health(args) => health::run(&args),
        Command::App(AppCommand::List(args)) => block_on(app::list::run(args)),
        Command::App(AppCommand::Get(args)) => block_on(app::get::run(args)),
        Command::App(AppCommand::Wait(args)) => block_on(app::wait::run(args)),
        Command::Why(args) => block_on(why::run(args)),
        Command::Version(args) => version::run(&args),
    }
}

fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}

/// Tells whether the reader of the results has gone away, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
