import json

import groq
import openai

from wires.openai import Groq as GroqWire
from wires.openai import OpenAi as OpenAiWire

from . import FUNCTION_TOOL, KEY, MESSAGES, TIMEOUT, Client


class OpenAi(Client):
    name, wire = "openai", OpenAiWire()
    path = "/v1/chat/completions"
    errors = {
        400: openai.BadRequestError,
        401: openai.AuthenticationError,
        404: openai.NotFoundError,
        429: openai.RateLimitError,
    }

    def __init__(self, gateway):
        self.client = openai.OpenAI(base_url=gateway.url + "/v1", api_key=KEY, max_retries=0, timeout=TIMEOUT)

    def create(self, name, **more):
        return self.client.chat.completions.create(model=self.model(name), messages=MESSAGES, **more)

    def plain(self, name):
        return self.create(name).choices[0].message.content

    def open(self, name):
        return self.create(name, stream=True)

    def texts(self, event):
        if event.choices and event.choices[0].delta.content:
            yield event.choices[0].delta.content

    def tool(self, name):
        call = self.create(name, tools=[FUNCTION_TOOL]).choices[0].message.tool_calls[0]
        return call.function.name, json.loads(call.function.arguments)

    def tool_stream(self, name):
        function, arguments = "", ""
        for chunk in self.create(name, tools=[FUNCTION_TOOL], stream=True):
            for call in chunk.choices[0].delta.tool_calls or []:
                function += call.function.name or ""
                arguments += call.function.arguments or ""
        return function, json.loads(arguments)

    def headers(self, name):
        create = self.client.chat.completions.with_raw_response.create
        return create(model=self.model(name), messages=MESSAGES).headers

    def models(self):
        return [model.id for model in self.client.models.list().data]

    def raw(self, name):
        return self.path, {"model": self.model(name), "messages": MESSAGES, "stream": True}


class Groq(OpenAi):
    name, wire = "groq", GroqWire()
    path = "/openai/v1/chat/completions"
    errors = {
        400: groq.BadRequestError,
        401: groq.AuthenticationError,
        404: groq.NotFoundError,
        429: groq.RateLimitError,
    }

    def __init__(self, gateway):
        self.client = groq.Groq(base_url=gateway.url, api_key=KEY, max_retries=0, timeout=TIMEOUT)
