//! Known defects: cases of a system that say that their defect is still there. A sweep counts its failures apart.

use crate::findings::case::{Case, Expectation};
use crate::findings::child::run_in_child_first;
use crate::findings::guard::HANG_AFTER_SHORT;
use crate::outcome::signature::FailureSignature;
use crate::outcome::{Options, Verdict};
use crate::plan::file::{self, display_path, error_reason};
use crate::systems::SystemInfo;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A known defect.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KnownDefect {
    /// The name of its case.
    pub case: String,
    /// How it fails.
    pub signature: FailureSignature,
}

/// The case files in a folder (`*.toml`), by name.
///
/// # Errors
///
/// The folder cannot be read.
pub fn case_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let cannot = |error| format!("{}: cannot be read: {}", display_path(folder), error_reason(&error));
    let entries = std::fs::read_dir(folder).map_err(cannot)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(cannot)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    Ok(paths)
}

/// The known defects of a system, with this bug or without one: its cases in a folder that expect an open defect. A case
/// without a signature is run to get it.
///
/// # Errors
///
/// A case cannot be read, or is not about a defect any more.
pub fn known_defects(
    folder: &Path,
    system: &SystemInfo,
    bug: Option<&str>,
) -> Result<Vec<KnownDefect>, String> {
    let mut known = Vec::new();
    // A link to nowhere is no case.
    for path in case_files(folder)?.into_iter().filter(|path| path.exists()) {
        let case = file::read_text(&path).and_then(|text| Case::from_text(&text));
        let case = file::with_path(&path, case).map_err(|error| error.to_string())?;
        let is_open = matches!(case.expect, Expectation::OpenDefect(_)) && case.plan.bug.as_deref() == bug;
        if !is_open || case.system != system.full_name() {
            continue;
        }
        file::with_path(&path, case.check(system)).map_err(|error| error.to_string())?;
        let signature = match &case.signature {
            Some(signature) => signature.clone(),
            None => {
                signature_of(&case, system).map_err(|error| format!("{}: {error}", display_path(&path)))?
            }
        };
        let case = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        known.push(KnownDefect { case, signature });
    }
    Ok(known)
}

/// How the run of a case fails.
fn signature_of(case: &Case, system: &SystemInfo) -> Result<FailureSignature, String> {
    let outcome = run_in_child_first(system, &case.plan, &Options::default(), HANG_AFTER_SHORT)?.outcome;
    match &outcome.verdict {
        Verdict::Failed(failure) if case.is_met_by(&outcome) => Ok(FailureSignature::of(failure)),
        _ => Err(format!("its defect is gone; expected: {}", case.expect)),
    }
}
