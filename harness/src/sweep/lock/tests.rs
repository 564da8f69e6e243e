use super::{FolderLock, Holder, LockError, LockText, LockTiming, TakeOver, claim_path, take_over};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const FAST: LockTiming =
    LockTiming { beat: Duration::from_millis(20), stale_after: Duration::from_millis(1_500) };

fn take(path: &Path) -> Result<FolderLock, String> {
    take_counted(path, &AtomicU64::new(0))
}

/// Counts the messages that a holder is observed.
fn take_counted(path: &Path, waits: &AtomicU64) -> Result<FolderLock, String> {
    let taken = FolderLock::take(path, FAST, &mut |_| {
        waits.fetch_add(1, Ordering::Relaxed);
    });
    taken.map_err(|error| match error {
        LockError::Held(by) => by,
        LockError::File(error) => panic!("{error}"),
    })
}

fn in_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    (folder, path)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// A holder as another machine writes it.
fn foreign() -> Holder {
    let here = Holder::this_process();
    Holder { host: "elsewhere".into(), space: Some("another boot".into()), ..here }
}

fn write(path: &Path, holder: &Holder, beats: u64) {
    fs::write(path, format!("{} {beats:020}\n", holder.text())).unwrap();
}

#[test]
fn a_lock_has_one_holder_and_is_removed_by_it() {
    let (folder, path) = in_folder();
    let lock = take(&path).unwrap();
    assert!(lock.is_held().unwrap());
    let refused = take(&path).err().unwrap();
    assert!(refused.starts_with(&format!("process {} on ", std::process::id())), "{refused}");
    drop(lock);
    assert_eq!(names(folder.path()), [""; 0]);
    assert!(take(&path).is_ok());
}

#[cfg(target_os = "linux")]
#[test]
fn a_lock_of_a_process_that_has_ended_is_taken_at_once() {
    let (folder, path) = in_folder();
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let started = super::start_of_process(child.id());
    assert!(started.is_some());
    write(&path, &Holder { process: child.id(), started, ..Holder::this_process() }, 0);
    assert!(take(&path).is_err());
    child.kill().unwrap();
    child.wait().unwrap();
    let waits = AtomicU64::new(0);
    let lock = take_counted(&path, &waits).unwrap();
    assert!(lock.is_held().unwrap());
    assert_eq!((waits.into_inner(), names(folder.path())), (0, vec!["lock".to_owned()]));
    drop(lock);
    // A later process has the number of the holder.
    let own = Holder::this_process();
    write(&path, &Holder { started: own.started.map(|at| at - 1), ..own.clone() }, 0);
    drop(take(&path).unwrap());
    write(&path, &own, 0);
    assert!(take(&path).is_err());
}

#[test]
fn a_foreign_lock_is_observed() {
    let (folder, path) = in_folder();
    // Nobody counts on.
    write(&path, &foreign(), 7);
    let waits = AtomicU64::new(0);
    drop(take_counted(&path, &waits).unwrap());
    assert_eq!(waits.into_inner(), 1);
    // A process that died while it created the lock.
    fs::write(&path, "").unwrap();
    drop(take(&path).unwrap());
    assert_eq!(names(folder.path()), [""; 0]);
    // Its holder counts.
    write(&path, &foreign(), 0);
    thread::scope(|scope| {
        let path = &path;
        let beats = scope.spawn(move || {
            for beats in 1..40 {
                thread::sleep(Duration::from_millis(20));
                write(path, &foreign_of_test(), beats);
            }
        });
        write(path, &foreign_of_test(), 0);
        assert_eq!(take(path).err().unwrap(), "process 12 on elsewhere");
        beats.join().unwrap();
    });
}

fn foreign_of_test() -> Holder {
    Holder { process: 12, number: 0, ..foreign() }
}

#[test]
fn a_holder_counts() {
    let (_folder, path) = in_folder();
    let lock = take(&path).unwrap();
    let beat = || LockText::read(&path).unwrap().unwrap().beat;
    let first = beat();
    thread::sleep(Duration::from_millis(400));
    assert!(beat() > first);
    // Another machine believed that it was stale: its lock is neither written nor removed.
    fs::remove_file(&path).unwrap();
    write(&path, &foreign(), 3);
    assert!(!lock.is_held().unwrap());
    drop(lock);
    assert!(fs::read_to_string(&path).unwrap().contains("elsewhere"));
}

#[test]
fn one_of_many_takes_a_stale_lock() {
    for _ in 0..5 {
        let (folder, path) = in_folder();
        write(&path, &foreign(), 0);
        let taken: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(|| take(&path))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(taken.iter().flatten().filter(|lock| lock.is_held().unwrap()).count(), 1);
        assert_eq!(taken.iter().flatten().count(), 1);
        assert_eq!(names(folder.path()), ["lock"]);
    }
}

#[test]
fn a_claim_protects_the_lock_and_does_not_stay() {
    let (folder, path) = in_folder();
    let stale = foreign();
    write(&path, &stale, 5);
    let text = LockText::read(&path).unwrap().unwrap();
    let claim = claim_path(&path, &text, 0);
    fs::write(&claim, "").unwrap();
    let here = Holder::this_process();
    // Another process has the claim.
    assert!(matches!(take_over(&path, &text, &here, 0).unwrap(), TakeOver::Claimed) && claim.exists());
    // Its process died.
    drop(take(&path).unwrap());
    assert_eq!(names(folder.path()), [""; 0]);
    // The holder was only slow.
    write(&path, &stale, 6);
    assert!(matches!(take_over(&path, &text, &here, 0).unwrap(), TakeOver::Changed));
    assert_eq!(LockText::read(&path).unwrap().unwrap().holder, stale.text());
}
