//! The `driftless` command as a process.

#[cfg(test)]
mod cli;
#[cfg(test)]
mod daemon;
#[cfg(test)]
mod support;
#[cfg(test)]
mod why;
