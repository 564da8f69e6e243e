//! Names that people type. Where none fits, the nearest ones are offered.

use crate::text::display_value;

/// How alike two names must be for one to be offered for the other.
const MIN_SIMILARITY: f64 = 0.8;

/// Those of `names` that look most like `typed`, the nearest first; none where nothing is near.
#[must_use]
pub fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut near: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(typed, name), name))
        .filter(|&(likeness, name)| likeness >= MIN_SIMILARITY || (typed.len() >= 3 && name.contains(typed)))
        .collect();
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// What to say of a name that does not exist: "there is no bug `x`; did you mean `y`?"
#[must_use]
pub fn unknown_name<'a>(what: &str, typed: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let near = nearest(typed, names);
    let typed = display_value(typed);
    if near.is_empty() {
        return format!("there is no {what} `{typed}`; `harness list` names them all");
    }
    let near: Vec<String> = near.into_iter().map(|name| format!("`{name}`")).collect();
    format!("there is no {what} `{typed}`; did you mean {}?", near.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::unknown_name;

    #[test]
    fn the_nearest_names_are_offered() {
        let names = ["crash", "pause", "cut", "power-loss"];
        assert_eq!(unknown_name("fault", "crahs", names), "there is no fault `crahs`; did you mean `crash`?");
        assert_eq!(
            unknown_name("fault", "power", names),
            "there is no fault `power`; did you mean `power-loss`?"
        );
        assert_eq!(
            unknown_name("fault", "zzzzzz", names),
            "there is no fault `zzzzzz`; `harness list` names them all"
        );
    }
}
