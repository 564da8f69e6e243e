use std::collections::BTreeMap;
fn main() {
    let n: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    for b in harness::bugs::all() {
        let mut by: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for seed in 0..n {
            let mut plan = harness::plan::generate(seed);
            plan.bug = Some(b.name.into());
            if let harness::outcome::Verdict::Failed(f) =
                harness::run::run(&plan, &Default::default()).outcome.verdict
            {
                let e = by.entry(f.property.clone()).or_insert((seed, 0));
                e.1 += 1;
            }
        }
        println!("{} {:28} first {:26} {:?}", b.id, b.name, b.first, by);
    }
}
