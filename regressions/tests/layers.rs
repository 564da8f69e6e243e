//! Layers: between crates, manifests may name only the allowed dependencies; inside a crate, a module imports
//! only from modules declared above it. So there are no import cycles.

#![expect(clippy::disallowed_methods, reason = "a test reads source files")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The crates of the workspace, each with the others that it may depend on.
const ALLOWED_DEPENDENCIES: [(&str, &[&str]); 4] = [
    ("raft-core", &[]),
    ("invariants", &[]),
    ("harness", &["raft-core", "invariants"]),
    ("regressions", &["harness", "invariants"]),
];

/// The only module that may use madsim.
const MADSIM_USERS: [&str; 1] = ["harness/src/engine/pump.rs"];

#[test]
fn manifests_have_only_allowed_dependencies() {
    for (name, allowed) in ALLOWED_DEPENDENCIES {
        let manifest = fs::read_to_string(regressions::root().join(name).join("Cargo.toml")).unwrap();
        let dependencies = dependencies(&manifest);
        for (other, _) in ALLOWED_DEPENDENCIES.iter().filter(|(other, _)| *other != name) {
            let depends = dependencies.iter().any(|dependency| dependency == other);
            assert!(!depends || allowed.contains(other), "{name} must not depend on {other}");
        }
        let depends_on_madsim = dependencies.iter().any(|dependency| dependency == "madsim");
        assert!(!depends_on_madsim || name == "harness", "{name} must not depend on madsim");
    }
}

/// The names in all dependency sections.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim_end_matches(']').ends_with("dependencies");
        } else if inside && !line.starts_with('#') && !line.is_empty() {
            found.push(line.split(['.', ' ', '=']).next().unwrap_or_default().to_string());
        }
    }
    found
}

#[test]
fn modules_import_only_from_above() {
    let mut found = Vec::new();
    for (name, _) in ALLOWED_DEPENDENCIES {
        let src = regressions::root().join(name).join("src");
        found.extend(
            imports_from_below(&read_modules(&src)).into_iter().map(|import| format!("  {name}: {import}")),
        );
    }
    assert!(found.is_empty(), "these imports from below make cycles:\n{}", found.join("\n"));
}

#[test]
fn a_cycle_is_found_in_every_form_of_import() {
    let cycles = |import: &str| {
        let module =
            |path: &str, text: &str| (path.split("::").map(str::to_owned).collect(), text.to_owned());
        let modules = BTreeMap::from([
            module("crate", "mod above;\nmod room;"),
            module("crate::above", ""),
            module("crate::room", "mod first;\nmod second;\npub use second::Second;\nstruct Own;"),
            module("crate::room::first", import),
            module("crate::room::second", "use super::first::First;\nuse crate::above::Above;"),
        ]);
        imports_from_below(&modules).len()
    };
    for import in [
        "use super::second::Second;",
        "use super::{Own, second};",
        "use super::{\n    Own,\n    second::{Second, Third},\n};",
        "use crate::{above::Above, room::second::Second};",
        "fn f() -> super::second::Second { todo!() }",
        "use super::Second;",
    ] {
        assert_eq!(cycles(import), 1, "{import}");
    }
    for import in [
        "use super::Own;",
        "use crate::above::Above;",
        "// use super::second::Second;",
        "#[cfg(test)]\nmod tests {\n    use super::super::second::Second;\n}",
    ] {
        assert_eq!(cycles(import), 0, "{import}");
    }
}

#[test]
fn only_the_pump_uses_madsim() {
    let root = regressions::root();
    for file in rust_files(&root.join("harness/src")) {
        let short = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        // Submodules such as `pump/tasks.rs` belong to the pump.
        let allowed = MADSIM_USERS.iter().any(|named| {
            short == *named || short.starts_with(&format!("{}/", named.trim_end_matches(".rs")))
        });
        let text = fs::read_to_string(&file).unwrap();
        let names = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .any(|line| line.contains("madsim::"));
        assert!(allowed || !names, "{short} uses madsim; only the pump may");
    }
}

/// The text of each module by its path, such as `["crate", "world", "disk"]`.
type Modules = BTreeMap<Vec<String>, String>;

