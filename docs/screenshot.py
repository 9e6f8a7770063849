"""Takes the README's picture: `python docs/screenshot.py docs/console.png` runs the demo and looks at its console."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

READY = "parseFloat(document.querySelector('#totals tr:nth-child(3) td:last-child')?.textContent) > 21"  # provisional


def main(path: Path) -> None:
    """Run the demo until the second lane is half done, and take the picture; exits with 1 where that never comes."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium; sh deploy/install-test-packages.sh installs it")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "controller.cli", "demo", "--headless", "--json", "--out", f"{folder}/s"]
        demo = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            assert demo.stderr is not None
            address = next(found[0] for line in demo.stderr if (found := re.search(r"http://\S+", line)))
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium,
                    args=["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
                )
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.set_default_timeout(60_000)
                while True:  # link serves a moment after the address is known
                    try:
                        page.goto(address)
                        break
                    except Exception:  # noqa: BLE001 - playwright has one class for a refused connection and all else
                        page.wait_for_timeout(200)
                page.click("#sound")
                page.fill("#person", "op-1")
                page.wait_for_function(READY)
                page.evaluate("document.querySelector('aside').scrollTop = 0")
                page.screenshot(path=path)
                browser.close()
        finally:
            demo.terminate()
            demo.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
