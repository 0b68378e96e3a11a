import json
import os

import boto3
from botocore.config import Config

from wires import TOOL
from wires.bedrock import Bedrock as Wire

from . import KEY, MAX_TOKENS, PROMPT, SCHEMA, TIMEOUT, Client

MESSAGES = [{"role": "user", "content": [{"text": PROMPT}]}]
TOOLS = {"toolConfig": {"tools": [{"toolSpec": {"name": TOOL, "inputSchema": {"json": SCHEMA}}}]}}


class Bedrock(Client):
    """Signs its requests with keys that the provider does not know."""

    name, wire = "boto3", Wire()
    codes = {
        400: "ValidationException",
        401: "AccessDeniedException",
        404: "ResourceNotFoundException",
        429: "ThrottlingException",
    }
    sends_key = False
    # Named, or a bearer token in the environment would come before the signature.
    signature = "v4"
    authorization = "AWS4-HMAC-SHA256 "
    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": KEY, "aws_session_token": KEY}

    def __init__(self, gateway):
        self.client = self.connect(gateway.url)
        self.client.meta.events.register("before-send.bedrock-runtime.*", self.before_send)
        self.errors = {status: getattr(self.client.exceptions, code) for status, code in self.codes.items()}

    def connect(self, url):
        config = Config(retries={"total_max_attempts": 1}, read_timeout=TIMEOUT, signature_version=self.signature)
        return boto3.client("bedrock-runtime", endpoint_url=url, region_name="us-east-1", config=config, **self.keys)

    def before_send(self, request, **_):
        authorization = request.headers["authorization"].decode()
        assert authorization.startswith(self.authorization), "not the way that is meant"

    def asked(self, name, **more):
        return {"modelId": self.model(name), "messages": MESSAGES, "inferenceConfig": {"maxTokens": MAX_TOKENS}, **more}

    def converse(self, name, **more):
        return self.client.converse(**self.asked(name, **more))

    def open(self, name, **more):
        return self.client.converse_stream(**self.asked(name, **more))["stream"]

    def plain(self, name):
        return self.converse(name)["output"]["message"]["content"][0]["text"]

    def texts(self, event):
        if "contentBlockDelta" in event:
            yield event["contentBlockDelta"]["delta"]["text"]

    def tool(self, name):
        call = self.converse(name, **TOOLS)["output"]["message"]["content"][0]["toolUse"]
        return call["name"], call["input"]

    def tool_stream(self, name):
        function, arguments = "", ""
        for event in self.open(name, **TOOLS):
            if "contentBlockStart" in event:
                function = event["contentBlockStart"]["start"]["toolUse"]["name"]
            elif "contentBlockDelta" in event:
                arguments += event["contentBlockDelta"]["delta"]["toolUse"]["input"]
        return function, json.loads(arguments)

    def headers(self, name):
        return self.converse(name)["ResponseMetadata"]["HTTPHeaders"]

    def raw(self, name):
        return f"/model/{self.model(name)}/converse-stream", {"messages": MESSAGES}

    def told(self, error):
        return error.response["Error"]["Code"]


class BedrockBearer(Bedrock):
    """Brings a key instead of a signature."""

    name = "boto3-bearer"
    sends_key = True
    signature = None
    authorization = "Bearer " + KEY
    keys = {}

    def connect(self, url):
        os.environ["AWS_BEARER_TOKEN_BEDROCK"] = KEY
        # It shows the key to nobody but a TLS endpoint: here one whose TLS ends on this side.
        return super().connect(url.replace("http://", "https://", 1))

    def before_send(self, request, **_):
        super().before_send(request)
        request.url = request.url.replace("https://", "http://", 1)
