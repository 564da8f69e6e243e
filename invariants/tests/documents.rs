//! The chapter of the properties names each of them.

use invariants::PROPERTIES;
use std::collections::BTreeSet;

#[test]
fn each_property_has_one_row_in_the_chapter_and_each_row_a_property() {
    let chapter = include_str!("../docs/properties.md");
    let rows: Vec<&str> =
        chapter.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let named: BTreeSet<&str> = rows.iter().copied().collect();
    let known: BTreeSet<&str> = PROPERTIES.iter().map(|property| property.name).collect();
    assert_eq!(named, known);
    assert_eq!(rows.len(), named.len(), "a property has two rows");
}
