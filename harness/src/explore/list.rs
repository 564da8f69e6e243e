//! Lists of scopes, each with the number of its states, as a file: what is explored before a change lands, and at night.

use super::Scope;
use crate::plan::file::parse_toml;
use serde::Deserialize;

/// A list of scopes.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeList {
    /// The scopes, in the order in which they are explored.
    pub explore: Vec<ListedScope>,
}

/// One scope of a list.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedScope {
    /// The number of its states; `None` if it is not known yet.
    pub states: Option<usize>,
    /// Whether liveness is checked, too.
    #[serde(default)]
    pub liveness: bool,
    /// The scope.
    pub scope: Scope,
}

impl ScopeList {
    /// Reads a list.
    ///
    /// # Errors
    /// The text is no list, or one of its scopes cannot be explored.
    pub fn from_toml(text: &str) -> Result<ScopeList, String> {
        let list: ScopeList = parse_toml(text).map_err(|error| error.to_string())?;
        for (number, listed) in (1..).zip(&list.explore) {
            listed.scope.validate().map_err(|reason| format!("scope {number}: {reason}"))?;
        }
        if list.explore.is_empty() { Err("it lists no scope".into()) } else { Ok(list) }
    }
}
