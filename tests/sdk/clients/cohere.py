import json

import cohere
from cohere.core import RequestOptions

from wires.cohere import Cohere as Wire

from . import FUNCTION_TOOL, KEY, MESSAGES, TIMEOUT, Client

OPTIONS = RequestOptions(max_retries=0)


class Cohere(Client):
    name, wire = "cohere", Wire()
    errors = {
        400: cohere.BadRequestError,
        401: cohere.UnauthorizedError,
        404: cohere.NotFoundError,
        429: cohere.TooManyRequestsError,
    }

    def __init__(self, gateway):
        self.client = cohere.ClientV2(api_key=KEY, base_url=gateway.url, timeout=TIMEOUT)

    def asked(self, name, **more):
        return {"model": self.model(name), "messages": MESSAGES, "request_options": OPTIONS, **more}

    def chat(self, name, **more):
        return self.client.chat(**self.asked(name, **more))

    def open(self, name, **more):
        return self.client.chat_stream(**self.asked(name, **more))

    def plain(self, name):
        return self.chat(name).message.content[0].text

    def texts(self, event):
        if event.type == "content-delta":
            yield event.delta.message.content.text

    def tool(self, name):
        function = self.chat(name, tools=[FUNCTION_TOOL]).message.tool_calls[0].function
        return function.name, json.loads(function.arguments)

    def tool_stream(self, name):
        function, arguments = "", ""
        for event in self.open(name, tools=[FUNCTION_TOOL]):
            if event.type in ("tool-call-start", "tool-call-delta"):
                call = event.delta.message.tool_calls.function
                function += getattr(call, "name", None) or ""
                arguments += call.arguments
        return function, json.loads(arguments)

    def headers(self, name):
        return self.client.with_raw_response.chat(**self.asked(name)).headers

    def models(self):
        return [model.name for model in self.client.models.list().models]

    def raw(self, name):
        return "/v2/chat", {"model": self.model(name), "messages": MESSAGES, "stream": True}
