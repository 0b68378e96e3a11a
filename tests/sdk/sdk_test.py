"""Drives the gateway binary with the official OpenAI and Anthropic SDKs.

Usage: sdk_test.py PATH_OF_GATEWAY. Every SDK has its retries off, so that an error that the gateway
does not absorb is seen.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request

import anthropic
import openai

from provider import ANTHROPIC_STREAM, OPENAI_STREAM, PAUSE, WORDS, Provider

TEXT = "".join(WORDS)
SECRET = "own-secret"
MESSAGES = [{"role": "user", "content": "Count, please."}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
OPENAI_TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
ANTHROPIC_TOOLS = [{"name": "weather", "input_schema": SCHEMA}]

CONFIG = """
listen = "127.0.0.1:0"
state_endpoint = true

[[upstream]]
name = "scripted"
base_url = "http://127.0.0.1:{port}/v1"
api_key_env = "SCRIPTED_KEY"

[[upstream]]
name = "scripted-anthropic"
base_url = "http://127.0.0.1:{port}"
dialect = "anthropic"
api_key_env = "SCRIPTED_KEY"
"""


def pool(name, first):
    """Two pools, one for each format: base URLs differ in whether they hold the /v1."""
    pools = ""
    for suffix, upstream in [("", "scripted"), ("-a", "scripted-anthropic")]:
        targets = ", ".join(
            f'{{ model = "{model}", upstream = "{upstream}" }}' for model in [first, "good"]
        )
        pools += f'\n[[pool]]\nname = "{name}{suffix}"\ntargets = [{targets}]\n'
    return pools


class Gateway:
    def __init__(self, binary, provider, directory):
        config = os.path.join(directory, "outcome.toml")
        pools = [("plain", "fine"), ("limited", "walled"), ("shaky", "broken"), ("long", "endless")]
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(port=provider.port) + "".join(pool(*each) for each in pools))
        self.process = subprocess.Popen(
            [binary, "serve", "--config", config],
            env={**os.environ, "SCRIPTED_KEY": SECRET, "RUST_LOG": "info"},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log = ""
        for line in self.process.stderr:
            self.log += line
            if found := re.search(r"serving on (http://\S+:(\d+))", line):
                self.url, self.port = found[1], int(found[2])
                return
        raise RuntimeError(f"the gateway did not start: {self.log}")

    def state(self):
        with urllib.request.urlopen(self.url + "/outcome/state", timeout=5) as response:
            return json.load(response)

    def in_flight(self):
        pools = self.state()["pools"]
        return sum(target["in_flight"] for pool in pools for target in pool["targets"])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        _, rest = self.process.communicate(timeout=35)
        self.log += rest
        return self.process.returncode


class OpenAi:
    name = "openai"

    def __init__(self, gateway):
        self.client = openai.OpenAI(base_url=gateway.url + "/v1", api_key="callers-key", max_retries=0, timeout=10)
        self.create = self.client.chat.completions.create
        self.raw = self.client.chat.completions.with_raw_response.create

    def plain(self, model):
        answer = self.create(model=model, messages=MESSAGES)
        return answer.choices[0].message.content

    def stream(self, model):
        for chunk in self.create(model=model, messages=MESSAGES, stream=True):
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    def tool(self, model):
        call = self.create(model=model, messages=MESSAGES, tools=OPENAI_TOOLS).choices[0].message.tool_calls[0]
        return call.function.name, json.loads(call.function.arguments)

    def tool_stream(self, model):
        name, arguments = "", ""
        for chunk in self.create(model=model, messages=MESSAGES, tools=OPENAI_TOOLS, stream=True):
            for call in chunk.choices[0].delta.tool_calls or []:
                name += call.function.name or ""
                arguments += call.function.arguments or ""
        return name, json.loads(arguments)

    def served(self, model):
        return self.raw(model=model, messages=MESSAGES).headers

    def open(self, model):
        return self.create(model=model, messages=MESSAGES, stream=True)

    def models(self):
        return [model.id for model in self.client.models.list()]

    NotFound = openai.NotFoundError
    BadRequest = openai.BadRequestError


class Anthropic:
    name = "anthropic"

    def __init__(self, gateway):
        self.client = anthropic.Anthropic(base_url=gateway.url, api_key="callers-key", max_retries=0, timeout=10)

    def create(self, model, **more):
        return self.client.messages.create(model=model + "-a", max_tokens=50, messages=MESSAGES, **more)

    def plain(self, model):
        return self.create(model).content[0].text

    def stream(self, model):
        for event in self.create(model, stream=True):
            if event.type == "content_block_delta":
                yield event.delta.text

    def tool(self, model):
        block = self.create(model, tools=ANTHROPIC_TOOLS).content[0]
        return block.name, block.input

    def tool_stream(self, model):
        name, arguments = "", ""
        for event in self.create(model, tools=ANTHROPIC_TOOLS, stream=True):
            if event.type == "content_block_start":
                name = event.content_block.name
            elif event.type == "content_block_delta":
                arguments += event.delta.partial_json
        return name, json.loads(arguments)

    def served(self, model):
        raw = self.client.messages.with_raw_response.create
        return raw(model=model + "-a", max_tokens=50, messages=MESSAGES).headers

    def open(self, model):
        return self.create(model, stream=True)

    def models(self):
        return [model.id for model in self.client.models.list()]

    NotFound = anthropic.NotFoundError
    BadRequest = anthropic.BadRequestError


def test_plain(sdk, gateway, provider):
    assert sdk.plain("plain") == TEXT
    headers = sdk.served("plain")
    assert headers["x-outcome-model"] == "fine", headers
    assert headers["x-outcome-reason"] == "preferred", headers


def test_stream(sdk, gateway, provider):
    assert list(sdk.stream("plain")) == WORDS


def test_tool_call(sdk, gateway, provider):
    assert sdk.tool("plain") == ("weather", {"city": "Oslo"})
    assert sdk.tool_stream("plain") == ("weather", {"city": "Oslo"})


def test_429_is_served_by_the_second(sdk, gateway, provider):
    for _ in range(3):
        assert sdk.plain("limited") == TEXT
    assert list(sdk.stream("limited")) == WORDS
    headers = sdk.served("limited")
    assert headers["x-outcome-model"] == "good", headers
    assert "rate limited" in headers["x-outcome-reason"], headers
    path = "/v1/messages" if sdk.name == "anthropic" else "/v1/chat/completions"
    walled = [r for r in provider.requests if r["path"] == path and r["body"]["model"] == "walled"]
    assert len(walled) == 1, "asked again before Retry-After has passed"


def test_error_first_stream_fails_over(sdk, gateway, provider):
    assert list(sdk.stream("shaky")) == WORDS


def test_abort_in_mid_stream(sdk, gateway, provider):
    before = provider.hung_up
    stream = sdk.open("long")
    for _ in range(4):
        next(iter(stream))
    assert gateway.in_flight() == 1
    stream.close()
    wait_for(lambda: gateway.in_flight() == 0, "the attempt to be settled")
    wait_for(lambda: provider.hung_up == before + 1, "the provider to be let go")
    assert sdk.plain("plain") == TEXT


def test_unknown_model(sdk, gateway, provider):
    try:
        sdk.plain("gpt-99")
    except sdk.NotFound as error:
        assert "gpt-99" in str(error), error
        assert "/v1/models" in str(error), error
    else:
        raise AssertionError("no error")


def test_models_are_listed(sdk, gateway, provider):
    assert {"plain", "fine", "limited", "good"} <= set(sdk.models())


def test_the_callers_key_stays_here(sdk, gateway, provider):
    sdk.plain("plain")
    headers = provider.requests[-1]["headers"]
    assert "callers-key" not in str(headers), headers
    own = headers.get("x-api-key") or headers.get("authorization")
    assert own in (SECRET, "Bearer " + SECRET), headers


def test_bytes_and_timing_of_a_stream(sdk, gateway, provider):
    if sdk.name == "anthropic":
        path, model, events = "/v1/messages", "plain-a", ANTHROPIC_STREAM
    else:
        path, model, events = "/v1/chat/completions", "plain", OPENAI_STREAM
    body = json.dumps({"model": model, "max_tokens": 9, "messages": MESSAGES, "stream": True}).encode()
    head = (f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n").encode()
    pieces = []
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(head + body)
        while data := connection.recv(65536):
            pieces.append((time.monotonic(), data))
    raw = b"".join(data for _, data in pieces)
    chunks = dechunk(raw.split(b"\r\n\r\n", 1)[1])
    assert b"".join(chunks) == b"".join(events), "the bytes differ"
    assert chunks == events, "events were joined or split"
    content = next(i for i, event in enumerate(events) if b"One" in event)
    # Everything up to the first content comes at once; from there on as the provider sends it.
    times = [at for at, data in pieces if b"data:" in data or b": a comment" in data]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert len(times) == len(events) - content, (len(times), len(events), content)
    assert all(PAUSE / 2 < gap < PAUSE * 3 for gap in gaps), gaps


def dechunk(data):
    chunks = []
    while True:
        size, data = data.split(b"\r\n", 1)
        if not (length := int(size, 16)):
            return chunks
        chunks.append(data[:length])
        data = data[length + 2:]


def wait_for(condition, what, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


def main():
    passed = failed = 0
    provider = Provider()
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        gateway = Gateway(sys.argv[1], provider, directory)
        stack.callback(gateway.process.kill)
        for sdk in [OpenAi(gateway), Anthropic(gateway)]:
            for name, test in tests:
                try:
                    test(sdk, gateway, provider)
                    passed += 1
                    print(f"ok      {sdk.name} {name}")
                except Exception:
                    failed += 1
                    print(f"FAILED  {sdk.name} {name}")
                    traceback.print_exc()
        code = gateway.stop()
        shown = SECRET in gateway.log or "callers-key" in gateway.log or "Count, please" in gateway.log
        for what, good in [("SIGTERM ends it with 0", code == 0), ("no secret or prompt is logged", not shown)]:
            print(f"{'ok    ' if good else 'FAILED'}  {what}")
            passed, failed = passed + good, failed + (not good)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
