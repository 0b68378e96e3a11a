"""Cohere's chat, version 2."""

from . import ARGUMENTS, HALVES, TEXT, TOOL, WORDS, Wire, sse

USAGE = {"billed_units": {"input_tokens": 3, "output_tokens": 2}, "tokens": {"input_tokens": 3, "output_tokens": 2}}


def answer(message, finish):
    return {"id": "c1", "message": {"role": "assistant", **message}, "finish_reason": finish, "usage": USAGE}


def event(kind, message=None, **more):
    message = {"delta": {"message": message}} if message is not None else {}
    return sse({"type": kind, **more, **message}, kind)


def delta(word):
    return event("content-delta", {"content": {"text": word}}, index=0)


def end(finish):
    return sse({"type": "message-end", "delta": {"finish_reason": finish, "usage": USAGE}}, "message-end")


def call(name, arguments):
    return {"id": "t1", "type": "function", "function": {"name": name, "arguments": arguments}}


class Cohere(Wire):
    base = ""
    dialect = "cohere"

    text = answer({"content": [{"type": "text", "text": TEXT}]}, "COMPLETE")
    tool = answer({"tool_plan": "I look it up.", "tool_calls": [call(TOOL, ARGUMENTS)]}, "TOOL_CALL")
    start = [
        event("message-start", {"role": "assistant", "content": [], "tool_calls": [], "citations": []}, id="c1"),
        event("content-start", {"content": {"type": "text", "text": ""}}, index=0),
    ]
    text_stream = [*start, *[delta(word) for word in WORDS], event("content-end", index=0), end("COMPLETE")]
    tool_stream = [
        start[0],
        event("tool-call-start", {"tool_calls": call(TOOL, "")}, index=0),
        *[event("tool-call-delta", {"tool_calls": {"function": {"arguments": half}}}, index=0) for half in HALVES],
        event("tool-call-end", index=0),
        end("TOOL_CALL"),
    ]
    endless = start + [delta("on ")] * 500
    broken = [
        [start[0], end("ERROR")],
        [start[0], sse({"type": "message-end", "delta": {"error": "Internal error", "finish_reason": "ERROR"}}, "message-end")],
    ]
    refusals = {
        429: {"message": "You are using a trial key, which is limited.", "id": "e1"},
        400: {"message": "invalid request: bad temperature", "id": "e1"},
    }
