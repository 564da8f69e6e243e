//! Plans as text and as files: TOML that a person can read, write and change.

use super::{Plan, VERSION, reader};
use crate::text;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

/// Held for reading while a file is being written.
static WRITE_LOCK: RwLock<()> = RwLock::new(());

/// Why a file could not be read or written: where, and one sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileError {
    /// Which file; `None` where it was only text.
    pub path: Option<PathBuf>,
    /// The line and the column in it, counted from 1, where there is such a place.
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

/// The plan as text.
///
/// # Panics
///
/// Never for a plan that passes [`Plan::check`].
#[must_use]
pub fn to_text(plan: &Plan) -> String {
    toml::to_string(plan).expect("a plan has nothing that TOML cannot say")
}

/// The plan that a text says, checked.
///
/// # Errors
///
/// The text is no plan, or one that cannot be run.
pub fn from_text(text: &str) -> Result<Plan, FileError> {
    let version = parse_toml::<VersionHeader>(text)?;
    reject_newer_version(version.version)?;
    let plan: Plan = parse_toml(text)?;
    check_plan(&plan)?;
    Ok(plan)
}

/// The plan in a file.
///
/// # Errors
///
/// The file cannot be read, or holds no plan that can be run.
pub fn read(path: &Path) -> Result<Plan, FileError> {
    with_path(path, from_text(&read_text(path)?))
}

/// Writes the plan to a file, wholly or not at all.
///
/// # Errors
///
/// The file cannot be written.
pub fn write(path: &Path, plan: &Plan) -> Result<(), FileError> {
    write_text(path, &to_text(plan))
}

/// What a text of any version says of itself. It is read first: a newer version has every right to new fields.
#[derive(Deserialize)]
struct VersionHeader {
    version: Option<u32>,
}

/// Refuses a plan of a version that this build does not know.
pub(crate) fn reject_newer_version(version: Option<u32>) -> Result<(), FileError> {
    match version {
        Some(version) if version > VERSION => Err(error_without_path(format!(
            "the plan has version {version}, and this build understands no newer one than {VERSION}"
        ))),
        _ => Ok(()),
    }
}

/// Refuses a plan that cannot be run.
pub(crate) fn check_plan(plan: &Plan) -> Result<(), FileError> {
    plan.check().map_err(|unusable| error_without_path(unusable.to_string()))
}

/// Reads any TOML; an error knows its line and column.
pub(crate) fn parse_toml<T: DeserializeOwned>(text: &str) -> Result<T, FileError> {
    reader::read(text).map_err(|trouble| FileError {
        path: None,
        position: trouble.at.as_ref().map(|at| line_and_column(text, at.start)),
        sentence: trouble.to_string(),
    })
}

/// The most bytes of a file that is read whole, with a plan or a case in it. The parser needs some hundred times as many.
pub const MAX_FILE_BYTES: u64 = 4 << 20;

/// The text in a file.
pub(crate) fn read_text(path: &Path) -> Result<String, FileError> {
    if let Some(bytes) =
        fs::metadata(path).ok().map(|file| file.len()).filter(|bytes| *bytes > MAX_FILE_BYTES)
    {
        let sentence = format!("has {bytes} bytes: a plan or a case has at most {MAX_FILE_BYTES}");
        return Err(FileError { path: Some(path.into()), position: None, sentence });
    }
    let text = read_bytes(path)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "this is no text in UTF-8".to_owned()));
    text.map_err(|why| FileError {
        path: Some(path.into()),
        position: None,
        sentence: format!("cannot be read: {why}"),
    })
}

/// What is in a file, or why it cannot be read. Only regular files are read: a pipe may never end, nor may a device.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let attempt = || {
        require_regular_file(&path.metadata()?)?;
        let mut file = fs::File::open(path)?;
        // Another file may have taken its place since.
        require_regular_file(&file.metadata()?)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map(|_| bytes)
    };
    attempt().map_err(|error| error_reason(&error))
}

/// Refuses anything but a regular file.
pub(crate) fn require_regular_file(metadata: &fs::Metadata) -> io::Result<()> {
    match metadata.file_type() {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => Err(ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::other("it is a pipe, a socket or a device; only regular files are read")),
    }
}

/// Writes a text to a temporary file beside `path` and renames it, so that nobody ever finds half of it.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), FileError> {
    let _busy = WRITE_LOCK.read().unwrap_or_else(PoisonError::into_inner);
    let attempt = || match resolve_destination(path)? {
        Destination::Stream => fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes()),
        Destination::File(path) => {
            let mut file = create_temp_file(&path)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path).map(drop).map_err(|error| error.error)
        }
    };
    attempt().map_err(|error| write_error(path, &error))
}

