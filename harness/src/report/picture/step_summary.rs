//! The summary of a step of GitHub Actions: the failure, its diagram, and the commands.

use super::{Picture, mermaid};
use crate::plan::file::{display_path, error_reason};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// Names the file of the summary.
const VARIABLE: &str = "GITHUB_STEP_SUMMARY";

/// Appends a failure to the summary of the step, if there is one.
///
/// # Errors
///
/// The file cannot be written: a sentence.
pub fn append_step_summary(picture: &Picture) -> Result<(), String> {
    let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(());
    };
    let file = OpenOptions::new().create(true).append(true).open(&path);
    // One write, so that what several tests append does not mix.
    file.and_then(|mut file| file.write_all(step_summary(picture).as_bytes())).map_err(|error| {
        format!("{VARIABLE}: {} cannot be written: {}", display_path(&path), error_reason(&error))
    })
}

/// The failure in Markdown.
pub(super) fn step_summary(picture: &Picture) -> String {
    let mut facts = vec![picture.title.clone()];
    if let Some(story) = &picture.story {
        facts.push(format!("promised: {}", story.promised));
        facts.extend(story.observed.first().map(|line| format!("observed: {line}")));
        facts.extend(story.broken_by.iter().map(|side| format!("broken by: {side}")));
        facts.extend(story.made_possible_by.iter().map(|reason| format!("made possible by: {reason}")));
    }
    let commands = picture.commands.iter().map(|next| format!("# to {}\n{}", next.purpose, next.command));
    [
        fenced("text", &facts.join("\n")),
        fenced("mermaid", mermaid(picture).trim_end()),
        fenced("sh", &commands.collect::<Vec<_>>().join("\n")),
    ]
    .join("\n")
        + "\n"
}

/// A block of Markdown that its text cannot end.
fn fenced(language: &str, text: &str) -> String {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}{language}\n{text}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::fenced;

    #[test]
    fn text_cannot_end_its_block() {
        assert_eq!(fenced("text", "a ``` b"), "````text\na ``` b\n````\n");
        assert_eq!(fenced("text", "a"), "```text\na\n```\n");
    }
}
