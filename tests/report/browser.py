"""A real Chromium, driven by its DevTools protocol: what people see of a report, on a screen and on paper."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

from tests.lab.tools import LabError, find, require

__all__ = ["Browser", "Page", "browser"]

_PATIENCE = 60.0
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser, self._session, self._target = browser, session, target
        #: Everything that the page asked for, and what its console complained of.
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        return self._browser.call(method, parameters, self._session)

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is waited for. It works with scripts of the page switched off, too."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def screenshot(self, path: Path, *, whole: bool = True) -> Path:
        """A picture of the page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def pdf(self, path: Path) -> Path:
        """The page on A4, as a person prints it."""
        made = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        path.write_bytes(base64.b64decode(made["data"]))
        return path

    def told(self, event: Mapping[str, Any]) -> None:
        """Keep what the page did."""
        method, given = event["method"], event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif method == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"):
            self.complaints.append(given["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(given["exceptionDetails"]))

    def close(self) -> None:
        """Close the tab."""
        self._browser.forget(self._session)
        self._browser.call("Target.closeTarget", {"targetId": self._target})


class Browser:
    """A running Chromium."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=_PATIENCE, max_size=None)
        self._numbers = itertools.count(1)
        self._pages: dict[str, Page] = {}
        self._events: list[dict[str, Any]] = []

    def call(self, method: str, parameters: Mapping[str, Any], session: str = "") -> dict[str, Any]:
        """Call a method and wait for its answer; events that come before it are kept."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        self._socket.send(json.dumps(message))
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer)
                return dict(answer["result"])

    def _next(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._socket.recv())
        if "method" in answer:
            self._events.append(answer)
            page = self._pages.get(answer.get("sessionId", ""))
            if page is not None:
                page.told(answer)
        return answer

    def forget(self, session: str) -> None:
        """Hear no more of a tab."""
        self._pages.pop(session, None)

    def open(
        self, url: str, *, width: int = 1280, height: int = 900, scripts: bool = True, scheme: str = "light"
    ) -> tuple[Page, float]:
        """A tab with a page loaded and drawn, and the seconds that it took."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = self._pages[session] = Page(self, session, target)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self._events.clear()
        began = time.monotonic()
        gone = page.call("Page.navigate", url=url)
        assert "errorText" not in gone, gone
        while not any(one["method"] == "Page.loadEventFired" for one in self._events):
            self._next()
        # A picture of what is seen first is there only when it has been laid out and drawn.
        page.call("Page.captureScreenshot", format="jpeg", quality=10)
        seconds = time.monotonic() - began
        return page, seconds

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium, from start to end.

    :raises LabError: there is none, and none can be had.
    """
    require("chromium")
    folder = Path(tempfile.mkdtemp(prefix="preflight-chromium-"))
    process = subprocess.Popen(
        [str(find("chromium")), *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder)},
    )
    try:
        one = Browser(_address(folder, process))
        yield one
        one.close()
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _address(folder: Path, process: subprocess.Popen[bytes]) -> str:
    told = folder / "DevToolsActivePort"
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise LabError(f"chromium ended with {process.returncode} as soon as it was started")
        if told.exists() and len(told.read_text().split()) == 2:
            port, path = told.read_text().split()
            return f"ws://127.0.0.1:{port}{path}"
        time.sleep(0.05)
    raise LabError(f"chromium did not open its DevTools within {_PATIENCE:.0f} s")
