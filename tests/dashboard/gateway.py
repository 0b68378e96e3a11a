"""The gateway binary as a process: its demonstration, or what a configuration describes."""

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request


class Gateway:
    def __init__(self, binary, arguments, environment=None):
        self.lines = []
        # A store or a key of whoever runs this test is none of its business.
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        self.process = subprocess.Popen(
            [binary, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**kept, **(environment or {})},
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def says(self, pattern, seconds=10):
        """Waits for a line, and returns what the pattern's group matched in it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in list(self.lines):
                if found := re.search(pattern, line):
                    return found.group(1)
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"not said: {pattern}\n{''.join(self.lines)}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


def ask(base, model):
    """Asks the gateway at `base` for a completion. Returns the headers of its answer."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "canary-prompt"}]})
    request = urllib.request.Request(
        f"{base}/v1/chat/completions",
        data=body.encode(),
        headers={"content-type": "application/json", "authorization": "Bearer canary-key"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()
        return dict(answer.headers)
