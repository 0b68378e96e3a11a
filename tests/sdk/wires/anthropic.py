"""Anthropic's messages."""

from . import CITY, HALVES, TEXT, TOOL, WORDS, Wire, sse


def event(data):
    return sse(data, data["type"])


def message(content, stop):
    usage = {"input_tokens": 3, "output_tokens": 2}
    return {"id": "m1", "type": "message", "role": "assistant", "model": "m", "content": content,
            "stop_reason": stop, "stop_sequence": None, "usage": usage}


def block(content):
    return event({"type": "content_block_start", "index": 0, "content_block": content})


def delta(kind, **text):
    return event({"type": "content_block_delta", "index": 0, "delta": {"type": kind, **text}})


def end(reason):
    return [
        event({"type": "content_block_stop", "index": 0}),
        event({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 5}}),
        event({"type": "message_stop"}),
    ]


def error(kind, text):
    return {"type": "error", "error": {"type": kind, "message": text}}


class Anthropic(Wire):
    base = ""
    dialect = "anthropic"
    key = ("x-api-key", "")

    text = message([{"type": "text", "text": TEXT}], "end_turn")
    tool = message([{"type": "tool_use", "id": "t1", "name": TOOL, "input": CITY}], "tool_use")
    start = [event({"type": "message_start", "message": message([], None)}), block({"type": "text", "text": ""})]
    text_stream = [
        *start,
        event({"type": "ping"}),
        *[delta("text_delta", text=word) for word in WORDS],
        *end("end_turn"),
    ]
    tool_stream = [
        start[0],
        block({"type": "tool_use", "id": "t1", "name": TOOL, "input": {}}),
        *[delta("input_json_delta", partial_json=half) for half in HALVES],
        *end("tool_use"),
    ]
    endless = start + [delta("text_delta", text="on ")] * 500
    broken = [
        [event(error("overloaded_error", "Overloaded"))],
        [*start, event(error("api_error", "Internal server error"))],
    ]
    refusals = {
        429: error("rate_limit_error", "Rate limited"),
        400: error("invalid_request_error", "Bad temperature"),
    }
