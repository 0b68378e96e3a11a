use std::time::Duration;

use super::*;

type BoxError = Box<dyn Error + Send + Sync>;

#[derive(Debug)]
struct Wrapped(BoxError);

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("wrapped")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

fn io(kind: ErrorKind) -> io::Error {
    kind.into()
}

#[test]
fn errors_are_recognised_in_every_box() {
    let refused = || io(ErrorKind::ConnectionRefused);
    assert_eq!(Transport::of(&refused()), Transport::Connect);
    assert_eq!(
        Transport::of(&(Box::new(refused()) as BoxError)),
        Transport::Connect
    );
    assert_eq!(
        Transport::of(&(Box::new(refused()) as Box<dyn Error>)),
        Transport::Connect
    );
    assert_eq!(
        Transport::of(&(Box::new(refused()) as Box<dyn Error + Send>)),
        Transport::Connect
    );
    let shared: Arc<dyn Error + Send + Sync> = Arc::new(refused());
    assert_eq!(Transport::of(&shared), Transport::Connect);
    let boxed: BoxError = Box::new(Wrapped(Box::new(Wrapped(Box::new(refused())))));
    assert_eq!(Transport::of(&boxed), Transport::Connect);
    // These two forward `source()` past what they hold.
    let held: BoxError = Box::new(io::Error::other(Wrapped(Box::new(refused()))));
    assert_eq!(Transport::of(&held), Transport::Connect);
    let held: BoxError = Box::new(shared);
    assert_eq!(Transport::of(&held), Transport::Connect);
    assert_eq!(
        Transport::of_error(&Wrapped(Box::new(refused()))),
        Transport::Connect
    );
}

#[test]
fn what_is_unknown_is_other() {
    assert_eq!(Transport::of(&"text"), Transport::Other);
    assert_eq!(Transport::of(&io::Error::other("text")), Transport::Other);
    assert_eq!(Transport::of::<BoxError>(&"text".into()), Transport::Other);
    let mut deep: BoxError = Box::new(io(ErrorKind::ConnectionReset));
    for _ in 0..MAX_DEPTH {
        deep = Box::new(Wrapped(deep));
    }
    assert_eq!(Transport::of(&deep), Transport::Other);
}

#[test]
fn kinds_of_io_errors_tell() {
    for (kind, expected) in [
        (ErrorKind::HostUnreachable, Transport::Connect),
        (ErrorKind::ConnectionReset, Transport::Reset),
        (ErrorKind::BrokenPipe, Transport::Reset),
        (ErrorKind::UnexpectedEof, Transport::Incomplete),
        (ErrorKind::TimedOut, Transport::Timeout),
        (ErrorKind::InvalidData, Transport::Malformed),
        (ErrorKind::OutOfMemory, Transport::Other),
    ] {
        assert_eq!(Transport::of(&io(kind)), expected, "{kind}");
        assert_eq!(
            Transport::of(&io::Error::new(kind, "held")),
            expected,
            "{kind}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn timeouts_and_load_shedding_need_no_feature() {
    let pending = std::future::pending::<()>();
    let elapsed = tokio::time::timeout(Duration::from_secs(1), pending)
        .await
        .unwrap_err();
    assert_eq!(Transport::of(&elapsed), Transport::Timeout);
    let elapsed: BoxError = tower::timeout::error::Elapsed::new().into();
    assert_eq!(Transport::of(&elapsed), Transport::Timeout);
    let shed: BoxError = tower::load_shed::error::Overloaded::new().into();
    assert_eq!(Transport::of(&shed), Transport::Local);
}

#[cfg(any(feature = "hyper-util", feature = "reqwest"))]
mod server {
    use std::net::SocketAddr;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    /// What a server does with a connection once a request has come in.
    pub(super) enum Reply {
        /// Sends these bytes and closes.
        Close(&'static [u8]),
        /// Sends these bytes and resets.
        Reset(&'static [u8]),
        /// Sends nothing.
        Hang,
    }

    pub(super) async fn start(reply: Reply) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            // One more connection, for clients that repeat.
            let mut request = [0; 4096];
            let _ = connection.read(&mut request).await;
            match reply {
                Reply::Close(bytes) => connection.write_all(bytes).await.unwrap(),
                Reply::Reset(bytes) => {
                    connection.write_all(bytes).await.unwrap();
                    connection.set_zero_linger().unwrap();
                }
                Reply::Hang => std::future::pending().await,
            }
        });
        address
    }

    /// An address at which nobody listens.
    pub(super) async fn nobody() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    }
}

#[cfg(feature = "hyper-util")]
mod hyper_util {
    use std::{net::SocketAddr, time::Duration};

    use bytes::Bytes;
    use http::Request;
    use http_body_util::{BodyExt, Full, StreamBody};
    use hyper_util::{client::legacy::Client, rt::TokioExecutor};

    use super::{
        super::*,
        server::{Reply, nobody, start},
    };