/// Refuses a path that nothing could be written to, so that nobody works in vain.
pub(crate) fn check_writable(path: &Path) -> Result<(), FileError> {
    let attempt = || match resolve_destination(path)? {
        Destination::Stream => Ok(()),
        Destination::File(path) => create_temp_file(&path).map(drop),
    };
    attempt().map_err(|error| write_error(path, &error))
}

/// Waits until no file is half written, and lets nobody begin another one while the guard lives.
pub(crate) fn block_writes() -> RwLockWriteGuard<'static, ()> {
    WRITE_LOCK.write().unwrap_or_else(PoisonError::into_inner)
}

/// Where a text for a path goes.
enum Destination {
    /// To a file of this path, behind all links, as a whole.
    File(PathBuf),
    /// Into a pipe, a terminal, `/dev/null`: renaming a file onto such a thing would take it away from everybody.
    Stream,
}

/// Refuses what a rename would replace although it cannot be written: a file without any right to write (the mode decides,
/// as root may do everything), and a link that leads nowhere.
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
        Err(_) if path.symlink_metadata().is_ok() => Err(io::Error::other("it is a link that leads nowhere")),
        Err(_) => Ok(Destination::File(path.into())),
    }
}

/// Refuses a path where no regular file can be written in place.
pub(crate) fn check_file_writable(path: &Path) -> io::Result<()> {
    match resolve_destination(path)? {
        Destination::File(_) => Ok(()),
        Destination::Stream => require_regular_file(&path.metadata()?),
    }
}

/// Which file of the system something is.
#[cfg(unix)]
pub(crate) type FileId = (u64, u64);
/// Which file of the system something is.
#[cfg(not(unix))]
pub(crate) type FileId = PathBuf;

/// The identity of the file that a path leads to.
#[cfg(unix)]
pub(crate) fn file_id(_: &Path, metadata: &fs::Metadata) -> io::Result<FileId> {
    use std::os::unix::fs::MetadataExt;
    Ok((metadata.dev(), metadata.ino()))
}

/// The identity of the file that a path leads to.
#[cfg(not(unix))]
pub(crate) fn file_id(path: &Path, _: &fs::Metadata) -> io::Result<Identity> {
    path.canonicalize()
}

/// The folder that a path is in.
pub(crate) fn parent_folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The beginning of the names of files that are being written.
const TEMP_PREFIX: &str = ".writing-";

/// An empty file beside `path` that is gone when it is dropped. It may be read by whom the umask lets read any file. It is
/// locked as long as it is open, so that [`tidy`] can tell it from one whose writer was killed.
fn create_temp_file(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    loop {
        let file = builder.prefix(TEMP_PREFIX).tempfile_in(parent_folder(path))?;
        // A file system without locks is no reason not to write.
        let locked = file.as_file().lock();
        if locked.is_err() || file.path().exists() {
            return Ok(file);
        }
        // It was taken for a stray one before it was locked.
    }
}

/// Removes the files in a folder that somebody was writing who was killed. Returns how many there were.
pub(crate) fn remove_stale_temp_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let begun =
        entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(TEMP_PREFIX.as_bytes()));
    let stray = begun.filter(|entry| {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let file = is_file.then(|| fs::File::open(entry.path()).ok()).flatten();
        // Removed while it is locked: its writer, if there is one after all, makes another.
        file.is_some_and(|file| file.try_lock().is_ok() && fs::remove_file(entry.path()).is_ok())
    });
    stray.count()
}

fn write_error(path: &Path, error: &io::Error) -> FileError {
    FileError {
        path: Some(path.into()),
        position: None,
        sentence: format!("cannot be written: {}", error_reason(error)),
    }
}

/// Adds the file's name to an error about its text.
pub(crate) fn with_path<T>(path: &Path, result: Result<T, FileError>) -> Result<T, FileError> {
    result.map_err(|error| FileError { path: Some(path.into()), ..error })
}

/// A path as a sentence names it.
pub(crate) fn display_path(path: &Path) -> String {
    text::escape(&path.to_string_lossy()).into_owned()
}

/// What an error of the system means, without its number.
pub(crate) fn error_reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

fn error_without_path(sentence: String) -> FileError {
    FileError { path: None, position: None, sentence }
}

