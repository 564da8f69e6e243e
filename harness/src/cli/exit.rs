//! The exit codes of all commands.

/// All properties held.
pub(super) const SUCCESS: u8 = 0;
/// A property was violated.
pub(super) const VIOLATION: u8 = 1;
/// The input cannot be used, or results could not be written.
pub(super) const INVALID_INPUT: u8 = 2;
/// Added to the number of the signal that ended a command.
pub(super) const SIGNAL_BASE: u8 = 128;
/// The harness itself panicked.
pub(super) const PANICKED: u8 = 101;

/// The table of exit codes in `--help`. The README has the same text.
pub(super) const EXIT_CODES_HELP: &str = "\
Exit codes:
    0  all properties held, or the command succeeded; also if `--for` ended a sweep
    1  a property was violated, a case did not end as expected, or a history is not known to be linearizable;
       for sweeps also: a canary was missed, seeds are missing, or a ledger is damaged. A run that hangs violates
       `no-hang`; one that ended the process of a sweep is found by `--resume`, and violates `no-abort`
    2  input cannot be used, or results could not be written: standard error says which
  101  the harness itself panicked
  130  a sweep, shrink or check was ended by SIGINT, after its summary
  143  the same by SIGTERM
If several apply, the highest is used. In `run` and `sweep`, an undecided search counts as 0, and the report says so.
With `--json`, standard output has exactly one object in every case; without a result, it is {\"error\": \"...\"}.";
