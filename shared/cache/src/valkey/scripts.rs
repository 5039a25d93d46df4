//! Commands on the wire: HMGET with TIME for a plain look, scripts for everything that decides.

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Script, Value};

use super::replies::{self, Failure};
use crate::header::rev_text;
use crate::limits::{ENTRY_OVERHEAD_BYTES, LEASE_MS, LEASES_MAX, PAGES_MAX, SCOPE_BYTES_MAX, SCOPE_TTL_MS, STALE_TTL_MS};
use crate::port::{Command, Fill, Reply};

/// The scripts and their hashes.
#[derive(Debug)]
pub(super) struct Scripts {
    read: Code,
    open: Code,
    fill: Code,
    bump: Code,
}

#[derive(Debug)]
struct Code {
    text: &'static str,
    sha: String,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let code = |text| Code { text, sha: Script::new(text).get_hash().to_owned() };
        Self {
            read: code(include_str!("scripts/read.lua")),
            open: code(include_str!("scripts/open.lua")),
            fill: code(include_str!("scripts/fill.lua")),
            bump: code(include_str!("scripts/bump.lua")),
        }
    }

    /// Runs a command: one round trip, or two when the server does not know the script yet.
    pub(super) async fn run(&self, connection: &mut MultiplexedConnection, command: &Command) -> Result<Reply, Failure> {
        match command {
            Command::Read { key, field, etags } if etags.is_empty() => look(connection, key, field).await,
            Command::Read { key, field, etags } => {
                let arguments = |cmd: &mut Cmd| {
                    cmd.arg(field).arg(etags);
                };
                replies::matched(self.read.run(connection, &[key], arguments).await)
            }
            Command::Open { key, field, proposed } => {
                let arguments = |cmd: &mut Cmd| {
                    cmd.arg(proposed).arg(field).arg(LEASE_MS).arg(LEASES_MAX).arg(SCOPE_TTL_MS);
                };
                replies::opened(self.open.run(connection, &[key], arguments).await?)
            }
            Command::Fill(fill) => replies::filled(&self.fill(connection, fill).await?),
            Command::Bump { key, rev } => {
                let arguments = |cmd: &mut Cmd| {
                    cmd.arg(rev_text(*rev));
                };
                replies::number(&self.bump.run(connection, &[key], arguments).await?).map(|_| Reply::Bumped)
            }
            Command::Purge { key, stale_key } => {
                let mut cmd = redis::cmd("DEL");
                cmd.arg(key).arg(stale_key);
                replies::number(&query(connection, &cmd).await?).map(|_| Reply::Purged)
            }
        }
    }

    async fn fill(&self, connection: &mut MultiplexedConnection, fill: &Fill) -> Result<Value, Failure> {
        let header = fill.header.encode();
        let bytes = header.len() + fill.body.len() + 2 * fill.field.len() + ENTRY_OVERHEAD_BYTES;
        let keys: Vec<&String> = std::iter::once(&fill.key).chain(&fill.stale_key).collect();
        let arguments = |cmd: &mut Cmd| {
            cmd.arg(&fill.incarnation).arg(&fill.field).arg(rev_text(fill.header.rev)).arg(&header).arg(&fill.body[..]);
            cmd.arg(if fill.page { "p" } else { "n" }).arg(bytes).arg(PAGES_MAX).arg(SCOPE_BYTES_MAX).arg(SCOPE_TTL_MS).arg(STALE_TTL_MS);
        };
        self.fill.run(connection, &keys, arguments).await
    }
}

impl Code {
    async fn run(&self, connection: &mut MultiplexedConnection, keys: &[&String], arguments: impl Fn(&mut Cmd)) -> Result<Value, Failure> {
        let with = |name: &str, code: &str| {
            let mut cmd = redis::cmd(name);
            cmd.arg(code).arg(keys.len()).arg(keys);
            arguments(&mut cmd);
            cmd
        };
        match query(connection, &with("EVALSHA", &self.sha)).await {
            Err(failure) if failure.unknown_script => query(connection, &with("EVAL", self.text)).await,
            result => result,
        }
    }
}

/// A plain look. Both commands travel together; others that a request needs could travel with them.
async fn look(connection: &mut MultiplexedConnection, key: &str, field: &str) -> Result<Reply, Failure> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("HMGET").arg(key).arg("i").arg("f").arg(format!("h:{field}")).arg(format!("b:{field}"));
    pipeline.cmd("TIME");
    replies::looked(connection.req_packed_commands(&pipeline, 0, 2).await.map_err(Failure::from)?)
}

async fn query(connection: &mut MultiplexedConnection, cmd: &Cmd) -> Result<Value, Failure> {
    match connection.req_packed_command(cmd).await.map_err(Failure::from)? {
        Value::ServerError(error) => Err(Failure::from(&error)),
        value => Ok(value),
    }
}
