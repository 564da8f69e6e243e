use super::super::picture::Picture;
use super::super::picture::tests_support::any_picture;
use super::{json_for_script, run_html, sweep_html};
use crate::outcome::signature::{FailureSignature, Roles};
use crate::sweep::{FailureRecord, Pace, Summary, SweepSettings, Tally};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The part of a page between two texts.
fn between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    let from = page.find(start).expect("the start is there") + start.len();
    &page[from..from + page[from..].find(end).expect("the end is there")]
}

/// Names of all elements that the page opens, outside of its style, data and script.
fn elements(page: &str) -> Vec<String> {
    let mut rest = page.to_owned();
    for element in ["style", "script type=\"application/json\" id=\"data\"", "script"] {
        let name = element.split(' ').next().expect("it has a name");
        let inner = between(&rest, &format!("<{element}>"), &format!("</{name}>")).to_owned();
        rest = rest.replacen(&inner, "", 1);
    }
    let names = rest.split('<').skip(1).map(|tag| {
        tag.split(|c: char| !c.is_ascii_alphanumeric() && c != '/' && c != '!')
            .next()
            .unwrap_or("")
            .to_owned()
    });
    names.collect()
}

#[test]
fn page_is_one_file_without_anything_from_elsewhere() {
    let page = run_html(&any_picture("text"), "the plain page");
    for outside in ["http:", "https:", "src=", "url(\"", "@import", "<link rel=\"stylesheet"] {
        let found = page.replace("http://www.w3.org/2000/svg", "").contains(outside);
        assert!(!found, "{outside}");
    }
    assert!(page.contains("the plain page") && page.contains("default-src 'none'"));
}

#[test]
fn data_of_the_page_is_the_json_form() {
    let picture = any_picture("</script><!--<script>& \u{2028}");
    let page = run_html(&picture, "");
    let data = between(&page, "id=\"data\">", "</script>");
    let read: serde_json::Value = serde_json::from_str(data).expect("the data is JSON");
    let written: serde_json::Value = serde_json::from_str(&picture.to_json()).expect("it is JSON");
    assert_eq!(read, written);
}

#[test]
fn page_of_an_empty_picture_has_no_empty_parts() {
    let page = run_html(&Picture::empty(), "the plain page");
    assert!(page.contains("the plain page"));
    for part in
        ["What was promised", "Logs at the clash", "What to type", "The plan", "<p class=\"note\"></p>"]
    {
        assert!(!page.contains(part), "{part}");
    }
}

proptest! {
    #[test]
    fn hostile_text_is_no_markup(text in "[<>&\"'/! a-z\\-={}%|]{0,40}|\\PC{0,20}") {
        let harmless = elements(&run_html(&any_picture("x"), "x"));
        // Without text, parts of the page are left out.
        for hostile in [format!("x{text}"), format!("</script>{text}"), format!("<img src=x onerror={text}>")] {
            let page = run_html(&any_picture(&hostile), &hostile);
            prop_assert_eq!(elements(&page), harmless.clone());
            let data = between(&page, "id=\"data\">", "</script>");
            prop_assert!(!data.contains(['<', '>', '&']));
        }
        prop_assert!(!json_for_script(&text).contains(['<', '>', '&']));
    }
}

#[test]
fn page_of_a_sweep_links_pictures_and_escapes_texts() {
    let failure = |seed| FailureRecord {
        faults: None,
        shrunk: None,
        signature: FailureSignature {
            property: "liveness".into(),
            kind: "no-leader".into(),
            location: Some("<b>.rs:1".into()),
            roles: Roles::Unknown,
        },
        seed,
        plan: None,
        message: "<script>bad</script>".into(),
    };
    let summary = Summary {
        seeds: 10,
        failures: vec![failure(7), failure(9)],
        checks: vec![Tally { name: "liveness".into(), count: 0, seeds: 0 }],
        milestones: vec![Tally { name: "leader-elected".into(), count: 20, seeds: 5 }],
        ..Summary::new(&SweepSettings::default())
    };
    let pictures = BTreeMap::from([(9, PathBuf::from("out dir/<b>.small.html"))]);
    let page = sweep_html(&summary, &pictures, Path::new("page.html"));
    assert!(page.contains("href=\"out%20dir/%3Cb%3E.small.html\""), "{page}");
    assert!(!page.contains("<script") && !page.contains("<b>") && page.contains("&lt;b&gt;.rs"), "{page}");
    assert!(!page.contains("<iframe"), "{page}");
    assert!(page.contains("class=\"never\"") && page.contains("width=\"50.0%\""), "{page}");
}

#[test]
fn page_of_a_sweep_has_the_pictures_and_its_pace() {
    let folder = tempfile::tempdir().unwrap();
    let failure = |seed: u64| FailureRecord {
        faults: None,
        shrunk: None,
        signature: FailureSignature {
            property: format!("property-{seed}"),
            kind: "kind".into(),
            location: None,
            roles: Roles::Unknown,
        },
        seed,
        plan: None,
        message: "bad".into(),
    };
    let sizes = [10, 3_999_000, 2_000];
    let mut pictures = BTreeMap::new();
    for (seed, size) in (0..).zip(sizes) {
        let path = folder.path().join(format!("{seed}.html"));
        std::fs::write(&path, format!("<i>\"{seed}{}", "x".repeat(size))).unwrap();
        pictures.insert(seed, path);
    }
    let mut summary = Summary {
        seeds: 3,
        failures: (0..4).map(failure).collect(),
        exercised: vec![
            Tally { name: "some-bug".into(), count: 2, seeds: 2 },
            Tally { name: "other-bug".into(), count: 0, seeds: 0 },
        ],
        pace: Pace { seconds: 4, events: vec![400, 4_000, 40] },
        ..Summary::new(&SweepSettings::default())
    };
    let page = sweep_html(&summary, &pictures, &folder.path().join("page.html"));
    // The third does not fit, and the fourth failure has none.
    assert_eq!((page.matches("<iframe").count(), page.matches("class=\"group\"").count()), (2, 4));
    assert!(page.contains("srcdoc=\"&lt;i&gt;&quot;0xxxxxxxxxx\"") && page.contains("href=\"2.html\""));
    assert!(page.contains("100 to 1,000 events a second") && page.contains("from second 8: 10"), "{page}");
    assert!(page.contains("Lines exercised") && page.contains("other-bug"));
    // One column says no more than the rate above it.
    summary.pace.events.truncate(1);
    assert!(!sweep_html(&summary, &BTreeMap::new(), Path::new("page.html")).contains("class=\"columns\""));
}