    async fn post(to: SocketAddr) -> Transport {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let request = Request::post(format!("http://{to}/"))
            .body(Full::from("{}"))
            .unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(5), client.request(request));
        match answer.await.unwrap() {
            Err(error) => Transport::of(&error),
            Ok(answer) => Transport::of(&answer.into_body().collect().await.unwrap_err()),
        }
    }

    #[tokio::test]
    async fn f01_connect_refused() {
        assert_eq!(post(nobody().await).await, Transport::Connect);
    }

    #[tokio::test]
    async fn f03_closed_or_reset_before_the_head_is_whole() {
        assert_eq!(
            post(start(Reply::Close(b"")).await).await,
            Transport::Incomplete
        );
        let cut = b"HTTP/1.1 200 OK\r\nContent-";
        assert_eq!(
            post(start(Reply::Close(cut)).await).await,
            Transport::Incomplete
        );
        assert_eq!(post(start(Reply::Reset(b"")).await).await, Transport::Reset);
    }

    #[tokio::test]
    async fn f04_the_body_breaks_off() {
        let short = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{";
        assert_eq!(
            post(start(Reply::Close(short)).await).await,
            Transport::Incomplete
        );
        let chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab";
        assert_eq!(
            post(start(Reply::Close(chunk)).await).await,
            Transport::Incomplete
        );
        let bad = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n";
        assert_eq!(
            post(start(Reply::Close(bad)).await).await,
            Transport::Malformed
        );
    }

    #[tokio::test]
    async fn garbage_is_malformed() {
        assert_eq!(
            post(start(Reply::Close(b"SSH-2.0-x\r\n\r\n")).await).await,
            Transport::Malformed
        );
    }

    #[tokio::test]
    async fn a_failing_upload_is_the_callers() {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let broken = io::Error::from(ErrorKind::ConnectionReset);
        let frames = futures_util::stream::iter([Err::<http_body::Frame<Bytes>, _>(broken)]);
        let to = start(Reply::Hang).await;
        let request = Request::post(format!("http://{to}/"))
            .body(StreamBody::new(frames))
            .unwrap();
        let error = client.request(request).await.unwrap_err();
        assert_eq!(Transport::of(&error), Transport::Upload);
    }
}

#[cfg(feature = "reqwest")]
mod reqwest {
    use std::{net::SocketAddr, time::Duration};

    use super::{
        super::*,
        server::{Reply, nobody, start},
    };

    async fn post(to: SocketAddr) -> Transport {
        let client = ::reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client
            .post(format!("http://{to}/"))
            .timeout(Duration::from_secs(1))
            .body("{}");
        match request.send().await {
            Err(error) => Transport::of(&error),
            Ok(answer) => Transport::of(&answer.bytes().await.unwrap_err()),
        }
    }

    #[tokio::test]
    async fn f01_connect_refused() {
        assert_eq!(post(nobody().await).await, Transport::Connect);
    }

    #[tokio::test]
    async fn its_timeout_is_one() {
        assert_eq!(post(start(Reply::Hang).await).await, Transport::Timeout);
    }

    #[tokio::test]
    async fn f03_f04_cut_off() {
        assert_eq!(post(start(Reply::Reset(b"")).await).await, Transport::Reset);
        let short = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{";
        assert_eq!(
            post(start(Reply::Close(short)).await).await,
            Transport::Incomplete
        );
        let end = post(start(Reply::Close(b"")).await).await;
        assert!(
            matches!(end, Transport::Incomplete | Transport::Other),
            "{end}"
        );
        let boxed: Box<dyn Error + Send + Sync> = Box::new(
            ::reqwest::Client::new()
                .post("no url")
                .send()
                .await
                .unwrap_err(),
        );
        assert_eq!(Transport::of(&boxed), Transport::Upload);
    }
}

#[cfg(feature = "h2")]
mod h2 {
    use ::h2::{Reason, client, server};
    use http::Request;

    use super::super::*;

    /// Has a server reset the stream of a request.
    async fn reset(reason: Reason) -> Transport {
        let (ours, theirs) = tokio::io::duplex(1 << 14);
        tokio::spawn(async move {
            let mut connection = server::handshake(theirs).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                respond.send_reset(reason);
            }
        });
        let (client, connection) = client::handshake(ours).await.unwrap();
        tokio::spawn(connection);
        let mut client = client.ready().await.unwrap();
        let request = Request::post("http://127.0.0.1/").body(()).unwrap();
        let (answer, _) = client.send_request(request, true).unwrap();
        Transport::of(&answer.await.unwrap_err())
    }

    #[tokio::test]
    async fn f09_resets_of_a_stream() {
        assert_eq!(reset(Reason::REFUSED_STREAM).await, Transport::Refused);
        assert_eq!(reset(Reason::ENHANCE_YOUR_CALM).await, Transport::Calm);
        assert_eq!(reset(Reason::CANCEL).await, Transport::Reset);
        assert_eq!(reset(Reason::INTERNAL_ERROR).await, Transport::Reset);
    }

    #[tokio::test]
    async fn f09_goaway() {
        for (reason, expected) in [
            (Reason::NO_ERROR, Transport::Reset),
            (Reason::ENHANCE_YOUR_CALM, Transport::Calm),
            (Reason::REFUSED_STREAM, Transport::Reset),
        ] {
            let (ours, theirs) = tokio::io::duplex(1 << 14);
            tokio::spawn(async move {
                let mut connection = server::handshake(theirs).await.unwrap();
                // A stream that was accepted would only see the connection end.
                connection.abrupt_shutdown(reason);
                let _ = std::future::poll_fn(|cx| connection.poll_closed(cx)).await;
                // Open until the other side has read it.
                std::future::pending::<()>().await;
            });
            let (client, connection) = client::handshake(ours).await.unwrap();
            tokio::spawn(connection);
            let mut client = client.ready().await.unwrap();
            let request = Request::post("http://127.0.0.1/").body(()).unwrap();
            let (answer, _) = client.send_request(request, true).unwrap();
            let error = answer.await.unwrap_err();
            assert_eq!(Transport::of(&error), expected, "{error:?}");
        }
    }
}
