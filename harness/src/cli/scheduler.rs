//! The part of a sweep that a job scheduler has given to this machine, in environment variables.

use super::environment::env_var;
use crate::support::text::display_value;
use crate::sweep::Shard;

/// A scheduler, and the variables in which it counts its machines.
struct Scheduler {
    name: &'static str,
    index: &'static str,
    counts: &'static [&'static str],
    /// The index of the first machine.
    first: u64,
}

/// All schedulers. Slurm has more variables: see [`read_slurm`].
const SCHEDULERS: [Scheduler; 5] = [
    Scheduler { name: "Slurm", index: "SLURM_ARRAY_TASK_ID", counts: &["SLURM_ARRAY_TASK_COUNT"], first: 0 },
    Scheduler {
        name: "Kubernetes",
        index: "JOB_COMPLETION_INDEX",
        counts: &["JOB_COMPLETION_COUNT", "JOB_COMPLETIONS"],
        first: 0,
    },
    Scheduler {
        name: "AWS Batch",
        index: "AWS_BATCH_JOB_ARRAY_INDEX",
        counts: &["AWS_BATCH_JOB_ARRAY_SIZE"],
        first: 0,
    },
    Scheduler { name: "GitLab", index: "CI_NODE_INDEX", counts: &["CI_NODE_TOTAL"], first: 1 },
    Scheduler {
        name: "Buildkite",
        index: "BUILDKITE_PARALLEL_JOB",
        counts: &["BUILDKITE_PARALLEL_JOB_COUNT"],
        first: 0,
    },
];

/// What a scheduler says.
enum Position {
    /// It does not run this process.
    None,
    /// The number of machines is missing.
    Uncounted(u64),
    /// This part.
    Part(Shard),
}

/// The part of this machine, and the name of the scheduler. Schedulers that contradict each other are refused.
pub(super) fn part_of_scheduler() -> Result<Option<(Shard, &'static str)>, String> {
    let (mut found, mut uncounted): (Option<(Shard, &Scheduler)>, _) = (None, None);
    for scheduler in &SCHEDULERS {
        let part = match scheduler.position()? {
            Position::None => continue,
            Position::Uncounted(index) => {
                uncounted = uncounted.or(Some((scheduler, index)));
                continue;
            }
            Position::Part(part) => part,
        };
        match &found {
            None => found = Some((part, scheduler)),
            Some((before, _)) if *before == part => {}
            Some((before, other)) => {
                return Err(format!(
                    "{} says that this is part {before}, and {} that it is part {part}: unset one of them, or use \
                     --shard I/N",
                    other.index, scheduler.index
                ));
            }
        }
    }
    match (found, uncounted) {
        (Some((part, scheduler)), _) => Ok(Some((part, scheduler.name))),
        (None, None) => Ok(None),
        // Without the count every machine would run all seeds.
        (None, Some((scheduler, index))) => Err(format!(
            "{} is {index}, but the number of machines is not given: set {}, or use --shard I/N (1/1 if there is \
             one)",
            scheduler.index,
            scheduler.counts.join(" or ")
        )),
    }
}

impl Scheduler {
    fn position(&self) -> Result<Position, String> {
        let Some(index) = number(self.index)? else { return Ok(Position::None) };
        let slurm = if self.name == "Slurm" { Some(read_slurm(index)?) } else { None };
        let Some((count_name, count)) = self.count()? else { return Ok(Position::Uncounted(index)) };
        let position = match slurm {
            Some(array) => array.position(count)?,
            None => index.checked_sub(self.first),
        };
        let first = slurm.map_or(self.first, |array| array.min);
        let step = slurm.filter(|array| array.step != 1).map(|array| format!(" in steps of {}", array.step));
        let index = position.filter(|index| *index < count).ok_or_else(|| {
            format!(
                "{} is {index}, but must be one of the {count} numbers from {first} on{} ({count_name}); --shard I/N \
                 overrides both",
                self.index,
                step.unwrap_or_default()
            )
        })?;
        Ok(Position::Part(Shard { index, count }))
    }

    /// The number of machines, and the variable that has it.
    fn count(&self) -> Result<Option<(&'static str, u64)>, String> {
        let mut found: Option<(&str, u64)> = None;
        for name in self.counts {
            match (number(name)?, found) {
                (Some(count), Some((before_name, before))) if count != before => {
                    return Err(format!(
                        "{before_name} is {before}, and {name} is {count}: unset the wrong one, or use --shard I/N"
                    ));
                }
                (Some(count), None) => found = Some((name, count)),
                _ => {}
            }
        }
        Ok(found)
    }
}

/// The indexes of a Slurm array.
#[derive(Clone, Copy)]
struct SlurmArray {
    index: u64,
    min: u64,
    max: Option<u64>,
    step: u64,
}

/// Reads what Slurm says of an array beside index and count: `--array=10-50:10` has the steps 10, 20, 30, 40 and 50.
fn read_slurm(index: u64) -> Result<SlurmArray, String> {
    let min = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
    let max = number("SLURM_ARRAY_TASK_MAX")?;
    match number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1) {
        0 => Err("SLURM_ARRAY_TASK_STEP is 0: expected a whole number from 1 up".into()),
        step => Ok(SlurmArray { index, min, max, step }),
    }
}

impl SlurmArray {
    /// The position of the index. A list of indexes, such as `1,3,7`, does not say which positions they have.
    fn position(self, count: u64) -> Result<Option<u64>, String> {
        let SlurmArray { index, min, max, step } = self;
        let steps = max.map(|max| max.checked_sub(min).map(|length| length / step + 1));
        if steps.is_some_and(|steps| steps != Some(count)) {
            let max = max.unwrap_or_default();
            return Err(format!(
                "SLURM_ARRAY_TASK_COUNT is {count}, but the indexes from {min} to {max} in steps of {step} are others: \
                 submit an array without gaps, or use --shard I/N"
            ));
        }
        Ok(index.checked_sub(min).filter(|above| above.is_multiple_of(step)).map(|above| above / step))
    }
}

fn number(name: &str) -> Result<Option<u64>, String> {
    let Some(value) = env_var(name)? else { return Ok(None) };
    value.parse().map(Some).map_err(|_| {
        format!("{name} is `{}`: expected a whole number from 0 to {}", display_value(&value), u64::MAX)
    })
}
