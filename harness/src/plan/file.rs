//! Reads and writes plans as TOML, which people can read and edit.

use super::{Plan, VERSION, reader};
use crate::support::text;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

/// Read-locked while a file is being written.
static WRITE_LOCK: RwLock<()> = RwLock::new(());

/// Why a file could not be read or written, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileError {
    /// The file; `None` for a text without a file.
    pub path: Option<PathBuf>,
    /// Line and column, counted from 1, if known.
    pub position: Option<(usize, usize)>,
    /// What is wrong.
    pub sentence: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, self.position) {
            (Some(path), Some((line, column))) => write!(f, "{}:{line}:{column}: ", display_path(path))?,
            (Some(path), None) => write!(f, "{}: ", display_path(path))?,
            (None, Some((line, column))) => write!(f, "line {line}, column {column}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for FileError {}

/// The plan as TOML.
///
/// # Panics
///
/// Never for a plan that passes [`Plan::check`].
#[must_use]
pub fn to_text(plan: &Plan) -> String {
    toml::to_string(plan).expect("every plan can be written as TOML")
}

/// Parses and checks a plan.
///
/// # Errors
///
/// The text is not a plan, or the plan cannot be run.
pub fn from_text(text: &str) -> Result<Plan, FileError> {
    let version = parse_toml::<VersionHeader>(text)?;
    reject_newer_version(version.version)?;
    let plan: Plan = parse_toml(text)?;
    check_plan(&plan)?;
    Ok(plan)
}

/// Reads a plan from a file.
///
/// # Errors
///
/// The file cannot be read, or does not contain a plan that can be run.
pub fn read(path: &Path) -> Result<Plan, FileError> {
    with_path(path, from_text(&read_text(path)?))
}

/// Writes the plan to a file, atomically.
///
/// # Errors
///
/// The file cannot be written.
pub fn write(path: &Path, plan: &Plan) -> Result<(), FileError> {
    write_text(path, &to_text(plan))
}

/// The version of a plan, which is read first: a newer version may have fields that this build does not know.
#[derive(Deserialize)]
struct VersionHeader {
    version: Option<u32>,
}

/// Rejects a plan of a newer version.
pub(crate) fn reject_newer_version(version: Option<u32>) -> Result<(), FileError> {
    match version {
        Some(version) if version > VERSION => Err(error_without_path(format!(
            "the plan has version {version}; this build reads versions up to {VERSION}"
        ))),
        _ => Ok(()),
    }
}

/// Rejects a plan that cannot be run.
pub(crate) fn check_plan(plan: &Plan) -> Result<(), FileError> {
    plan.check().map_err(|error| error_without_path(error.to_string()))
}

/// Parses any TOML; an error has its line and column.
pub(crate) fn parse_toml<T: DeserializeOwned>(text: &str) -> Result<T, FileError> {
    reader::read(text).map_err(|error| FileError {
        path: None,
        position: Some(line_and_column(text, error.at.start)),
        sentence: error.sentence,
    })
}

/// The largest plan or case file that is read. The parser needs about a hundred times as many bytes.
pub const MAX_FILE_BYTES: u64 = 4 << 20;

/// Reads a file as text.
pub(crate) fn read_text(path: &Path) -> Result<String, FileError> {
    if let Some(bytes) =
        fs::metadata(path).ok().map(|file| file.len()).filter(|bytes| *bytes > MAX_FILE_BYTES)
    {
        let sentence =
            format!("is too large: it has {bytes} bytes, and a plan or case may have {MAX_FILE_BYTES}");
        return Err(FileError { path: Some(path.into()), position: None, sentence });
    }
    let text = read_bytes(path)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned()));
    text.map_err(|reason| FileError {
        path: Some(path.into()),
        position: None,
        sentence: format!("cannot be read: {reason}"),
    })
}

/// Reads a file, or says why it cannot be read. Only regular files are read, because a pipe or device may never end.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let attempt = || {
        require_regular_file(&path.metadata()?)?;
        let mut file = fs::File::open(path)?;
        // Checked again: the path may have been replaced since.
        require_regular_file(&file.metadata()?)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map(|_| bytes)
    };
    attempt().map_err(|error| error_reason(&error))
}

/// Rejects everything but a regular file.
pub(crate) fn require_regular_file(metadata: &fs::Metadata) -> io::Result<()> {
    match metadata.file_type() {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => Err(ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::other("it is a pipe, a socket or a device; only regular files are read")),
    }
}

