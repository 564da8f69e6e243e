//! Exploration cases: a scope with a trace that breaks a property, as a file.

use super::{Found, Scope};
use crate::plan::file::parse_toml;
use serde::{Deserialize, Serialize};

/// A trace that breaks a property.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplorationCase {
    /// The bug that is switched on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bug: Option<String>,
    /// The property that the trace breaks.
    pub property: String,
    /// The steps, each as its line.
    pub trace: Vec<String>,
    /// The scope.
    pub scope: Scope,
}

impl ExplorationCase {
    /// The case of a violation.
    #[must_use]
    pub fn of(scope: Scope, bug: Option<&str>, found: &Found) -> ExplorationCase {
        ExplorationCase {
            bug: bug.map(str::to_owned),
            property: found.property.clone(),
            trace: found.trace.iter().map(ToString::to_string).collect(),
            scope,
        }
    }

    /// Reads a case.
    ///
    /// # Errors
    /// The text is no case.
    pub fn from_toml(text: &str) -> Result<ExplorationCase, String> {
        let case: ExplorationCase = parse_toml(text).map_err(|error| error.to_string())?;
        case.scope.validate()?;
        Ok(case)
    }

    /// The case as text.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string_pretty(self).map_err(|error| error.to_string())
    }
}
