"""Amazon Bedrock's converse: the model stands in the path, and streams are binary frames."""

import binascii
import json
import re
import struct
import urllib.parse

from . import CITY, HALVES, TEXT, TOOL, WORDS, Asked, Wire


def frame(headers, payload):
    """Encodes a message of application/vnd.amazon.eventstream; all its headers are strings."""
    encoded = b""
    for name, value in headers.items():
        encoded += struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
    payload = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(encoded) + len(payload), len(encoded))
    prelude += struct.pack("!I", binascii.crc32(prelude))
    message = prelude + encoded + payload
    return message + struct.pack("!I", binascii.crc32(message))


def event(kind, payload):
    return frame({":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, payload)


def exception(kind, message):
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, {"message": message})


def delta(content):
    return event("contentBlockDelta", {"contentBlockIndex": 0, "delta": content})


def end(reason):
    return [
        event("contentBlockStop", {"contentBlockIndex": 0}),
        event("messageStop", {"stopReason": reason}),
        event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}),
    ]


def answer(content, stop):
    message = {"role": "assistant", "content": [content]}
    return {"output": {"message": message}, "stopReason": stop, "usage": USAGE, "metrics": {"latencyMs": 1}}


USAGE = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}


class Bedrock(Wire):
    base = ""
    dialect = "bedrock"
    stream_type = "application/vnd.amazon.eventstream"

    text = answer({"text": TEXT}, "end_turn")
    tool = answer({"toolUse": {"toolUseId": "t1", "name": TOOL, "input": CITY}}, "tool_use")
    start = [event("messageStart", {"role": "assistant"})]
    text_stream = [*start, *[delta({"text": word}) for word in WORDS], *end("end_turn")]
    tool_stream = [
        *start,
        event("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t1", "name": TOOL}}}),
        *[delta({"toolUse": {"input": half}}) for half in HALVES],
        *end("tool_use"),
    ]
    endless = start + [delta({"text": "on "})] * 500
    broken = [
        [exception("throttlingException", "Too many tokens, please wait before trying again.")],
        [*start, exception("modelStreamErrorException", "The model failed.")],
    ]
    refusals = {
        429: {"message": "Too many requests, please wait before trying again."},
        400: {"message": "Bad temperature"},
    }
    refusal_headers = {
        429: {"x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/"},
        400: {"x-amzn-errortype": "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"},
    }

    def asked(self, path, body):
        model, stream = re.fullmatch(r"/model/([^/]+)/converse(-stream)?", path).groups()
        return Asked(urllib.parse.unquote(model), bool(stream), body)
