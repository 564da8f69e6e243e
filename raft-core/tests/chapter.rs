//! The table of `lib.rs` names functions that exist, in the modules that it names.

#![expect(clippy::disallowed_methods, reason = "a test reads a chapter")]

use std::fs;
use std::path::Path;

#[test]
fn table_of_topics_names_existing_functions() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let chapter = fs::read_to_string(src.join("lib.rs")).unwrap();
    let mut functions = 0;
    for row in chapter.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let columns: Vec<_> = row.split('|').collect();
        // Every second part of a cell such as "`new`, `step`" is a name.
        let names = |column: usize| columns[column].split('`').skip(1).step_by(2);
        for module in names(2) {
            let text = fs::read_to_string(src.join(format!("{module}.rs"))).unwrap();
            for function in names(3) {
                let exists = ["(", "<"].iter().any(|end| text.contains(&format!("fn {function}{end}")));
                assert!(exists, "{module}.rs has no {function}");
                functions += 1;
            }
        }
    }
    assert!(functions > 40, "the table must be found: {functions} functions");
}
