"""OpenAI's chat completions, and the two providers that copied them."""

from . import ARGUMENTS, HALVES, TEXT, TOOL, WORDS, Wire, sse

DONE = b"data: [DONE]\n\n"


def chunk(delta, finish=None):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return sse({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def completion(message, finish):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


class OpenAi(Wire):
    base = "/v1"

    text = completion({"content": TEXT}, "stop")
    tool = completion(
        {"tool_calls": [{"id": "t1", "type": "function", "function": {"name": TOOL, "arguments": ARGUMENTS}}], "content": None},
        "tool_calls",
    )
    start = [chunk({"role": "assistant", "content": ""})]
    text_stream = [
        *start,
        *[chunk({"content": word}) for word in WORDS],
        b": a comment\n\n",
        chunk({}, "stop"),
        DONE,
    ]
    tool_stream = [
        chunk({"role": "assistant", "tool_calls": [{"index": 0, "id": "t1", "type": "function", "function": {"name": TOOL, "arguments": ""}}]}),
        *[chunk({"tool_calls": [{"index": 0, "function": {"arguments": half}}]}) for half in HALVES],
        chunk({}, "tool_calls"),
        DONE,
    ]
    endless = start + [chunk({"content": "on "})] * 500
    broken = [
        [sse({"error": {"message": "The server had an error", "type": "server_error", "code": None}}), DONE],
        [*start, sse({"error": {"message": "The server had an error", "type": "server_error", "code": None}}, "error")],
    ]
    refusals = {
        429: {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}},
        400: {"error": {"message": "Bad temperature", "type": "invalid_request_error", "param": "temperature", "code": None}},
    }


class Groq(OpenAi):
    base = "/openai/v1"
    dialect = "groq"

    broken = [
        *OpenAi.broken,
        [sse({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
              "x_groq": {"id": "r1", "error": "over capacity"}}), DONE],
    ]
    refusals = {
        429: {"error": {"message": "Rate limit reached for model `m`", "type": "tokens", "code": "rate_limit_exceeded"}},
        400: OpenAi.refusals[400],
    }


class Mistral(OpenAi):
    base = "/v1"
    dialect = "mistral"

    # It sends calls whole.
    tool_stream = [
        chunk({"role": "assistant", "tool_calls": [{"index": 0, "id": "t1", "function": {"name": TOOL, "arguments": ARGUMENTS}}]}, "tool_calls"),
        DONE,
    ]
    broken = [[chunk({"role": "assistant", "content": ""}, "error"), DONE], *OpenAi.broken]
    refusals = {
        429: {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "param": None, "code": "1300"},
        400: {"object": "error", "message": "Bad temperature", "type": "invalid_request_error", "param": None, "code": "3051"},
    }
