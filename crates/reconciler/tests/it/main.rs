//! The loop in a scripted world: the effects that it asks for are performed by the model of `test_kit::sim`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod deleting;
mod depends_on;
mod guard;
mod healing;
mod hooks;
mod kept;
mod lost_answers;
mod operations;
mod options;
mod probe;
mod pruning;
mod several_sources;
mod sharing;
mod sources;
mod syncing;
mod why;
mod windows;
