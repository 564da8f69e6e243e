//! Who may know whom. Inside a crate the `mod` lines stand in reading order, and a module imports only from modules
//! above it; between crates the manifests say it. This test reads both, so that a circle cannot creep in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Crates of the house and which of them each may depend on.
const MAY_KNOW: [(&str, &[&str]); 4] = [
    ("raft-core", &[]),
    ("invariants", &[]),
    ("harness", &["raft-core", "invariants"]),
    ("regressions", &["harness", "invariants"]),
];

/// The only files that name the simulator's crate.
const NAME_MADSIM: [&str; 2] = ["harness/src/pump.rs", "harness/src/run.rs"];

#[test]
fn manifests_know_only_whom_they_may() {
    for (name, may) in MAY_KNOW {
        let manifest = fs::read_to_string(regressions::root().join(name).join("Cargo.toml")).unwrap();
        for (other, _) in MAY_KNOW.iter().filter(|(other, _)| *other != name) {
            let knows = manifest
                .lines()
                // A bench that brings its own main says so in these words.
                .filter(|line| *line != "harness = false")
                .any(|line| line.starts_with(&format!("{other}.")) || line.starts_with(&format!("{other} ")));
            assert!(!knows || may.contains(other), "{name} must not depend on {other}");
        }
        let knows_madsim = manifest.lines().any(|line| line.starts_with("madsim"));
        assert!(!knows_madsim || name == "harness", "{name} must not depend on madsim");
    }
}

#[test]
fn modules_import_only_from_above() {
    let mut found = Vec::new();
    for (name, _) in MAY_KNOW {
        let src = regressions::root().join(name).join("src");
        check_folder(&src.join("lib.rs"), &src, "crate", &mut found);
    }
    assert!(found.is_empty(), "imports from below, which make circles:\n{}", found.join("\n"));
}

#[test]
fn only_the_pump_names_madsim() {
    let root = regressions::root();
    for file in rust_files(&root.join("harness/src")) {
        let short = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        // A folder may grow out of a file: `pump/tasks.rs` is still the pump.
        let allowed = NAME_MADSIM.iter().any(|named| {
            short == *named || short.starts_with(&format!("{}/", named.trim_end_matches(".rs")))
        });
        let text = fs::read_to_string(&file).unwrap();
        let names = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .any(|line| line.contains("madsim::"));
        assert!(allowed || !names, "{short} names madsim; only the pump may");
    }
}

/// Checks the modules that `front` declares, and theirs in turn.
fn check_folder(front: &Path, folder: &Path, path: &str, found: &mut Vec<String>) {
    let declared = declared(front);
    let order: BTreeMap<&str, usize> =
        declared.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
    for (place, module) in declared.iter().enumerate() {
        let own_path = format!("{path}::{module}");
        let (file, inner) = (folder.join(format!("{module}.rs")), folder.join(module));
        let own_front = if file.exists() { file } else { inner.join("mod.rs") };
        let mut files = vec![own_front.clone()];
        if inner.is_dir() {
            files.extend(rust_files(&inner));
        }
        for file in files {
            for (line, target) in imports(&file) {
                let Some(rest) = target.strip_prefix(&format!("{path}::")) else { continue };
                let first = rest.split("::").next().unwrap_or(rest);
                if order.get(first).is_some_and(|&other| other > place) {
                    found.push(format!("  {}:{line}: {own_path} imports {target}", file.display()));
                }
            }
        }
        if inner.is_dir() {
            check_folder(&own_front, &inner, &own_path, found);
        }
    }
}

/// The modules that a file declares, in order.
fn declared(front: &Path) -> Vec<String> {
    let text = fs::read_to_string(front).unwrap_or_else(|error| panic!("{}: {error}", front.display()));
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines()
        .filter_map(|line| {
            let line = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_string())
        })
        .collect()
}

/// What a file imports from its own crate: (line, `crate::...` path). Groups are taken apart one level deep; `super`
/// is looked up. Tests inside a file may import what they like.
fn imports(file: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let mut found = Vec::new();
    for (place, line) in code.lines().enumerate() {
        let line = line.trim_start();
        if line.starts_with("//") || line.starts_with("pub use ") {
            continue;
        }
        let mut rest = line;
        while let Some(at) = rest.find("crate::") {
            let before = rest[..at].chars().last();
            rest = &rest[at..];
            let end =
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
            let (path, group) = (&rest[..end], &rest[end..]);
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                match group.strip_prefix('{').filter(|_| path.ends_with("::")) {
                    Some(group) => {
                        let group = group.split('}').next().unwrap_or(group);
                        let names = group.split(',').map(str::trim).filter(|name| !name.is_empty());
                        found.extend(names.map(|name| (place + 1, format!("{path}{name}"))));
                    }
                    None => found.push((place + 1, path.to_string())),
                }
            }
            rest = &rest[end.max(1)..];
        }
    }
    found
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
