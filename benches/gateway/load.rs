//! Callers that cost little: bytes that are made once, on connections that are kept.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// How long the bodies are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    asked: usize,
    answered: usize,
}

pub(crate) struct Load {
    connections: usize,
    request: &'static [u8],
}

impl Shape {
    pub(crate) const fn new(asked: usize, answered: usize) -> Self {
        Self { asked, answered }
    }

    /// A request as the Python SDK sends it, on the wire.
    fn request(self) -> Vec<u8> {
        let text = "The quick brown fox jumps over the lazy dog, and says so at some length. ";
        let before = r#"{"messages":[{"role":"user","content":""#;
        let after = r#""}],"model":"chat","temperature":0.2,"max_tokens":256}"#;
        let long = self.asked - before.len() - after.len();
        let text: String = text.chars().cycle().take(long).collect();
        let (asked, answered) = (self.asked, self.answered);
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\
             Accept-Encoding: gzip, deflate\r\nContent-Type: application/json\r\n\
             User-Agent: OpenAI/Python 2.8.0\r\nX-Stainless-Lang: python\r\n\
             X-Stainless-Package-Version: 2.8.0\r\nX-Stainless-OS: Linux\r\n\
             X-Stainless-Arch: x64\r\nX-Stainless-Runtime: CPython\r\n\
             X-Stainless-Runtime-Version: 3.13.5\r\nX-Stainless-Async: false\r\n\
             X-Stainless-Retry-Count: 0\r\nX-Stainless-Read-Timeout: 600\r\n\
             Authorization: Bearer sk-bench\r\nX-Answer-Bytes: {answered}\r\n\
             Content-Length: {asked}\r\n\r\n{before}{text}{after}"
        )
        .into_bytes()
    }
}

impl Load {
    pub(crate) fn new(connections: usize, shape: Shape) -> Self {
        Self {
            connections,
            request: shape.request().leak(),
        }
    }

    /// Asks again and again for a while, and returns how many requests were answered.
    pub(crate) fn run(&self, proxy: SocketAddr, time: Duration) -> u64 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let end = Instant::now() + time;
        runtime.block_on(async {
            let mut callers = JoinSet::new();
            for _ in 0..self.connections {
                callers.spawn(call(proxy, self.request, end));
            }
            callers.join_all().await.into_iter().sum()
        })
    }
}

async fn call(proxy: SocketAddr, request: &[u8], end: Instant) -> u64 {
    let mut stream = TcpStream::connect(proxy).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let mut buffer = vec![0; 128 * 1024];
    let mut answered = 0;
    while Instant::now() < end {
        let (mut reader, mut writer) = stream.split();
        let (sent, ()) = tokio::join!(writer.write_all(request), receive(&mut reader, &mut buffer));
        sent.expect("the request is taken");
        answered += 1;
    }
    answered
}

/// Reads an answer to its end.
async fn receive(stream: &mut (impl AsyncReadExt + Unpin), buffer: &mut [u8]) {
    let mut filled = 0;
    let (head, long) = loop {
        let read = stream.read(&mut buffer[filled..]).await.expect("an answer");
        assert!(read > 0, "the connection was closed");
        filled += read;
        if let Some(found) = head_and_length(&buffer[..filled]) {
            break found;
        }
    };
    assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", shown(buffer));
    let mut left = (head + long).checked_sub(filled).expect("one answer");
    while left > 0 {
        let read = stream.read(buffer).await.expect("an answer");
        assert!(read > 0, "the answer was cut");
        left = left.checked_sub(read).expect("one answer");
    }
}

/// Returns how long the head of a message is, and its body, once the former is here.
pub(crate) fn head_and_length(message: &[u8]) -> Option<(usize, usize)> {
    let end = memchr::memmem::find(message, b"\r\n\r\n")? + 4;
    let mut length = 0;
    for line in message[..end].split(|byte| *byte == b'\n') {
        let name = b"content-length:";
        if line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name) {
            let digits = std::str::from_utf8(&line[name.len()..]).expect("digits");
            length = digits.trim().parse().expect("digits");
        }
    }
    Some((end, length))
}

fn shown(answer: &[u8]) -> String {
    String::from_utf8_lossy(&answer[..answer.len().min(400)]).into_owned()
}
