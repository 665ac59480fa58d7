//! Straight-line Lua: the part of the language that documented health scripts are written in.
//!
//! There are no loops, functions or calls, so a script ends after at most as many steps as it has words.

mod eval;
mod lexer;
mod parser;

use kube_object::Object;

use crate::{Health, HealthStatus};
use parser::Statement;

/// A script that was read and is understood.
#[derive(Debug)]
pub(crate) struct Script(Vec<Statement>);

impl Script {
    /// Reads a script; the error says what is not understood, with its line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        parser::parse(lexer::lex(text)?).map(Self)
    }

    /// Runs the script for `object`; none when it returns nothing or an empty table, which says nothing about health.
    pub(crate) fn health(&self, object: &Object) -> Option<Health> {
        eval::run(&self.0, object).unwrap_or_else(|error| Some(Health::new(HealthStatus::Unknown, error)))
    }
}
