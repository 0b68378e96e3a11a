use std::{
    collections::VecDeque,
    io::{self, BufReader, Read},
};

use brotli_decompressor::Decompressor;
use bytes::{Buf, Bytes};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};
use ruzstd::decoding::StreamingDecoder;

/// More expansion than text and base64 images come to: somebody is attacking.
const RATIO: usize = 100;
/// Short bodies may expand more: a few repeated words do.
const ALWAYS_ALLOWED: usize = 64 * 1024;
/// The largest window that a zstd body on the web may ask for (RFC 9659).
const ZSTD_WINDOW: u64 = 8 * 1024 * 1024;
const PIECE: usize = 16 * 1024;

/// How a request body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Why a body cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DecodeError {
    /// It is not what its coding says.
    Malformed,
    /// It decodes to more than is allowed.
    TooLarge,
}

/// A coding that is not known, or one on top of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unknown;

impl Coding {
    /// Reads how a body is compressed; `None` stands for not at all.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Unknown> {
        let mut coding = None;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            for name in value.to_str().map_err(|_| Unknown)?.split(',') {
                let next = match name.trim().to_ascii_lowercase().as_str() {
                    "" | "identity" => continue,
                    "gzip" | "x-gzip" => Self::Gzip,
                    "deflate" => Self::Deflate,
                    "br" => Self::Brotli,
                    "zstd" => Self::Zstd,
                    _ => return Err(Unknown),
                };
                // Nobody compresses twice but to multiply the ratio.
                if coding.replace(next).is_some() {
                    return Err(Unknown);
                }
            }
        }
        Ok(coding)
    }

    /// Returns how much so many bytes may decode to.
    pub(super) fn most(len: usize, limit: usize) -> usize {
        limit.min(len.saturating_mul(RATIO).max(ALWAYS_ALLOWED))
    }

    /// Decodes a whole body, into `limit` bytes at most.
    pub(super) fn decode(
        self,
        chunks: VecDeque<Bytes>,
        limit: usize,
    ) -> Result<Bytes, DecodeError> {
        let source = Chunks::new(chunks);
        let limit = Self::most(source.len, limit);
        match self {
            Self::Gzip => read(MultiGzDecoder::new(source), limit),
            Self::Deflate if source.starts_like_zlib() => read(ZlibDecoder::new(source), limit),
            // Browsers and servers of old meant raw deflate by it.
            Self::Deflate => read(DeflateDecoder::new(source), limit),
            // A window of up to a gigabyte, which is in no standard.
            Self::Brotli if source.first().is_some_and(|byte| byte & 0x7f == 0x11) => {
                Err(DecodeError::Malformed)
            }
            Self::Brotli => read(Decompressor::new(source, PIECE), limit),
            Self::Zstd => zstd(source, limit),
        }
    }
}

fn read(mut decoder: impl Read, limit: usize) -> Result<Bytes, DecodeError> {
    let mut decoded = Vec::new();
    append(&mut decoder, &mut decoded, limit)?;
    Ok(decoded.into())
}

fn append(decoder: &mut impl Read, decoded: &mut Vec<u8>, limit: usize) -> Result<(), DecodeError> {
    let mut piece = [0; PIECE];
    loop {
        let read = decoder
            .read(&mut piece)
            .map_err(|_| DecodeError::Malformed)?;
        let Some(piece) = piece.get(..read).filter(|piece| !piece.is_empty()) else {
            return Ok(());
        };
        if decoded.len() + piece.len() > limit {
            return Err(DecodeError::TooLarge);
        }
        decoded.extend_from_slice(piece);
    }
}

/// Decodes frame by frame: the decoder stops after the first.
fn zstd(source: Chunks, limit: usize) -> Result<Bytes, DecodeError> {
    let mut source = BufReader::with_capacity(PIECE, source);
    let mut decoded = Vec::new();
    loop {
        let head = io::BufRead::fill_buf(&mut source).map_err(|_| DecodeError::Malformed)?;
        if head.is_empty() && !decoded.is_empty() {
            return Ok(decoded.into());
        }
        let window = zstd_window(head).ok_or(DecodeError::Malformed)?;
        // The decoder reserves the window before it reads on.
        if window > ZSTD_WINDOW.max(limit as u64) {
            return Err(DecodeError::TooLarge);
        }
        let mut frame = StreamingDecoder::new(&mut source).map_err(|_| DecodeError::Malformed)?;
        append(&mut frame, &mut decoded, limit)?;
        if decoded.is_empty() {
            return Ok(Bytes::new());
        }
    }
}

/// Reads how much memory a zstd frame asks for (RFC 8878, 3.1.1.1).
fn zstd_window(head: &[u8]) -> Option<u64> {
    let (magic, head) = head.split_at_checked(4)?;
    if magic != [0x28, 0xb5, 0x2f, 0xfd] {
        return None;
    }
    let (descriptor, head) = head.split_first()?;
    let single_segment = descriptor & 0x20 != 0;
    if !single_segment {
        let window = head.first()?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 3))?;
    let size = head.get(*dictionary..)?;
    let le = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    };
    Some(match descriptor >> 6 {
        0 => le(size.get(..1)?),
        1 => le(size.get(..2)?) + 256,
        2 => le(size.get(..4)?),
        _ => le(size.get(..8)?),
    })
}

/// Reads a body chunk by chunk, without joining them.
struct Chunks {
    chunks: VecDeque<Bytes>,
    len: usize,
}

impl Chunks {
    fn new(chunks: VecDeque<Bytes>) -> Self {
        let len = chunks.iter().map(Bytes::len).sum();
        Self { chunks, len }
    }

