//! The lock of a folder: one sweep at a time writes its results, also on a folder that several machines share.
//!
//! A lock is a file that only one process can create (`O_EXCL`). It says who holds it, and its holder rewrites a counter
//! in it every five seconds. Nothing else is relied on than that exclusive creation and renaming are atomic, which holds
//! over NFS from version 3 on; locks of the file system are not used, because many mounts have none.
//!
//! A lock is stale if its holder has ended. On the same machine the process table says so, at once. Elsewhere a process
//! cannot be looked at: the lock is stale if its counter stays the same for a minute, measured by the clock of the
//! observer alone. Two observers do not both take a stale lock: the one that creates the claim on it replaces it.
//!
//! A holder that was suspended for longer finds out before its next write that the lock is not its own any more, and
//! writes nothing.

#![expect(clippy::disallowed_types, reason = "a lock of another machine is observed in real time")]

use crate::plan::file::display_path;
use crate::support::text::escape;
use invariants::Digest;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Counts the locks of this process, so that no two have the same text.
static LOCKS: AtomicU64 = AtomicU64::new(0);
/// The largest lock that is read.
const MAX_BYTES: usize = 4_096;

/// How often a lock is rewritten, and when it is stale.
#[derive(Clone, Copy, Debug)]
pub(super) struct LockTiming {
    /// Time between two values of the counter.
    pub(super) beat: Duration,
    /// How long the counter of a stale lock stays the same. Many beats, and longer than a network file system caches
    /// attributes by default.
    pub(super) stale_after: Duration,
}

impl LockTiming {
    /// The usual timing.
    pub(super) const USUAL: LockTiming =
        LockTiming { beat: Duration::from_secs(5), stale_after: Duration::from_secs(65) };
}

/// A lock that this process holds. Dropping it removes it.
pub(super) struct FolderLock {
    path: PathBuf,
    holder: Holder,
    beats: Option<(Sender<()>, JoinHandle<()>)>,
}

/// Who holds a lock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Holder {
    /// The name of the machine.
    host: String,
    /// The processes among which `process` is unique: a boot of a machine, and a namespace. `None`: unknown.
    space: Option<String>,
    /// The number of the process.
    process: u32,
    /// When it started, in ticks since the boot: numbers of processes are used again.
    started: Option<u64>,
    /// Counts the locks of the process.
    number: u64,
}

/// The text of a lock: the holder as JSON, a space, and the counter.
#[derive(Clone)]
struct LockText {
    holder: String,
    beat: String,
}

/// A lock of another process that is being observed.
struct Observed {
    text: LockText,
    since: Instant,
    /// Claims on it whose processes died while they took it, and since when there is another one.
    claims: u64,
    claimed_since: Option<Instant>,
}

impl Observed {
    fn new(text: LockText) -> Observed {
        Observed { text, since: Instant::now(), claims: 0, claimed_since: None }
    }

    /// Another process takes the lock; or it died while it did.
    fn wait_for_claim(&mut self, stale_after: Duration) {
        let since = *self.claimed_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= stale_after {
            self.claims += 1;
            self.claimed_since = None;
        }
    }
}

/// What became of a stale lock.
enum TakeOver {
    Taken(File),
    /// It is not stale any more.
    Changed,
    /// Another process has the claim on it.
    Claimed,
}

/// What is known of a holder.
enum State {
    Alive,
    Ended,
    /// It is on another machine, or the lock is damaged.
    Unknown,
}

/// Why a lock was not taken.
#[derive(Debug)]
pub(super) enum LockError {
    /// This process holds it.
    Held(String),
    /// The file cannot be read or written.
    File(io::Error),
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> LockError {
        LockError::File(error)
    }
}