/// The line and the column of a byte of `text`, counted from 1.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::{from_text, read, to_text, write};
    use crate::plan::{Plan, Probability, SimDuration};

    /// A plan that does not change when the generator does.
    const EXAMPLE: &str = include_str!("../../tests/example.toml");

    /// What is said of the example once `from` is `to` in its text.
    fn said(from: &str, to: &str) -> String {
        assert!(EXAMPLE.contains(from), "the example has no {from:?} to be changed:\n{EXAMPLE}");
        from_text(&EXAMPLE.replacen(from, to, 1)).expect_err("the changed plan was accepted").to_string()
    }

    #[test]
    fn a_text_that_was_written_is_written_again_as_it_was() {
        assert_eq!(to_text(&from_text(EXAMPLE).unwrap()), EXAMPLE);
    }

    #[test]
    fn what_is_switched_on_stands_in_the_file() {
        let reads = "reads = \"37.9%\"\n";
        let on = EXAMPLE.replacen(reads, &format!("{reads}session = \"2.5s\"\nanywhere = \"10%\"\n"), 1);
        let plan = from_text(&on).unwrap();
        assert_eq!(
            (plan.clients.session, plan.clients.anywhere),
            (SimDuration::millis(2_500), Probability(100_000))
        );
        assert_eq!(to_text(&plan), on);
    }

    #[test]
    fn what_is_wrong_in_a_text_has_a_place_and_a_sentence() {
        let said = [
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
        .map(|(from, to)| format!("{to:?}\n    {}", said(from, to)));
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn a_newer_plan_is_refused_for_its_version_and_not_for_its_fields() {
        let said = said("version = 1", "version = 2\nfrobnicate = true");
        assert_eq!(said, "the plan has version 2, and this build understands no newer one than 1");
    }

    #[test]
    fn a_plan_that_cannot_be_run_is_refused_with_its_field() {
        let said = [
            ("version = 1", "version = 0"),
            ("nodes = 5", "nodes = 0"),
            ("nodes = 5", "nodes = 16"),
            ("nodes = 5", "nodes = 3"),
            ("nodes = 5", "nodes = 5\nbug = \"no-such-bug\""),
            ("heartbeat = \"87ms\"", "heartbeat = \"2s\""),
            ("batch = 5", "batch = 0"),
            ("count = 4", "count = 0"),
            ("keys = 11", "keys = 1"),
            ("nodes = [\"leader\"]", "nodes = [\"there\"]"),
            ("storm = ", "storm = \"1s\" #"),
            ("kind = \"power-loss\"\nnodes = [4]", "kind = \"split\"\nside = []"),
            ("kind = \"power-loss\"\nnodes = [4]", "kind = \"cut\"\nfrom = 2\nto = 2"),
            ("kind = \"power-loss\"\nnodes = [4]", "kind = \"clock-rate\"\nnode = 2\ndrift = -600000"),
            ("kind = \"power-loss\"\nnodes = [4]", "kind = \"slow-disk\"\nnode = 2\nfactor = 0"),
        ]
        .map(|(from, to)| format!("{to:?}\n    {}", said(from, to)));
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_names_itself_in_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.toml");
        let plan = from_text(EXAMPLE).unwrap();
        write(&path, &plan).unwrap();
        let longer = Plan { storm: SimDuration::millis(99_999), seed: u64::MAX, ..plan.clone() };
        write(&path, &longer).unwrap();
        assert_eq!(read(&path), Ok(longer));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left behind");

        std::fs::write(&path, "nodes = ").unwrap();
        let said = read(&path).unwrap_err().to_string();
        assert!(said.starts_with(&format!("{}:1:", path.display())), "{said}");
        let said = read(&folder.path().join("absent.toml")).unwrap_err().to_string();
        assert!(said.ends_with("absent.toml: cannot be read: no such file or directory"), "{said}");
        let said = write(&folder.path().join("no/folder.toml"), &plan).unwrap_err().to_string();
        assert!(said.ends_with("folder.toml: cannot be written: no such file or directory"), "{said}");
    }

    #[test]
    fn what_cannot_be_written_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("kept"), "kept").unwrap();
        let mut permissions = path("kept").metadata().unwrap().permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(path("kept"), permissions).unwrap();
        let mut refused = vec!["kept", "new/", "."];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("nowhere", path("dangling")).unwrap();
            std::os::unix::fs::symlink("kept", path("link")).unwrap();
            refused.extend(["dangling", "link"]);
        }
        for name in refused {
            let said = super::write_text(&path(name), "new").unwrap_err().to_string();
            assert!(said.contains(": cannot be written: "), "{said}");
            assert_eq!(super::check_writable(&path(name)).unwrap_err().to_string(), said);
        }
        assert_eq!(std::fs::read_to_string(path("kept")).unwrap(), "kept");
        assert!(!path("nowhere").exists() && !path("new").exists());
    }

    #[test]
    fn files_of_writers_that_were_killed_are_removed_and_those_of_others_stay() {
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
            let said = read(path).unwrap_err().to_string();
            assert!(
                said.ends_with(
                    "cannot be read: it is a pipe, a socket or a device; only regular files are read"
                ),
                "{said}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_never_replaced_by_one() {
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
