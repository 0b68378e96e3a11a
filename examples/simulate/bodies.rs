//! What goes over the wire.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use serde::Deserialize;
use tower::BoxError;

/// A body in chunks, as it comes out of a client's buffers.
#[derive(Debug)]
pub(crate) struct Chunks {
    chunks: VecDeque<Bytes>,
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(
            self.get_mut()
                .chunks
                .pop_front()
                .map(|chunk| Ok(Frame::data(chunk))),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.chunks.iter().map(|chunk| chunk.len() as u64).sum())
    }
}

/// Bytes of English text per token, about.
const BYTES_PER_TOKEN: f64 = 4.0;
const FILLER: &[u8; 4096] = &[b'a'; 4096];
const END: &[u8] = br#""}]}"#;

/// Returns a chat request of about so many tokens.
pub(crate) fn chat(model: &str, input_tokens: f64) -> Chunks {
    let head = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":""#);
    let size = (input_tokens * BYTES_PER_TOKEN) as usize;
    let mut fill = size.saturating_sub(head.len() + END.len());
    let mut chunks = VecDeque::from([Bytes::from(head)]);
    while fill > 0 {
        let part = fill.min(FILLER.len());
        chunks.push_back(Bytes::from_static(&FILLER[..part]));
        fill -= part;
    }
    chunks.push_back(Bytes::from_static(END));
    Chunks { chunks }
}

/// Takes in a whole request body, and returns the model that it names first of all.
pub(crate) async fn model<B>(mut body: B) -> Result<String, BoxError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    const KEY: &[u8] = br#"{"model":"#;
    // Longer than any name.
    const HEAD: usize = 2048;
    let mut head = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(Into::into)?.into_data() {
            let room = HEAD.saturating_sub(head.len()).min(data.len());
            head.extend_from_slice(&data[..room]);
        }
    }
    let name = head
        .strip_prefix(KEY)
        .ok_or("the body does not begin with its model")?;
    let mut name = serde_json::Deserializer::from_slice(name);
    Ok(String::deserialize(&mut name)?)
}

pub(crate) fn completion(model: &str, (input, output): (f64, f64)) -> Bytes {
    let model = serde_json::Value::from(model);
    let total = input + output;
    Bytes::from(format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1772366400,"model":{model},"choices":[{{"index":0,"message":{{"role":"assistant","content":"B"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{total}}}}}"#
    ))
}

pub(crate) const RATE_LIMITED: Bytes = Bytes::from_static(
    br#"{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
);
pub(crate) const BROKEN: Bytes = Bytes::from_static(
    br#"{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}"#,
);
