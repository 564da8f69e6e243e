//! A key-value store made of tasks: one server executes everything, and answers when it is on its disk.

use harness::engine::pump::tasks::{NodeHandle, TaskInput, TaskServer, Tasks};
use harness::plan::Supports;
use harness::server::{BugInfo, OperatorResponse};
use harness::systems::System;
use harness::workload::{ClientResponse, Reply, RequestBody};
use invariants::{Action, Content, Response};
use std::collections::BTreeMap;
use std::future::pending;

/// The server that executes requests.
const PRIMARY: u64 = 1;
/// Bytes of a record: key, whether there is a value, value, checksum.
const RECORD: usize = 21;

static ANSWERS_BEFORE_SYNC: BugInfo = BugInfo {
    name: "answers-before-sync",
    id: "T1",
    at: "async_server/primary.rs",
    breaks: "a write is answered before it is on the disk",
    first: "linearizability",
    consequence: "a power loss takes back what a client was told",
};

/// The tasks of a server.
pub(crate) enum PrimaryTasks {}

impl Tasks for PrimaryTasks {
    type Message = String;
    const SUPPORTS: Supports = Supports::NOTHING;

    async fn main(node: NodeHandle<String>) {
        let log = node.host(|host| host.disk().read("log").to_vec()).unwrap();
        let intact: Vec<(u64, Content)> = log.chunks(RECORD).map_while(parse).collect();
        let end = intact.len() * RECORD;
        if end < log.len() {
            node.host(|host| host.disk().truncate("log", end as u64));
        }
        let mut registers: BTreeMap<u64, Content> = intact.into_iter().collect();
        let is_careful = node.plan().bug.is_none();
        loop {
            let (client, request) = match node.receive().await {
                TaskInput::Request { client, request } => (client, request),
                TaskInput::Operator { request, .. } => {
                    let response = OperatorResponse::rejected("there is no group");
                    node.respond_to_operator(request, &response);
                    continue;
                }
                TaskInput::Message { .. } => continue,
            };
            let id = request.id;
            let RequestBody::Operation(operation) = request.body else { unreachable!("it has no sessions") };
            if node.node() != PRIMARY {
                node.reply(client, Reply { id, response: ClientResponse::NotLeader(Some(PRIMARY)) });
                continue;
            }
            let current = registers.get(&operation.key).copied().unwrap_or(Content::INITIAL);
            let new = match operation.action {
                Action::Put(value) => Some(Content::Present(value)),
                Action::Delete(number) => Some(Content::Absent(number)),
                Action::CompareAndSet { expect, value } if expect == current => Some(Content::Present(value)),
                _ => None,
            };
            if let Some(new) = new {
                registers.insert(operation.key, new);
                node.host(|host| {
                    host.disk().append("log", |end| end.extend(record(operation.key, new)));
                    host.disk().sync_directory();
                });
            }
            let response = match operation.action {
                Action::CompareAndSet { .. } if new.is_none() => Response::Mismatch(Some(current)),
                Action::Get => Response::Holds(current),
                _ => Response::Done,
            };
            let response = match operation.action.is_read() {
                true => ClientResponse::Read { applied: 0, response },
                false => ClientResponse::Written { index: 0, response },
            };
            let task = node.clone();
            // What it read must be durable, too. The next request is executed meanwhile.
            node.spawn(async move {
                if is_careful && task.sync().await.is_err() {
                    pending::<()>().await;
                }
                task.reply(client, Reply { id, response });
            });
        }
    }

    fn is_heartbeat(_: &String) -> bool {
        false
    }

    fn bugs() -> Vec<&'static BugInfo> {
        vec![&ANSWERS_BEFORE_SYNC]
    }
}

fn record(key: u64, content: Content) -> [u8; RECORD] {
    let (tag, value) = match content {
        Content::Present(value) => (1, value),
        Content::Absent(number) => (0, number),
    };
    let mut record = [tag; RECORD];
    record[..8].copy_from_slice(&key.to_le_bytes());
    record[9..17].copy_from_slice(&value.to_le_bytes());
    let checksum = checksum(&record[..17]);
    record[17..].copy_from_slice(&checksum.to_le_bytes());
    record
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn parse(record: &[u8]) -> Option<(u64, Content)> {
    let (key, tag) = (u64::from_le_bytes(record.get(..8)?.try_into().ok()?), *record.get(8)?);
    let value = u64::from_le_bytes(record.get(9..17)?.try_into().ok()?);
    let stored = u32::from_le_bytes(record.get(17..)?.try_into().ok()?);
    let content = if tag == 1 { Content::Present(value) } else { Content::Absent(value) };
    (checksum(&record[..17]) == stored).then_some((key, content))
}

/// The system.
pub(crate) enum TaskPrimary {}

impl System for TaskPrimary {
    const NAME: &'static str = "task-primary";
    type Server = TaskServer<PrimaryTasks>;
}
