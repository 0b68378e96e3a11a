"""The gateway binary, with an upstream and a set of pools for each SDK."""

import hashlib
import json
import os
import re
import signal
import subprocess
import urllib.request

SECRET = "own-secret"

HEAD = """
listen = "127.0.0.1:0"

[admin]
listen = "127.0.0.1:0"

# What an earlier run learned is none of this one's business.
[store]
enabled = false
"""

UPSTREAM = """
[[upstream]]
name = "{name}"
base_url = "{url}"
api_key_env = "SCRIPTED_KEY"
{dialect}
"""

KEY = """
[[key]]
name = "client"
sha256 = "{sha256}"
"""

POOL = """
[[pool]]
name = "{pool}-{sdk}"
targets = [{targets}]
"""


def pools(wire):
    """The pools of an SDK, each with its targets in order."""
    return {
        "plain": ["fine", "good"],
        "limited": ["walled", "good"],
        "exhausted": ["walled-1", "walled-2"],
        "picked": ["picky", "good"],
        "slowed": ["slow", "good"],
        "long": ["endless", "good"],
        **{f"shaky-{number}": [f"broken-{number}", "good"] for number in range(len(wire.broken))},
    }


def config(provider):
    text = HEAD
    for sdk, wire in provider.wires.items():
        dialect = f'dialect = "{wire.dialect}"' if wire.dialect else ""
        text += UPSTREAM.format(name=sdk, url=provider.base_url(sdk), dialect=dialect)
    for sdk, wire in provider.wires.items():
        for pool, models in pools(wire).items():
            targets = ", ".join(f'{{ model = "{model}", upstream = "{sdk}" }}' for model in models)
            text += POOL.format(pool=pool, sdk=sdk, targets=targets)
    return text


class Gateway:
    def __init__(self, binary, provider, directory, client_key=None):
        path = os.path.join(directory, f"outcome-{client_key}.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config(provider))
            if client_key:
                file.write(KEY.format(sha256=hashlib.sha256(client_key.encode()).hexdigest()))
        self.process = subprocess.Popen(
            [binary, "serve", "--config", path],
            env={**os.environ, "SCRIPTED_KEY": SECRET, "RUST_LOG": "info"},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log = ""
        for line in self.process.stderr:
            self.log += line
            if found := re.search(r"dashboard on (http://\S+)", line):
                self.admin = found[1]
            if found := re.search(r"serving on (http://\S+:(\d+))", line):
                self.url, self.port = found[1], int(found[2])
                return
        raise RuntimeError(f"the gateway did not start: {self.log}")

    def state(self):
        with urllib.request.urlopen(self.admin + "/state", timeout=5) as response:
            return json.load(response)

    def in_flight(self):
        pools = self.state()["pools"]
        return sum(target["in_flight"] for pool in pools for target in pool["targets"])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        _, rest = self.process.communicate(timeout=35)
        self.log += rest
        return self.process.returncode
