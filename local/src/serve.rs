//! `local`: the whole API in one process.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use app::{App, Clock, KeptLetters, Parts};
use cache::Coherent;
use domain::{Timestamp, UserId};
use store::Table;
use store::import::{OnError, Silent};
use tokio::net::TcpListener;

use crate::calls::Stripe;
use crate::cli::{Server, Shared};
use crate::downloads::Shelf;
use crate::failure::{Failure, causes};
use crate::gateway::Gateway;
use crate::table::Place;
use crate::{demo, functions, server, settings, stream, token};

const PORT: u16 = 3000;
/// How long the sample requests' token holds.
const SAMPLE_TOKEN_TIME: Duration = Duration::from_secs(24 * 3600);
/// Time that the stream has to deliver what is left when the server stops.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(2);

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
/// [`Failure::Usage`] for a taken port, a folder, a cache or a variable that cannot be used; [`Failure::Failed`] when the table fails.
pub async fn serve(options: &Server, shared: &Shared) -> Result<(), Failure> {
    let (edge, stripe, (metrics, auditor)) = (settings::edge()?, settings::stripe()?, settings::observation()?);
    let cache = cache(options.cache.as_deref()).await?;
    let port = options.port.unwrap_or(PORT);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Failure::Usage(format!("port {port} is taken")),
        _ => Failure::Usage(format!("port {port}: {error}")),
    })?;
    let address = listener.local_addr().map_err(|error| Failure::of(&error))?;
    let place = shared.place();
    let opened = place.open(&settings::lookup).map_err(|error| Failure::Usage(causes(&error)))?;
    let clock = settings::clock(shared.now);
    let database = opened.embedded.as_ref().map(|embedded| embedded.database().clone());
    let own = format!("http://{address}");
    let calls = Stripe::start(&clock, &own, !options.no_demo).await?;
    let consumers = functions::STREAM_CONSUMERS;
    let names: Vec<&str> = consumers.iter().map(|(name, _)| *name).collect();
    let (feed, deliveries) = stream::stream(&opened.config.name, database, clock.clone(), &names);
    let table = opened.table(Some(&feed));
    let created = !place.is_aws() && table.create_if_absent().await.map_err(|error| Failure::of(&error))?;
    let app = App::from_parts(Parts { table, cache, edge, clock: clock.clone(), dead_letters: Arc::new(KeptLetters::default()) });
    let shelf = Arc::new(Shelf::new(&own, clock.clone()).map_err(|error| Failure::of(&error))?);
    let app = app.with_stripe(stripe).with_downloads(shelf.clone()).with_metrics(metrics).with_auditor(auditor);
    let app = Arc::new(app.with_stripe_client(calls.client.clone()).with_app_url(calls.app_url.clone()));
    for (delivery, (name, handler)) in deliveries.into_iter().zip(consumers) {
        tokio::spawn(delivery.run(Arc::clone(&app), name, *handler));
    }
    let samples = created && !options.no_demo;
    if samples {
        write_demo(app.table(), clock.now()).await?;
    }
    app.load().await;
    let gateway = Gateway::new(app).map_err(|error| Failure::of(&*error))?.with_shelf(shelf);
    let stop = stop_signal().map_err(|error| Failure::of(&error))?;
    calls.connect(&own);
    announce(&own, &calls, samples, &clock)?;
    server::serve(listener, gateway, stop).await;
    let _ = tokio::time::timeout(SETTLE_TIME_MAX, feed.settled()).await;
    Ok(())
}

/// Serves an embedded table alone until Ctrl-C or SIGTERM.
///
/// # Errors
/// [`Failure::Usage`] when the table is another server's, or its folder cannot be used; [`Failure::Failed`] when it fails.
pub async fn table(place: &Place) -> Result<(), Failure> {
    let opened = place.open(&settings::lookup).map_err(|error| Failure::Usage(causes(&error)))?;
    let Some(embedded) = &opened.embedded else {
        return Err(Failure::Usage("table serves a table of its own, not that of --dynamodb".to_owned()));
    };
    opened.table(None).create_if_absent().await.map_err(|error| Failure::of(&error))?;
    let stop = stop_signal().map_err(|error| Failure::of(&error))?;
    say(&format!("{} at {}\n", opened.config.name, embedded.endpoint()));
    stop.await;
    Ok(())
}

/// The cache of a URL, or one in memory.
async fn cache(url: Option<&str>) -> Result<Coherent, Failure> {
    let Some(url) = url else { return Ok(Coherent::memory(cache::Settings::default())) };
    let lookup = |variable: &str| if variable == "CACHE_URL" { Some(url.to_owned()) } else { settings::lookup(variable) };
    let config = cache::Config::from_lookup(&lookup).map_err(|error| Failure::Usage(causes(&error)))?;
    Ok(Coherent::connect(config).await)
}

/// Imports the demo account.
async fn write_demo(table: &Table, now: Timestamp) -> Result<(), Failure> {
    let file = tempfile::NamedTempFile::new().map_err(|error| Failure::of(&error))?;
    let mut out = io::BufWriter::new(&file);
    demo::write(&mut out, now).and_then(|()| out.flush()).map_err(|error| Failure::of(&error))?;
    let report = store::import::import(table, file.path(), OnError::Stop, now, &mut Silent).await.map_err(|error| Failure::of(&error))?;
    match report.bad_lines.first() {
        Some(bad) => Err(Failure::Failed(format!("the demo account does not load: line {}: {}", bad.line, bad.reason))),
        None => Ok(()),
    }
}

/// Says that the server is ready, and what can be asked of it.
fn announce(url: &str, calls: &Stripe, samples: bool, clock: &Clock) -> Result<(), Failure> {
    let mut text = format!("listening on {url}\n");
    if let Some(fake) = &calls.fake {
        text.push_str(&format!("fake Stripe on {}\n", fake.url()));
    }
    if samples {
        let user = UserId::parse(demo::USER).expect("a constant of letters");
        let token = token::token(&user, Some(demo::EMAIL), clock.now(), SAMPLE_TOKEN_TIME)?;
        text.push_str("\ndemo account, three requests to try:\n\n");
        for path in ["/api/dashboard/data", "/api/contacts?page=1&limit=5", "/api/contacts/stats"] {
            text.push_str(&format!("curl -s -H 'Authorization: Bearer {token}' '{url}{path}'\n\n"));
        }
    }
    say(&text);
    Ok(())
}

/// Prints at once. Whoever started this may have closed its end; the server runs all the same.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Ready at Ctrl-C or SIGTERM. The handlers are installed at once.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