/// Writes a text to a temporary file beside `path` and renames it, so that no reader ever sees half of it.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), FileError> {
    let _guard = WRITE_LOCK.read().unwrap_or_else(PoisonError::into_inner);
    let attempt = || match resolve_destination(path)? {
        Destination::Stream => fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes()),
        Destination::File(path) => replace_atomically(&path, text),
    };
    attempt().map_err(|error| write_error(path, &error))
}

/// Writes a regular file in the same way.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let _guard = WRITE_LOCK.read().unwrap_or_else(PoisonError::into_inner);
    match resolve_destination(path)? {
        Destination::File(path) => replace_atomically(&path, text),
        Destination::Stream => require_regular_file(&path.metadata()?),
    }
}

fn replace_atomically(path: &Path, text: &str) -> io::Result<()> {
    let mut file = create_temp_file(path)?;
    file.as_file_mut().write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Rejects a path that cannot be written, before any work is done for it.
pub(crate) fn check_writable(path: &Path) -> Result<(), FileError> {
    let attempt = || match resolve_destination(path)? {
        Destination::Stream => Ok(()),
        Destination::File(path) => create_temp_file(&path).map(drop),
    };
    attempt().map_err(|error| write_error(path, &error))
}

/// Waits for all writes in progress, and blocks new ones while the guard lives.
pub(crate) fn block_writes() -> RwLockWriteGuard<'static, ()> {
    WRITE_LOCK.write().unwrap_or_else(PoisonError::into_inner)
}

/// Where a text is written to.
enum Destination {
    /// A file of this path, after all links are resolved; replaced atomically.
    File(PathBuf),
    /// A pipe, terminal or device such as `/dev/null`: a rename would replace it for everyone.
    Stream,
}

/// Rejects what a rename would replace although it is not writable: a file without write permission (by its mode,
/// because root may write everything), and a dangling link.
fn resolve_destination(path: &Path) -> io::Result<Destination> {
    if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(ErrorKind::IsADirectory.into());
    }
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(metadata) if metadata.permissions().readonly() => Err(io::Error::other("it is read-only")),
        Ok(metadata) if metadata.is_file() => path.canonicalize().map(Destination::File),
        Ok(_) => Ok(Destination::Stream),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Err(_) if path.symlink_metadata().is_ok() => Err(io::Error::other("it is a dangling link")),
        Err(_) => Ok(Destination::File(path.into())),
    }
}

/// Rejects a path at which no regular file can be written.
pub(crate) fn check_file_writable(path: &Path) -> io::Result<()> {
    match resolve_destination(path)? {
        Destination::File(_) => Ok(()),
        Destination::Stream => require_regular_file(&path.metadata()?),
    }
}

/// Identifies a file within the system.
#[cfg(unix)]
pub(crate) type FileId = (u64, u64);
/// Identifies a file within the system.
#[cfg(not(unix))]
pub(crate) type FileId = PathBuf;

/// The identity of the file at a path.
#[cfg(unix)]
pub(crate) fn file_id(_: &Path, metadata: &fs::Metadata) -> io::Result<FileId> {
    use std::os::unix::fs::MetadataExt;
    Ok((metadata.dev(), metadata.ino()))
}

/// The identity of the file at a path.
#[cfg(not(unix))]
pub(crate) fn file_id(path: &Path, _: &fs::Metadata) -> io::Result<FileId> {
    path.canonicalize()
}

/// The folder of a path.
pub(crate) fn parent_folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The name prefix of files that are being written.
const TEMP_PREFIX: &str = ".writing-";

/// Creates an empty file beside `path` that is deleted on drop. It is locked while open, so that
/// [`remove_stale_temp_files`] can tell it from one whose writer was killed.
fn create_temp_file(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    loop {
        let mut builder = tempfile::Builder::new();
        // Unlike `tempfile_in` this gives the file the permissions of the umask, and leaves errors as they are.
        let file =
            builder.prefix(TEMP_PREFIX).make_in(parent_folder(path), |path| fs::File::create_new(path))?;
        // Without lock support of the file system, writing continues unlocked.
        let locked = file.as_file().lock();
        if locked.is_err() || file.path().exists() {
            return Ok(file);
        }
        // It was removed as stale before it was locked: try again.
    }
}

/// Removes the temporary files of killed writers from a folder. Returns how many there were.
pub(crate) fn remove_stale_temp_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let temporary =
        entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(TEMP_PREFIX.as_bytes()));
    let stale = temporary.filter(|entry| {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let file = is_file.then(|| fs::File::open(entry.path()).ok()).flatten();
        // Removed under the lock: a live writer that lost its file notices and creates another.
        file.is_some_and(|file| file.try_lock().is_ok() && fs::remove_file(entry.path()).is_ok())
    });
    stale.count()
}

