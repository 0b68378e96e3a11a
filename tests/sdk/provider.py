"""A provider that sends scripted bytes, on every wire. Standard library only."""

import asyncio
import json
import threading
import time

# Between two events of a stream that is to be hung up on, in seconds.
PAUSE = 0.12
# How long the model `slow` waits until its last event was read, before it gives up.
PATIENCE = 10

REASONS = {400: "Bad Request", 429: "Too Many Requests"}


def content(events):
    """How many events of a stream come before its first content."""
    return next(number for number, event in enumerate(events) if b"One" in event)


class Provider:
    """Answers by the model that a request names, on the wire of the SDK that its path begins with."""

    def __init__(self, wires):
        self.wires = wires
        self.requests = []
        self.hung_up = 0
        # How many events whoever asks the model `slow` has read from its first content on.
        self.read = 0
        self.port = None
        self._started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._started.wait(5)

    def base_url(self, sdk):
        return f"http://127.0.0.1:{self.port}/{sdk}{self.wires[sdk].base}"

    def asked(self, sdk, model):
        """The requests that named a model for an SDK."""
        return [request for request in self.requests if (request["sdk"], request["model"]) == (sdk, model)]

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
        _, sdk, path = line.split(" ")[1].split("/", 2)
        wire = self.wires[sdk]
        # The base path is the provider's, whatever the SDK's is.
        assert ("/" + path).startswith(wire.base + "/"), line
        asked = wire.asked("/" + path, body)
        self.requests.append({"sdk": sdk, "model": asked.model, "path": "/" + path, "headers": headers})
        if asked.model.startswith("walled"):
            await self._refuse(writer, wire, 429, {"retry-after": "60"})
        elif asked.model == "picky":
            await self._refuse(writer, wire, 400)
        elif asked.stream:
            await self._stream(writer, wire, asked)
        else:
            await self._json(writer, "200 OK", wire.tool if asked.tool else wire.text)
        return True

    async def _until_read(self, events):
        end = time.monotonic() + PATIENCE
        while self.read < events:
            if time.monotonic() > end:
                raise ConnectionResetError
            await asyncio.sleep(0.005)

    async def _refuse(self, writer, wire, status, headers=None):
        headers = {**(headers or {}), **wire.refusal_headers.get(status, {})}
        await self._json(writer, f"{status} {REASONS[status]}", wire.refusals[status], headers)

    async def _json(self, writer, status, answer, headers=None):
        body = json.dumps(answer).encode()
        headers = {**(headers or {}), "content-type": "application/json", "content-length": len(body)}
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status}\r\n{fields}\r\n".encode() + body)
        await writer.drain()

    async def _stream(self, writer, wire, asked):
        kind, _, number = asked.model.partition("-")
        if kind == "broken":
            events = wire.broken[int(number)]
        elif kind == "endless":
            events = wire.endless
        else:
            events = wire.tool_stream if asked.tool else wire.text_stream
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {wire.stream_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head.encode())
        try:
            for sent, event in enumerate(events, 1):
                writer.write(b"%x\r\n%s\r\n" % (len(event), event))
                await writer.drain()
                await asyncio.sleep(PAUSE if kind == "endless" else 0)
                if kind == "slow":
                    await self._until_read(sent - content(events))
                if writer.transport.is_closing():
                    raise ConnectionResetError
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        except ConnectionError:
            self.hung_up += 1
            raise
