//! What the binary tells those who watch.

use std::fs;

use http::{Request, StatusCode};
use http_body_util::Full;

use crate::{process::*, support::*};

#[tokio::test]
async fn f40_metrics_are_served_to_prometheus() {
    let failing = Raw::json(500, DOWN).await;
    let well = Raw::json(200, WELL).await;
    let folder = Folder::new("metrics", &failing, &well);
    let process = Process::start(&folder.0).await;
    let asked = ask("first").replace("[]", "[{\"role\":\"user\",\"content\":\"canary-prompt\"}]");
    assert_eq!(
        post(process.address, CHAT, asked).await.status(),
        StatusCode::OK
    );
    let request = Request::get(format!("http://{}/metrics", process.admin()));
    let answer = send(request.body(Full::default()).unwrap()).await;
    assert!(text(answer.headers(), "content-type").starts_with("text/plain"));
    let metrics = String::from_utf8_lossy(answer.body()).into_owned();
    for line in [
        "outcome_requests_total{pool=\"chat\",model=\"first\"} 1",
        "outcome_attempts_total{pool=\"chat\",target=\"first\",class=\"server_error\"} 1",
        "outcome_substituted_total{pool=\"chat\",target=\"second\",reason=\"tried\"} 1",
        "outcome_repeats_total 1",
        "outcome_store_failures_total 0",
        "outcome_waiting_requests 0",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}\n{metrics}");
    }
    assert!(metrics.contains("outcome_decision_seconds_count 2"));
    assert!(!metrics.contains("canary"), "{metrics}");
    process.stop().await;
}

