//! Exports: contacts as a file, of one revision, in the memory of one page of rows.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Timestamp, UserId};
use export::{Encoder, Row};
use store::StoreError;
use tempfile::SpooledTempFile;
use web::{ApiError, BoxError, Caller, Request, Response};

use crate::errors::of_store;
use crate::export_query::ExportQuery;
use crate::reads::alive;
use crate::{App, Handled};

/// Contacts of an account that can be exported.
const ACCOUNT_CONTACTS_MAX: u64 = 200_000;
/// Bytes of a file that is the answer itself: as base64 Lambda's answer of 6 MB still holds it.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Times that an export is begun before it is given up because the account changes all the time.
const TRIES: u32 = 4;
const RETRY_AFTER_S: u64 = 5;
/// How long the link to a stored file is valid.
pub const LINK_LIFE: Duration = Duration::from_secs(15 * 60);

/// A finished file that is too large for an answer.
#[derive(Debug)]
pub struct Download {
    /// Its content, from the beginning.
    pub content: File,
    /// Its length in bytes.
    pub length: u64,
    /// Its media type.
    pub content_type: &'static str,
    /// How it is to be saved: a `Content-Disposition`.
    pub disposition: String,
}

/// Where large files are put for their owner to fetch.
pub trait Downloads: std::fmt::Debug + Send + Sync {
    /// Stores a file: an address that nobody can guess and that is valid for [`LINK_LIFE`].
    fn publish(&self, download: Download) -> Handled<'_, Result<String, BoxError>>;
}

/// A file of one revision.
struct Exported {
    rev: domain::Rev,
    rows: u64,
    file: SpooledTempFile,
}

impl App {
    /// Puts large files somewhere.
    #[must_use]
    pub fn with_downloads(self, downloads: Arc<dyn Downloads>) -> Self {
        Self { downloads: Some(downloads), ..self }
    }

    /// Shows contacts as a file, or where it lies if it is above 4 MB.
    ///
    /// All rows are of one revision. When a change comes between, the export begins again, a few times; who changes the account all
    /// the time is asked to come back later rather than given a file of mixed states.
    ///
    /// # Errors
    /// `404` when there is nothing to export; `422` for an account above 200,000 contacts; `401` for a deleted one; `503` when the account
    /// changes all the time, or table or storage fail.
    pub async fn export_contacts(&self, request: &Request, query: &ExportQuery) -> Result<Response, ApiError> {
        let user = &Caller::of(request)?.user;
        let mut tries = 1;
        let exported = loop {
            match self.try_export(user, query, request.now()).await {
                Err(Failed::Moved(_)) if tries < TRIES => tries += 1,
                Err(Failed::Moved(source)) => return Err(ApiError::Unavailable { retry_after_s: RETRY_AFTER_S, source }),
                Err(Failed::For(error)) => return Err(error),
                Ok(exported) => break exported,
            }
        };
        self.answer(query, exported, request.now()).await
    }

    async fn try_export(&self, user: &UserId, query: &ExportQuery, now: Timestamp) -> Result<Exported, Failed> {
        let mut reader = self.table.read_contacts(user, &query.selection).await?;
        alive(reader.root().deleted_at)?;
        if reader.root().contacts.all > ACCOUNT_CONTACTS_MAX {
            return Err(ApiError::Unprocessable("Too many contacts for search".to_owned()).into());
        }
        let (rev, rows) = (reader.root().rev, reader.total());
        if rows == 0 {
            return Err(query.nothing_found().into());
        }
        let mut file = SpooledTempFile::new(ANSWER_BYTES_MAX);
        let mut buffer = Vec::new();
        let mut encoder = Encoder::begin(&query.settings, rows, now, &mut buffer);
        while let Some(page) = reader.next().await? {
            for (contact, job) in page.iter() {
                encoder.row(Row { contact, job }, &mut buffer);
            }
            move_into(&mut file, &mut buffer)?;
        }
        reader.finish().await?;
        encoder.end(&mut buffer);
        move_into(&mut file, &mut buffer)?;
        Ok(Exported { rev, rows, file })
    }

    async fn answer(&self, query: &ExportQuery, exported: Exported, now: Timestamp) -> Result<Response, ApiError> {
        let Exported { rev, rows, mut file } = exported;
        let format = query.settings.format;
        let disposition = web::attachment(query.file_name.as_deref(), &format.file_name(rows, now));
        let length = file.stream_position().map_err(internal)?;
        if !file.is_rolled() {
            let mut body = Vec::with_capacity(ANSWER_BYTES_MAX.min(usize::try_from(length).unwrap_or(usize::MAX)));
            file.rewind().and_then(|()| file.read_to_end(&mut body)).map_err(internal)?;
            return Ok(Response::file(Bytes::from(body), format.content_type(), disposition, format.is_compressed()).rev(rev));
        }
        let downloads = self.downloads.as_ref().ok_or_else(|| internal("there is no place for large files"))?;
        let mut content = into_file(file).map_err(internal)?;
        content.seek(SeekFrom::Start(0)).map_err(internal)?;
        let download = Download { content, length, content_type: format.content_type(), disposition };
        let link = downloads.publish(download).await.map_err(|source| ApiError::Unavailable { retry_after_s: RETRY_AFTER_S, source })?;
        Ok(Response::see_other(link).rev(rev))
    }
}

/// Why one try came to nothing.
enum Failed {
    /// The account changed meanwhile.
    Moved(BoxError),
    /// Something that another try would not mend.
    For(ApiError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::Moved(error.into()),
            error => Self::For(of_store(error)),
        }
    }
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        Self::For(error)
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::For(internal(error))
    }
}

/// Adds what was written so far to the file: beyond an answer's length it lies on the disk, nameless, so that nothing of it can stay.
fn move_into(file: &mut SpooledTempFile, buffer: &mut Vec<u8>) -> std::io::Result<()> {
    file.write_all(buffer)?;
    buffer.clear();
    Ok(())
}

fn into_file(file: SpooledTempFile) -> std::io::Result<File> {
    match file.into_inner() {
        tempfile::SpooledData::OnDisk(file) => Ok(file),
        tempfile::SpooledData::InMemory(_) => Err(std::io::Error::other("the file is not on the disk")),
    }
}

fn internal(error: impl Into<BoxError>) -> ApiError {
    ApiError::Internal(error.into())
}
