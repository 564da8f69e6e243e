//! Input and output files of a command: no output may be an input or another output.
//!
//! Two paths are the same file if they resolve to the same file; or, if it does not exist yet, to the same name in
//! the same folder.

use super::output::print_message;
use crate::plan::file::{self, display_path, error_reason};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The files of a command so far.
#[derive(Default)]
pub(super) struct Paths(Vec<UsedFile>);

/// An input or output file.
struct UsedFile {
    /// Its role in messages: `the plan`, `--facts`.
    role: String,
    path: PathBuf,
    location: FileLocation,
}

/// What a path resolves to.
#[derive(PartialEq)]
enum FileLocation {
    /// An existing file.
    Existing(file::FileId),
    /// A new name in a folder.
    New(file::FileId, OsString),
}

impl Paths {
    /// Adds an input. A missing file is reported by the code that reads it.
    pub(super) fn add_input(&mut self, role: &str, path: &Path) {
        if let Ok(location) = locate(path) {
            self.0.push(UsedFile { role: role.to_owned(), path: path.to_owned(), location });
        }
    }

    /// Adds an output. Fails if it cannot be written, or is an input or another output.
    pub(super) fn add_output(&mut self, role: &str, path: &Path) -> Result<(), String> {
        file::check_writable(path).map_err(|error| error.to_string())?;
        let location = locate(path).map_err(|error| {
            format!("{}: cannot be written: {}", display_path(path), error_reason(&error))
        })?;
        if let Some(other) = self.0.iter().find(|other| other.location == location) {
            return Err(format!(
                "{role} {} and {} {} are the same file: choose another one",
                display_path(path),
                other.role,
                display_path(&other.path)
            ));
        }
        self.0.push(UsedFile { role: role.to_owned(), path: path.to_owned(), location });
        Ok(())
    }

    /// Adds an input that will be rewritten, such as a refreshed case.
    pub(super) fn add_in_place(&mut self, role: &str, path: &Path) -> Result<(), String> {
        file::check_writable(path).map_err(|error| error.to_string())?;
        self.add_input(role, path);
        Ok(())
    }
}

/// Fails if results cannot be written to the folder. It is not created: most sweeps need none.
pub(super) fn check_output_folder(folder: &Path) -> Result<(), String> {
    if folder.to_str().is_none() {
        return Err(format!(
            "the folder `{}` has a name that is not UTF-8: choose another one",
            display_path(folder)
        ));
    }
    let exists = |folder: &&Path| folder.as_os_str().is_empty() || folder.symlink_metadata().is_ok();
    let nearest = folder.ancestors().find(exists).unwrap_or(Path::new("."));
    let nearest = if nearest.as_os_str().is_empty() { Path::new(".") } else { nearest };
    let result = match nearest.metadata() {
        Ok(metadata) if !metadata.is_dir() => Err(io::Error::from(io::ErrorKind::NotADirectory)),
        // On a full disk a file can be created but not written.
        Ok(_) => tempfile::tempfile_in(nearest).and_then(|mut file| file.write_all(&[0; 4_096])),
        Err(error) => Err(error),
    };
    result.map_err(|error| {
        format!(
            "the folder `{}` for failing plans cannot be written: {}",
            display_path(folder),
            error_reason(&error)
        )
    })
}

/// Removes temporary files of killed commands from a folder.
pub(super) fn remove_temporary_files(folder: &Path) {
    match file::remove_stale_temp_files(folder) {
        0 => {}
        1 => {
            print_message(&format!("{}: removed a temporary file of a killed command", display_path(folder)))
        }
        many => print_message(&format!(
            "{}: removed {many} temporary files of killed commands",
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
