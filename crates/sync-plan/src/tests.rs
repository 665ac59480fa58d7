//! Operations run against a model of the cluster: what is sent, what is waited for and how they end, as lines of text.

mod auto_sync;
mod crash;
mod depends_on;
mod draws;
mod dry_run;
mod guard;
mod heal;
mod history;
mod hook_items;
mod hooks;
mod model;
mod operation;
mod order;
mod probe;
mod properties;
mod prune;
mod sim;
mod waves;
mod windows;
