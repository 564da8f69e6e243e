fn main() {
    let a: Vec<u64> = std::env::args().skip(1).map(|x| x.parse().unwrap()).collect();
    let t = std::time::Instant::now();
    let (mut ev, mut kept, mut unknown) = (0u64, 0, 0);
    let mut c = [0u64; 8];
    for seed in a[0]..a[1] {
        let r = harness::run::run(&harness::plan::generate(seed), &Default::default());
        ev += r.outcome.counts.events;
        let k = r.outcome.counts;
        for (i, v) in [
            k.heartbeats,
            k.simulated,
            k.operations,
            k.unknown_operations,
            k.leader_changes,
            k.power_losses,
            k.facts,
        ]
        .into_iter()
        .enumerate()
        {
            c[i] += v;
        }
        match r.outcome.verdict {
            harness::outcome::Verdict::Kept => kept += 1,
            harness::outcome::Verdict::Unknown(_) => unknown += 1,
            harness::outcome::Verdict::Failed(f) => println!("seed {seed}: {}: {}", f.property, f.sentence),
        }
    }
    let n = a[1] - a[0];
    let s = t.elapsed().as_secs_f64();
    println!(
        "{n} seeds, kept {kept}, unknown {unknown}, {ev} events, {:.0}/s; per seed {} ev, hb {}, sim {:.1}s ops {} unk {} lc {} pl {} facts {}",
        ev as f64 / s,
        ev / n,
        c[0] / n,
        c[1] as f64 / n as f64 / 1e9,
        c[2] / n,
        c[3] / n,
        c[4] as f64 / n as f64,
        c[5] as f64 / n as f64,
        c[6] / n
    );
}
