//! Bad input: what is wrong is told with file and line or object, the last good state stays live and nothing of it is pruned, other
//! Applications are not delayed, and it recovers by itself when the cause is gone.

mod cluster;
mod memory;
mod sharing;
mod size;
mod source;
mod spec;
mod stage;
mod yaml;
