"""The official SDKs, one file each, behind the same few methods. All have their retries off."""

from wires import CITY, TOOL, Wire

# Where a test needs no other.
PROMPT = "Count, please."
MESSAGES = [{"role": "user", "content": PROMPT}]
MAX_TOKENS = 50
KEY = "callers-key"
TIMEOUT = 10
SCHEMA = {"type": "object", "properties": {name: {"type": "string"} for name in CITY}}
FUNCTION_TOOL = {"type": "function", "function": {"name": TOOL, "parameters": SCHEMA}}


class Client:
    """An SDK that is pointed at the gateway."""

    name: str
    # How it speaks.
    wire: Wire
    # The exceptions it is expected to raise, by status, and what `told` returns of them.
    errors: dict
    codes = {400: 400, 401: 401, 404: 404, 429: 429}
    # Whether its requests bring a key, and not the proof of one.
    sends_key = True

    def model(self, name):
        """Returns the name of a pool of its own."""
        return f"{name}-{self.name}"

    def plain(self, name):
        """Returns the text of an answer."""
        raise NotImplementedError

    def open(self, name):
        """Returns a stream, which can be iterated and closed."""
        raise NotImplementedError

    def texts(self, event):
        """Yields the text that an event brings, if any."""
        raise NotImplementedError

    def tool(self, name):
        """Returns the name and arguments of the one call in an answer."""
        raise NotImplementedError

    def tool_stream(self, name):
        raise NotImplementedError

    def headers(self, name):
        """Returns the headers of an answer, by lower-case names."""
        raise NotImplementedError

    def models(self):
        """Returns the names of the models, where the SDK can list them."""
        return None

    def raw(self, name):
        """Returns the path and the body that ask for a stream."""
        raise NotImplementedError

    def told(self, error):
        """Returns what an exception says it is."""
        return error.status_code

    def stream(self, name):
        for event in self.open(name):
            yield from self.texts(event)
