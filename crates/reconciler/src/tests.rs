//! The loop in a scripted world.

mod build;
mod fields;
mod git;
mod kinds;
mod perform;
mod rng;
mod server;
mod world;

mod deleting;
mod healing;
mod operations;
mod pruning;
mod schedules;
mod sharing;
mod sources;
mod syncing;
mod why;