impl FolderLock {
    /// Takes the lock in this file. `wait` is called with a message if its holder has to be observed.
    ///
    /// # Errors
    ///
    /// If another process holds it, or the file cannot be written.
    pub(super) fn take(
        path: &Path,
        timing: LockTiming,
        wait: &mut dyn FnMut(&str),
    ) -> Result<FolderLock, LockError> {
        let holder = Holder::this_process();
        let mut observed: Option<Observed> = None;
        loop {
            match create(path, &holder) {
                Ok(file) => return Ok(FolderLock::held(path, holder, file, timing.beat)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
            let Some(text) = LockText::read(path)? else { continue };
            let state = text.state();
            let same = observed.take().filter(|before| before.text.holder == text.holder);
            let mut before = same.unwrap_or_else(|| {
                if matches!(state, State::Unknown) {
                    let (path, seconds) = (display_path(path), timing.stale_after.as_secs());
                    let holder = text.describe();
                    wait(&format!(
                        "{path}: {holder} may still be writing here; it is observed for {seconds} s"
                    ));
                }
                Observed::new(text.clone())
            });
            let is_stale = match state {
                State::Ended => true,
                State::Unknown if before.text.beat == text.beat => {
                    before.since.elapsed() >= timing.stale_after
                }
                State::Unknown | State::Alive => return Err(LockError::Held(text.describe())),
            };
            if is_stale {
                match take_over(path, &text, &holder, before.claims)? {
                    TakeOver::Taken(file) => return Ok(FolderLock::held(path, holder, file, timing.beat)),
                    TakeOver::Changed => {}
                    TakeOver::Claimed => before.wait_for_claim(timing.stale_after),
                }
            }
            observed = Some(before);
            thread::sleep(timing.beat.min(Duration::from_millis(500)) / 2);
        }
    }

    fn held(path: &Path, holder: Holder, mut file: File, beat: Duration) -> FolderLock {
        let (stop, stopped) = channel::<()>();
        let text = holder.text();
        let beats = thread::Builder::new().name("lock".into()).spawn(move || {
            let mut beats = 0;
            while stopped.recv_timeout(beat) == Err(RecvTimeoutError::Timeout) {
                beats += 1;
                // In place: a reader elsewhere sees the change as soon as it opens the file. A failure is seen by it as
                // a holder that has ended, and by this process before its next write.
                let written = file.seek(SeekFrom::Start(0)).and_then(|_| write_text(&mut file, &text, beats));
                drop(written);
            }
        });
        FolderLock { path: path.to_owned(), holder, beats: beats.ok().map(|thread| (stop, thread)) }
    }

    /// Whether this process still holds it.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub(super) fn is_held(&self) -> io::Result<bool> {
        Ok(LockText::read(&self.path)?.is_some_and(|text| text.holder == self.holder.text()))
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.beats.take() {
            drop(stop);
            drop(thread.join());
        }
        if self.is_held().unwrap_or(false) {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Creates the file, if there is none.
fn create(path: &Path, holder: &Holder) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    write_text(&mut file, &holder.text(), 0)?;
    Ok(file)
}

/// All texts of a holder have the same length, so that they can be written in place.
fn write_text(file: &mut File, holder: &str, beats: u64) -> io::Result<()> {
    file.write_all(format!("{holder} {beats:020}\n").as_bytes())?;
    file.sync_data()
}

/// Replaces a stale lock by one of this process, if it gets the claim on it. `claims` earlier ones were left by processes
/// that died.
fn take_over(path: &Path, stale: &LockText, holder: &Holder, claims: u64) -> io::Result<TakeOver> {
    let claim = |number: u64| claim_path(path, stale, number);
    match File::create_new(claim(claims)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(TakeOver::Claimed),
        Err(error) => return Err(error),
    }
    // With the claim no other process replaces this lock; but one may have done so before.
    let taken = match LockText::read(path)? {
        Some(text) if text.holder == stale.holder && text.beat == stale.beat => {
            let new = beside(path, &format!("new-{:?}", Digest::of(holder.text().as_bytes())));
            drop(fs::remove_file(&new));
            let created = create(&new, holder).and_then(|file| fs::rename(&new, path).map(|()| file));
            created.map(TakeOver::Taken)
        }
        _ => Ok(TakeOver::Changed),
    };
    (0..=claims).for_each(|number| drop(fs::remove_file(claim(number))));
    taken
}

/// The claim on a stale lock.
fn claim_path(path: &Path, stale: &LockText, number: u64) -> PathBuf {
    beside(path, &format!("claim-{:?}-{number}", Digest::of(stale.holder.as_bytes())))
}

/// A file beside the lock.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

impl Holder {
    fn this_process() -> Holder {
        let host = read_line("/proc/sys/kernel/hostname").or_else(|| std::env::var("HOSTNAME").ok());
        Holder {
            host: host.unwrap_or_else(|| "an unknown machine".into()),
            space: process_space(),
            process: process::id(),
            started: start_of_process(process::id()),
            number: LOCKS.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn text(&self) -> String {
        serde_json::to_string(self).expect("a holder is JSON")
    }
}

impl LockText {
    /// The text of a lock; `None` if there is none. A process that died while it created a lock leaves an empty one.
    #[expect(clippy::disallowed_methods, reason = "the text is in a file")]
    fn read(path: &Path) -> io::Result<Option<LockText>> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_BYTES)]).into_owned();
        let (holder, beat) = text.trim_end().rsplit_once(' ').unwrap_or((&text, ""));
        Ok(Some(LockText { holder: holder.to_owned(), beat: beat.to_owned() }))
    }

    fn holder(&self) -> Option<Holder> {
        serde_json::from_str(&self.holder).ok()
    }

    fn state(&self) -> State {
        let Some(holder) = self.holder() else { return State::Unknown };
        // Without a start time a process cannot be told from a later one with its number.
        match (holder.space.is_some() && holder.space == process_space(), holder.started) {
            (true, Some(started)) if start_of_process(holder.process) == Some(started) => State::Alive,
            (true, Some(_)) => State::Ended,
            _ => State::Unknown,
        }
    }

    fn describe(&self) -> String {
        match self.holder() {
            Some(holder) => format!("process {} on {}", holder.process, escape(&holder.host)),
            None => "an unknown process".into(),
        }
    }
}

/// The boot of this machine and the namespace of this process. `None`: the system does not tell.
fn process_space() -> Option<String> {
    let boot = read_line("/proc/sys/kernel/random/boot_id")?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{boot} {}", namespace.display()))
}

fn read_line(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// When a process started, in ticks since the boot; `None` if there is none, or it has ended and was not waited for, or the
/// system does not tell.
#[expect(clippy::disallowed_methods, reason = "the text is of the operating system")]
fn start_of_process(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name is in parentheses and may have any characters; the state follows, and is field 3.
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let has_ended = matches!(fields.next()?, "Z" | "X" | "x");
    let started = fields.nth(18)?.parse().ok()?;
    (!has_ended).then_some(started)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads what the program writes")]
mod tests;
