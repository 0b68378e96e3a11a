from google import genai
from google.genai import errors, types

from wires import TOOL
from wires.gemini import Gemini as Wire

from . import KEY, PROMPT, SCHEMA, TIMEOUT, Client

TOOLS = [{"function_declarations": [{"name": TOOL, "parameters_json_schema": SCHEMA}]}]
# Else the SDK would look for a function of this name.
CONFIG = {"tools": TOOLS, "automatic_function_calling": {"disable": True}}


class Gemini(Client):
    name, wire = "gemini", Wire()
    errors = dict.fromkeys([400, 401, 404, 429], errors.ClientError)
    codes = {
        400: (400, "INVALID_ARGUMENT"),
        401: (401, "UNAUTHENTICATED"),
        404: (404, "NOT_FOUND"),
        429: (429, "RESOURCE_EXHAUSTED"),
    }

    def __init__(self, gateway):
        options = types.HttpOptions(base_url=gateway.url, timeout=TIMEOUT * 1000)
        self.client = genai.Client(api_key=KEY, http_options=options)

    def generate(self, name, config=None):
        return self.client.models.generate_content(model=self.model(name), contents=PROMPT, config=config)

    def open(self, name, config=None):
        return self.client.models.generate_content_stream(model=self.model(name), contents=PROMPT, config=config)

    def plain(self, name):
        return self.generate(name).text

    def texts(self, event):
        if event.text:
            yield event.text

    def tool(self, name):
        call = self.generate(name, CONFIG).function_calls[0]
        return call.name, call.args

    def tool_stream(self, name):
        calls = [call for event in self.open(name, CONFIG) for call in event.function_calls or []]
        return calls[0].name, calls[0].args

    def headers(self, name):
        return self.generate(name).sdk_http_response.headers

    def models(self):
        return [model.name.removeprefix("models/") for model in self.client.models.list()]

    def raw(self, name):
        path = f"/v1beta/models/{self.model(name)}:streamGenerateContent?alt=sse"
        return path, {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}

    def told(self, error):
        return error.code, error.status
