"""The console in a real browser: what stands on the screen, and what it becomes when something is gone."""

import shutil

import pytest

from sim.scenario import load_scenario
from sim.testing.machine import Machine
from sim.testing.waiting import eventually

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; make setup installs it where it can")
SOON_MS = 15_000


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A running machine whose check piece goes from coil to coil."""
    machine = Machine(tmp_path_factory.mktemp("browser"), load_scenario("demo"))
    machine.start_core()
    machine.start("link")
    machine.begin()
    eventually(machine.console.is_online, why=lambda: machine.log("link"))
    yield machine
    machine.close()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, machine):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(SOON_MS)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"http://127.0.0.1:{machine.console_port}/")
    yield page
    assert errors == []
    page.close()


def expect(page, selector, text):
    sync_api.expect(page.locator(selector)).to_contain_text(text, timeout=SOON_MS)


def test_what_is_simulated_says_so_and_the_legend_warns(page):
    """The mark above everything (P8); the fixed line under the map; every state by name."""
    expect(page, "#origin", "SIMULATED")
    expect(page, "#legend", "searched is not cleared")
    for state in (
        "searched", "hand searched", "provisional", "not visited", "out of spec", "inaccessible", "research due",
        "signal open", "keep out",
    ):  # fmt: skip
        expect(page, "#legend", state)


def test_why_ground_does_not_count_is_a_sentence(page):
    """No check has passed: the reason in words; speed against its limit; fix class and age."""
    expect(page, "#credit", "Not counting")
    expect(page, "#credit", "no passed function check")
    expect(page, "#motion", "of 1.2 m/s")
    expect(page, "#motion", "limit by profile")
    expect(page, "#guidance", "lane unknown")
    expect(page, "#motion", "fixed")
    expect(page, "#links", "open")


@pytest.mark.parametrize(
    ("counts", "trouble", "words", "is_good"),
    [
        ({"verified": 9}, None, "", True),
        ({"verified": 9, "bad_signature": 12}, None, "12 frames refused: bad signature", True),
        ({"unsigned": 1}, None, "1 frame refused: not signed", False),
        ({"unsigned": 2, "replayed": 3}, None, "5 frames refused: 2 not signed, 3 replayed", False),
        ({"verified": 9}, "the disk is full", "the disk is full", False),
    ],
)
def test_what_became_of_signatures_is_said_in_words(page, counts, trouble, words, is_good):
    """How many frames, and why; a link on which nothing is verified is not good."""
    none = dict.fromkeys(("verified", "unsigned", "bad_signature", "old_timestamp", "replayed", "too_many_streams"), 0)
    said = page.evaluate(
        "async (signing) => (await import('/words.js')).signaturesInWords(signing)",
        {"gate": none | counts, "trouble": trouble},
    )
    assert said == {"words": words, "isGood": is_good}


def test_a_request_is_made_in_a_persons_name_and_answered(page):
    """Without an id code nothing is asked; with one the answer says that it is recorded."""
    page.fill("#person", "")
    page.click("#pause")
    expect(page, "#answer", "Enter your id code first")
    page.fill("#person", "op-7")
    page.click("#pause")
    expect(page, "#answer", "Recorded")
    expect(page, "#pause", "Resume credit")
    page.click("#pause")
    expect(page, "#pause", "Pause credit")


def test_an_anomaly_is_shown_acknowledged_and_marked(page, machine):
    """The check piece under a coil, outside any check: listed, heard, marked, still open (P2)."""
    expect(page, "#alarm", "open anomal")
    page.fill("#person", "op-7")
    page.locator("#alarm li button", has_text="Heard").last.click()
    expect(page, "#alarm ul", "heard: op-7")
    page.locator("#alarm li", has_text="heard: op-7").locator("button", has_text="Marker").click()
    expect(page, "#alarm ul", "op-7")
    expect(page, "#alarm ul", "marked: ")
    expect(page, "#alarm", "open anomal")


@pytest.mark.parametrize(
    ("told", "lane", "warnings"),
    [
        ({}, "lane unknown", []),
        ({"overlap_needed_m": 0.11}, "no lane beside to join", []),
        (
            {"overlap_needed_m": 0.11, "offset_m": 0.65, "overlap_m": -0.6},
            "steer 0.65 m left; overlap −0.60 m, coils must overlap 0.11 m",
            [],
        ),
        (
            {"overlap_needed_m": 0.11, "offset_m": -0.01, "overlap_m": 0.06, "missing": "right", "missing_m": 0.15},
            "on the lane; overlap 0.06 m, coils must overlap 0.11 m",
            ["missing a strip of 0.15 m on your right"],
        ),
        ({"is_on_unsearched": True}, "lane unknown", ["wheels on unsearched ground"]),
        ({"is_on_unsearched": False}, "lane unknown", []),
    ],
)
def test_guidance_is_said_in_words(page, told, lane, warnings):
    """Where to steer, what was left out, what the wheels were on; what is unknown is never said to be good."""
    names = ("offset_m", "overlap_m", "overlap_needed_m", "missing", "missing_m", "is_on_unsearched")
    words = page.evaluate(
        "async (told) => { const words = await import('/words.js');"
        " return [words.laneInWords(told), words.warningsInWords(told)]; }",
        dict.fromkeys(names) | told,
    )
    assert words == [lane, warnings]


def test_the_nearest_gap_is_never_told_without_the_warning(page):
    """Cause, area, distance, bearing, and that it is no route."""
    gap = {
        "cause": "out_of_spec",
        "area_m2": 1.25,
        "distance_m": 4.5,
        "bearing_deg": 7.2,
        "warning": "not a safe route",
    }
    words = page.evaluate("async (gap) => (await import('/words.js')).gapInWords(gap)", gap)
    assert words == "nearest gap (out of spec, 1.3 m²): 4.5 m at 007°. NOT A SAFE ROUTE"


def test_the_alarm_sound_says_whether_it_can_be_heard(page):
    """Off until somebody touches it, on with a touch, off with another (the machine's own buzzer is core's)."""
    expect(page, "#sound", "Sound OFF: touch")
    page.click("#sound")
    expect(page, "#sound", "Sound on")
    page.click("#sound")
    expect(page, "#sound", "Sound OFF: touch")


COLOURS = """() => {
    const canvas = document.getElementById('map');
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    const seen = new Set();
    for (let at = 0; at < data.length; at += 4) seen.add(data.slice(at, at + 3).join());
    return [...seen];
}"""


def test_the_map_shows_the_ground_and_the_hatch(page):
    """Pixels: hazard hatch where nothing was visited; ground out of spec, or around an open signal, is painted."""
    colours = eventually(lambda: {"118,122,128", "214,31,49"} & (seen := set(page.evaluate(COLOURS))) and seen)
    assert "27,26,16" in colours, "the hatch's ground"
    assert "176,138,0" in colours, "the hatch's lines"


def test_when_link_is_gone_everything_is_unknown(page, machine):
    """The last picture is never taken for the present (P3); the page is back when link is."""
    expect(page, "#credit", "Not counting")
    machine.kill("link")
    expect(page, "#credit", "Unknown")
    expect(page, "#credit", "link is silent")
    expect(page, "#motion", "unknown")
    machine.start("link")
    expect(page, "#credit", "Not counting")
    machine.kill("core")
    expect(page, "#credit", "Unknown")
    expect(page, "#credit", "core has gone")
