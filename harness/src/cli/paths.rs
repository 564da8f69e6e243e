//! The files of a command: what it writes is nothing that it reads, and no two outputs are one.
//!
//! Two paths are the same file if they lead to the same file of the system, whatever links are on the way; and, where
//! nothing is there yet, if they are the same name in the same folder.

use super::output::print_message;
use crate::plan::file::{self, display_path, error_reason};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The inputs and outputs of a command so far.
#[derive(Default)]
pub(super) struct Paths(Vec<UsedFile>);

/// A file that a command reads or writes.
struct UsedFile {
    /// As what: `the plan`, `--facts`.
    role: String,
    path: PathBuf,
    location: FileLocation,
}

/// Where a path leads.
#[derive(PartialEq)]
enum FileLocation {
    /// To a file that is there.
    Existing(file::FileId),
    /// To a name in a folder.
    New(file::FileId, OsString),
}

impl Paths {
    /// Notes an input. One that is not there is left to whoever reads it.
    pub(super) fn add_input(&mut self, what: &str, path: &Path) {
        if let Ok(place) = locate(path) {
            self.0.push(UsedFile { role: what.to_owned(), path: path.to_owned(), location: place });
        }
    }

    /// Notes an output. It is refused where it cannot be written, or is an input or another output.
    pub(super) fn add_output(&mut self, what: &str, path: &Path) -> Result<(), String> {
        file::check_writable(path).map_err(|error| error.to_string())?;
        let place = locate(path).map_err(|error| {
            format!("{}: cannot be written: {}", display_path(path), error_reason(&error))
        })?;
        if let Some(other) = self.0.iter().find(|other| other.location == place) {
            return Err(format!(
                "{what} {} and {} {} are the same file: choose another one",
                display_path(path),
                other.role,
                display_path(&other.path)
            ));
        }
        self.0.push(UsedFile { role: what.to_owned(), path: path.to_owned(), location: place });
        Ok(())
    }

    /// Notes an input that is written back: the one kind of output that is meant to be an input.
    pub(super) fn add_in_place(&mut self, what: &str, path: &Path) -> Result<(), String> {
        file::check_writable(path).map_err(|error| error.to_string())?;
        self.add_input(what, path);
        Ok(())
    }
}

/// Refuses a folder that no result could be written to. It is not made: most sweeps need none.
pub(super) fn check_output_folder(folder: &Path) -> Result<(), String> {
    if folder.to_str().is_none() {
        return Err(format!(
            "the folder `{}` is not named in UTF-8: choose another one",
            display_path(folder)
        ));
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
        format!(
            "the folder `{}` for failing plans cannot be written: {}",
            display_path(folder),
            error_reason(&error)
        )
    })
}

/// Tidies up what a killed command left half written in a folder.
pub(super) fn remove_temporary_files(folder: &Path) {
    match file::remove_stale_temp_files(folder) {
        0 => {}
        1 => print_message(&format!(
            "{}: removed a half-written file of a command that was killed",
            display_path(folder)
        )),
        many => print_message(&format!(
            "{}: removed {many} half-written files of commands that were killed",
            display_path(folder)
        )),
    }
}

fn locate(path: &Path) -> io::Result<FileLocation> {
    match path.metadata() {
        Ok(metadata) => file::file_id(path, &metadata).map(FileLocation::Existing),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = file::parent_folder(path);
            let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
            Ok(FileLocation::New(file::file_id(folder, &folder.metadata()?)?, name.to_owned()))
        }
        Err(error) => Err(error),
    }
}
