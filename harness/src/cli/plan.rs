//! The command `plan`.

use super::exit::SUCCESS;
use super::{CommandResult, arguments, catalog, print};
use crate::plan::{Plan, file, generate};

pub(super) fn plan(arguments: &arguments::PlanArgs) -> CommandResult {
    catalog::check_bug(arguments.bug.as_deref())?;
    let plan = Plan { bug: arguments.bug.clone(), ..generate(arguments.seed) };
    print(&file::to_text(&plan))?;
    Ok(SUCCESS)
}
