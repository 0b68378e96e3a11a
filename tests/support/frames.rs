//! Frames of AWS's event stream, written as the SDKs read them.

use std::sync::LazyLock;

/// A frame of these headers, all strings.
pub fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut written = vec![];
    for (name, value) in headers {
        written.push(u8::try_from(name.len()).unwrap());
        written.extend_from_slice(name.as_bytes());
        written.push(7);
        written.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        written.extend_from_slice(value.as_bytes());
    }
    raw_frame(&written, payload)
}

/// A frame of these headers as they are written.
pub fn raw_frame(written: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
    let total = 12 + written.len() + payload.len() + 4;
    let mut frame = [length(total), length(written.len())].concat();
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.extend_from_slice(written);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame
}

pub fn event_frame(name: &str, payload: &str) -> Vec<u8> {
    let headers = [(":event-type", name), (":message-type", "event")];
    frame(&headers, payload.as_bytes())
}

pub fn exception_frame(name: &str, payload: &str) -> Vec<u8> {
    let headers = [(":exception-type", name), (":message-type", "exception")];
    frame(&headers, payload.as_bytes())
}

/// Bit by bit, as it is defined, each byte once.
pub fn crc32(bytes: &[u8]) -> u32 {
    static OF_BYTES: LazyLock<[u32; 256]> = LazyLock::new(|| {
        std::array::from_fn(|byte| {
            (0..8).fold(byte as u32, |crc, _| {
                (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
            })
        })
    });
    let crc = bytes.iter().fold(!0, |crc: u32, byte| {
        OF_BYTES[(crc as u8 ^ byte) as usize] ^ (crc >> 8)
    });
    !crc
}
