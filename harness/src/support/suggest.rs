//! Suggests similar names for names that users mistype.

use crate::support::text::display_value;

/// The similarity from which a name is suggested.
const MIN_SIMILARITY: f64 = 0.8;

/// The up to three of `names` most similar to `typed`, best first.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the mistyped name comes from outside")]
pub fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut matches: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(typed, name), name))
        .filter(|&(similarity, name)| {
            similarity >= MIN_SIMILARITY || (typed.len() >= 3 && name.contains(typed))
        })
        .collect();
    matches.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    matches.into_iter().take(3).map(|(_, name)| name).collect()
}

/// The message for an unknown name: "there is no bug `x`; did you mean `y`?"
#[must_use]
pub fn unknown_name<'a>(what: &str, typed: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let matches = nearest(typed, names);
    let typed = display_value(typed);
    if matches.is_empty() {
        return format!("there is no {what} `{typed}`; the command `list` names them all");
    }
    let matches: Vec<String> = matches.into_iter().map(|name| format!("`{name}`")).collect();
    format!("there is no {what} `{typed}`; did you mean {}?", matches.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::unknown_name;

    #[test]
    fn the_nearest_names_are_suggested() {
        let names = ["crash", "pause", "partition", "power-loss"];
        assert_eq!(unknown_name("fault", "crahs", names), "there is no fault `crahs`; did you mean `crash`?");
        assert_eq!(
            unknown_name("fault", "power", names),
            "there is no fault `power`; did you mean `power-loss`?"
        );
        assert_eq!(
            unknown_name("fault", "zzzzzz", names),
            "there is no fault `zzzzzz`; the command `list` names them all"
        );
    }
}
