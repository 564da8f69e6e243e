//! The chapter on the properties lists each of them.

#![expect(clippy::disallowed_methods, reason = "a test reads a chapter")]

use invariants::PROPERTIES;
use std::collections::BTreeSet;

#[test]
fn the_chapter_has_exactly_one_row_per_property() {
    let chapter = include_str!("../docs/properties.md");
    let rows: Vec<&str> =
        chapter.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let named: BTreeSet<&str> = rows.iter().copied().collect();
    let known: BTreeSet<&str> = PROPERTIES.iter().map(|property| property.name).collect();
    assert_eq!(named, known);
    assert_eq!(rows.len(), named.len(), "a property has two rows");
}
