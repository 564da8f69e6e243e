//! The pages of stored cases and histories in a real browser. Where there is none, the tests show as ignored; so do those of
//! Mermaid and of the schema without the bundles that they need, in the folder that `BROWSER_BUNDLES` names.

#![expect(clippy::disallowed_methods, reason = "a test reads what the page says")]

use harness::findings::case::Case;
use harness::outcome::signature::{FailureSignature, Roles};
use harness::outcome::{Options, Recording};
use harness::report::html::{run_html, sweep_html};
use harness::report::picture::{Picture, PictureLimits, history_picture, mermaid, picture, shiviz};
use harness::report::{DEFAULT_WIDTH, PlanSource, run_page};
use harness::sweep::{FailureRecord, Pace, Summary, SweepSettings};
use harness::systems::BUILT_IN;
use harness_browser::{Browser, is_installed};
use invariants::Budget;
use invariants::formats::read_history;
use invariants::linearizability::report;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Cases of different kinds.
const CASES: [&str; 10] = [
    "commit-prior-term-by-count",
    "leader-local-read",
    "follower-ack-before-sync",
    "hung-disk-keeps-lead",
    "joint-commit-one-side",
    "checksum-failure-treated-as-torn-tail",
    "lease-ignores-drift",
    "vote-reply-before-sync",
    "overlapping-config-changes",
    "retry-applied-twice",
];

/// A stale read, a lost element of a set, and a stale read among thousands of operations.
const HISTORIES: [(&str, &str); 3] = [
    ("stale-read", include_str!("histories/stale-read.edn")),
    ("lost-element", include_str!("histories/lost-element.edn")),
    ("many-operations", ""),
];

const WIDTHS: [u64; 3] = [400, 1_000, 2_000];

/// The right arrow and the home key, as WebDriver names them.
const RIGHT: char = '\u{e014}';
const HOME: char = '\u{e011}';

fn main() {
    let arguments = Arguments::from_args();
    let is_ignored = !is_installed();
    let mut tests = Vec::new();
    for name in CASES {
        tests.push(Trial::test(format!("case_{name}"), move || check_case(name)));
    }
    for (name, text) in HISTORIES {
        tests.push(Trial::test(format!("history_{name}"), move || check_history(name, text)));
    }
    tests.push(Trial::test("hostile_text_does_nothing", hostile_text_does_nothing));
    tests.push(Trial::test("sweep_page_draws_its_pictures", sweep_page_draws_its_pictures));
    tests.push(Trial::test("shiviz_expression_matches_every_event", shiviz_expression_matches_every_event));
    let has_bundles = bundle("mermaid.min.js").is_some_and(|path| path.is_file());
    let of_bundles = [
        Trial::test("mermaid_renders_every_diagram", mermaid_renders_every_diagram),
        Trial::test("report_json_matches_its_schema", report_json_matches_its_schema),
    ];
    let of_bundles = of_bundles.map(|test| test.with_ignored_flag(is_ignored || !has_bundles));
    let mut tests: Vec<Trial> = tests.into_iter().map(|test| test.with_ignored_flag(is_ignored)).collect();
    tests.extend(of_bundles);
    libtest_mimic::run(&arguments, tests).exit();
}

fn drawn(name: &str) -> (Picture, String) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../regressions/cases").join(format!("{name}.toml"));
    let case = Case::read(&path, &BUILT_IN).unwrap_or_else(|error| panic!("{error}"));
    let options = Options { record: Recording::PAGE, ..Options::default() };
    let record = BUILT_IN.run(&case.plan, &options);
    let source = PlanSource::File { path: &path, bug: None };
    let drawn =
        picture((BUILT_IN.name, &case.plan), source, &record, case.shrunk, &options, PictureLimits::SHRUNK);
    let plain = run_page(&case.plan, source, &record, case.shrunk, &options, DEFAULT_WIDTH);
    (drawn, plain)
}

