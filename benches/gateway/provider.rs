//! A provider that answers at once with what it is asked for, and with the headers of a real one.

use std::{net::SocketAddr, thread};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::load::head_and_length;

/// Serves on a free port, on a thread of its own.
pub(crate) fn start() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || serve(listener));
    address
}

pub(crate) fn serve_forever(address: SocketAddr) -> ! {
    serve(std::net::TcpListener::bind(address).expect("a free port"))
}

fn serve(listener: std::net::TcpListener) -> ! {
    listener.set_nonblocking(true).expect("a socket");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).expect("a listener");
        let answers: [&'static [u8]; 2] = [1024, 1024 * 1024].map(|long| &*answer(long).leak());
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("no delay");
            tokio::spawn(converse(stream, answers));
        }
    })
}

async fn converse(mut stream: TcpStream, [short, long]: [&'static [u8]; 2]) {
    let mut buffer = vec![0; 128 * 1024];
    let mut filled = 0;
    loop {
        let Ok(read @ 1..) = stream.read(&mut buffer[filled..]).await else {
            return;
        };
        filled += read;
        let Some((head, length)) = head_and_length(&buffer[..filled]) else {
            continue;
        };
        // Names are in lower case by now: hyper writes them so.
        let wants = memchr::memmem::find(&buffer[..head], b"x-answer-bytes: 1048576").is_some();
        let mut left = (head + length).checked_sub(filled).expect("one request");
        while left > 0 {
            let Ok(read @ 1..) = stream.read(&mut buffer).await else {
                return;
            };
            left = left.checked_sub(read).expect("one request");
        }
        filled = 0;
        let answer = if wants { long } else { short };
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// An answer with a body as long as that.
fn answer(long: usize) -> Vec<u8> {
    let before = r#"{"id":"chatcmpl-9kC2","object":"chat.completion","created":1772366400,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":""#;
    let after = r#"","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":231,"completion_tokens":160,"total_tokens":391,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}},"service_tier":"default","system_fingerprint":"fp_07"}"#;
    let text = "It does so because it can, and because nobody has asked the dog. ";
    let text: String = text
        .chars()
        .cycle()
        .take(long - before.len() - after.len())
        .collect();
    // So much is left that nobody has to be waited for.
    format!(
        "HTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026 12:00:00 GMT\r\ncontent-type: application/json\r\n\
         x-ratelimit-limit-requests: 90000000\r\nx-ratelimit-limit-tokens: 900000000000\r\n\
         x-ratelimit-remaining-requests: 89999999\r\nx-ratelimit-remaining-tokens: 899999999000\r\n\
         x-ratelimit-reset-requests: 1ms\r\nx-ratelimit-reset-tokens: 1ms\r\n\
         openai-organization: bench\r\nopenai-processing-ms: 512\r\nopenai-version: 2020-10-01\r\n\
         x-request-id: req_0123456789abcdef\r\nserver: bench\r\n\
         content-length: {long}\r\n\r\n{before}{text}{after}"
    )
    .into_bytes()
}
