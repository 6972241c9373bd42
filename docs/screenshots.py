"""Take the pictures of the page anew: `make pictures`, after whatever changed how it looks.

It runs the demo as `make run` does, once as it is and once with a full bin, and waits for items on the page.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

IMAGES = Path(__file__).parent / "images"
ITEMS = 40
PATIENCE_S = 180


@contextmanager
def demo(folder: str, *options: str) -> Iterator[str]:
    """Run the demo station and yield the address of its page."""
    command = [sys.executable, "-m", "edge", "run", "--demo", "--port", "0", "--state-folder", folder, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = next(line.split()[-1] for line in process.stdout if line.startswith("page:"))
        yield address
    finally:
        process.terminate()
        process.wait()


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1280,860", "--force-prefers-reduced-motion"):
        options.add_argument(argument)
    options.binary_location = "/usr/bin/chromium"
    browser = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        yield browser
    finally:
        browser.quit()


def wait_for_items(browser: webdriver.Chrome) -> None:
    """Wait until the page has counted so many items that its parts are filled."""

    def enough(chrome: webdriver.Chrome) -> bool:
        counted = chrome.find_element(By.ID, "total").text
        return counted.isdigit() and int(counted) >= ITEMS

    WebDriverWait(browser, PATIENCE_S).until(enough)


def keep(browser: webdriver.Chrome, name: str) -> None:
    """Write what the browser shows as a JPEG, small enough to travel with the repository."""
    picture = cv2.imdecode(np.frombuffer(browser.get_screenshot_as_png(), np.uint8), cv2.IMREAD_COLOR)
    cv2.imwrite(str(IMAGES / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 82])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        with demo(folder + "/plain") as address:
            browser.get(address)
            wait_for_items(browser)
            keep(browser, "page.jpg")
        with demo(folder + "/full", "--fault", "bin-full:plastic@8+600") as address:
            browser.get(address)
            wait_for_items(browser)
            keep(browser, "page-fault.jpg")


if __name__ == "__main__":
    main()
