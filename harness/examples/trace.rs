fn main() {
    let seed: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let o = harness::outcome::Options { timeline: true, facts: true, ..Default::default() };
    let mut plan = harness::plan::generate(seed);
    plan.bug = std::env::args().nth(2);
    let r = harness::run::run(&plan, &o);
    let mut f = r.facts.iter().peekable();
    for l in &r.timeline {
        while f.peek().is_some_and(|x| x.step < l.step) {
            let x = f.next().unwrap();
            println!("      {:>6} {:>12.6} n{} {:?}", x.step, x.at as f64 / 1e9, x.node, x.fact);
        }
        println!("{:>6} {:>12.6} n{} {}", l.step, l.at as f64 / 1e9, l.node, l.text);
    }
    for x in f {
        println!("      {:>6} {:>12.6} n{} {:?}", x.step, x.at as f64 / 1e9, x.node, x.fact);
    }
    println!("{:?} {:?}", r.outcome.verdict, r.outcome.digest);
}
