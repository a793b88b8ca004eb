//! Everything that is wrong with a configuration, collected, so that one start shows all of it.

use std::fmt;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

/// One mistake: where, what, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
struct Mistake {
    path: String,
    problem: String,
    fix: String,
}

impl Mistakes {
    pub fn add(&mut self, path: &str, problem: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Mistake { path: path.to_owned(), problem: problem.into(), fix: fix.into() });
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "the configuration has a mistake:")?,
            count => write!(f, "the configuration has {count} mistakes:")?,
        }
        self.0
            .iter()
            .try_for_each(|mistake| write!(f, "\n  {}: {}; {}", mistake.path, mistake.problem, mistake.fix))
    }
}

impl std::error::Error for Mistakes {}