/// All modules of a crate except test modules in their own files, which may import anything.
fn read_modules(src: &Path) -> Modules {
    let mut modules = Modules::new();
    let mut waiting = vec![(vec!["crate".to_owned()], src.join("lib.rs"), src.to_owned())];
    while let Some((path, file, folder)) = waiting.pop() {
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for module in declared(&text) {
            let (flat, inner) = (folder.join(format!("{module}.rs")), folder.join(&module));
            let front = if flat.exists() { flat } else { inner.join("mod.rs") };
            let path = path.iter().cloned().chain([module]).collect();
            waiting.push((path, front, inner));
        }
        modules.insert(path, text);
    }
    modules
}

/// The text of a module without tests and comments.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules that a module declares, in order.
fn declared(text: &str) -> Vec<String> {
    let name = |line: &str| {
        let line = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    };
    code(text).lines().filter_map(name).collect()
}

/// Each import of a module from one below it: where the two paths diverge, the importing module must be
/// declared after the imported one. A name that the common parent re-exports (`pub use`) counts as its
/// module.
fn imports_from_below(modules: &Modules) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in modules {
        for target in paths(&code(text), path) {
            let common = path.iter().zip(&target).take_while(|(own, other)| own == other).count();
            let (Some(own), Some(other)) = (path.get(common), target.get(common)) else { continue };
            let Some(parent) = modules.get(&path[..common]) else { continue };
            let order = declared(parent);
            let position = |name: &String| order.iter().position(|module| module == name);
            let module = match position(other) {
                Some(_) => other.clone(),
                None => match reexported_from(&code(parent), &path[..common], other) {
                    Some(module) => module,
                    None => continue,
                },
            };
            if position(&module) > position(own) {
                found.push(format!("{} imports {}::{module}", path.join("::"), path[..common].join("::")));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The submodule from which a module re-exports this name.
fn reexported_from(code: &str, path: &[String], name: &str) -> Option<String> {
    let uses = code.split(';').filter_map(|statement| statement.split("use ").nth(1));
    let mut names = uses.flat_map(|tree| {
        let mut found = Vec::new();
        expand(tree, path, &mut found);
        found
    });
    let target = names.find(|target| target.last().is_some_and(|last| last == name) && target.len() > 1)?;
    Some(target[if target.starts_with(path) { path.len() } else { 0 }].clone())
}

/// All paths in a text that start with `crate` or `super`, as paths from the crate root.
fn paths(code: &str, own: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            // Not inside a longer name or in the middle of `super::super`.
            if before.is_none_or(|c| !c.is_alphanumeric() && !['_', '$', ':'].contains(&c)) {
                expand(&code[at..], own, &mut found);
            }
        }
    }
    found
}

/// The paths of a use tree such as `super::{Own, second::{Second, Third}}`, which other text may follow.
fn expand(tree: &str, own: &[String], found: &mut Vec<Vec<String>>) {
    let end = tree.find(|c: char| !c.is_alphanumeric() && !['_', ':'].contains(&c)).unwrap_or(tree.len());
    let (path, rest) = tree.split_at(end);
    let mut whole: Vec<String> = Vec::new();
    for (position, part) in path.split("::").filter(|part| !part.is_empty()).enumerate() {
        match part {
            "super" if position == 0 => whole.extend_from_slice(&own[..own.len() - 1]),
            "super" => drop(whole.pop()),
            part => whole.push(part.to_owned()),
        }
    }
    match rest.strip_prefix('{').filter(|_| path.is_empty() || path.ends_with("::")) {
        None => found.push(whole),
        Some(group) => {
            let (mut depth, mut from) = (0, 0);
            for (at, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    ',' | '}' if depth == 0 => {
                        let branch = group[from..at].trim();
                        let mut inner = Vec::new();
                        if !branch.is_empty() {
                            expand(branch, own, &mut inner);
                        }
                        found.extend(inner.into_iter().map(|tail| [&whole[..], &tail].concat()));
                        from = at + 1;
                        if c == '}' {
                            break;
                        }
                    }
                    '}' => depth -= 1,
                    _ => {}
                }
            }
        }
    }
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
