//! A key-value store that is wrong on purpose: one server executes everything, and answers a write before the write is on
//! its disk. The chapter "Testing your own Raft" walks through it.
//!
//! `cargo run -p harness --example primary -- sweep --seeds 1000`

use harness::plan::Supports;
use harness::server::{Arrival, Host, LocalTime, OperatorResponse, Server};
use harness::systems::System;
use harness::workload::{ClientResponse, Reply, Request, RequestBody};
use invariants::{Action, Content, Operation, Response};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// The server that executes requests.
const PRIMARY: u64 = 1;
/// Bytes of a record: key, whether there is a value, value.
const RECORD: usize = 17;

/// A server. Only the primary has contents.
struct Primary {
    registers: BTreeMap<u64, Content>,
}

impl Primary {
    /// Executes an operation. Returns its response, and what to write to disk.
    fn execute(&mut self, Operation { key, action }: Operation) -> (Response, Option<Content>) {
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

impl Server for Primary {
    type Message = String;
    /// It states no facts and has no log: a black box.
    const SUPPORTS: Supports = Supports::NOTHING;

    fn boot(host: &mut Host<'_, String>) -> Primary {
        let disk = host.disk();
        let log = disk.read("log").to_vec();
        let (records, torn) = log.split_at(log.len() - log.len() % RECORD);
        if !torn.is_empty() {
            disk.truncate("log", records.len() as u64);
        }
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let register = |record: &[u8]| {
            let value = number(&record[9..]);
            (
                number(&record[..8]),
                if record[8] == 1 { Content::Present(value) } else { Content::Absent(value) },
            )
        };
        Primary { registers: records.chunks(RECORD).map(register).collect() }
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
                            let (tag, value) = match content {
                                Content::Present(value) => (1, value),
                                Content::Absent(number) => (0, number),
                            };
                            host.disk().append("log", |end| {
                                end.extend(operation.key.to_le_bytes());
                                end.push(tag);
                                end.extend(value.to_le_bytes());
                            });
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
                host.respond_to_operator(
                    request,
                    &OperatorResponse::Rejected("there is no group".to_owned()),
                );
            }
            Arrival::Timer | Arrival::Message { .. } | Arrival::Synced(_) | Arrival::SyncFailed(_) => {}
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        None
    }

    fn is_heartbeat(_: &String) -> bool {
        false
    }
}

/// The system that the command line runs.
enum PrimarySystem {}

impl System for PrimarySystem {
    const NAME: &'static str = "primary";
    type Server = Primary;
}

fn main() -> ExitCode {
    harness::cli::main_for::<PrimarySystem>(env!("CARGO_PKG_NAME"))
}
