import json

import httpx
from mistralai.client import Mistral as Sdk
from mistralai.client.errors import SDKError

from wires.openai import Mistral as Wire

from . import FUNCTION_TOOL, KEY, MESSAGES, TIMEOUT, Client


class Mistral(Client):
    name, wire = "mistral", Wire()
    # It has one for all statuses.
    errors = {400: SDKError, 401: SDKError, 404: SDKError, 429: SDKError}

    def __init__(self, gateway):
        # Its answers do not tell their headers.
        self.seen = {}
        hooks = {"response": [lambda response: self.seen.update(response.headers)]}
        client = httpx.Client(event_hooks=hooks, follow_redirects=True)
        self.client = Sdk(api_key=KEY, server_url=gateway.url, client=client, timeout_ms=TIMEOUT * 1000)

    def asked(self, name, **more):
        return {"model": self.model(name), "messages": MESSAGES, **more}

    def complete(self, name, **more):
        return self.client.chat.complete(**self.asked(name, **more))

    def plain(self, name):
        return self.complete(name).choices[0].message.content

    def open(self, name, **more):
        return self.client.chat.stream(**self.asked(name, **more))

    def texts(self, event):
        if event.data.choices[0].delta.content:
            yield event.data.choices[0].delta.content

    def tool(self, name):
        function = self.complete(name, tools=[FUNCTION_TOOL]).choices[0].message.tool_calls[0].function
        return function.name, json.loads(function.arguments)

    def tool_stream(self, name):
        function, arguments = "", ""
        for event in self.open(name, tools=[FUNCTION_TOOL]):
            for call in event.data.choices[0].delta.tool_calls or []:
                function += call.function.name or ""
                arguments += call.function.arguments
        return function, json.loads(arguments)

    def headers(self, name):
        self.seen.clear()
        self.complete(name)
        return self.seen

    def models(self):
        return [model.id for model in self.client.models.list().data]

    def raw(self, name):
        return "/v1/chat/completions", self.asked(name, stream=True)
