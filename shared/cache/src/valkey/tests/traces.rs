//! The same random commands against the memory port and the real servers: the replies must be equal.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use redis::aio::MultiplexedConnection;

use super::servers::Server;
use crate::header::Header;
use crate::keys::blob_key;
use crate::limits::{LEASE_MS, SCOPE_TTL_MS, STALE_TTL_MS};
use crate::memory::Memory;
use crate::mutation::{self, Mutation};
use crate::port::{Command, Fill, Filled, Reply};
use crate::types::Entry;
use crate::valkey::replies::Failure;
use crate::valkey::scripts::Scripts;

/// A time of the memory port's clock, which stands still: a trace is over before a lease ends.
const NOW_MS: u64 = 1_700_000_000_000;
const TRACES: u64 = 400;
/// Length of the windows of the traces.
const WINDOW_MS: u64 = 60_000;

fn keys(trace: u64, user: u32) -> (String, String) {
    (format!("{{u:{trace}-{user}}}:v1"), format!("{{u:{trace}-{user}}}:stale:v1"))
}

/// A command that makes sense, or one that does not.
fn command(rng: &mut SmallRng, trace: u64, known: &mut Vec<String>) -> Command {
    let (key, stale_key) = keys(trace, rng.random_range(0..2));
    let field = format!("1:{}", ["dashboard", "billing", "page:1", "page:2"][rng.random_range(0..4)]);
    match rng.random_range(0..27) {
        0..5 => {
            let etags = (0..rng.random_range(0..3)).map(|_| format!("\"{}\"", rng.random_range(0..9))).collect();
            Command::Read { key: if rng.random_range(0..5) == 0 { stale_key } else { key }, field, etags }
        }
        5..10 => {
            let proposed = format!("{:08x}", rng.random_range(0..6));
            known.push(proposed.clone());
            Command::Open { key, field, proposed }
        }
        10..17 => {
            let incarnation = known[rng.random_range(0..known.len())].clone();
            let rev = if rng.random_range(0..9) == 0 { u64::MAX - 1 } else { rng.random_range(0..9) };
            fill(key, field, incarnation, rev, 10, (rng.random_range(0..2) == 0).then_some(stale_key))
        }
        17..19 => Command::Bump { key, rev: if rng.random_range(0..9) == 0 { u64::MAX } else { rng.random_range(0..9) } },
        19 => Command::Purge { key, stale_key },
        20..23 => Command::Count { key: format!("{{c:{trace}-{}}}", rng.random_range(0..3)), window_ms: WINDOW_MS },
        23..25 => {
            let blob = |at: u32| (blob_key(1, &format!("{trace}-0"), &at.to_string()), Bytes::from(vec![at as u8; at as usize]));
            Command::PutBlobs { blobs: (0..rng.random_range(1..4)).map(|_| blob(rng.random_range(0..6))).collect() }
        }
        // A blob that is not there, or a key that holds no blob, is none.
        _ => {
            let keys = (0..6).map(|at| blob_key(1, &format!("{trace}-0"), &at.to_string())).chain([keys(trace, 0).0]);
            Command::GetBlobs { keys: keys.collect() }
        }
    }
}

fn fill(key: String, field: String, incarnation: String, rev: u64, bytes: usize, stale_key: Option<String>) -> Command {
    let body = Bytes::from(vec![b'x'; bytes]);
    let entry = Entry { rev, status: 200, body, gzip: true, etag: format!("\"{rev}\""), extra: "a\nb".to_owned() };
    let page = field.contains("page");
    Command::Fill(Box::new(Fill { key, field, incarnation, page, header: Header::of(&entry, 60_000, 5), body: entry.body, stale_key }))
}

/// A reply without what the servers' own clocks say.
fn timeless(mut reply: Reply) -> Reply {
    if let Reply::Seen(seen) = &mut reply {
        seen.server_ms = 0;
        if let Some((header, _)) = &mut seen.entry {
            header.stored_ms = 0;
        }
    }
    if let Reply::Counted { left_ms, .. } = &mut reply {
        // Far from either end: the window neither began anew nor ends at once.
        *left_ms = u64::from((WINDOW_MS / 2..=WINDOW_MS).contains(left_ms));
    }
    reply
}

async fn compare(connection: &mut MultiplexedConnection, scripts: &Scripts, commands: Vec<Command>) -> Result<(), String> {
    let mut memory = Memory::default();
    for (at, command) in commands.iter().enumerate() {
        let real = run(scripts, connection, command).await.map(timeless);
        let model = timeless(memory.apply(command.clone(), NOW_MS));
        if real != Ok(model.clone()) {
            return Err(format!("command {at}: {command:?}\nreal  {real:?}\nmodel {model:?}"));
        }
    }
    Ok(())
}

async fn run(scripts: &Scripts, connection: &mut MultiplexedConnection, command: &Command) -> Result<Reply, Failure> {
    scripts.run(connection, std::slice::from_ref(command)).await?.pop().unwrap()
}

