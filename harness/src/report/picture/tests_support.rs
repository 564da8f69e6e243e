//! A picture for tests of what is written from it.

use super::{
    Arrow, Band, ClientOperation, Fate, Lane, LaneId, LogEntry, Mark, NextCommand, PICTURE_VERSION, Picture,
    Precedence, ServerLog, Side, State, Story, Sync,
};

/// A picture that has everything once, and this text wherever there is text.
pub(in crate::report) fn any_picture(text: &str) -> Picture {
    let (text, lane) = (|| text.to_owned(), LaneId::Server(1));
    let mark = |step, causes| Mark {
        step,
        at: step * 1_000,
        lanes: vec![lane],
        text: text(),
        trigger: Some(text()),
        causes,
        in_slice: true,
        in_clash: true,
    };
    let operation = |called| ClientOperation {
        id: text(),
        lane: LaneId::Client(1),
        key: text(),
        text: text(),
        called,
        returned: Some(called + 100),
        result: text(),
        in_clash: true,
    };
    Picture {
        version: PICTURE_VERSION,
        title: text(),
        system: text(),
        generator_version: 1,
        commit: text(),
        verdict: "failed",
        signature: None,
        story: Some(Story {
            property: text(),
            promised: text(),
            observed: vec![text()],
            broken_by: vec![text()],
            when: text(),
            made_possible_by: vec![text()],
        }),
        plan: text(),
        shrunk: Some(text()),
        window: Some(text()),
        from: 0,
        to: 5_000,
        lanes: vec![Lane { id: lane, kind: "server" }, Lane { id: LaneId::Client(1), kind: "client" }],
        states: vec![State { lane, at: 0, role: "leader", term: Some(1), commit: 1, durable: 1, last: 2 }],
        marks: vec![mark(1, vec![]), mark(2, vec![0])],
        arrows: vec![Arrow {
            from: LaneId::Client(1),
            to: lane,
            sent: 500,
            at: Some(1_000),
            cause: 0,
            step: 1,
            text: text(),
            fate: Fate::Late,
            in_slice: true,
        }],
        syncs: vec![Sync { lane, from: 1_000, to: 1_500, step: 1, failed: true }],
        bands: vec![Band {
            number: 1,
            kind: "pause",
            text: text(),
            lanes: vec![lane],
            from: 1_000,
            to: 2_000,
            open: false,
        }],
        clash: vec![Side { mark: Some(1), at: 2_000, step: 2, lane: Some(lane), text: text() }],
        operations: vec![operation(100), operation(300)],
        explained_order: vec![0],
        forced_order: vec![Precedence { before: 0, after: 1, reason: text() }],
        logs: vec![ServerLog {
            lane,
            role: "leader",
            term: Some(1),
            omitted: 0,
            entries: vec![LogEntry {
                index: 1,
                term: Some(1),
                durable: None,
                committed: false,
                in_clash: true,
            }],
        }],
        commands: vec![NextCommand { purpose: text(), command: text() }],
    }
}
