//! Parses the command line, and explains in one sentence what is wrong with it.

use super::arguments::Cli;
use super::exit;
use super::output::print;
use crate::support::text::display_value;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};
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
    match try_parse(args) {
        Ok(cli) => Ok(Some(cli)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                print(&error.to_string())?;
                Ok(None)
            }
            _ => Err(error_message(&error)),
        },
    }
}

fn try_parse(args: Vec<OsString>) -> Result<Cli, clap::Error> {
    let matches = Cli::command().after_help(exit::EXIT_CODES_HELP).try_get_matches_from(args)?;
    Cli::from_arg_matches(&matches)
}

/// What is wrong with the command line, and the likely intention.
fn error_message(error: &clap::Error) -> String {
    let of = |kind| error.get(kind).map(context_values).unwrap_or_default();
    let all = |kind| of(kind).join(", ");
    let argument = all(ContextKind::InvalidArg);
    let option = argument.split_whitespace().next().unwrap_or_default();
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
            format!("{option} `{value}`: {reason}")
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("a value is missing: {argument}"),
        ErrorKind::InvalidValue | ErrorKind::TooManyValues => format!("{option} does not take `{value}`"),
        ErrorKind::ArgumentConflict => match all(ContextKind::PriorArg) {
            prior if prior == argument => format!("{argument} is given twice"),
            prior if argument.is_empty() => {
                let command = all(ContextKind::InvalidSubcommand);
                format!("the command `{}` must come before {prior}", display_value(&command))
            }
            prior => format!("{argument} and {prior} cannot be used together"),
        },
        ErrorKind::MissingRequiredArgument => {
            format!(
                "missing: {}",
                of(ContextKind::InvalidArg)
                    .iter()
                    .map(|one| alternatives(one))
                    .collect::<Vec<_>>()
                    .join(" and ")
            )
        }
        ErrorKind::MissingSubcommand => {
            format!(
                "`{}` needs a subcommand: {}",
                all(ContextKind::InvalidSubcommand),
                of(ContextKind::ValidSubcommand).join(" or ")
            )
        }
        ErrorKind::InvalidUtf8 => "an argument is not in UTF-8".into(),
        _ => error.to_string().lines().next().unwrap_or_default().to_owned(),
    }
}

/// The values clap attaches to an error.
fn context_values(value: &ContextValue) -> Vec<String> {
    match value {
        ContextValue::Strings(words) => words.clone(),
        value => vec![value.to_string()],
    }
}

/// `<FILE|--seed <N>>`, of which one is required, as `FILE or --seed <N>`.
fn alternatives(required: &str) -> String {
    let several = if required.ends_with("...") { "..." } else { "" };
    let one = required.trim_end_matches("...");
    match one.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')) {
        Some(inner) => inner.split('|').collect::<Vec<_>>().join(" or ") + several,
        None => required.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{error_message, try_parse};
    use crate::cli::arguments::{Cli, CliCommand};
    use clap::error::ErrorKind;
    use clap::{Command, CommandFactory};

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
                let error = match try_parse(line.iter().map(Into::into).collect()) {
                    Ok(_) => continue,
                    Err(error) => (error.kind(), error_message(&error)),
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
            match try_parse(args.map(Into::into).into()).unwrap().command {
                Some(CliCommand::Run(arguments)) => arguments.overrides.disable,
                command => panic!("{command:?}"),
            }
        };
        assert_eq!(disabled("--without"), disabled("--disable"));
        for option in ["--as-found", "--no-shrink"] {
            assert!(
                try_parse(["harness", option].map(Into::into).into()).unwrap().sweep.no_shrink,
                "{option}"
            );
        }
        for command in ["keep", "add-case"] {
            let cli = try_parse(["harness", command, "--seed", "1", "--name", "x"].map(Into::into).into());
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
