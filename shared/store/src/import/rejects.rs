//! Copies bad lines to a file of their own, as they are and in their order.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::scan::{Place, Reader};

/// Writes the lines to `path`, or takes an older file away when there are none.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn copy(reader: &mut Reader, places: &mut [Place], path: &Path) -> io::Result<()> {
    if places.is_empty() {
        return match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    places.sort_unstable_by_key(|place| place.line);
    let mut out = BufWriter::new(File::create(path)?);
    for place in places {
        reader.copy(*place, &mut out)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
