//! How this process was started, so that printed commands work where they are read.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

/// What printed commands start with.
static START: OnceLock<String> = OnceLock::new();
/// The profile that they end with.
static PROFILE: OnceLock<String> = OnceLock::new();
/// What they start with in a process that is not a command line, such as a test.
const DEFAULT: &str = "cargo run --release --";

/// Whether this process is a command line of the harness.
static IS_COMMAND_LINE: OnceLock<()> = OnceLock::new();

/// Whether this process is a command line of the harness; otherwise, a test.
pub(crate) fn is_command_line() -> bool {
    IS_COMMAND_LINE.get().is_some()
}

/// A command line of this program, such as `cargo run --release -- replay FILE`.
#[must_use]
pub fn command(arguments: &str) -> String {
    let start = START.get().map_or(DEFAULT, String::as_str);
    let profile = PROFILE.get().map(|name| format!(" --profile {name}")).unwrap_or_default();
    format!("{start} {arguments}{profile}")
}

/// Takes over the profile of the system.
pub(crate) fn set_profile(name: &str) {
    _ = PROFILE.set(name.to_owned());
}

/// Takes over how the command line was started. `arguments`: what `cargo run` needs to find it.
pub(crate) fn set_from_environment(arguments: &str) {
    let program = std::env::args_os().next().unwrap_or_default();
    let by_cargo = std::env::var_os("CARGO").is_some();
    _ = IS_COMMAND_LINE.set(());
    // Only the first call counts: a process is started once.
    _ = START.set(start_of_commands(Path::new(&program), by_cargo, arguments));
}

/// For tests of a system, which have no command line of their own.
pub(crate) fn set_for_tests(arguments: &str) {
    if !arguments.is_empty() {
        _ = START.set(format!("cargo run {arguments} --"));
    }
}

/// What starts a program with this path. Cargo passes `target/PROFILE/NAME`, or `target/PROFILE/examples/NAME`.
fn start_of_commands(program: &Path, by_cargo: bool, arguments: &str) -> String {
    let folder = program.parent().and_then(Path::file_name);
    let is_example = folder == Some(OsStr::new("examples"));
    let profile = program.ancestors().nth(if is_example { 2 } else { 1 }).and_then(Path::file_name);
    let (Some(profile), Some(name)) = (profile.and_then(OsStr::to_str), program.file_stem()) else {
        return shell_quote(program);
    };
    if !by_cargo {
        return shell_quote(program);
    }
    let profile = match profile {
        "debug" => String::new(),
        "release" => " --release".to_owned(),
        other => format!(" --profile {other}"),
    };
    let space = if arguments.is_empty() { "" } else { " " };
    let example = if is_example { format!(" --example {}", name.to_string_lossy()) } else { String::new() };
    format!("cargo run{profile}{space}{arguments}{example} --")
}

/// A path as one shell word.
#[must_use]
pub fn shell_quote(path: &Path) -> String {
    let text = path.display().to_string();
    let is_safe = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@' | '%' | ':' | '=' | ',')
    };
    if text.chars().all(is_safe) {
        return text;
    }
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => quoted += "'\\''",
            c => quoted.push(c),
        }
    }
    quoted + "'"
}

#[cfg(test)]
mod tests {
    use super::start_of_commands;
    use std::path::Path;

    #[test]
    fn commands_start_as_the_process_was_started() {
        let start =
            |program: &str, by_cargo, arguments| start_of_commands(Path::new(program), by_cargo, arguments);
        assert_eq!(start("target/release/harness", true, ""), "cargo run --release --");
        assert_eq!(
            start("/home/a/target/debug/mine", true, "-p mine --features cli"),
            "cargo run -p mine --features cli --"
        );
        assert_eq!(
            start("target/first/examples/primary", true, "-p harness"),
            "cargo run --profile first -p harness --example primary --"
        );
        assert_eq!(start("./target/release/mine", false, ""), "./target/release/mine");
        assert_eq!(start("/opt/my tools/mine", false, ""), "'/opt/my tools/mine'");
        assert_eq!(start("mine", true, ""), "mine");
    }
}
