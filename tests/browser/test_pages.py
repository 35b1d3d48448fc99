# SPDX-License-Identifier: MIT
"""The pages that our programs serve, in a real browser: test_pages.py BUILD [FOLDER [WORD]]

Pictures of what was seen go into the folder (BUILD/pictures), for people to look at.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import browser as browsers

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
PICTURES = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else BUILD / "pictures"
WORD = sys.argv[3] if len(sys.argv) > 3 else ""
TESTS = []
FOLDER = tempfile.TemporaryDirectory(prefix="hob-pages-")


class Failed(Exception):
    """What was seen is not what should be."""


def pages_of(program, *args, scheme="http"):
    """A test that is given the browser and the address of the example, which is started for it."""
    def add(fn):
        TESTS.append((fn.__name__, BUILD / "examples" / program, args, scheme, fn))
        return fn
    return add


def identity():
    """The files of a certificate that the browser is told to believe, and of its key."""
    folder = pathlib.Path(FOLDER.name)
    if shutil.which("openssl") is not None:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
    return str(folder / "cert.pem"), str(folder / "key.pem")


def expect(is_so, what):
    if not is_so:
        raise Failed(what)


@contextlib.contextmanager
def server(program, *args, scheme="http"):
    """Starts it on a port that the kernel chooses, and gives its address."""
    process = subprocess.Popen([program, "0", *args], env={**os.environ, "NO_COLOR": "1"}, cwd=ROOT,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)  # which is its log
    try:
        port = int(process.stdout.readline().split()[-1])
        yield f"{scheme}://127.0.0.1:{port}"
        expect(process.poll() is None, f"the server ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pages_of("44_shop")
def the_documentation_calls_the_service(browser, address):
    page = browser.open(f"{address}/docs")
    page.wait_for("document.querySelectorAll('#operations details').length > 0", "operations are shown")
    names = page.value("[...document.querySelectorAll('#operations details.op')].map(op => op.id)")
    add = next(name for name in names if page.value(f"!!document.getElementById('{name}-body')"))
    show = next(name for name in names if page.value(f"!!document.getElementById('{name}-param-id')"))
    page.shoot(PICTURES / "docs.png")

    page.click(f"#{add} > summary")
    page.click(f"#{add}-try")
    page.wait_for_text(f"#{add}-status", "401")  # it wants a token
    page.complaints()
    page.type("#auth-token", "open-sesame")
    page.type(f"#{add}-body", '{"name": "a ladle", "price": 20000}')
    page.click(f"#{add}-try")
    page.wait_for_text(f"#{add}-status", "422")
    page.wait_for_text(f"#{add}-answer-body", "price")
    page.type(f"#{add}-body", '{"name": "a ladle", "price": 4.5}')
    page.click(f"#{add}-try")
    page.wait_for_text(f"#{add}-answer-body", "a ladle")
    page.shoot(PICTURES / "docs-answer.png")

    number = page.value(f"JSON.parse(document.getElementById('{add}-answer-body').innerText).id")
    page.complaints()  # what the refused calls gave
    page.click(f"#{show} > summary")
    page.type(f"#{show}-param-id", str(number))
    page.click(f"#{show}-try")
    page.wait_for_text(f"#{show}-answer-body", "a ladle")
    expect(not (said := page.complaints()), f"the page complains: {said}")


@pages_of("47_chat_ws")
def two_people_chat(browser, address):
    pages = [browser.open(address) for _ in range(2)]
    ann, bob = pages
    names = []
    for page in pages:
        page.wait_for_text("#status", "connected as")
        names.append(page.text("#status").rpartition(" ")[2])
    ann.wait_for_text("#log", f"{names[1]} joined")
    ann.type("#text", "is <b>supper</b> ready?")
    ann.click("#send")
    bob.wait_for_text("#log", f"{names[0]}: is <b>supper</b> ready?")
    bob.type("#text", "soon", enter=True)
    ann.wait_for_text("#log", f"{names[1]}: soon")
    ann.shoot(PICTURES / "chat.png")
    for page in pages:
        expect(not (said := page.complaints()), f"the page complains: {said}")
    bob.close()
    ann.wait_for_text("#log", f"{names[1]} left")


@pages_of("51_channels_tls", *identity(), scheme="https")
def websockets_share_the_connection_of_their_page(browser, address):
    pages = [browser.open(address) for _ in range(2)]
    ann, bob = pages
    for page in pages:
        for channel in ("kitchen", "garden", "roof"):
            page.wait_for_text(f"#{channel}", "welcome")
        protocol = page.value("performance.getEntriesByType('navigation')[0].nextHopProtocol")
        expect(protocol == "h2", f"the page came by {protocol}")
        # By HTTP/1.1 it would be 101: RFC 8441 5.
        expect(page.websockets == [200, 200, 200], f"its WebSockets were accepted by {page.websockets}")
    ann.type("#say-garden", "who waters the basil?", enter=True)
    bob.wait_for_text("#garden", "who waters the basil?")
    bob.type("#say-roof", "me", enter=True)
    ann.wait_for_text("#roof", "me")
    expect("me" not in ann.text("#kitchen").split(), "a channel hears another's")
    ann.shoot(PICTURES / "channels.png")
    for page in pages:
        expect(not (said := page.complaints()), f"the page complains: {said}")


@pages_of("48_prices")
def prices_draw_a_chart(browser, address):
    page = browser.open(address)
    page.wait_for("Number(document.querySelector('#count').innerText) >= 5", "prices come")
    points = page.value("document.querySelector('#line').getAttribute('points').trim().split(/\\s+/).length")
    expect(points >= 3, f"the line has {points} points")
    page.click("#toggle")
    page.wait_for("document.querySelector('#toggle').innerText !== 'Pause'", "it says that it has paused")
    before = page.text("#count")
    page.shoot(PICTURES / "prices.png")
    page.click("#toggle")
    page.wait_for(f"document.querySelector('#count').innerText !== '{before}'", "prices come again")
    expect(not (said := page.complaints()), f"the page complains: {said}")


@pages_of("46_photos", tempfile.mkdtemp(prefix="hob-photos-"))
def a_form_shows_how_far_it_is(browser, address):
    with tempfile.NamedTemporaryFile(prefix="photo", suffix=".jpg") as photo:
        photo.write(os.urandom(2000000))
        photo.flush()
        page = browser.open(address)
        page.choose_files("#file", photo.name)
        page.click("#send")
        name = pathlib.Path(photo.name).name
        page.wait_for_text("#list", name)
        page.wait_for_text("#said", "Thank you")
        page.shoot(PICTURES / "photos.png")
        expect(not (said := page.complaints()), f"the page complains: {said}")


def why_not():
    """Why no browser can be had here; None: one can."""
    if browsers.find() is None:
        return "there is no browser"
    try:
        with browsers.Browser() as browser:
            browser.call("Browser.getVersion")
    except (browsers.BrowserError, OSError) as problem:
        return f"the browser does not start: {problem}"
    return None


def main():
    reason = why_not()
    if reason is not None:
        for name, *_ in TESTS:
            print(f"skipped: pages: {name}: {reason}")
        print(f"0 passed, 0 failed, {len(TESTS)} skipped")
        return 77
    PICTURES.mkdir(parents=True, exist_ok=True)
    passed = failed = skipped = 0
    for name, program, args, scheme, fn in TESTS:
        if WORD not in name:
            continue
        if not program.exists():
            print(f"skipped: pages: {name}: {program.name} is not built here")
            skipped += 1
            continue
        try:
            believing = ["--ignore-certificate-errors"] if scheme == "https" else []
            with browsers.Browser(*believing) as browser, server(program, *args, scheme=scheme) as address:
                fn(browser, address)
            passed += 1
        except (Failed, browsers.BrowserError, OSError, ValueError) as problem:
            failed += 1
            print(f"FAILED pages: {name}: {problem}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


sys.exit(main())