fn write_error(path: &Path, error: &io::Error) -> FileError {
    FileError {
        path: Some(path.into()),
        position: None,
        sentence: format!("cannot be written: {}", error_reason(error)),
    }
}

/// Adds the path to an error about the file's text.
pub(crate) fn with_path<T>(path: &Path, result: Result<T, FileError>) -> Result<T, FileError> {
    result.map_err(|error| FileError { path: Some(path.into()), ..error })
}

/// A path for a message.
pub(crate) fn display_path(path: &Path) -> String {
    text::escape(&path.to_string_lossy()).into_owned()
}

/// The text of a system error, without its number.
pub(crate) fn error_reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => errno::Errno(code).to_string().to_lowercase(),
        None => error.to_string(),
    }
}

fn error_without_path(sentence: String) -> FileError {
    FileError { path: None, position: None, sentence }
}

/// Line and column of a byte of `text`, counted from 1.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    (line, column)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test changes plans and reads messages about them")]
mod tests {
    use super::{from_text, read, to_text, write};
    use crate::plan::{Plan, Probability, SimDuration};

    /// A plan that does not change with the generator.
    const EXAMPLE: &str = include_str!("../../tests/example.toml");

    /// The error for the example with `from` replaced by `to`.
    fn error_of(from: &str, to: &str) -> String {
        assert!(EXAMPLE.contains(from), "the example does not contain {from:?}:\n{EXAMPLE}");
        from_text(&EXAMPLE.replacen(from, to, 1)).expect_err("the changed plan was accepted").to_string()
    }

    #[test]
    fn a_written_plan_is_written_again_byte_for_byte() {
        assert_eq!(to_text(&from_text(EXAMPLE).unwrap()), EXAMPLE);
    }

    #[test]
    fn options_that_are_on_are_written() {
        let reads = "reads = \"37.9%\"\n";
        let on = EXAMPLE.replacen(reads, &format!("{reads}session = \"2.5s\"\nrandom_target = \"10%\"\n"), 1);
        let plan = from_text(&on).unwrap();
        assert_eq!(
            (plan.clients.session, plan.clients.random_target),
            (SimDuration::millis(2_500), Probability(100_000))
        );
        assert_eq!(to_text(&plan), on);
    }