#[cfg(feature = "otlp")]
mod spans {
    use std::{
        collections::BTreeMap,
        net::SocketAddr,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use tokio::{
        io::AsyncWriteExt,
        net::TcpListener,
        time::{sleep, timeout},
    };

    use super::*;

    /// A collector that keeps what it is sent, head and body.
    struct Collector {
        address: SocketAddr,
        taken: Arc<Mutex<Vec<Vec<u8>>>>,
    }

    impl Collector {
        async fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let taken = Arc::new(Mutex::new(Vec::new()));
            let shared = taken.clone();
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let request = read_request(&mut stream).await;
                    shared.lock().unwrap().push(request);
                    let answer = answer(200, "", "application/x-protobuf", "");
                    let _ = stream.write_all(&answer).await;
                }
            });
            Self { address, taken }
        }

        fn requests(&self) -> Vec<(String, Vec<u8>)> {
            let taken = self.taken.lock().unwrap();
            let halves = taken.iter().map(|request| {
                let end = request.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
                let head = String::from_utf8_lossy(&request[..end]).into_owned();
                (head, request[end + 4..].to_vec())
            });
            halves.collect()
        }

        fn spans(&self) -> Vec<Span> {
            let requests = self.requests();
            requests.iter().flat_map(|(_, body)| spans(body)).collect()
        }
    }

    #[derive(Debug)]
    struct Span {
        name: String,
        kind: u64,
        failed: bool,
        attributes: BTreeMap<String, String>,
        service: String,
    }

    /// Reads what an export holds, by the numbers of OTLP's fields.
    fn spans(export: &[u8]) -> Vec<Span> {
        let mut spans = Vec::new();
        for (_, of_resource) in fields(export) {
            let of_resource = fields(of_resource.bytes());
            let resource = of_resource.iter().find(|(number, _)| *number == 1).unwrap();
            let service = attributes(resource.1.bytes(), 1)["service.name"].clone();
            for (_, scope) in of_resource.iter().filter(|(number, _)| *number == 2) {
                let scope = fields(scope.bytes());
                for (_, span) in scope.iter().filter(|(number, _)| *number == 2) {
                    let span = span.bytes();
                    let all = fields(span);
                    let of = |number| all.iter().find(|(it, _)| *it == number);
                    let status = of(15).map(|(_, status)| fields(status.bytes()));
                    spans.push(Span {
                        name: of(5).unwrap().1.text(),
                        kind: of(6).unwrap().1.number(),
                        failed: status.is_some_and(|status| {
                            status.iter().any(|(n, code)| *n == 3 && code.number() == 2)
                        }),
                        attributes: attributes(span, 9),
                        service: service.clone(),
                    });
                }
            }
        }
        spans
    }

    fn attributes(message: &[u8], number: u64) -> BTreeMap<String, String> {
        let pairs = fields(message).into_iter().filter(|(it, _)| *it == number);
        let pairs = pairs.map(|(_, pair)| {
            let pair = fields(pair.bytes());
            let value = match fields(pair[1].1.bytes()).first() {
                Some((1, text)) => text.text(),
                Some((2 | 3, number)) => number.number().to_string(),
                Some((4, double)) => f64::from_bits(double.number()).to_string(),
                other => panic!("{other:?}"),
            };
            (pair[0].1.text(), value)
        });
        pairs.collect()
    }

    #[derive(Debug)]
    enum Value<'a> {
        Number(u64),
        Bytes(&'a [u8]),
    }

    impl<'a> Value<'a> {
        fn bytes(&self) -> &'a [u8] {
            match self {
                Self::Bytes(bytes) => bytes,
                Self::Number(_) => panic!("{self:?}"),
            }
        }

        fn text(&self) -> String {
            String::from_utf8(self.bytes().to_vec()).unwrap()
        }

        fn number(&self) -> u64 {
            match self {
                Self::Number(number) => *number,
                Self::Bytes(_) => panic!("{self:?}"),
            }
        }
    }

    /// The fields of a message of protocol buffers.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Value<'_>)> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let value = match key & 7 {
                0 => Value::Number(varint(&mut bytes)),
                1 => {
                    let (fixed, rest) = bytes.split_first_chunk().unwrap();
                    bytes = rest;
                    Value::Number(u64::from_le_bytes(*fixed))
                }
                2 => {
                    let length = usize::try_from(varint(&mut bytes)).unwrap();
                    let (text, rest) = bytes.split_at(length);
                    bytes = rest;
                    Value::Bytes(text)
                }
                5 => {
                    let (fixed, rest) = bytes.split_first_chunk().unwrap();
                    bytes = rest;
                    Value::Number(u32::from_le_bytes(*fixed).into())
                }
                other => panic!("wire type {other}"),
            };
            fields.push((key >> 3, value));
        }
        fields
    }

    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let (byte, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }

    /// Configures a key for the upstreams, and what is given.
    fn configure(folder: &Folder, more: &str) {
        let file = folder.0.join("gateway.toml");
        let config = fs::read_to_string(&file).unwrap();
        let keyed = config.replace("name = \"two\"", "name = \"two\"\napi_key_env = \"CANARY\"");
        fs::write(&file, format!("{keyed}{more}")).unwrap();
    }

    fn canary() -> Request<Full<bytes::Bytes>> {
        let asked =
            ask("first").replace("[]", "[{\"role\":\"user\",\"content\":\"canary-prompt\"}]");
        Request::post(CHAT)
            .header("content-type", "application/json")
            .header("authorization", "Bearer canary-caller")
            .header("x-outcome-task", "canary-task")
            .body(Full::from(asked))
            .unwrap()
    }

    async fn call(process: &Process) {
        let mut request = canary();
        *request.uri_mut() = format!("http://{}{CHAT}", process.address).parse().unwrap();
        assert_eq!(send(request).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn f40_spans_arrive_at_a_collector_without_words_or_keys() {
        let failing = Raw::json(500, &DOWN.replace("down", "canary-error")).await;
        let used = "],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":100}}";
        let well = WELL.replace("Hi", "canary-answer").replace("]}", used);
        let well = Raw::json(200, &well).await;
        let collector = Collector::start().await;
        let folder = Folder::new("spans", &failing, &well);
        configure(
            &folder,
            &format!(
                "[telemetry]\notlp_endpoint = \"http://{}\"\n",
                collector.address
            ),
        );
        let process = Process::start_with(&folder.0, &[("CANARY", "canary-key")]).await;
        call(&process).await;
        // What is left is sent at the end.
        process.stop().await;

        let requests = collector.requests();
        assert!(requests[0].0.starts_with("POST /v1/traces HTTP/1.1\r\n"));
        for (head, body) in &requests {
            let all = format!("{head}{}", String::from_utf8_lossy(body));
            assert!(!all.contains("canary"), "{all}");
        }
        let spans = collector.spans();
        assert_eq!(spans.len(), 2, "{spans:#?}");
        let port = well.address.port().to_string();
        let expected: [&[(&str, &str)]; 2] = [
            &[
                ("gen_ai.request.model", "first"),
                ("error.type", "server_error"),
                ("http.response.status_code", "500"),
                ("outcome.attempt", "1"),
            ],
            &[
                ("gen_ai.operation.name", "chat"),
                ("gen_ai.provider.name", "openai"),
                ("gen_ai.request.model", "second"),
                ("gen_ai.response.model", "second"),
                ("gen_ai.usage.input_tokens", "1000"),
                ("gen_ai.usage.output_tokens", "100"),
                ("http.response.status_code", "200"),
                ("server.address", "127.0.0.1"),
                ("server.port", &port),
                ("outcome.requested_model", "first"),
                ("outcome.pool", "chat"),
                ("outcome.target", "second"),
                ("outcome.reason", "tried"),
                ("outcome.attempt", "2"),
                ("outcome.class", "success"),
            ],
        ];
        for (span, expected) in spans.iter().zip(expected) {
            for (name, value) in expected {
                let is = span.attributes.get(*name);
                assert_eq!(is.map(String::as_str), Some(*value), "{name}: {span:#?}");
            }
            // Of a client.
            assert_eq!(span.kind, 3);
            assert_eq!(span.service, "outcome-gateway");
        }
        assert_eq!(spans[0].name, "chat first");
        assert_eq!(spans[1].name, "chat second");
        assert_eq!([spans[0].failed, spans[1].failed], [true, false]);
    }

    #[tokio::test]
    async fn the_standard_variables_say_where_spans_go() {
        let well = Raw::json(200, WELL).await;
        let collector = Collector::start().await;
        let folder = Folder::new("variables", &well, &well);
        let base = format!("http://{}/base", collector.address);
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", base.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=one"),
            ("OTEL_SERVICE_NAME", "my-gateway"),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ];
        let process = Process::start_with(&folder.0, &variables).await;
        call(&process).await;
        let arrived = async {
            while collector.requests().is_empty() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(5), arrived).await.unwrap();
        process.stop().await;
        let (head, _) = &collector.requests()[0];
        assert!(head.starts_with("POST /base/v1/traces "), "{head}");
        assert!(head.contains("x-team: one"), "{head}");
        assert_eq!(collector.spans()[0].service, "my-gateway");

        let off = [variables[0], ("OTEL_SDK_DISABLED", "true")];
        let process = Process::start_with(&folder.0, &off).await;
        call(&process).await;
        process.stop().await;
        assert_eq!(collector.spans().len(), 1);
    }

    #[tokio::test]
    async fn a_collector_that_is_gone_costs_no_request_and_is_told_of_once() {
        let well = Raw::json(200, WELL).await;
        let folder = Folder::new("gone", &well, &well);
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", gone.local_addr().unwrap());
        drop(gone);
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", base.as_str()),
            ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ];
        let process = Process::start_with(&folder.0, &variables).await;
        for _ in 0..5 {
            call(&process).await;
            sleep(Duration::from_millis(60)).await;
        }
        let said = process.stop().await.join("\n");
        let told = said.matches("the collector of spans cannot be reached");
        assert_eq!(told.count(), 1, "{said}");
    }
}
