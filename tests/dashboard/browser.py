"""A headless Chromium that looks at one page, and remembers what that page asked for and said."""

import base64
import json
import shutil
import tempfile
import time
from pathlib import Path

import axe_core_python
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


class Browser:
    def __init__(self, pictures):
        self.pictures = Path(pictures)
        self.profile = tempfile.mkdtemp(prefix="dashboard-")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in [*ARGUMENTS, f"--user-data-dir={self.profile}"]:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
        self.driver.set_page_load_timeout(60)
        self.requested = []
        self.size(1280, 900)

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def size(self, width, height):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def colours(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, url):
        """Opens a page, and forgets what others asked for and said."""
        self.driver.get("about:blank")
        self.said()
        self.addresses()
        self.requested.clear()
        self.driver.get(url)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        """What is in the element, whether it is scrolled to or not."""
        script = "return document.querySelector(arguments[0])?.textContent ?? ''"
        return self.run(script, selector)

    def click(self, selector):
        # Rows may move under a pointer, the element itself does not.
        self.run("document.querySelector(arguments[0]).click()", selector)

    def press(self, *keys):
        chain = webdriver.ActionChains(self.driver)
        for key in keys:
            chain.send_keys(getattr(Keys, key))
        chain.perform()

    def until(self, what, script, seconds=15, *arguments):
        """Waits until a script returns something true, and returns that."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.run(script, *arguments)
            if value:
                return value
            time.sleep(0.2)
        raise AssertionError(f"not within {seconds} s: {what}")

    def until_closed(self, dialog):
        """Waits until a dialog is closed, which it is a moment after the key or the answer."""
        self.until(f"{dialog} closed", f"return !document.getElementById('{dialog}').open")

    def fits(self, width):
        """Sees to it that what is shown is no wider than this, once it is laid out anew."""
        self.until("the size", "return innerWidth === arguments[0]", 15, width)
        script = "return document.documentElement.scrollWidth <= arguments[0]"
        self.until(f"within {width}", script, 15, width)

    def still(self):
        """Waits until nothing moves any more from one state to another."""
        # Two frames on, what was changed is laid out and drawn.
        frames = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))"
        self.driver.set_script_timeout(30)
        self.driver.execute_async_script(frames)
        self.until("stillness", "return document.getAnimations().length === 0")

    def picture(self, name):
        """Takes a picture of the whole page."""
        self.run("window.scrollTo(0, 0)")
        layout = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": layout["width"], "height": layout["height"], "scale": 1}
        options = {"captureBeyondViewport": True, "clip": clip}
        self.driver.set_script_timeout(20)
        data = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"]
        (self.pictures / f"{name}.png").write_bytes(base64.b64decode(data))

    def said(self):
        """What stands in the console, but for what was read before."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def addresses(self):
        """All addresses that pages asked for so far."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requested.append(message["params"]["request"]["url"])
        return self.requested

    def violations(self):
        """What axe finds that is serious or worse."""
        if not self.run("return Boolean(window.axe)"):
            self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text("utf-8")})
        self.driver.set_script_timeout(30)
        found = self.driver.execute_async_script(
            "const done = arguments[0];"
            "axe.run(document, { resultTypes: ['violations'] })"
            ".then((result) => done(result.violations))"
        )
        return [
            f"{one['id']}: {one['help']} at {[node['target'] for node in one['nodes'][:3]]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
