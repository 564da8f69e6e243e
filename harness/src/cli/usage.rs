//! Parses the command line, and explains in one sentence what is wrong with it.

use super::arguments::Cli;
use super::exit;
use super::output::print;
use crate::support::text::display_value;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, Command, CommandFactory, FromArgMatches, Id};
use std::error::Error;
use std::ffi::OsString;

/// Whether `--json` was given, even if the rest cannot be parsed.
pub(super) fn asks_for_json(args: &[OsString]) -> bool {
    args.iter()
        .skip(1)
        .take_while(|word| *word != "--")
        .any(|word| word == "--json" || word.as_encoded_bytes().starts_with(b"--json="))
}

/// The parsed command line; `None` if clap has answered it (`--help`, `--version`).
pub(super) fn parse(args: Vec<OsString>) -> Result<Option<Cli>, String> {
    match try_parse(&args) {
        Ok(cli) => Ok(Some(cli)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                print(&error.to_string())?;
                Ok(None)
            }
            _ => Err(error_message(&args, &error)),
        },
    }
}

fn try_parse(args: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = Cli::command().after_help(exit::EXIT_CODES_HELP).try_get_matches_from(args)?;
    Cli::from_arg_matches(&matches)
}

/// What is wrong with the command line, and the likely intention.
#[expect(clippy::disallowed_methods, reason = "an unknown argument comes from the command line")]
fn error_message(args: &[OsString], error: &clap::Error) -> String {
    let of = |kind| error.get(kind).map(context_values).unwrap_or_default();
    let all = |kind| of(kind).join(", ");
    let argument = all(ContextKind::InvalidArg);
    let option = || {
        let mut command = Cli::command();
        command.build();
        let found = find_argument(&command, &argument);
        found.and_then(|found| found.get_long().map(|long| format!("--{long}"))).unwrap_or(argument.clone())
    };
    let value = display_value(&all(ContextKind::InvalidValue));
    let meant = |near: Vec<String>| match near.is_empty() {
        true => String::new(),
        false => format!("; did you mean `{}`?", near.join("` or `")),
    };
    match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            format!(
                "there is no option `{}` here{}",
                display_value(&argument),
                meant(of(ContextKind::SuggestedArg))
            )
        }
        ErrorKind::UnknownArgument => {
            format!("unexpected argument `{}`", display_value(&argument))
        }
        ErrorKind::InvalidSubcommand => {
            let (command, near) = (all(ContextKind::InvalidSubcommand), of(ContextKind::SuggestedSubcommand));
            format!("there is no command `{}`{}", display_value(&command), meant(near))
        }
        ErrorKind::ValueValidation => {
            let reason = error.source().map(ToString::to_string).unwrap_or_default();
            format!("{} `{value}`: {reason}", option())
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("a value is missing: {argument}"),
        ErrorKind::InvalidValue | ErrorKind::TooManyValues => {
            format!("{} does not take `{value}`", option())
        }
        ErrorKind::ArgumentConflict => match all(ContextKind::PriorArg) {
            prior if prior == argument => format!("{argument} is given twice"),
            prior if argument.is_empty() => {
                let command = all(ContextKind::InvalidSubcommand);
                format!("the command `{}` must come before {prior}", display_value(&command))
            }
            prior => format!("{argument} and {prior} cannot be used together"),
        },
        ErrorKind::MissingRequiredArgument => {
            // What is missing only because of another argument, clap names itself.
            let missing = missing_arguments(args).filter(|missing| !missing.is_empty());
            format!("missing: {}", missing.map_or(argument, |missing| missing.join(" and ")))
        }
        ErrorKind::MissingSubcommand => {
            format!(
                "`{}` needs a subcommand: {}",
                all(ContextKind::InvalidSubcommand),
                of(ContextKind::ValidSubcommand).join(" or ")
            )
        }
        ErrorKind::InvalidUtf8 => "an argument is not in UTF-8".into(),
        kind => kind.to_string(),
    }
}

/// The values clap attaches to an error.
fn context_values(value: &ContextValue) -> Vec<String> {
    match value {
        ContextValue::Strings(words) => words.clone(),
        value => vec![value.to_string()],
    }
}

/// The argument of any command with this usage, by which clap names it.
fn find_argument(command: &Command, usage: &str) -> Option<Arg> {
    let own = command.get_arguments().find(|argument| argument.to_string() == usage);
    own.cloned().or_else(|| command.get_subcommands().find_map(|command| find_argument(command, usage)))
}

