"""Drives the gateway binary with the official SDKs.

Usage: sdk_test.py PATH_OF_GATEWAY. Every SDK has its retries off, so that an error that the gateway
does not absorb is seen.
"""

import contextlib
import json
import socket
import sys
import tempfile
import time
import traceback

from clients import KEY, PROMPT
from clients.anthropic import Anthropic
from clients.bedrock import Bedrock, BedrockBearer
from clients.cohere import Cohere
from clients.gemini import Gemini
from clients.mistral import Mistral
from clients.openai import Groq, OpenAi
from gateway import SECRET, Gateway
from provider import Provider, content
from wires import CITY, TEXT, TOOL, WORDS

SDKS = [OpenAi, Anthropic, Gemini, Bedrock, BedrockBearer, Cohere, Mistral, Groq]


def test_plain(sdk, gateway, provider):
    assert sdk.plain("plain") == TEXT
    headers = sdk.headers("plain")
    assert headers["x-outcome-model"] == "fine", headers
    assert headers["x-outcome-requested-model"] == sdk.model("plain"), headers
    assert headers["x-outcome-reason"] == "preferred", headers
    assert headers["x-outcome-attempts"] == "1", headers


def test_stream(sdk, gateway, provider):
    assert list(sdk.stream("plain")) == WORDS


def test_tool_call(sdk, gateway, provider):
    assert sdk.tool("plain") == (TOOL, CITY)
    assert sdk.tool_stream("plain") == (TOOL, CITY)


def test_429_is_served_by_the_second(sdk, gateway, provider):
    for _ in range(3):
        assert sdk.plain("limited") == TEXT
    assert list(sdk.stream("limited")) == WORDS
    headers = sdk.headers("limited")
    assert headers["x-outcome-model"] == "good", headers
    assert "rate limited" in headers["x-outcome-reason"], headers
    walled = provider.asked(sdk.name, "walled")
    assert len(walled) == 1, "asked again before Retry-After has passed"


def test_429_of_all_is_the_sdks_own(sdk, gateway, provider):
    # First as the provider says it, then as the gateway does, which need not ask.
    expect(sdk, 429, lambda: sdk.plain("exhausted"))
    expect(sdk, 429, lambda: sdk.plain("exhausted"))
    expect(sdk, 429, lambda: list(sdk.stream("exhausted")))
    for model in ["walled-1", "walled-2"]:
        assert len(provider.asked(sdk.name, model)) == 1, model


def test_400_is_the_sdks_own(sdk, gateway, provider):
    before = len(provider.asked(sdk.name, "picky")), len(provider.asked(sdk.name, "good"))
    for call in [lambda: sdk.plain("picked"), lambda: list(sdk.stream("picked"))]:
        assert "temperature" in str(expect(sdk, 400, call))
    after = len(provider.asked(sdk.name, "picky")), len(provider.asked(sdk.name, "good"))
    assert after == (before[0] + 2, before[1]), "a caller's error was asked about again"


def test_error_first_stream_fails_over(sdk, gateway, provider):
    for number in range(len(sdk.wire.broken)):
        before = len(provider.asked(sdk.name, f"broken-{number}"))
        assert list(sdk.stream(f"shaky-{number}")) == WORDS, number
        assert len(provider.asked(sdk.name, f"broken-{number}")) == before + 1, number


def test_abort_in_mid_stream(sdk, gateway, provider):
    before = provider.hung_up
    stream = sdk.open("long")
    events = iter(stream)
    for _ in range(4):
        next(events)
    # What was asked before may have been read by its caller, and not yet have ended.
    wait_for(lambda: gateway.in_flight() == 1, "nothing else to be under way")
    stream.close()
    wait_for(lambda: gateway.in_flight() == 0, "the attempt to be settled")
    wait_for(lambda: provider.hung_up == before + 1, "the provider to be let go")
    assert sdk.plain("plain") == TEXT


def test_unknown_model(sdk, gateway, provider):
    for call in [lambda: sdk.plain("gpt-99"), lambda: list(sdk.stream("gpt-99"))]:
        error = expect(sdk, 404, call)
        assert "gpt-99" in str(error), error
        assert "/v1/models" in str(error), error


