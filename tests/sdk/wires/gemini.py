"""Gemini's generateContent: the model and the operation stand in the path."""

import json
import re

from . import CITY, TEXT, TOOL, WORDS, Asked, Wire, sse

USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}


def answer(part, finish=None):
    candidate = {"content": {"role": "model", "parts": [part]}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": USAGE, "modelVersion": "m", "responseId": "r1"}


def error(code, status, message):
    return {"error": {"code": code, "message": message, "status": status}}


def event(data):
    # Its lines end as Google's servers end them.
    return sse(data).replace(b"\n", b"\r\n")


CALL = {"functionCall": {"name": TOOL, "args": CITY}}
OVERLOADED = error(503, "UNAVAILABLE", "The model is overloaded.")
QUOTA = [
    {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}],
    },
    {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "60s"},
]


class Gemini(Wire):
    base = ""
    dialect = "gemini"
    key = ("x-goog-api-key", "")

    text = answer({"text": TEXT}, "STOP")
    tool = answer(CALL, "STOP")
    text_stream = [*[event(answer({"text": word})) for word in WORDS], event(answer({"text": ""}, "STOP"))]
    tool_stream = [event(answer(CALL)), event(answer({"text": ""}, "STOP"))]
    endless = [event(answer({"text": "on "}))] * 500
    broken = [
        [event(OVERLOADED)],
        # As it comes where the stream was not begun yet: no event, but the document.
        [json.dumps(OVERLOADED, indent=2).encode() + b"\n"],
    ]
    refusals = {
        429: {"error": {**error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.")["error"], "details": QUOTA}},
        400: error(400, "INVALID_ARGUMENT", "Bad temperature"),
    }

    def asked(self, path, body):
        model, operation = re.fullmatch(r"/v1(?:beta)?/models/([^/:]+):(\w+)(?:\?alt=sse)?", path).groups()
        assert operation in ("generateContent", "streamGenerateContent"), operation
        return Asked(model, operation == "streamGenerateContent", body)