/// A page in a file of its own.
struct Page {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn write(html: &str) -> Page {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("page.html");
    std::fs::write(&path, html).expect("the page is written");
    Page { _folder: folder, path }
}

fn check_case(name: &str) -> Result<(), Failed> {
    let (picture, plain) = drawn(name);
    assert_eq!(picture.verdict, "failed");
    let html = run_html(&picture, &plain);
    assert!(html.len() <= 1_000_000, "{} bytes", html.len());
    let page = write(&html);
    let browser = Browser::start();
    for width in WIDTHS {
        for is_dark in [false, true] {
            browser.set_view(width, 900, is_dark);
            browser.open(&page.path);
            check_layout(&browser, width);
        }
    }
    check_quiet(&browser, &page);
    let _ = browser.run("document.querySelector('.mark circle').setAttribute('cy', 9999)");
    assert_ne!(
        browser.run(include_str!("layout.js")),
        Value::Array(Vec::new()),
        "a mark that leaves its lane"
    );
    browser.open(&page.path);
    let slice: Vec<usize> = (0..picture.marks.len()).filter(|mark| picture.marks[*mark].in_slice).collect();
    let present = browser
        .run("return [...document.querySelectorAll('.mark')].map((mark) => Number(mark.dataset.mark))");
    assert_eq!(present, Value::from(slice.clone()), "every event of the slice");
    walk(&browser, &picture, &slice);
    Ok(())
}

/// The arrow keys reach every event of the slice, both sides of the clash included, and each shows its details.
fn walk(browser: &Browser, picture: &Picture, slice: &[usize]) {
    let _ = browser.run(
        "window.visited = []; document.getElementById('scroll').focus(); \
         document.getElementById('scroll').addEventListener('focusin', (event) => \
         window.visited.push([Number(event.target.dataset.mark), document.getElementById('detail').textContent]))",
    );
    browser.press(HOME, 1);
    browser.press(RIGHT, slice.len());
    let visited = browser.run("return window.visited");
    let visited = visited.as_array().expect("a list");
    let marks: Vec<u64> = visited.iter().filter_map(|entry| entry[0].as_u64()).collect();
    assert!(slice.iter().all(|mark| marks.contains(&(*mark as u64))), "{marks:?}");
    for side in picture.clash.iter().filter_map(|side| side.mark) {
        assert!(marks.contains(&(side as u64)), "side {side} of the clash: {marks:?}");
    }
    let detail = browser.run("return document.getElementById('detail').textContent");
    let last = &picture.marks[*slice.last().expect("a slice")];
    assert!(detail.as_str().is_some_and(|detail| detail.contains(&last.text)), "{detail}: {last:?}");
}

/// Nothing overlaps what is not its own: the page is as wide as the window, and everything on a lane stays on it.
fn check_layout(browser: &Browser, width: u64) {
    let problems = browser.run(include_str!("layout.js"));
    assert_eq!(problems, Value::Array(Vec::new()), "at {width} pixels");
}

/// No message in the console, and no request but for the page itself.
fn check_quiet(browser: &Browser, page: &Page) {
    let (console, requests) = browser.logs();
    assert_eq!(console, [""; 0]);
    let own = format!("file://{}", page.path.display());
    let foreign: Vec<&String> =
        requests.iter().filter(|url| **url != own && !url.starts_with("data:")).collect();
    assert!(foreign.is_empty() && requests.contains(&own), "{foreign:?}");
}

fn check_history(name: &str, text: &str) -> Result<(), Failed> {
    let many = many_operations();
    let text = if text.is_empty() { many.as_str() } else { text };
    let (_, history) = read_history(text).unwrap_or_else(|error| panic!("{error}"));
    let verdict = report(&history.calls, Budget::default()).unwrap_or_else(|error| panic!("{error:?}"));
    let lines = vec![history.describe(&verdict.verdict)];
    let picture = history_picture(name, &history, &verdict, lines, Budget::default());
    assert!(picture.operations.iter().any(|operation| operation.in_clash), "{name} must not be linearizable");
    assert!(!picture.explained_order.is_empty());
    let page = write(&run_html(&picture, "plain"));
    let browser = Browser::start();
    for width in WIDTHS {
        browser.set_view(width, 900, width == 1_000);
        browser.open(&page.path);
        check_layout(&browser, width);
    }
    check_quiet(&browser, &page);
    let count = || browser.run("return document.querySelectorAll('.op').length").as_u64().unwrap_or_default();
    let in_clash = picture.operations.iter().filter(|operation| operation.in_clash).count();
    let shown = browser.run("return document.querySelectorAll('.op.in-clash').length");
    assert_eq!(shown, Value::from(in_clash));
    let all = picture.operations.len() as u64;
    if all > 240 {
        assert!(count() < 300, "the window around the contradiction comes first: {}", count());
        let _ = browser.run("document.getElementById('b-all').click()");
    }
    assert_eq!(count(), all);
    Ok(())
}

/// A history of thousands of operations with a stale read in the middle.
fn many_operations() -> String {
    let mut text = String::new();
    for value in 0..1_500_u64 {
        let at = value * 100;
        let index = value * 4;
        let seen = if value == 700 { 690 } else { value };
        text += &format!(
            "{{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":{value},\"time\":{at},\"index\":{index}}}\n\
             {{\"process\":0,\"type\":\"ok\",\"f\":\"write\",\"value\":{value},\"time\":{},\"index\":{}}}\n\
             {{\"process\":1,\"type\":\"invoke\",\"f\":\"read\",\"value\":null,\"time\":{},\"index\":{}}}\n\
             {{\"process\":1,\"type\":\"ok\",\"f\":\"read\",\"value\":{seen},\"time\":{},\"index\":{}}}\n",
            at + 20,
            index + 1,
            at + 40,
            index + 2,
            at + 60,
            index + 3
        );
    }
    text
}

/// A page of a sweep with two pictures, one of them of hostile texts: both are drawn in frames of their own.
fn sweep_page_draws_its_pictures() -> Result<(), Failed> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut pictures = BTreeMap::new();
    let mut failures = Vec::new();
    for (seed, name) in (0..).zip(["leader-local-read", "hung-disk-keeps-lead"]) {
        let (picture, plain) = drawn(name);
        let path = folder.path().join(format!("{name}.html"));
        std::fs::write(&path, run_html(&picture, &format!("</iframe>\"{plain}")))
            .expect("the picture is written");
        pictures.insert(seed, path);
        failures.push(FailureRecord {
            signature: FailureSignature {
                property: name.into(),
                kind: "kind".into(),
                location: None,
                roles: Roles::Cluster,
            },
            seed,
            plan: None,
            message: picture.title,
            faults: None,
            shrunk: None,
        });
    }
    let pace = Pace { seconds: 2, events: vec![10, 30, 20] };
    let settings = SweepSettings { seeds: 0..2, ..SweepSettings::default() };
    let summary = Summary { seeds: 2, failures, pace, ..Summary::new(&settings) };
    let page = write(&sweep_html(&summary, &pictures, &folder.path().join("page.html")));
    let browser = Browser::start();
    for width in WIDTHS {
        browser.set_view(width, 900, false);
        browser.open(&page.path);
        let _ = browser.run("document.querySelectorAll('details').forEach(it => it.open = true)");
        assert_eq!(browser.run("return document.querySelectorAll('iframe').length"), Value::from(2));
        assert_eq!(browser.run("return document.querySelectorAll('.columns rect').length"), Value::from(3));
        let is_wide = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        assert_eq!(browser.run(is_wide), Value::from(false), "at {width} pixels");
    }
    for frame in 0..2 {
        let marks = browser.in_frame(frame, "return document.querySelectorAll('.mark').length");
        assert!(marks.as_u64() > Some(2), "frame {frame} draws {marks} marks");
    }
    check_quiet(&browser, &page);
    Ok(())
}