    #[test]
    fn a_parse_error_has_a_position_and_a_message() {
        let errors = [
            ("nodes = 5", "nodes = = 5"),
            ("nodes = 5", "nodes = 5\nleaders = 1"),
            ("nodes = 5", "nodse = 5"),
            ("nodes = 5", "nodes = three"),
            ("nodes = 5", "nodes = five"),
            ("nodes = 5", ""),
            ("nodes = 5", "nodes = -5"),
            ("nodes = 5", "nodes = 99999999999999999999"),
            ("nodes = [4]", "nodes = 4"),
            ("[raft]\n", "[raft]\nquorum = 2\n"),
            ("heartbeat = \"87ms\"", "heartbeat = 87"),
            ("heartbeat = \"87ms\"", "heartbeat = \"87 parsecs\""),
            ("loss = \"2.2%\"", "loss = \"220%\""),
            ("kind = \"power-loss\"", "kind = \"power-los\""),
            ("kind = \"power-loss\"", "kind = \"crash\""),
            ("kind = \"power-loss\"", "kind = \"crash\"\nnode = 1\nfactor = 2"),
            ("kind = \"power-loss\"", "kind = \"power-loss\"\nhow = \"hard\""),
            ("nodes = [\"leader\"]", "nodes = [\"boss\"]"),
            ("nodes = [\"leader\"]", "nodes = [-1]"),
            ("nodes = [\"leader\"]", "on = \"lunch\""),
            ("nodes = [\"leader\"]", "on = \"electd\""),
            ("nodes = [4]", "ndoes = [4]"),
        ]
        .map(|(from, to)| format!("{to:?}\n    {}", error_of(from, to)));
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn a_newer_plan_is_rejected_for_its_version_not_its_fields() {
        let error = error_of("version = 1", "version = 2\nfrobnicate = true");
        assert_eq!(error, "the plan has version 2; this build reads versions up to 1");
    }

    #[test]
    fn an_invalid_plan_is_rejected_with_its_field() {
        let errors = [
            ("version = 1", "version = 0"),
            ("nodes = 5", "nodes = 0"),
            ("nodes = 5", "nodes = 16"),
            ("nodes = 5", "nodes = 3"),
            ("heartbeat = \"87ms\"", "heartbeat = \"2s\""),
            ("batch = 5", "batch = 0"),
            ("count = 4", "count = 0"),
            ("keys = 11", "keys = 1"),
            ("nodes = [\"leader\"]", "nodes = [\"trigger-node\"]"),
            ("fault_phase = ", "fault_phase = \"1s\" #"),
            ("kind = \"power-loss\"\nnodes = [4]", "kind = \"partition\"\nside = []"),
            ("kind = \"power-loss\"\nnodes = [4]", "kind = \"one-way-partition\"\nfrom = 2\nto = 2"),
            ("kind = \"power-loss\"\nnodes = [4]", "kind = \"clock-rate\"\nnode = 2\ndrift = -600000"),
            ("kind = \"power-loss\"\nnodes = [4]", "kind = \"slow-disk\"\nnode = 2\nfactor = 0"),
        ]
        .map(|(from, to)| format!("{to:?}\n    {}", error_of(from, to)));
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn a_file_is_replaced_atomically_and_named_in_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.toml");
        let plan = from_text(EXAMPLE).unwrap();
        write(&path, &plan).unwrap();
        let longer = Plan { fault_phase: SimDuration::millis(99_999), seed: u64::MAX, ..plan.clone() };
        write(&path, &longer).unwrap();
        assert_eq!(read(&path), Ok(longer));
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no temporary file must be left behind"
        );

        std::fs::write(&path, "nodes = ").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}:1:", path.display())), "{error}");
        let error = read(&folder.path().join("absent.toml")).unwrap_err().to_string();
        assert!(error.ends_with("absent.toml: cannot be read: no such file or directory"), "{error}");
        let error = write(&folder.path().join("no/folder.toml"), &plan).unwrap_err().to_string();
        assert!(error.ends_with("folder.toml: cannot be written: no such file or directory"), "{error}");
    }

    #[test]
    fn unwritable_paths_are_rejected_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("kept"), "kept").unwrap();
        let mut permissions = path("kept").metadata().unwrap().permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(path("kept"), permissions).unwrap();
        let mut rejected = vec!["kept", "new/", "."];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("nowhere", path("dangling")).unwrap();
            std::os::unix::fs::symlink("kept", path("link")).unwrap();
            rejected.extend(["dangling", "link"]);
        }
        for name in rejected {
            let error = super::write_text(&path(name), "new").unwrap_err().to_string();
            assert!(error.contains(": cannot be written: "), "{error}");
            assert_eq!(super::check_writable(&path(name)).unwrap_err().to_string(), error);
        }
        assert_eq!(std::fs::read_to_string(path("kept")).unwrap(), "kept");
        assert!(!path("nowhere").exists() && !path("new").exists());
    }

    #[test]
    fn temporary_files_of_killed_writers_are_removed_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path(".writing-stray"), "half").unwrap();
        std::fs::write(path("seed-1.toml"), "whole").unwrap();
        std::fs::create_dir(path(".writing-folder")).unwrap();
        let live = super::create_temp_file(&path("seed-2.toml")).unwrap();
        assert_eq!(super::remove_stale_temp_files(folder.path()), 1);
        assert!(live.path().exists() && path("seed-1.toml").exists() && path(".writing-folder").exists());
        drop(live);
        assert_eq!(
            (super::remove_stale_temp_files(folder.path()), super::remove_stale_temp_files(&path("absent"))),
            (0, 0)
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&pipe, std::path::Path::new("/dev/zero")] {
            let error = read(path).unwrap_err().to_string();
            assert!(
                error.ends_with(
                    "cannot be read: it is a pipe, a socket or a device; only regular files are read"
                ),
                "{error}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_links_are_written_through_and_not_replaced() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);

        let made = std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap();
        assert!(made.success());
        let reader = std::thread::spawn({
            let pipe = path("pipe");
            move || std::fs::read_to_string(pipe).unwrap()
        });
        super::write_text(&path("pipe"), "through").unwrap();
        assert_eq!(reader.join().unwrap(), "through");
        assert!(path("pipe").metadata().unwrap().file_type().is_fifo());

        super::write_text(&path("file"), "old").unwrap();
        symlink("file", path("link")).unwrap();
        super::write_text(&path("link"), "new").unwrap();
        assert!(path("link").symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(path("file")).unwrap(), "new");
    }
}
