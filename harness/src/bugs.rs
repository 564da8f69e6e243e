//! The bugs that can be switched on by name: each breaks one load-bearing line.

/// A bug that can be switched on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bug {
    /// Its name, as `--bug` and a plan's `bug` take it.
    pub name: &'static str,
    /// Its number in the catalogue.
    pub id: &'static str,
    /// The property that must notice it first.
    pub first: &'static str,
    /// What a user would suffer.
    pub consequence: &'static str,
}

/// All of them, in the order of the catalogue.
#[must_use]
pub fn all() -> Vec<Bug> {
    Vec::new()
}

/// The bug with this name.
#[must_use]
pub fn find(name: &str) -> Option<Bug> {
    all().into_iter().find(|bug| bug.name == name)
}