fn hostile_text_does_nothing() -> Result<(), Failed> {
    let (mut picture, _) = drawn("follower-ack-before-sync");
    let hostile =
        "</script><script>window.bad = 1</script><img src=x onerror='window.bad = 1'>\"'`${window.bad = 1}";
    picture.title = hostile.to_owned();
    picture.marks.iter_mut().for_each(|mark| mark.text = hostile.to_owned());
    picture.arrows.iter_mut().for_each(|arrow| arrow.text = hostile.to_owned());
    picture.commands.iter_mut().for_each(|next| next.command = hostile.to_owned());
    let page = write(&run_html(&picture, hostile));
    let browser = Browser::start();
    browser.set_view(1_000, 900, false);
    browser.open(&page.path);
    browser.press('c', 1);
    let _ = browser.run("document.getElementById('b-next').click()");
    assert_eq!(browser.run("return window.bad === undefined && document.images.length"), Value::from(0));
    let title = browser.run("return document.querySelector('h1').textContent");
    assert_eq!(title, Value::from(hostile));
    check_quiet(&browser, &page);
    Ok(())
}

fn shiviz_expression_matches_every_event() -> Result<(), Failed> {
    let browser = Browser::start();
    for name in ["leader-local-read", "commit-prior-term-by-count"] {
        let log = shiviz(&drawn(name).0);
        let text = serde_json::to_string(&log).expect("a text");
        let rest = browser.run(&format!(
            "const [head, empty, ...lines] = {text}.split('\\n'); \
             const matches = [...lines.join('\\n').matchAll(new RegExp(head, 'g'))]; \
             matches.forEach((match) => JSON.parse(match.groups.clock)); \
             return [empty, matches.length, lines.join('\\n').replace(new RegExp(head + '\\n?', 'g'), '')];"
        ));
        let events = (log.lines().count() - 2) / 2;
        assert_eq!(rest, serde_json::json!(["", events, ""]));
        assert!(mermaid(&drawn(name).0).lines().count() <= 60);
    }
    Ok(())
}

