//! gzip, and whether a client takes it.

use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// Bodies of at most this many bytes are not worth compressing.
pub(crate) const GZIP_ABOVE_BYTES: usize = 1_200;
/// An inflated body is never larger: Lambda could not answer it.
const INFLATED_BYTES_MAX: u64 = 6 * 1024 * 1024;

/// Compresses a body.
#[must_use]
pub fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::new(5));
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("writing to a Vec cannot fail").into()
}

/// Undoes [`gzip`].
pub(crate) fn inflate(body: &[u8]) -> io::Result<Bytes> {
    let mut inflated = Vec::with_capacity(body.len() * 4);
    let read = GzDecoder::new(body).take(INFLATED_BYTES_MAX + 1).read_to_end(&mut inflated)?;
    if read as u64 > INFLATED_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "inflates to more than an answer may have"));
    }
    Ok(inflated.into())
}

/// Whether an `Accept-Encoding` takes gzip, and not rather the body as it is (RFC 9110, 12.5.3): what is named has its weight, else that of `*`.
pub(crate) fn takes_gzip(accept_encoding: &str) -> bool {
    let (mut gzip, mut identity, mut star) = (None, None, None);
    for entry in accept_encoding.split(',') {
        let mut parts = entry.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q="))).map_or(1.0, weight);
        let named = match coding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => &mut gzip,
            "identity" => &mut identity,
            "*" => &mut star,
            _ => continue,
        };
        *named = Some(named.map_or(weight, |other: f32| other.max(weight)));
    }
    let gzip = gzip.or(star).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

/// A weight from 0 to 1; anything else is none.
fn weight(text: &str) -> f32 {
    text.parse().ok().filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_decide() {
        for yes in ["gzip", "br, gzip;q=0.1", "GZIP", "*", "*;q=0, gzip", "gzip; q=1.0", "identity;q=0.5, *;q=0.5", "x-gzip;q=0, gzip"] {
            assert!(takes_gzip(yes), "{yes}");
        }
        for no in [
            "",
            "br",
            "gzip;q=0",
            "gzip;q=0.000, *",
            "identity",
            "*;q=0",
            "gzip;q=x",
            "gzip;q=inf",
            "gzip;q=2",
            "identity;q=1, *;q=0.5",
            "gzip;q=0.1, identity",
        ] {
            assert!(!takes_gzip(no), "{no}");
        }
    }

    #[test]
    fn what_is_compressed_comes_back() {
        let body = vec![b'a'; 5_000];
        let packed = gzip(&body);
        assert!(packed.len() < 200);
        assert_eq!(inflate(&packed).unwrap(), body);
        assert!(inflate(b"not gzip").is_err());
        assert!(inflate(&gzip(&vec![0; 7 * 1024 * 1024])).is_err());
    }
}
