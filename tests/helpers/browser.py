"""A headless browser, driven over the W3C WebDriver protocol by the standard library alone."""

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"

TAB, ENTER, CONTROL = "\ue004", "\ue007", "\ue009"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""Keys, and the name of a reference to an element: constants of the protocol."""

_ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--force-device-scale-factor=1",
)  # fmt: skip


def missing() -> str | None:
    """What no page can be opened without, None if it is all there."""
    if not any(map(shutil.which, NAMES)):
        return f"there is no browser: one of {', '.join(NAMES)}"
    return None if shutil.which(DRIVER) else f"there is no {DRIVER}"


class Browser:
    """A tab.

    Args:
        driver: address of the driver.
        session: path of the session below it.
    """

    def __init__(self, driver: str, session: str) -> None:
        self._driver, self._session = driver, session

    def ask(self, method: str, path: str, **body: object) -> Any:
        """Answer of the driver to a command of the protocol."""
        return _ask(method, f"{self._driver}{self._session}{path}", body)

    def open(self, address: str) -> None:
        """Go to a page and wait until it is there."""
        self.ask("POST", "/url", url=address)

    def resize(self, width: int, height: int) -> None:
        """The size of the window [pixels]."""
        self.ask("POST", "/window/rect", width=width, height=height)

    def find(self, selector: str) -> str:
        """The element of a CSS selector."""
        return self.ask("POST", "/element", using="css selector", value=selector)[ELEMENT]

    def click(self, selector: str) -> None:
        """Click on it, which fails where something lies over it."""
        self.ask("POST", f"/element/{self.find(selector)}/click")

    def type(self, keys: str, *, held: str = "") -> None:
        """Press keys one after the other, with another held down, wherever the focus is."""
        presses = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        if held:
            down, up = ({"type": kind, "value": held} for kind in ("keyDown", "keyUp"))
            presses = [down, *presses, up]
        self.ask("POST", "/actions", actions=[{"type": "key", "id": "keys", "actions": presses}])

    def run(self, script: str, *given: object) -> Any:
        """What the body of a function returns."""
        return self.ask("POST", "/execute/sync", script=script, args=list(given))

    def newest_tab(self, n_tabs: int) -> None:
        """Go to the last of so many tabs, once there are as many."""
        end = time.monotonic() + 60
        while len(tabs := self.ask("GET", "/window/handles")) < n_tabs:
            assert time.monotonic() < end, tabs
            time.sleep(0.05)
        self.ask("POST", "/window", handle=tabs[-1])

    def close_tab(self) -> None:
        """Close this tab and go to the first."""
        self.ask("POST", "/window", handle=self.ask("DELETE", "/window")[0])

    def until(self, script: str, *given: object) -> Any:
        """What it returns once that is true."""
        end = time.monotonic() + 60
        while not (found := self.run(script, *given)):
            assert time.monotonic() < end, script
            time.sleep(0.05)
        return found

    def accessible(self, selector: str) -> tuple[str, str]:
        """Role and name that a screen reader is told of it."""
        at = f"/element/{self.find(selector)}"
        return self.ask("GET", f"{at}/computedrole"), self.ask("GET", f"{at}/computedlabel")

    def messages(self) -> list[str]:
        """Warnings and errors on the console since the last call."""
        found = self.ask("POST", "/se/log", type="browser")
        return [each["message"] for each in found if each["level"] in ("WARNING", "SEVERE")]

    def requested(self) -> list[str]:
        """Addresses that pages have asked for since the last call."""
        found = self.ask("POST", "/se/log", type="performance")
        events = [json.loads(each["message"])["message"] for each in found]
        sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in sent]

    def picture(self, path: Path) -> None:
        """The window as PNG."""
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with a new profile in a folder, and its end."""
    log = folder / "driver.log"
    with log.open("w") as stream:
        scratch = {**os.environ, "TMPDIR": str(folder)}
        driver = subprocess.Popen([DRIVER, "--port=0"], stdout=stream, stderr=stream, env=scratch)
    try:
        end = time.monotonic() + 60
        while "started successfully on port" not in (text := log.read_text()):
            assert driver.poll() is None, text
            assert time.monotonic() < end, text
            time.sleep(0.05)
        port = int(text.split("started successfully on port ")[1].split(".")[0])
        options = {
            "binary": next(filter(None, map(shutil.which, NAMES))),
            "args": [*_ARGUMENTS, f"--user-data-dir={folder / 'profile'}"],
        }
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        address = f"http://127.0.0.1:{port}"
        body = {"capabilities": {"alwaysMatch": wanted}}
        session = f"/session/{_ask('POST', f'{address}/session', body)['sessionId']}"
        try:
            yield Browser(address, session)
        finally:
            _ask("DELETE", address + session, {})
    finally:
        driver.terminate()
        driver.wait(timeout=60)


def _ask(method: str, address: str, body: dict[str, Any]) -> Any:
    data = json.dumps(body).encode() if method == "POST" else None
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(address, data, headers, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=120) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(json.load(error)["value"]["message"]) from None