/// The required arguments that are missing. Those of which one is required are alternatives.
fn missing_arguments(args: &[OsString]) -> Option<Vec<String>> {
    let mut command = Cli::command().ignore_errors(true);
    let matches = command.try_get_matches_from_mut(args).ok()?;
    let (mut command, mut matches) = (&command, &matches);
    while let Some((name, inner)) = matches.subcommand() {
        (command, matches) = (command.find_subcommand(name)?, inner);
    }
    let is_missing = |id: &Id| matches.value_source(id.as_str()) != Some(ValueSource::CommandLine);
    let arguments = command
        .get_arguments()
        .filter(|argument| argument.is_required_set() && is_missing(argument.get_id()))
        .map(display_argument);
    let groups =
        command.get_groups().filter(|group| group.is_required_set() && group.get_args().all(is_missing));
    let groups = groups.map(|group| {
        let is_in_group = |argument: &&Arg| group.get_args().any(|id| id == argument.get_id());
        let alternatives = command.get_arguments().filter(is_in_group).map(display_argument);
        alternatives.collect::<Vec<_>>().join(" or ")
    });
    Some(arguments.chain(groups).collect())
}

/// An argument as it is written: `FILE`, `DIR...`, `--seed <N>`.
fn display_argument(argument: &Arg) -> String {
    let Some([name]) = argument.get_value_names().filter(|_| argument.is_positional()) else {
        return argument.to_string();
    };
    match argument.get_action() {
        ArgAction::Append => format!("{name}..."),
        _ => name.to_string(),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads the help")]
mod tests {
    use super::{error_message, try_parse};
    use crate::cli::arguments::{Cli, CliCommand};
    use clap::error::ErrorKind;
    use clap::{Command, CommandFactory};
    use std::ffi::OsString;

    /// Collects all options that take a value, each with the commands before it.
    fn options(command: &Command, before: &[String], found: &mut Vec<(Vec<String>, String)>) {
        for argument in command.get_arguments().filter(|argument| argument.get_action().takes_values()) {
            if let Some(long) = argument.get_long() {
                found.push((before.to_vec(), format!("--{long}")));
            }
        }
        for inner in command.get_subcommands() {
            options(inner, &[before, &[inner.get_name().to_owned()]].concat(), found);
        }
    }

    #[test]
    fn every_option_accepts_a_negative_number_as_its_value() {
        let mut found = Vec::new();
        options(&Cli::command(), &["harness".to_owned()], &mut found);
        assert!(found.len() > 25, "{found:?}");
        for (before, option) in found {
            // For values that begin with a number also negative ones with a suffix.
            let numbers: &[&str] = match option.as_str() {
                "--seeds" => &["-1", "-4..4"],
                "--shard" => &["-1", "-1/4"],
                "--for" | "--seconds" => &["-1", "-1s"],
                _ => &["-1"],
            };
            for number in numbers {
                let line = [before.clone(), vec![option.clone(), (*number).to_owned()]].concat();
                let args: Vec<OsString> = line.iter().map(Into::into).collect();
                let error = match try_parse(&args) {
                    Ok(_) => continue,
                    Err(error) => (error.kind(), error_message(&args, &error)),
                };
                let expected = [
                    ErrorKind::ValueValidation,
                    ErrorKind::MissingRequiredArgument,
                    ErrorKind::MissingSubcommand,
                ];
                assert!(expected.contains(&error.0), "{line:?}: {}", error.1);
            }
        }
    }

    #[test]
    fn former_names_are_accepted_and_hidden() {
        let disabled = |option: &str| {
            let args = ["harness", "run", "--seed", "1", option, "read-safety"];
            match try_parse(&args.map(Into::into)).unwrap().command {
                Some(CliCommand::Run(arguments)) => arguments.overrides.disable,
                command => panic!("{command:?}"),
            }
        };
        assert_eq!(disabled("--without"), disabled("--disable"));
        for option in ["--as-found", "--no-shrink"] {
            assert!(try_parse(&["harness", option].map(Into::into)).unwrap().sweep.no_shrink, "{option}");
        }
        for command in ["keep", "add-case"] {
            let cli = try_parse(&["harness", command, "--seed", "1", "--name", "x"].map(Into::into));
            assert!(matches!(cli.unwrap().command, Some(CliCommand::AddCase(_))), "{command}");
        }
        let help = |command: &str| {
            let mut cli = Cli::command();
            cli.find_subcommand_mut(command).unwrap().render_long_help().to_string()
        };
        let help = help("sweep") + &help("run") + &Cli::command().render_long_help().to_string();
        for former in ["--without", "--as-found", "keep "] {
            assert!(!help.contains(former), "{former}: {help}");
        }
    }

    #[test]
    fn clap_accepts_the_argument_definitions() {
        Cli::command().debug_assert();
    }
}
