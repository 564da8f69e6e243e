fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let mut plan = harness::plan::generate(a[0].parse().unwrap());
    plan.bug = (a[3] != "-").then(|| a[3].clone());
    let expect = if a[2] == "passed" {
        harness::case::Expect::Passed
    } else {
        harness::case::Expect::Caught(a[2].clone())
    };
    harness::case::Case { story: std::fs::read_to_string(&a[4]).unwrap(), expect, plan }
        .write(std::path::Path::new(&a[1]))
        .unwrap();
}