    fn first(&self) -> Option<u8> {
        self.chunks.iter().flatten().next().copied()
    }

    fn starts_like_zlib(&self) -> bool {
        let mut bytes = self.chunks.iter().flatten();
        let (Some(first), Some(second)) = (bytes.next(), bytes.next()) else {
            return false;
        };
        first & 0x0f == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0
    }
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(chunk) = self.chunks.front_mut() {
            if chunk.is_empty() {
                self.chunks.pop_front();
                continue;
            }
            let len = chunk.len().min(into.len());
            if let Some(into) = into.get_mut(..len) {
                chunk.copy_to_slice(into);
            }
            return Ok(len);
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };
    use http::HeaderValue;

    use super::*;

    const TEXT: &[u8] =
        b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}";
    /// The text, and 20 MiB of zeros, by the reference encoder.
    const BROTLI: &[u8] =
        b"\x1b\x3b\x00\x40\x9c\x07\xb6\xcd\x23\xbb\x21\x0b\x0b\x5e\x7b\xe3\x19\xd6\x22\x7b\
          \x6f\x5b\xbb\x4d\x6e\xae\x4e\xeb\xb0\x74\xf5\x6d\x91\x32\x36\xb9\xb0\x01\x27\x02\
          \x61\x96\xc0\x40\x76\x66\x3a\x21\xa2\x16\x48\xde\xc3\xe2\x17\xae\x0b\x10\x13\xe4\
          \x3b";
    const BROTLI_BOMB: &[u8] =
        b"\xcb\xff\xff\x3f\xf8\x27\x00\xe2\xb1\x40\x20\xf7\xfe\x8f\xff\xff\x7f\xf0\x4f\x00\
          \xc4\x61\x11\x80\xee\xfd\x5f\xfe\xff\xff\xe0\x9f\x00\x88\xc3\x02\x00\xdd\xfb\x1f";

    fn split(bytes: &[u8]) -> VecDeque<Bytes> {
        bytes.chunks(7).map(Bytes::copy_from_slice).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd_of(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn coding(value: &str) -> Result<Option<Coding>, Unknown> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_ENCODING,
            HeaderValue::from_str(value).unwrap(),
        );
        Coding::of(&headers)
    }

    #[test]
    fn f16_known_codings_are_read_and_others_refused() {
        assert_eq!(coding("GZIP"), Ok(Some(Coding::Gzip)));
        assert_eq!(coding("identity, br"), Ok(Some(Coding::Brotli)));
        assert_eq!(coding("identity"), Ok(None));
        assert_eq!(Coding::of(&HeaderMap::new()), Ok(None));
        for unknown in ["compress", "gzip, gzip", "snappy", "gzip;q=1"] {
            assert_eq!(coding(unknown), Err(Unknown), "{unknown}");
        }
    }

    #[test]
    fn f16_every_coding_is_decoded() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(TEXT).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(TEXT).unwrap();
        let twice = [zstd_of(&TEXT[..9]), zstd_of(&TEXT[9..])].concat();
        for (coding, body) in [
            (Coding::Gzip, gzip(TEXT)),
            (Coding::Gzip, [gzip(&TEXT[..5]), gzip(&TEXT[5..])].concat()),
            (Coding::Deflate, zlib.finish().unwrap()),
            (Coding::Deflate, raw.finish().unwrap()),
            (Coding::Brotli, BROTLI.to_vec()),
            (Coding::Zstd, zstd_of(TEXT)),
            (Coding::Zstd, twice),
        ] {
            let decoded = coding.decode(split(&body), 1 << 20);
            assert_eq!(decoded.as_deref(), Ok(TEXT), "{coding:?}");
        }
    }

    #[test]
    fn f16_bodies_that_are_not_what_they_say_are_malformed() {
        for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            for body in [
                TEXT,
                b"",
                &gzip(TEXT)[..20],
                b"\x11\x0e",
                b"\x28\xb5\x2f\xfd",
            ] {
                let decoded = coding.decode(split(body), 1 << 20);
                assert!(decoded.is_err(), "{coding:?} {body:?} {decoded:?}");
            }
        }
    }

    #[test]
    fn f16_bombs_stop_at_the_ratio_and_at_the_limit() {
        let zeros = vec![0; 20 << 20];
        for (coding, bomb) in [
            (Coding::Gzip, gzip(&zeros)),
            (Coding::Zstd, zstd_of(&zeros)),
            (Coding::Brotli, BROTLI_BOMB.to_vec()),
        ] {
            assert!(
                bomb.len() * RATIO < zeros.len(),
                "{coding:?} {}",
                bomb.len()
            );
            let decoded = coding.decode(split(&bomb), 32 << 20);
            assert_eq!(decoded, Err(DecodeError::TooLarge), "{coding:?}");
        }
        let decoded = Coding::Gzip.decode(split(&gzip(TEXT)), TEXT.len() - 1);
        assert_eq!(decoded, Err(DecodeError::TooLarge));
        assert!(Coding::Gzip.decode(split(&gzip(TEXT)), TEXT.len()).is_ok());
    }

    #[test]
    fn f16_a_zstd_window_that_is_too_large_is_not_allocated() {
        // A window of 64 MiB, then nothing.
        let body = b"\x28\xb5\x2f\xfd\x00\x80\x01\x00\x00";
        let decoded = Coding::Zstd.decode(split(body), 1 << 20);
        assert_eq!(decoded, Err(DecodeError::TooLarge));
    }
}
