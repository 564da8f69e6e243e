//! The command `plan`.

use super::arguments::reduce;
use super::exit::SUCCESS;
use super::{CommandResult, arguments, catalog, print};
use crate::plan::file;
use crate::systems::SystemInfo;

pub(super) fn plan(system: &SystemInfo, arguments: &arguments::PlanArgs) -> CommandResult {
    catalog::check_bug(system, arguments.bug.as_deref())?;
    let plan = reduce(system.plan(arguments.seed, arguments.bug.as_deref()), &arguments.leave_out);
    print(&file::to_text(&plan))?;
    Ok(SUCCESS)
}
