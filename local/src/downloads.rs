//! Large files of this process, fetched by a link that cannot be guessed: what a bucket with signed links is on AWS.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use app::{BoxError, Clock, Download, Downloads, Handled, LINK_LIFE};
use bytes::Bytes;
use domain::Timestamp;
use http::{HeaderValue, Method, StatusCode, header};
use tempfile::TempDir;
use uuid::Uuid;

use crate::gateway::refusal;

const PATH: &str = "/downloads/";

/// Files on the disk until the process ends, or a later one comes after their time is over.
#[derive(Debug)]
pub struct Shelf {
    base: String,
    folder: TempDir,
    clock: Clock,
    files: Mutex<HashMap<Uuid, Label>>,
}

#[derive(Debug, Clone)]
struct Label {
    until: Timestamp,
    content_type: &'static str,
    disposition: String,
}

impl Shelf {
    /// An empty shelf. `base` is where the process listens: `http://127.0.0.1:3000`.
    ///
    /// # Errors
    /// When there is no temporary folder.
    pub fn new(base: &str, clock: Clock) -> io::Result<Self> {
        Ok(Self { base: base.to_owned(), folder: tempfile::tempdir()?, clock, files: Mutex::default() })
    }

    /// The answer to a request for one of the files; nothing if its path is another.
    pub(crate) fn answer(&self, request: &http::Request<Bytes>) -> Option<http::Response<Bytes>> {
        let name = request.uri().path().strip_prefix(PATH)?;
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return Some(refusal(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"));
        }
        Some(self.find(name).unwrap_or_else(|| refusal(StatusCode::NOT_FOUND, "Not found")))
    }

    fn find(&self, name: &str) -> Option<http::Response<Bytes>> {
        let id = Uuid::try_parse(name).ok()?;
        let label = self.files().get(&id).filter(|label| self.clock.now() < label.until).cloned()?;
        let mut response = http::Response::new(Bytes::from(fs::read(self.path(id)).ok()?));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(label.content_type));
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_str(&label.disposition).ok()?);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Some(response)
    }

    fn store(&self, mut download: Download) -> io::Result<String> {
        let now = self.clock.now();
        let mut files = self.files();
        files.retain(|id, label| {
            let valid = now < label.until;
            if !valid {
                // What cannot be removed now goes with the folder.
                let _ = fs::remove_file(self.path(*id));
            }
            valid
        });
        let id = Uuid::new_v4();
        io::copy(&mut download.content, &mut File::create_new(self.path(id))?)?;
        let life_ms = i64::try_from(LINK_LIFE.as_millis()).unwrap_or(i64::MAX);
        let Download { content_type, disposition, .. } = download;
        files.insert(id, Label { until: now.plus_ms(life_ms), content_type, disposition });
        Ok(format!("{}{PATH}{id}", self.base))
    }

    fn path(&self, id: Uuid) -> PathBuf {
        self.folder.path().join(id.to_string())
    }

    fn files(&self) -> MutexGuard<'_, HashMap<Uuid, Label>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Downloads for Shelf {
    fn publish(&self, download: Download) -> Handled<'_, Result<String, BoxError>> {
        Box::pin(async move { Ok(self.store(download)?) })
    }
}
