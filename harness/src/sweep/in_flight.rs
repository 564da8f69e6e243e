//! The seeds in flight, on disk: what a process was running when it died.
//!
//! A file beside the ledger, with a line of fixed length per worker. It is written in place whenever a worker takes a seed,
//! so that it can be read after the process was killed; a sweep that ends removes it.

use super::seeds::Seeds;
use crate::plan::file::{self, display_path};
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Name of the file in its folder.
pub const IN_FLIGHT_FILE: &str = "in-flight.txt";
/// The digits of the largest seed.
const WIDTH: usize = 20;

/// The file of a running sweep.
pub(super) struct InFlight {
    file: Mutex<File>,
    path: PathBuf,
}

impl InFlight {
    /// Creates the file, for so many workers.
    pub(super) fn create(folder: &Path, workers: usize) -> io::Result<InFlight> {
        fs::create_dir_all(folder)?;
        let path = folder.join(IN_FLIGHT_FILE);
        let mut file = File::create(&path)?;
        file.write_all(line(None).repeat(workers).as_bytes())?;
        Ok(InFlight { file: Mutex::new(file), path })
    }

    /// A worker takes a seed, or ends. What cannot be written is lost: the sweep does not depend on it.
    pub(super) fn set(&self, worker: usize, seed: Option<u64>) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (worker * (WIDTH + 1)) as u64;
        drop(file.seek(SeekFrom::Start(place)).and_then(|_| file.write_all(line(seed).as_bytes())));
    }

    /// Removes the file: the sweep has ended.
    pub(super) fn remove(&self) {
        // It may have been removed together with its folder.
        drop(fs::remove_file(&self.path));
    }
}

/// The line of a worker.
fn line(seed: Option<u64>) -> String {
    let seed = seed.map_or_else(|| "-".to_owned(), |seed| seed.to_string());
    format!("{seed:>WIDTH$}\n")
}

/// The seeds that were in flight when the sweep in this folder died; none if it ended.
///
/// # Errors
///
/// The file is there and cannot be read.
pub fn read(folder: &Path) -> Result<Seeds, String> {
    let path = folder.join(IN_FLIGHT_FILE);
    if path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(Seeds::default());
    }
    let text = file::read_bytes(&path)
        .map_err(|reason| format!("{}: cannot be read: {reason}", display_path(&path)))?;
    let seed = |line: &[u8]| std::str::from_utf8(line).ok()?.trim().parse().ok();
    let mut seeds = Seeds::default();
    for seed in text.split(|byte| *byte == b'\n').filter_map(seed) {
        let seed: u64 = seed;
        seeds.insert(seed..seed.saturating_add(1));
    }
    Ok(seeds)
}

#[cfg(test)]
mod tests {
    use super::{InFlight, Seeds, read};

    #[test]
    fn seeds_in_flight_are_read_after_any_end_of_their_process() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), Ok(Seeds::default()));
        let file = InFlight::create(folder.path(), 3).unwrap();
        assert_eq!(read(folder.path()), Ok(Seeds::default()));
        file.set(2, Some(u64::MAX - 1));
        file.set(0, Some(7));
        file.set(1, Some(8));
        file.set(1, None);
        assert_eq!(read(folder.path()), Ok(Seeds::from(vec![7..8, u64::MAX - 1..u64::MAX])));
        file.remove();
        assert_eq!(read(folder.path()), Ok(Seeds::default()));
    }
}
