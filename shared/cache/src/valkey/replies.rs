//! What servers reply, sorted by what can be done about it. Anything unexpected is garbled, never a panic.

use bytes::Bytes;
use redis::{ErrorKind, RedisError, ServerError, Value};

use crate::port::{Filled, Reply, Seen};
use crate::types::Trouble;

/// A command that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) trouble: Trouble,
    /// Whether the next command needs another connection.
    pub(super) connection_is_bad: bool,
    /// Whether the server has forgotten the script.
    pub(super) unknown_script: bool,
    /// Whether the key holds something that is no hash.
    wrong_type: bool,
}

/// Codes of servers that should not be talked to any longer: no primary any more, not ready, or not logged in.
const LEAVE: [&str; 6] = ["READONLY", "LOADING", "MASTERDOWN", "NOAUTH", "MOVED", "CLUSTERDOWN"];

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self {
            trouble,
            connection_is_bad: matches!(trouble, Trouble::Garbled | Trouble::Unreachable),
            unknown_script: false,
            wrong_type: false,
        }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        match error.code() {
            Some(code) => Self::of_code(code),
            None if error.is_timeout() => Trouble::Timeout.into(),
            None if error.kind() == ErrorKind::Parse => Trouble::Garbled.into(),
            None if error.kind() == ErrorKind::AuthenticationFailed => Self { connection_is_bad: true, ..Trouble::Refused.into() },
            None => Trouble::Unreachable.into(),
        }
    }
}

impl From<&ServerError> for Failure {
    fn from(error: &ServerError) -> Self {
        Self::of_code(error.code())
    }
}

impl Failure {
    /// Whether the server is well and does not do this, but may do something else.
    pub(super) fn is_refusal(&self) -> bool {
        self.trouble == Trouble::Refused && !self.connection_is_bad
    }

    fn of_code(code: &str) -> Self {
        Self {
            trouble: Trouble::Refused,
            connection_is_bad: LEAVE.contains(&code),
            unknown_script: code == "NOSCRIPT",
            wrong_type: code == "WRONGTYPE",
        }
    }
}

/// The reply to HMGET and TIME.
pub(super) fn looked(values: Vec<Value>) -> Result<Reply, Failure> {
    let [fields, time] = <[Value; 2]>::try_from(values).map_err(|_| Trouble::Garbled)?;
    let server_ms = match array::<2>(time)? {
        [seconds, micros] => clock(&seconds, &micros)?,
    };
    match fields {
        Value::ServerError(error) => damaged(Failure::from(&error), server_ms),
        fields => {
            let [incarnation, floor, header, body] = array::<4>(fields)?;
            let seen = Seen::from_parts(bytes(incarnation)?, bytes(floor)?, bytes(header)?, bytes(body)?, false, server_ms);
            Ok(Reply::Seen(seen))
        }
    }
}

/// The reply to READ with validators.
pub(super) fn matched(value: Result<Value, Failure>) -> Result<Reply, Failure> {
    let value = match value {
        Ok(value) => value,
        Err(failure) => return damaged(failure, 0),
    };
    let [incarnation, floor, header, body, matched, seconds, micros] = array::<7>(value)?;
    let matched = number(&matched)? == 1;
    let server_ms = clock(&seconds, &micros)?;
    Ok(Reply::Seen(Seen::from_parts(bytes(incarnation)?, bytes(floor)?, bytes(header)?, bytes(body)?, matched, server_ms)))
}

/// The reply to OPEN.
pub(super) fn opened(value: Value) -> Result<Reply, Failure> {
    let [incarnation, leased] = array::<2>(value)?;
    let incarnation = bytes(incarnation)?.ok_or(Trouble::Garbled)?;
    let incarnation = String::from_utf8(incarnation.to_vec()).map_err(|_| Trouble::Garbled)?;
    Ok(Reply::Opened { incarnation, leased: number(&leased)? == 1 })
}

/// The reply to FILL.
pub(super) fn filled(value: &Value) -> Result<Reply, Failure> {
    let Value::BulkString(word) = value else { return Err(Trouble::Garbled.into()) };
    match &word[..] {
        b"stored" => Ok(Reply::Filled(Filled::Stored)),
        b"incarnation" => Ok(Reply::Filled(Filled::OtherIncarnation)),
        b"floor" => Ok(Reply::Filled(Filled::BelowFloor)),
        b"entry" => Ok(Reply::Filled(Filled::BelowEntry)),
        _ => Err(Trouble::Garbled.into()),
    }
}

/// The reply to COUNT.
pub(super) fn counted(value: Value) -> Result<Reply, Failure> {
    let [count, left_ms] = array::<2>(value)?;
    Ok(Reply::Counted { count: number(&count)?, left_ms: number(&left_ms)? })
}

/// The reply to MGET.
pub(super) fn blobs(value: Value) -> Result<Reply, Failure> {
    let Value::Array(values) = value else { return Err(Trouble::Garbled.into()) };
    values.into_iter().map(bytes).collect::<Result<_, _>>().map(Reply::Blobs)
}

/// The replies to SET.
pub(super) fn kept(values: &[Value]) -> Result<Reply, Failure> {
    for value in values {
        match value {
            Value::Okay => {}
            Value::ServerError(error) => return Err(Failure::from(error)),
            _ => return Err(Trouble::Garbled.into()),
        }
    }
    Ok(Reply::BlobsKept)
}

/// A number, whichever way it is written.
pub(super) fn number(value: &Value) -> Result<u64, Failure> {
    let number = match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::BulkString(text) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    number.ok_or_else(|| Trouble::Garbled.into())
}

/// What is no hash is not an error of the cache: OPEN replaces it.
fn damaged(failure: Failure, server_ms: u64) -> Result<Reply, Failure> {
    match failure.wrong_type {
        true => Ok(Reply::Seen(Seen { damaged: true, server_ms, ..Seen::default() })),
        false => Err(failure),
    }
}

fn clock(seconds: &Value, micros: &Value) -> Result<u64, Failure> {
    let (seconds, micros) = (number(seconds)?, number(micros)?);
    seconds.checked_mul(1_000).and_then(|ms| ms.checked_add(micros / 1_000)).ok_or_else(|| Trouble::Garbled.into())
}

fn array<const N: usize>(value: Value) -> Result<[Value; N], Failure> {
    match value {
        Value::Array(values) => values.try_into().map_err(|_| Trouble::Garbled.into()),
        Value::ServerError(error) => Err(Failure::from(&error)),
        _ => Err(Trouble::Garbled.into()),
    }
}

fn bytes(value: Value) -> Result<Option<Bytes>, Failure> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(Bytes::from(bytes))),
        _ => Err(Trouble::Garbled.into()),
    }
}
