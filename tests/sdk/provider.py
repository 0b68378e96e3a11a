"""A provider that sends scripted bytes, in both formats. Standard library only."""

import asyncio
import json
import threading
import time

PAUSE = 0.12


def sse(data, event=None):
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(data) if not isinstance(data, str) else data}\n\n".encode()


def openai_chunk(delta, finish=None):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return sse({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def openai_message(message, finish):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def anthropic_message(content, stop):
    usage = {"input_tokens": 3, "output_tokens": 2}
    return {"id": "m1", "type": "message", "role": "assistant", "model": "m", "content": content,
            "stop_reason": stop, "stop_sequence": None, "usage": usage}


def anthropic_delta(text):
    delta = {"type": "text_delta", "text": text}
    return sse({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")


WORDS = ["One", " two", " three", " four", " \u00e9\u4e2d."]

OPENAI_STREAM = [
    openai_chunk({"role": "assistant", "content": ""}),
    *[openai_chunk({"content": word}) for word in WORDS],
    b": a comment\n\n",
    openai_chunk({}, "stop"),
    b"data: [DONE]\n\n",
]

ANTHROPIC_STREAM = [
    sse({"type": "message_start", "message": anthropic_message([], None)}, "message_start"),
    sse({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}, "content_block_start"),
    sse({"type": "ping"}, "ping"),
    *[anthropic_delta(word) for word in WORDS],
    sse({"type": "content_block_stop", "index": 0}, "content_block_stop"),
    sse({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 5}}, "message_delta"),
    sse({"type": "message_stop"}, "message_stop"),
]

OPENAI_TOOL = {"tool_calls": [{"id": "t1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}}], "content": None}
ANTHROPIC_TOOL = [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}}]

OPENAI_TOOL_STREAM = [
    openai_chunk({"role": "assistant", "tool_calls": [{"index": 0, "id": "t1", "type": "function", "function": {"name": "weather", "arguments": ""}}]}),
    openai_chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{\"city\":"}}]}),
    openai_chunk({"tool_calls": [{"index": 0, "function": {"arguments": "\"Oslo\"}"}}]}),
    openai_chunk({}, "tool_calls"),
    b"data: [DONE]\n\n",
]
ANTHROPIC_TOOL_STREAM = [
    ANTHROPIC_STREAM[0],
    sse({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t1", "name": "weather", "input": {}}}, "content_block_start"),
    sse({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{\"city\":"}}, "content_block_delta"),
    sse({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "\"Oslo\"}"}}, "content_block_delta"),
    sse({"type": "content_block_stop", "index": 0}, "content_block_stop"),
    sse({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": {"output_tokens": 5}}, "message_delta"),
    sse({"type": "message_stop"}, "message_stop"),
]

OPENAI_ERROR_EVENT = [sse({"error": {"message": "The server had an error", "type": "server_error", "code": None}}), b"data: [DONE]\n\n"]
ANTHROPIC_ERROR_EVENT = [sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error")]


class Provider:
    """Answers by the model that a request names and the format that its path implies."""

    def __init__(self):
        self.requests = []
        self.hung_up = 0
        self.port = None
        self._started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._started.wait(5)

    async def _serve(self):
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await server.serve_forever()

    async def _converse(self, reader, writer):
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, value in (field.split(":", 1) for field in fields)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")
        path = line.split(" ")[1]
        self.requests.append({"path": path, "headers": headers, "body": body, "at": time.monotonic()})
        anthropic = path.startswith("/v1/messages")
        model = body.get("model", "")
        if model == "walled":
            await self._refuse(writer, anthropic)
        elif body.get("stream"):
            return await self._stream(writer, self._events(model, body, anthropic))
        else:
            tool = "tools" in body
            if anthropic:
                text = [{"type": "text", "text": "".join(WORDS)}]
                answer = anthropic_message(ANTHROPIC_TOOL if tool else text, "tool_use" if tool else "end_turn")
            else:
                text = {"content": "".join(WORDS)}
                answer = openai_message(OPENAI_TOOL if tool else text, "tool_calls" if tool else "stop")
            await self._json(writer, "200 OK", answer)
        return True

    def _events(self, model, body, anthropic):
        if model == "broken":
            return ANTHROPIC_ERROR_EVENT if anthropic else OPENAI_ERROR_EVENT
        if "tools" in body:
            return ANTHROPIC_TOOL_STREAM if anthropic else OPENAI_TOOL_STREAM
        if model == "endless":
            start = ANTHROPIC_STREAM[:2] if anthropic else OPENAI_STREAM[:1]
            word = anthropic_delta("on ") if anthropic else openai_chunk({"content": "on "})
            return start + [word] * 500
        return ANTHROPIC_STREAM if anthropic else OPENAI_STREAM

    async def _refuse(self, writer, anthropic):
        if anthropic:
            error = {"type": "error", "error": {"type": "rate_limit_error", "message": "Rate limited"}}
        else:
            error = {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}
        await self._json(writer, "429 Too Many Requests", error, "retry-after: 60\r\n")

    async def _json(self, writer, status, answer, headers=""):
        body = json.dumps(answer).encode()
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    async def _stream(self, writer, events):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        try:
            for event in events:
                writer.write(b"%x\r\n%s\r\n" % (len(event), event))
                await writer.drain()
                await asyncio.sleep(PAUSE)
                if writer.transport.is_closing():
                    raise ConnectionResetError
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        except ConnectionError:
            self.hung_up += 1
            raise
        return True