/// Compares random traces. How many ran in time to be compared, or the first difference.
async fn traces(server: &Server) -> Result<u32, String> {
    let mut connection = server.user().await;
    let scripts = Scripts::new();
    let mut compared = 0;
    for trace in 0..TRACES {
        let mut rng = SmallRng::seed_from_u64(trace);
        let mut known = vec!["none".to_owned()];
        let commands = (0..60).map(|_| command(&mut rng, trace, &mut known)).collect();
        let started = Instant::now();
        let result = compare(&mut connection, &scripts, commands).await;
        // On a machine that stood still, leases may have ended on the server only.
        if started.elapsed() < Duration::from_millis(LEASE_MS) {
            compared += 1;
            result.map_err(|difference| format!("trace {trace}, {difference}"))?;
        }
    }
    Ok(compared)
}

async fn replies_are_equal(server: &Server) {
    let compared = traces(server).await.unwrap_or_else(|difference| panic!("{difference}"));
    assert!(u64::from(compared) > TRACES * 3 / 4, "only {compared} traces ran in time");
    bounds(server).await;
}

/// More pages and more bytes than a scope keeps: the same entries are dropped everywhere.
async fn bounds(server: &Server) {
    let mut connection = server.user().await;
    let (key, stale_key) = keys(9_999, 0);
    let mut commands = vec![Command::Open { key: key.clone(), field: "1:x".to_owned(), proposed: "i".to_owned() }];
    let field = |at: u64| if at.is_multiple_of(7) { format!("1:view{at}") } else { format!("1:page:{at}") };
    for at in 0..60 {
        let bytes = if at < 45 { 10 } else { 60_000 + at as usize };
        commands.push(fill(key.clone(), field(at), "i".to_owned(), 1, bytes, at.is_multiple_of(20).then(|| stale_key.clone())));
    }
    commands.push(fill(key.clone(), field(3), "i".to_owned(), 2, 500_000, None));
    for at in 0..60 {
        commands.push(Command::Read { key: key.clone(), field: field(at), etags: Vec::new() });
        commands.push(Command::Read { key: stale_key.clone(), field: field(at), etags: vec!["\"1\"".to_owned()] });
    }
    compare(&mut connection, &Scripts::new(), commands).await.unwrap_or_else(|difference| panic!("{difference}"));
}

#[tokio::test]
async fn valkey_replies_as_the_memory_port_does() {
    let server = Server::valkey().await;
    replies_are_equal(&server).await;
}

#[tokio::test]
async fn redis_with_tls_in_cluster_mode_replies_as_the_memory_port_does() {
    let server = Server::redis_with_tls().await;
    replies_are_equal(&server).await;
}

#[tokio::test]
async fn leases_scopes_and_copies_end_by_the_servers_clock() {
    let server = Server::valkey().await;
    let (mut connection, scripts, (key, stale_key)) = (server.user().await, Scripts::new(), keys(1, 1));
    let open = |owner: &str| Command::Open { key: key.clone(), field: "1:x".to_owned(), proposed: owner.to_owned() };
    let mut leased = Vec::new();
    for (owner, pause_ms) in [("a", 0), ("b", 0), ("b", LEASE_MS + 50)] {
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        let reply = run(&scripts, &mut connection, &open(owner)).await.unwrap();
        leased.push(matches!(&reply, Reply::Opened { leased: true, incarnation } if incarnation == "a"));
    }
    assert_eq!(leased, [true, false, true]);
    let fill = fill(key.clone(), "1:x".to_owned(), "a".to_owned(), 1, 10, Some(stale_key.clone()));
    assert_eq!(run(&scripts, &mut connection, &fill).await, Ok(Reply::Filled(Filled::Stored)));
    for (key, ttl_ms) in [(key, SCOPE_TTL_MS), (stale_key, STALE_TTL_MS)] {
        let left_ms: u64 = redis::cmd("PTTL").arg(key).query_async(&mut connection).await.unwrap();
        assert!((ttl_ms - 30_000..=ttl_ms).contains(&left_ms), "{left_ms} of {ttl_ms}");
    }
}

#[test]
fn a_memory_port_that_decides_otherwise_is_noticed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(Server::valkey());
    for mutation in [Mutation::NoIncarnationCheck, Mutation::DeleteInsteadOfFloor, Mutation::GreaterInFill] {
        let found = mutation::with(Some(mutation), || runtime.block_on(traces(&server)));
        assert!(found.is_err(), "{mutation:?}");
        runtime.block_on(async { redis::cmd("FLUSHALL").exec_async(&mut server.admin().await).await.unwrap() });
    }
}

#[tokio::test]
async fn the_user_of_the_tests_lacks_what_serverless_lacks() {
    let server = Server::valkey().await;
    let mut user = server.user().await;
    for denied in ["KEYS *", "WAIT 0 1", "CONFIG GET maxmemory", "CLIENT TRACKING on", "FUNCTION LIST", "OBJECT FREQ x", "MONITOR"] {
        let mut words = denied.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            cmd.arg(word);
        });
        let error = cmd.exec_async(&mut user).await.unwrap_err();
        assert_eq!(error.code(), Some("NOPERM"), "{denied}: {error}");
    }
}
