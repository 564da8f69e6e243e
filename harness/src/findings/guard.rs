//! Runs a plan whose run may never end: on a thread of its own, which is given up if it hangs.
//!
//! The clock only ends the wait. The verdict of a run that ends does not depend on it.

#![expect(clippy::disallowed_types, reason = "a run that does not end is noticed by a real clock")]

use crate::outcome::{Failure, FailureCause, NO_HANG, Options, Outcome, RunPosition, RunProgress, RunRecord};
use crate::plan::Plan;
use crate::systems::SystemInfo;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a run of a sweep may be without an event.
pub const HANG_AFTER: Duration = Duration::from_secs(60);
/// The same where a person waits, or where a hang is expected.
pub const HANG_AFTER_SHORT: Duration = Duration::from_secs(10);
/// How often a watched run is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The most that one look adds to the waiting time: a process that was suspended has not waited.
const MAX_STEP: Duration = Duration::from_secs(1);

/// Notices that a run has no events.
#[derive(Debug)]
pub struct HangWatch {
    progress: Arc<RunProgress>,
    last: RunPosition,
    looked: Instant,
    waited: Duration,
}

impl HangWatch {
    /// Starts to watch.
    #[must_use]
    pub fn new(progress: Arc<RunProgress>) -> HangWatch {
        HangWatch { last: progress.position(), progress, looked: Instant::now(), waited: Duration::ZERO }
    }

    /// Whether this is the run that it watches.
    #[must_use]
    pub fn is_of(&self, progress: &Arc<RunProgress>) -> bool {
        Arc::ptr_eq(&self.progress, progress)
    }

    /// Looks at the run. Returns where it hangs, if it had no event for so long. Call it at least once per second.
    pub fn look(&mut self, hang_after: Duration) -> Option<Failure> {
        let (now, position) = (Instant::now(), self.progress.position());
        if position != self.last || position.searching {
            (self.last, self.waited) = (position, Duration::ZERO);
        } else {
            self.waited += now.duration_since(self.looked).min(MAX_STEP);
        }
        self.looked = now;
        let cause = FailureCause::Hangs { position, after: hang_after };
        (self.waited >= hang_after).then(|| Failure::new(NO_HANG, cause))
    }
}

/// Runs a plan. A run that hangs has the outcome `no-hang`, and its thread goes on until the process ends.
///
/// # Panics
///
/// If the harness panics in the run, or the operating system provides no thread.
#[must_use]
pub fn run_watched(system: &SystemInfo, plan: &Plan, options: &Options, hang_after: Duration) -> RunRecord {
    let progress = Arc::new(RunProgress::default());
    let options = Options { progress: Some(progress.clone()), ..options.clone() };
    let (system, plan, (result, arrival)) = (*system, plan.clone(), channel());
    let running = thread::Builder::new().spawn(move || {
        // If the run was given up, there is no receiver.
        drop(result.send(system.run(&plan, &options)));
    });
    let running = running.expect("the operating system must provide a thread");
    let mut watch = HangWatch::new(progress);
    loop {
        match arrival.recv_timeout(POLL_INTERVAL) {
            Ok(record) => return record,
            Err(RecvTimeoutError::Timeout) => {
                if let Some(failure) = watch.look(hang_after) {
                    return Outcome::without_end(failure).into();
                }
            }
            Err(RecvTimeoutError::Disconnected) => match running.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => unreachable!("the thread ends after it has sent the result"),
            },
        }
    }
}