/// A script from a registry of packages.
fn bundle(name: &str) -> Option<PathBuf> {
    std::env::var_os("BROWSER_BUNDLES").map(|folder| Path::new(&folder).join(name))
}

/// A page that loads only a bundle.
fn page_with(bundle_name: &str) -> Page {
    let path = bundle(bundle_name).expect("the test is ignored without");
    let script = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let page = write(
        "<!doctype html><html><head><meta charset=\"utf-8\"></head><body><script src=\"bundle.js\"></script></body></html>",
    );
    std::fs::write(page.path.with_file_name("bundle.js"), script).expect("the bundle is copied");
    page
}

fn mermaid_renders_every_diagram() -> Result<(), Failed> {
    let page = page_with("mermaid.min.js");
    let browser = Browser::start();
    browser.open(&page.path);
    let mut diagrams: Vec<(String, String)> =
        CASES.map(|name| (name.to_owned(), mermaid(&drawn(name).0))).to_vec();
    for hostile in
        ["a; b", "# end", "end", "\"quoted\" 'x'", "%% comment", "<b>bold</b>", "a: b -> c", "{x}[y]"]
    {
        let (mut picture, _) = drawn("follower-ack-before-sync");
        picture.marks.iter_mut().for_each(|mark| mark.text = hostile.to_owned());
        picture.arrows.iter_mut().for_each(|arrow| arrow.text = hostile.to_owned());
        diagrams.push((hostile.to_owned(), mermaid(&picture)));
    }
    for (name, diagram) in diagrams {
        let text = serde_json::to_string(&diagram).expect("a text");
        let shown = browser.wait_for(&format!(
            "const text = {text}; mermaid.initialize({{startOnLoad: false}}); \
             mermaid.parse(text).then(() => mermaid.render('m' + Date.now(), text)) \
             .then(({{svg}}) => {{ const div = document.createElement('div'); div.innerHTML = svg; \
             done(div.textContent); }}, (error) => done({{error: null, failed: String(error)}}))"
        ));
        let shown = shown.as_str().unwrap_or_else(|| panic!("{name}: {shown}\n{diagram}")).to_owned();
        if diagram.contains("CLASH") {
            assert!(shown.contains("CLASH"), "{name}: {shown}");
        }
        let is_hostile = !CASES.contains(&name.as_str());
        let squeezed = |text: &str| text.split_whitespace().collect::<String>();
        assert!(!is_hostile || squeezed(&shown).contains(&squeezed(&name)), "{name}: {shown}");
    }
    Ok(())
}

fn report_json_matches_its_schema() -> Result<(), Failed> {
    let page = page_with("ajv2020.min.js");
    let browser = Browser::start();
    browser.open(&page.path);
    let schema = include_str!("../../docs/report.schema.json");
    let check = |json: &str| {
        browser.run(&format!(
            "const validate = new ajv2020({{allErrors: true, strict: false}}).compile({schema}); \
             return [validate({json}), JSON.stringify(validate.errors)];"
        ))
    };
    for name in CASES {
        let result = check(&drawn(name).0.to_json());
        assert_eq!(result[0], Value::Bool(true), "{name}: {result}");
    }
    // A field of the wrong type is found.
    let wrong = drawn(CASES[0]).0.to_json().replace("\"version\":1", "\"version\":\"1\"");
    assert_eq!(check(&wrong)[0], Value::Bool(false));
    Ok(())
}
