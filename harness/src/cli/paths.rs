//! The files of a command: what it writes is nothing that it reads, and no two outputs are one.
//!
//! Two paths are the same file if they lead to the same file of the system, whatever links are on the way; and, where
//! nothing is there yet, if they are the same name in the same folder.

use super::output::say;
use crate::plan::file::{self, named, reason};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The inputs and outputs of a command so far.
#[derive(Default)]
pub(super) struct Paths(Vec<Used>);

/// A file that a command reads or writes.
struct Used {
    /// As what: `the plan`, `--facts`.
    what: String,
    path: PathBuf,
    place: Place,
}

/// Where a path leads.
#[derive(PartialEq)]
enum Place {
    /// To a file that is there.
    There(file::Identity),
    /// To a name in a folder.
    New(file::Identity, OsString),
}

impl Paths {
    /// Notes an input. One that is not there is left to whoever reads it.
    pub(super) fn read(&mut self, what: &str, path: &Path) {
        if let Ok(place) = place(path) {
            self.0.push(Used { what: what.to_owned(), path: path.to_owned(), place });
        }
    }

    /// Notes an output. It is refused where it cannot be written, or is an input or another output.
    pub(super) fn write(&mut self, what: &str, path: &Path) -> Result<(), String> {
        file::writable(path).map_err(|error| error.to_string())?;
        let place =
            place(path).map_err(|error| format!("{}: cannot be written: {}", named(path), reason(&error)))?;
        if let Some(other) = self.0.iter().find(|other| other.place == place) {
            return Err(format!(
                "{what} {} and {} {} are the same file: choose another one",
                named(path),
                other.what,
                named(&other.path)
            ));
        }
        self.0.push(Used { what: what.to_owned(), path: path.to_owned(), place });
        Ok(())
    }

    /// Notes an input that is written back: the one kind of output that is meant to be an input.
    pub(super) fn rewrite(&mut self, what: &str, path: &Path) -> Result<(), String> {
        file::writable(path).map_err(|error| error.to_string())?;
        self.read(what, path);
        Ok(())
    }
}

/// Refuses a folder that no result could be written to. It is not made: most sweeps need none.
pub(super) fn folder(folder: &Path) -> Result<(), String> {
    if folder.to_str().is_none() {
        return Err(format!("the folder `{}` is not named in UTF-8: choose another one", named(folder)));
    }
    let is_there = |folder: &&Path| folder.as_os_str().is_empty() || folder.symlink_metadata().is_ok();
    let nearest = folder.ancestors().find(is_there).unwrap_or(Path::new("."));
    let nearest = if nearest.as_os_str().is_empty() { Path::new(".") } else { nearest };
    let tried = match nearest.metadata() {
        Ok(metadata) if !metadata.is_dir() => Err(io::Error::from(io::ErrorKind::NotADirectory)),
        // On a full disk a file can be made, but nothing written into it.
        Ok(_) => tempfile::tempfile_in(nearest).and_then(|mut file| file.write_all(&[0; 4_096])),
        Err(error) => Err(error),
    };
    tried.map_err(|error| {
        format!("the folder `{}` for failing plans cannot be written: {}", named(folder), reason(&error))
    })
}

/// Tidies up what a killed command left half written in a folder.
pub(super) fn tidy(folder: &Path) {
    match file::tidy(folder) {
        0 => {}
        1 => say(&format!("{}: removed a half-written file of a command that was killed", named(folder))),
        many => {
            say(&format!("{}: removed {many} half-written files of commands that were killed", named(folder)))
        }
    }
}

fn place(path: &Path) -> io::Result<Place> {
    match path.metadata() {
        Ok(metadata) => file::identity(path, &metadata).map(Place::There),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = file::folder_of(path);
            let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
            Ok(Place::New(file::identity(folder, &folder.metadata()?)?, name.to_owned()))
        }
        Err(error) => Err(error),
    }
}