def test_models_are_listed(sdk, gateway, provider):
    models = sdk.models()
    if models is not None:
        assert {sdk.model("plain"), "fine", sdk.model("limited"), "good"} <= set(models), models


def test_the_callers_key_stays_here(sdk, gateway, provider):
    sdk.plain("plain")
    request = provider.requests[-1]
    assert KEY not in str(request), request
    assert "AWS4" not in str(request) and "x-amz-date" not in request["headers"], request
    name, prefix = sdk.wire.key
    carried = {name: value for name, value in request["headers"].items() if SECRET in value}
    assert carried == {name: prefix + SECRET}, request


def test_bytes_and_order_of_a_stream(sdk, gateway, provider):
    events = sdk.wire.text_stream
    path, body = sdk.raw("slowed")
    body = json.dumps(body).encode()
    head = (f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n").encode()
    # Everything up to the first content comes at once. From there on the provider sends nothing more
    # until what it has sent was read here: an event that is held back or waits for the next never comes.
    raw, awaited = b"", events[content(events):]
    provider.read = 0
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall(head + body)
        while data := connection.recv(65536):
            raw += data
            provider.read = arrived(raw, awaited)
    assert provider.read == len(awaited), (provider.read, len(awaited))
    chunks = dechunk(raw.split(b"\r\n\r\n", 1)[1])
    assert b"".join(chunks) == b"".join(events), "the bytes differ"
    assert chunks == events, "events were joined or split"


def keys_test(make, provider, binary, directory):
    """The SDK's key opens the gateway that knows it, and no other."""
    for client_key, opened in [(KEY, True), ("another-key", False)]:
        gateway = Gateway(binary, provider, directory, client_key)
        try:
            sdk = make(gateway)
            if opened and sdk.sends_key:
                assert sdk.plain("plain") == TEXT
                assert list(sdk.stream("plain")) == WORDS
                assert sdk.models() is None or sdk.models()
            else:
                expect(sdk, 401, lambda: sdk.plain("plain"))
                expect(sdk, 401, lambda: list(sdk.stream("plain")))
        finally:
            gateway.process.kill()
            gateway.process.wait()


def arrived(data, events):
    """How many of these events are there, one after the other."""
    for number, event in enumerate(events):
        if event not in data:
            return number
        data = data.split(event, 1)[1]
    return len(events)


def dechunk(data):
    chunks = []
    while True:
        size, data = data.split(b"\r\n", 1)
        if not (length := int(size, 16)):
            return chunks
        chunks.append(data[:length])
        data = data[length + 2:]


def expect(sdk, status, call):
    """Returns the exception that the SDK has for this status."""
    try:
        answer = call()
    except sdk.errors[status] as error:
        assert sdk.told(error) == sdk.codes[status], sdk.told(error)
        return error
    raise AssertionError(f"no error: {answer}")


def wait_for(condition, what, seconds=15):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


def main():
    passed = failed = 0
    provider = Provider({sdk.name: sdk.wire for sdk in SDKS})
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        gateway = Gateway(sys.argv[1], provider, directory)
        stack.callback(gateway.process.kill)
        for sdk in [make(gateway) for make in SDKS]:
            for name, test in tests:
                try:
                    test(sdk, gateway, provider)
                    passed += 1
                    print(f"ok      {sdk.name} {name}")
                except Exception:
                    failed += 1
                    print(f"FAILED  {sdk.name} {name}")
                    traceback.print_exc()
        for make in SDKS:
            try:
                keys_test(make, provider, sys.argv[1], directory)
                passed += 1
                print(f"ok      {make.name} keys_test")
            except Exception:
                failed += 1
                print(f"FAILED  {make.name} keys_test")
                traceback.print_exc()
        code = gateway.stop()
        shown = any(secret in gateway.log for secret in [SECRET, KEY, PROMPT])
        for what, good in [("SIGTERM ends it with 0", code == 0), ("no secret or prompt is logged", not shown)]:
            print(f"{'ok    ' if good else 'FAILED'}  {what}")
            passed, failed = passed + good, failed + (not good)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
