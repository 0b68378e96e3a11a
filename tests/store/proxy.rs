//! Something between an instance and its server that loses answers, and a server that is none.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Passes everything on, but answers only while it may.
pub struct Proxy {
    port: u16,
    answers: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers = Arc::new(AtomicBool::new(true));
        let may = Arc::clone(&answers);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let may = Arc::clone(&may);
                tokio::spawn(async move {
                    let upstream = TcpStream::connect(("127.0.0.1", server)).await;
                    let Ok(upstream) = upstream else { return };
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_server, mut to_server) = upstream.into_split();
                    let answers = async move {
                        let mut buffer = [0; 4096];
                        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                            if !may.load(Ordering::SeqCst)
                                || to_client.write_all(&buffer[..read]).await.is_err()
                            {
                                return;
                            }
                        }
                    };
                    tokio::select! {
                        () = answers => {}
                        _ = copy(&mut from_client, &mut to_server) => {}
                    }
                });
            }
        });
        Self {
            port,
            answers,
            task,
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Whether answers come through, or close the connection.
    pub fn answer(&self, may: bool) {
        self.answers.store(may, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers every command in a way of its own.
pub struct Fake {
    port: u16,
    pub written: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Fake {
    /// `answer` is called with the words of a command.
    pub async fn answering(
        answer: impl Fn(&[String]) -> Vec<u8> + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::serve(move |mut stream, _| {
            let answer = answer.clone();
            async move {
                let mut read = Vec::new();
                loop {
                    while let Some((words, length)) = command(&read) {
                        read.drain(..length);
                        if stream.write_all(&answer(&words)).await.is_err() {
                            return;
                        }
                    }
                    if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
            }
        })
        .await
    }

    /// Says something as soon as something comes, and then the same again and again, or nothing.
    pub async fn saying(first: &'static [u8], then: &'static [u8]) -> Self {
        Self::serve(move |mut stream, written| async move {
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
            let mut next = first;
            while stream.write_all(next).await.is_ok() {
                written.fetch_add(next.len(), Ordering::SeqCst);
                next = then;
                if next.is_empty() {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    return;
                }
            }
        })
        .await
    }

    async fn serve<F>(
        talk: impl Fn(TcpStream, Arc<AtomicUsize>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let written = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&written);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, Arc::clone(&counted)));
            }
        });
        Self {
            port,
            written,
            task,
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads a whole command, and how long it was.
fn command(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    let mut at = 0;
    let mut line = |mark: u8| {
        let rest = &bytes[at..];
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        assert_eq!(rest[0], mark);
        let number: usize = std::str::from_utf8(&rest[1..end]).unwrap().parse().unwrap();
        at += end + 2;
        if mark == b'*' {
            return Some((number, String::new()));
        }
        let text = bytes.get(at..at + number)?;
        let text = String::from_utf8_lossy(text).into_owned();
        at += number + 2;
        Some((number, text))
    };
    let (words, _) = line(b'*')?;
    let words = (0..words)
        .map(|_| line(b'$').map(|(_, text)| text))
        .collect::<Option<_>>()?;
    (at <= bytes.len()).then_some((words, at))
}
