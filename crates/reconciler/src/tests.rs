//! The loop in a scripted world.

mod build;
mod fields;
mod git;
mod rng;
mod server;
mod world;

mod healing;
mod operations;
mod pruning;
mod sources;
mod syncing;
