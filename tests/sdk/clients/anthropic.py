import json

import anthropic

from wires import TOOL
from wires.anthropic import Anthropic as Wire

from . import KEY, MAX_TOKENS, MESSAGES, SCHEMA, TIMEOUT, Client

TOOLS = [{"name": TOOL, "input_schema": SCHEMA}]


class Anthropic(Client):
    name, wire = "anthropic", Wire()
    errors = {
        400: anthropic.BadRequestError,
        401: anthropic.AuthenticationError,
        404: anthropic.NotFoundError,
        429: anthropic.RateLimitError,
    }

    def __init__(self, gateway):
        self.client = anthropic.Anthropic(base_url=gateway.url, api_key=KEY, max_retries=0, timeout=TIMEOUT)

    def asked(self, name):
        return {"model": self.model(name), "max_tokens": MAX_TOKENS, "messages": MESSAGES}

    def create(self, name, **more):
        return self.client.messages.create(**self.asked(name), **more)

    def plain(self, name):
        return self.create(name).content[0].text

    def open(self, name):
        return self.create(name, stream=True)

    def texts(self, event):
        if event.type == "content_block_delta":
            yield event.delta.text

    def tool(self, name):
        block = self.create(name, tools=TOOLS).content[0]
        return block.name, block.input

    def tool_stream(self, name):
        function, arguments = "", ""
        for event in self.create(name, tools=TOOLS, stream=True):
            if event.type == "content_block_start":
                function = event.content_block.name
            elif event.type == "content_block_delta":
                arguments += event.delta.partial_json
        return function, json.loads(arguments)

    def headers(self, name):
        return self.client.messages.with_raw_response.create(**self.asked(name)).headers

    def models(self):
        return [model.id for model in self.client.models.list().data]

    def raw(self, name):
        return "/v1/messages", {**self.asked(name), "stream": True}
