"""Two gateways that share what they learn: what the page of one shows of the other."""

import os
import shutil
import socket
import subprocess
import tempfile

from gateway import Gateway, ask
from provider import Provider

SECRET = "canary-of-the-deployment"
CONFIG = """
listen = "127.0.0.1:0"

[admin]
listen = "127.0.0.1:0"

[store]
enabled = false
url = "redis://127.0.0.1:{port}"
secret_env = "DEPLOYMENT"

[[upstream]]
name = "scripted"
base_url = "{base_url}"

[[pool]]
name = "chat"
targets = [
    {{ model = "first", upstream = "scripted" }},
    {{ model = "second", upstream = "scripted" }},
]
"""
WORDS = "return document.getElementById('fleet-words').textContent"
OTHERS = "document.querySelector('#pools .others')?.textContent"


class Store:
    """A server of its own, on loopback."""

    def __init__(self):
        self.program = shutil.which("redis-server") or shutil.which("valkey-server")
        # Bound, but not listened to: nobody else is given the port while the server is gone.
        self.held = socket.socket()
        self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.held.bind(("127.0.0.1", 0))
        self.port = self.held.getsockname()[1]
        self.process = None

    def start(self):
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([self.program, *arguments], cwd=tempfile.gettempdir(), **quiet)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def close(self):
        self.stop()
        self.held.close()


class Fleet:
    """A store, two gateways that share through it, and a provider. The first is the one that is looked at."""

    def __init__(self, binary):
        self.store = Store()
        self.store.start()
        self.provider = Provider()
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "gateway.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(base_url=self.provider.base_url, port=self.store.port))
        arguments = ["serve", "--config", path]
        self.gateways = [Gateway(binary, arguments, {"DEPLOYMENT": SECRET}) for _ in range(2)]
        self.base = self.gateways[0].says(r"dashboard on (http://\S+)") + "/"
        self.other = self.gateways[1].says(r"serving on (http://\S+)")

    def close(self):
        for gateway in self.gateways:
            gateway.stop()
        self.provider.close()
        self.store.close()
        self.folder.cleanup()


def it_shows_who_shares_and_what_was_heard(page):
    page.until("two that share", f"{WORDS}.startsWith('2 instances share through redis')")
    for _ in range(7):
        ask(page.fleet.other, "first")
    page.until("what the other has seen", f"return {OTHERS} === '7 elsewhere'")
    counts = page.text("#fleet-counts")
    assert "sent" in counts and "taken" in counts and counts.endswith("0 lost"), counts


def it_is_readable_by_day_and_night_on_a_desk_and_on_a_phone(page):
    look(page, "fleet")


def it_says_why_nothing_is_shared_and_shares_again(page):
    page.fleet.store.stop()
    page.until("not shared", f"{WORDS}.startsWith('Not shared for')")
    page.until("why", "return document.getElementById('fleet-trouble').textContent.includes('cannot be reached')")
    headline = "return document.getElementById('headline-words').textContent"
    page.until("the headline", f"{headline} === 'Nothing is shared with other instances'")
    look(page, "unshared")
    page.fleet.store.start()
    page.until("shared again", f"{WORDS}.startsWith('2 instances share')")
    page.until("the headline", f"{headline} !== 'Nothing is shared with other instances'")


def no_secret_is_shown(page):
    told = page.run("return document.documentElement.outerHTML")
    for secret in (SECRET, "canary-prompt", "canary-key"):
        assert secret not in told, secret


def look(page, name):
    for width, height in ((1280, 900), (390, 844)):
        for scheme in ("light", "dark"):
            page.size(width, height)
            page.colours(scheme)
            page.fits(width)
            page.still()
            assert not (found := page.violations()), found
            page.picture(f"{name}-{width}-{scheme}")
    page.size(1280, 900)
    page.colours("light")


TESTS = [
    it_shows_who_shares_and_what_was_heard,
    it_is_readable_by_day_and_night_on_a_desk_and_on_a_phone,
    it_says_why_nothing_is_shared_and_shares_again,
    no_secret_is_shown,
]
