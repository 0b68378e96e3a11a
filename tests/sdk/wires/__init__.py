"""What the scripted provider says, one file per wire.

A wire has the attributes of `Wire`. Its answers are of two kinds: text and one call of a tool.
"""

import json

WORDS = ["One", " two", " three", " four", " \u00e9\u4e2d."]
TEXT = "".join(WORDS)
TOOL, CITY = "weather", {"city": "Oslo"}
ARGUMENTS = json.dumps(CITY)
HALVES = [ARGUMENTS[:7], ARGUMENTS[7:]]


class Asked:
    """What a request asks for."""

    def __init__(self, model, stream, body):
        self.model = model
        self.stream = stream
        self.tool = bool(body.get("tools") or body.get("toolConfig"))


class Wire:
    """How one provider speaks."""

    # The path of the base URL that the gateway's file has.
    base: str
    # The dialect that the gateway's file names; without one, the gateway takes any.
    dialect: str | None = None
    # The header that carries the provider's own key.
    key = ("authorization", "Bearer ")
    stream_type = "text/event-stream"

    text: dict
    tool: dict
    text_stream: list
    tool_stream: list
    # Streams that say more and more, and do not end.
    endless: list
    # Streams that fail before their first content.
    broken: list
    # Bodies and headers of refusals, by status.
    refusals: dict
    # Further headers of a refusal, by status.
    refusal_headers: dict = {}

    def asked(self, path, body):
        return Asked(body.get("model", ""), bool(body.get("stream")), body)


def sse(data, event=None):
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(data) if not isinstance(data, str) else data}\n\n".encode()
