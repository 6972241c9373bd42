"""Take the pictures of the page anew: `make pictures`, after whatever changed how it looks.

It runs the demo as `make run` does, once with a past of a week that is made up, and once with a full bin, and waits for items on
the page; then it labels some of the photos that ship.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from generate.past import remember_a_week
from generate.pictures import IMAGES, stamp

ITEMS = 40
PATIENCE_S = 180


@contextmanager
def demo(folder: str, *options: str) -> Iterator[str]:
    """Run the demo station and yield the address of its page."""
    with sorter("run", "--demo", "--port", "0", "--state-folder", folder, *options) as said:
        yield next(line.split()[-1] for line in said if line.startswith("page:"))


@contextmanager
def labelling(folder: str) -> Iterator[str]:
    """Label photos that ship, and yield the address of the page."""
    pictures = Path(folder) / "line-1" / "pictures"
    pictures.mkdir(parents=True)
    for number, photo in enumerate(sorted((IMAGES.parents[1] / "edge/simulate/photos").glob("[gm]*/*.jpg"))):
        shutil.copy(photo, pictures / f"item-{number * 7 % 97}.jpg")
    with sorter("label", folder, "--by", "anna") as said:
        yield next(line.split()[1] for line in said if line.startswith("Open "))


@contextmanager
def sorter(*arguments: str) -> Iterator[Iterable[str]]:
    """Run a command and yield the lines that it says, until it is no longer needed."""
    process = subprocess.Popen([sys.executable, "-m", "edge", *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout
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
    """Write what the browser shows as a JPEG, small enough to travel with the repository, with a note of what it shows."""
    picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    picture.save(IMAGES / name, quality=78, comment=stamp(name))


def take_labelling(browser: webdriver.Chrome, folder: str) -> None:
    """Label some photos one by one, then select some of many."""

    def press(keys: str) -> None:
        ActionChains(browser).send_keys(keys).perform()

    def wait(condition: str) -> None:
        WebDriverWait(browser, PATIENCE_S).until(lambda chrome: chrome.execute_script(f"return {condition}"))

    with labelling(folder) as address:
        browser.get(address)
        for _ in range(9):
            wait("busy === 0 && seen")
            press(Keys.ENTER)
        # All photos are compared then: the state is told with the next answer.
        while not browser.execute_script("return state.looked_at === state.total"):
            wait("busy === 0 && seen")
            press(Keys.ARROW_RIGHT)
        wait("busy === 0 && seen")
        keep(browser, "label.jpg")
        press("g")
        wait("busy === 0 && [...document.querySelectorAll('#grid img')].every((picture) => picture.complete)")
        for tile in browser.find_elements(By.CSS_SELECTOR, "#grid li")[:4]:
            tile.click()
        keep(browser, "label-many.jpg")


# Where each is looked at, and what is there when the page has been told all.
ROOMS = {
    "week.jpg": ("week?span=week", ".legend"),
    "items.jpg": ("items?reason=unsure", "#found img"),
    "bins.jpg": ("bins", "#bins .bin"),
    "teach.jpg": ("teach", "main li button"),
    "health.jpg": ("health", "#past-rows tr"),
}


def take_rooms(browser: webdriver.Chrome, address: str) -> None:
    """Look at the pages beside the one of now."""
    browser.set_window_size(1280, 1150)
    # Those further down are loaded when somebody comes to them.
    loaded = """return [...document.querySelectorAll("main img")].every(
        (picture) => picture.complete || picture.getBoundingClientRect().top > innerHeight)"""
    for name, (room, there) in ROOMS.items():
        browser.get(address + room)
        WebDriverWait(browser, PATIENCE_S).until(
            lambda chrome, there=there: chrome.find_elements(By.CSS_SELECTOR, there) and chrome.execute_script(loaded)
        )
        browser.execute_script("document.querySelector('#hint')?.remove()")  # it names a folder of this machine
        keep(browser, name)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        remember_a_week(Path(folder) / "plain")
        with demo(folder + "/plain") as address:
            browser.get(address)
            wait_for_items(browser)
            keep(browser, "page.jpg")
            take_rooms(browser, address)
        with demo(folder + "/full", "--fault", "bin-full:plastic@8+600") as address:
            browser.get(address)
            wait_for_items(browser)
            keep(browser, "page-fault.jpg")
        take_labelling(browser, folder + "/pulled")


if __name__ == "__main__":
    main()
