//! Commands on the wire: HMGET with TIME for a plain look, scripts for everything that decides.

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, Script, Value};

use super::replies::{self, Failure};
use crate::header::rev_text;
use crate::limits::{BLOB_TTL_MS, ENTRY_OVERHEAD_BYTES, LEASE_MS, LEASES_MAX, PAGES_MAX, SCOPE_BYTES_MAX, SCOPE_TTL_MS, STALE_TTL_MS};
use crate::port::{Command, Fill, Reply};
use crate::types::Trouble;

/// The scripts and their hashes.
#[derive(Debug)]
pub(super) struct Scripts {
    read: Code,
    open: Code,
    fill: Code,
    bump: Code,
    count: Code,
}

#[derive(Debug)]
struct Code {
    text: &'static str,
    sha: String,
}

/// How a script is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// By its hash, which the server knows once it has seen the text.
    Hash,
    Text,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let code = |text| Code { text, sha: Script::new(text).get_hash().to_owned() };
        Self {
            read: code(include_str!("scripts/read.lua")),
            open: code(include_str!("scripts/open.lua")),
            fill: code(include_str!("scripts/fill.lua")),
            bump: code(include_str!("scripts/bump.lua")),
            count: code(include_str!("scripts/count.lua")),
        }
    }

    /// Runs commands that travel together: one round trip, or two when the server does not know a script yet. Each has a result of its own.
    pub(super) async fn run(
        &self,
        connection: &mut MultiplexedConnection,
        commands: &[Command],
    ) -> Result<Vec<Result<Reply, Failure>>, Failure> {
        let first: Vec<&Command> = commands.iter().collect();
        let mut results = self.exchange(connection, &first, By::Hash).await?;
        let unknown = |result: &Result<Reply, Failure>| result.as_ref().is_err_and(|failure| failure.unknown_script);
        let again: Vec<usize> = (0..results.len()).filter(|at| unknown(&results[*at])).collect();
        if !again.is_empty() {
            let commands: Vec<&Command> = again.iter().map(|at| &commands[*at]).collect();
            for (at, result) in again.iter().zip(self.exchange(connection, &commands, By::Text).await?) {
                results[*at] = result;
            }
        }
        Ok(results)
    }

    async fn exchange(
        &self,
        connection: &mut MultiplexedConnection,
        commands: &[&Command],
        by: By,
    ) -> Result<Vec<Result<Reply, Failure>>, Failure> {
        let mut pipeline = redis::pipe();
        let lengths: Vec<usize> = commands.iter().map(|command| self.add(&mut pipeline, command, by)).collect();
        let values = connection.req_packed_commands(&pipeline, 0, lengths.iter().sum()).await.map_err(Failure::from)?;
        let mut values = values.into_iter();
        Ok(commands.iter().zip(lengths).map(|(command, length)| reply(command, values.by_ref().take(length).collect())).collect())
    }

    /// Adds what a command is on the wire: how many replies it gets.
    fn add(&self, pipeline: &mut Pipeline, command: &Command, by: By) -> usize {
        let cmd = match command {
            Command::Read { key, field, etags } if etags.is_empty() => {
                pipeline.cmd("HMGET").arg(key).arg("i").arg("f").arg(format!("h:{field}")).arg(format!("b:{field}"));
                pipeline.cmd("TIME");
                return 2;
            }
            Command::Purge { key, stale_key } => {
                pipeline.cmd("DEL").arg(key).arg(stale_key);
                return 1;
            }
            Command::PutBlobs { blobs } => {
                for (key, blob) in blobs {
                    pipeline.cmd("SET").arg(key).arg(&blob[..]).arg("PX").arg(BLOB_TTL_MS);
                }
                return blobs.len();
            }
            Command::Read { key, field, etags } => self.read.call(by, &[key]).arg(field).arg(etags).to_owned(),
            Command::Open { key, field, proposed } => {
                self.open.call(by, &[key]).arg(proposed).arg(field).arg(LEASE_MS).arg(LEASES_MAX).arg(SCOPE_TTL_MS).to_owned()
            }
            Command::Fill(fill) => self.fill(by, fill),
            Command::Bump { key, rev } => self.bump.call(by, &[key]).arg(rev_text(*rev)).to_owned(),
            Command::GetBlobs { keys } => redis::cmd("MGET").arg(keys).to_owned(),
            Command::Count { key, window_ms } => self.count.call(by, &[key]).arg(window_ms).to_owned(),
        };
        pipeline.add_command(cmd);
        1
    }

    fn fill(&self, by: By, fill: &Fill) -> Cmd {
        let header = fill.header.encode();
        let bytes = header.len() + fill.body.len() + 2 * fill.field.len() + ENTRY_OVERHEAD_BYTES;
        let keys: Vec<&String> = std::iter::once(&fill.key).chain(&fill.stale_key).collect();
        let mut cmd = self.fill.call(by, &keys);
        cmd.arg(&fill.incarnation).arg(&fill.field).arg(rev_text(fill.header.rev)).arg(&header).arg(&fill.body[..]);
        cmd.arg(if fill.page { "p" } else { "n" }).arg(bytes).arg(PAGES_MAX).arg(SCOPE_BYTES_MAX).arg(SCOPE_TTL_MS).arg(STALE_TTL_MS);
        cmd
    }
}

impl Code {
    /// A call of this script, without its arguments.
    fn call(&self, by: By, keys: &[&String]) -> Cmd {
        let (name, code) = match by {
            By::Hash => ("EVALSHA", self.sha.as_str()),
            By::Text => ("EVAL", self.text),
        };
        let mut cmd = redis::cmd(name);
        cmd.arg(code).arg(keys.len()).arg(keys);
        cmd
    }
}

/// What the replies to a command mean.
fn reply(command: &Command, mut values: Vec<Value>) -> Result<Reply, Failure> {
    if matches!(command, Command::Read { etags, .. } if etags.is_empty()) {
        return replies::looked(values);
    }
    if matches!(command, Command::PutBlobs { .. }) {
        return replies::kept(&values);
    }
    let value = match values.pop() {
        Some(Value::ServerError(error)) => Err(Failure::from(&error)),
        Some(value) => Ok(value),
        None => Err(Trouble::Garbled.into()),
    };
    match command {
        Command::Read { .. } => replies::matched(value),
        Command::Open { .. } => replies::opened(value?),
        Command::Fill(_) => replies::filled(&value?),
        Command::Bump { .. } => replies::number(&value?).map(|_| Reply::Bumped),
        Command::Purge { .. } => replies::number(&value?).map(|_| Reply::Purged),
        Command::GetBlobs { .. } => replies::blobs(value?),
        Command::PutBlobs { .. } => Err(Trouble::Garbled.into()),
        Command::Count { .. } => replies::counted(value?),
    }
}
