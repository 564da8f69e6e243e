//! Environment variables.

use crate::support::text::display_value;

/// An environment variable; `None` if it is not set or empty.
pub(super) fn env_var(name: &str) -> Result<Option<String>, String> {
    let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let as_text = value.into_string();
    as_text.map(Some).map_err(|value| {
        format!("{name} is `{}`, which is not in UTF-8", display_value(&value.to_string_lossy()))
    })
}
