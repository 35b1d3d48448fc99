# SPDX-License-Identifier: MIT
"""A real browser, driven as a person would: pages are opened, clicked, typed into and looked at.

    with Browser() as browser:
        page = browser.open("http://127.0.0.1:8080/")
        page.type("#name", "Ann")
        page.click("#join")
        page.wait_for_text("#people", "Ann")
        page.shoot("chat.png")
        page.complaints()   # what the page's console had to say: should be empty

Chromium's DevTools protocol (https://chromedevtools.github.io/devtools-protocol) over a pair of
pipes: JSON that ends in a NUL. Nothing else is needed for it.
"""
import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

PATIENCE_S = 30


class BrowserError(Exception):
    """The page is not as it should be, or the browser does not answer."""


def find():
    """The browser's command, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    def __init__(self, *arguments):
        self.arguments = arguments
        self.calls = 0
        self.waiting = b""
        self.pages = {}

    def __enter__(self):
        self.home = tempfile.TemporaryDirectory(prefix="hob-browser-", ignore_cleanup_errors=True)
        to_read, self.to = os.pipe()
        self.back, to_write = os.pipe()

        def as_3_and_4():
            # The numbers may be each other's: so first out of the way.
            reads, writes = os.dup(to_read), os.dup(to_write)
            os.dup2(reads, 3)
            os.dup2(writes, 4)

        command = [find(), "--headless=new", "--remote-debugging-pipe", "--no-first-run",
                   "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
                   "--window-size=1000,800", f"--user-data-dir={self.home.name}",
                   "--no-sandbox",  # root and containers cannot have one; and the pages are our own
                   *self.arguments]
        self.process = subprocess.Popen(command, close_fds=False, preexec_fn=as_3_and_4,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        return self

    def __exit__(self, *_):
        os.close(self.to)
        os.close(self.back)
        try:
            self.process.wait(5)  # it ends with its pipe
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.home.cleanup()

    def _next(self, until):
        while b"\0" not in self.waiting:
            if not select.select([self.back], [], [], max(0, until - time.monotonic()))[0]:
                raise BrowserError("the browser does not answer")
            piece = os.read(self.back, 1 << 20)
            if not piece:
                raise BrowserError("the browser has ended")
            self.waiting += piece
        message, _, self.waiting = self.waiting.partition(b"\0")
        message = json.loads(message)
        page = self.pages.get(message.get("sessionId"))
        if page is not None and "method" in message:
            page.hear(message["method"], message["params"])
        return message

    def call(self, method, session=None, **params):
        self.calls += 1
        request = {"id": self.calls, "method": method, "params": params}
        if session is not None:
            request["sessionId"] = session
        os.write(self.to, json.dumps(request).encode() + b"\0")
        until = time.monotonic() + PATIENCE_S
        while True:
            message = self._next(until)
            if message.get("id") != self.calls:
                continue
            if "error" in message:
                raise BrowserError(f"{method}: {message['error']['message']}")
            return message["result"]

    def open(self, url):
        """A page of its own, as a second person's would be."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        self.pages[session] = page
        for domain in ("Page", "Runtime", "Log", "DOM", "Network"):
            page.call(f"{domain}.enable")
        page.go(url)
        return page


class Page:
    def __init__(self, browser, session):
        self.browser, self.session = browser, session
        self.said = []
        self.websockets = []  # the statuses by which they were accepted: 101; of HTTP/2, 200

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def hear(self, method, params):
        if method == "Network.webSocketHandshakeResponseReceived":
            self.websockets.append(params["response"]["status"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.said.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            entry = params["entry"]
            if entry.get("url", "").endswith("/favicon.ico"):
                return  # which browsers ask for by themselves
            self.said.append(f"{entry['text']} {entry.get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.said.append(" ".join(str(arg.get("value")) for arg in params["args"]))

    def complaints(self):
        """What the console had to say since the last time."""
        said, self.said = self.said, []
        return said

    def go(self, url):
        result = self.call("Page.navigate", url=url)
        if "errorText" in result:
            raise BrowserError(f"{url}: {result['errorText']}")
        self.wait_for("document.readyState === 'complete'", f"{url} is loaded")

    def value(self, expression):
        """What a piece of JavaScript gives; a promise is waited for."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    def wait_for(self, expression, what=None):
        until = time.monotonic() + PATIENCE_S
        while not self.value(expression):
            if time.monotonic() > until:
                raise BrowserError(f"it never comes that {what or expression}\n{self.text('body')}")
            time.sleep(0.05)

    def text(self, selector):
        """The text that a person sees there; of a field, what is in it."""
        return self.value(f"""(() => {{
            const at = document.querySelector({json.dumps(selector)});
            return at === null ? null : 'value' in at && at.tagName !== 'LI' && at.tagName !== 'BUTTON'
                ? String(at.value) : at.innerText; }})()""")

    def wait_for_text(self, selector, text):
        self.wait_for(f"""(() => {{
            const at = document.querySelector({json.dumps(selector)});
            return at !== null && at.innerText.includes({json.dumps(text)}); }})()""",
                      f"{selector} says {text!r}")

    def _middle_of(self, selector):
        self.wait_for(f"document.querySelector({json.dumps(selector)}) !== null",
                      f"there is {selector}")
        box = self.value(f"""(() => {{
            const at = document.querySelector({json.dumps(selector)});
            at.scrollIntoView({{block: 'center', behavior: 'instant'}});
            const box = at.getBoundingClientRect();
            const x = box.x + box.width / 2, y = box.y + box.height / 2;
            const top = document.elementFromPoint(x, y);
            return {{x, y, seen: box.width > 0 && (top === at || at.contains(top)
                                               || (top !== null && top.contains(at)))}}; }})()""")
        if not box["seen"]:
            raise BrowserError(f"{selector} cannot be clicked: it is hidden, or below something else")
        return box["x"], box["y"]

    def click(self, selector):
        """With the mouse, where a person would: what is hidden cannot be clicked."""
        x, y = self._middle_of(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, selector, text, enter=False):
        """Into a field, in place of what is there."""
        self.click(selector)
        self.value(f"document.querySelector({json.dumps(selector)}).select?.()")
        self.call("Input.insertText", text=text)
        if enter:
            for kind in ("keyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter",
                          windowsVirtualKeyCode=13, **({"text": "\r"} if kind == "keyDown" else {}))

    def choose_files(self, selector, *paths):
        """Files for an <input type=file>."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def shoot(self, path):
        """A picture of what is to be seen."""
        picture = self.call("Page.captureScreenshot", format="png")["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(picture))

    def close(self):
        self.browser.pages.pop(self.session, None)
        self.call("Page.close")
