//! A key-value store that is wrong on purpose: one server executes everything, and answers a write before the write is on
//! its disk. The chapter "Testing your own Raft" walks through it.

use harness::plan::Supports;
use harness::server::{Arrival, Damaged, Host, OperatorResponse, Server};
use harness::systems::System;
use harness::workload::{ClientResponse, Reply, Request, RequestBody};
use invariants::{Action, Content, Operation, Response};
use std::collections::BTreeMap;

/// The server that executes requests.
const PRIMARY: u64 = 1;
/// Bytes of a record.
const RECORD: usize = 21;

/// A server. Only the primary has contents.
#[derive(Debug)]
pub struct Primary {
    registers: BTreeMap<u64, Content>,
}

impl Primary {
    /// Executes an operation. Returns its response, and what to write to disk.
    pub fn execute(&mut self, Operation { key, action }: Operation) -> (Response, Option<Content>) {
        let current = self.registers.get(&key).copied().unwrap_or(Content::INITIAL);
        let new = match action {
            Action::Put(value) => Content::Present(value),
            Action::Delete(number) => Content::Absent(number),
            Action::CompareAndSet { expect, value } if expect == current => Content::Present(value),
            Action::CompareAndSet { .. } => return (Response::Mismatch(Some(current)), None),
            _ => return (Response::Holds(current), None),
        };
        self.registers.insert(key, new);
        (Response::Done, Some(new))
    }
}

/// What a write leaves on disk: key, whether there is a value, value, checksum.
pub fn record(key: u64, content: Content) -> [u8; RECORD] {
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

/// After a power loss the end of a file may hold anything: FNV-1a tells what was written from what was not.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The key and content of a record, unless it is damaged.
fn parse(record: &[u8]) -> Option<(u64, Content)> {
    let (key, tag) = (u64::from_le_bytes(record.get(..8)?.try_into().ok()?), *record.get(8)?);
    let value = u64::from_le_bytes(record.get(9..17)?.try_into().ok()?);
    let stored = u32::from_le_bytes(record.get(17..)?.try_into().ok()?);
    let content = if tag == 1 { Content::Present(value) } else { Content::Absent(value) };
    (checksum(&record[..17]) == stored).then_some((key, content))
}

impl Server for Primary {
    type Message = String;
    /// It states no facts and has no log: a black box.
    const SUPPORTS: Supports = Supports::NOTHING;

    fn boot(host: &mut Host<'_, String>) -> Result<Primary, Damaged> {
        let disk = host.disk();
        let log = disk.read("log").to_vec();
        let intact: Vec<(u64, Content)> = log.chunks(RECORD).map_while(parse).collect();
        let end = intact.len() * RECORD;
        if end < log.len() {
            disk.truncate("log", end as u64);
        }
        Ok(Primary { registers: intact.into_iter().collect() })
    }

    fn step(&mut self, host: &mut Host<'_, String>, arrival: Arrival<String>) {
        match arrival {
            Arrival::Request { client, request: Request { id, body, .. } } => {
                let response = match body {
                    _ if host.node() != PRIMARY => ClientResponse::NotLeader(Some(PRIMARY)),
                    // It has no sessions, so no client asks for one.
                    RequestBody::RegisterSession => ClientResponse::Busy,
                    RequestBody::Operation(operation) => {
                        let (response, written) = self.execute(operation);
                        if let Some(content) = written {
                            let disk = host.disk();
                            if disk.append("log", |end| end.extend(record(operation.key, content))) == 0 {
                                // The file is new, and the sync of a file does not make its name durable.
                                disk.sync_directory();
                            }
                            host.sync(0);
                        }
                        // The mistake: the response to a write must wait for `Arrival::Synced`.
                        match operation.action.is_read() {
                            true => ClientResponse::Read { applied: 0, response },
                            false => ClientResponse::Written { index: 0, response },
                        }
                    }
                };
                host.reply(client, Reply { id, response });
            }
            Arrival::Operator { request, .. } => {
                host.respond_to_operator(request, &OperatorResponse::rejected("there is no group"));
            }
            Arrival::Timer | Arrival::Message { .. } | Arrival::Synced(_) | Arrival::SyncFailed(_) => {}
        }
    }
}

/// The system that the command line runs.
#[derive(Debug)]
pub enum PrimarySystem {}

impl System for PrimarySystem {
    const NAME: &'static str = "primary";
    const CARGO_ARGUMENTS: &'static str = concat!("-p ", env!("CARGO_PKG_NAME"));
    type Server = Primary;
}
