//! Each stored case is its own test: `cargo test -p regressions --test replay NAME` runs one.

use harness::systems::BUILT_IN;
use harness::testing::replay_case;
use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let trial = |(name, path): (String, std::path::PathBuf)| {
        Trial::test(name, move || Ok(replay_case(&path, &BUILT_IN)?))
    };
    libtest_mimic::run(&arguments, regressions::cases().into_iter().map(trial).collect()).exit();
}
