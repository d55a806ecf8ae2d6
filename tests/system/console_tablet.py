"""A person with a tablet: a real Chromium at a console, and everything that a page does which it must not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    Response,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.system.console_route import as_file
from tests.system.console_world import PASSWORD, Gateway

CHROMIUM = shutil.which("chromium")
PHONE: ViewportSize = {"width": 390, "height": 844}
TABLET: ViewportSize = {"width": 820, "height": 1180}
WAIT_MS = 20_000  # for what the box does: a read, a check; the gate has two cores for everything
# How browser and htmx call an answer that refuses something: the page itself tells the person.
_REFUSED = re.compile(r"(responded with a status of|Response Status Error Code) (401|403|404|409|413|422)")
_TELL = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`security policy: ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`);
});
"""
_FOCUSED = """() => {
  const one = document.activeElement;
  const shown = [one, ...one.labels ?? [], one.parentElement].some((part) => {
    const style = getComputedStyle(part);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  });
  return [one.innerText || one.ariaLabel || one.labels?.[0]?.innerText || one.value || "", shown];
}"""
_COUNTED = """(tile) => {
  const title = [...document.querySelectorAll("#progress dt")].find((one) => one.textContent === tile);
  return /^[1-9]/.test(title?.nextElementSibling.textContent);
}"""
_TIDY = (
    """() => { for (const one of document.querySelectorAll('[style=""]')) one.removeAttribute("style"); }"""  # of tools
)
Scheme = Literal["light", "dark"]
MOST_TABS = 60
_DRAWN = "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_OF_COLOURS = ["color-contrast", "link-in-text-block"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Debian's Chromium without a screen."""
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-lcd-text"]
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tablet:
    """One browser of one person. `wrong`: errors of scripts, dialogs, breaches of the security policy."""

    box: Gateway
    context: BrowserContext
    page: Page
    name: str
    wrong: list[str] = field(default_factory=list)

    def log_in(self) -> None:
        page = self.page
        page.goto(f"{self.box.url}/login")
        page.get_by_label("Name").fill(self.name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("link", name=self.name)).to_be_visible()

    def go(self, path: str) -> None:
        """Open a page of the console by its path."""
        self.page.goto(f"{self.box.url}{path}")

    def load(self, route: dict[str, Any]) -> None:
        """Let the office load a route, and open it."""
        file = self.box.directory / "route.json"
        file.write_bytes(as_file(route)["buffer"])
        self.box.command("route", "load", file)
        self.go(f"/routes/{route['route_id']}")

    def upload(self, route: dict[str, Any]) -> None:
        """Load a route by the form of the page of all routes; it is shown."""
        self.go("/routes")
        self.page.get_by_label("Route file").set_input_files(as_file(route))
        self.page.get_by_role("button", name="Load").click()
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(route["name"])

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name)

    def shows(self, text: str) -> None:
        """Wait until the page says this."""
        expect(self.page.get_by_text(text).first).to_be_visible()

    def counted(self, tile: str) -> None:
        """Wait until the progress of a read shows that some of these have come; as soon as it is drawn."""
        self.page.wait_for_function(_COUNTED, arg=tile)

    def dials(self, digits: str) -> None:
        """Type a display's digits one after the other: the first dial has the focus, and each goes on to the next."""
        expect(self.page.get_by_label("Digit 1 of ").first).to_be_focused()
        self.page.wait_for_load_state()
        self.page.keyboard.type(digits)

    def dials_kept(self, digits: str) -> None:
        """Type a display's digits, and wait until the box has kept the last of them."""
        last = f"-{len(digits) - 1}={digits[-1]}"

        def kept(answer: Response) -> bool:
            return answer.url.endswith("/visual/draft") and answer.ok and last in (answer.request.post_data or "")

        with self.page.expect_response(kept):
            self.dials(digits)
        self.shows("Kept at")

    def tab_to(self, name: str) -> None:
        """Go on by the key Tab until what has this name has the focus; on the way each thing shows that it has it."""
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            said, outlined = self.page.evaluate(_FOCUSED)
            assert outlined, f"{said!r} does not show that it has the focus"
            if name in said:
                return
        raise AssertionError(f"no way to {name!r} by keys")

    def axe(self, scheme: Scheme, part: str = "html") -> list[str]:
        """Return what breaks the rules of accessibility here by day or by night: all of them, or those on colours.

        `part`: the selector of what is new on a page that was looked at before.
        """
        self.light(scheme)
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE_SCRIPT)
        rules = {"type": "tag", "values": _RULES} if scheme == "light" else {"type": "rule", "values": _OF_COLOURS}
        options = {"runOnly": rules, "resultTypes": ["violations"], "elementRef": False}
        found = self.page.evaluate("([part, options]) => axe.run(part, options)", [part, options])
        self.page.evaluate(_TIDY)
        return [f"{one['id']}: {node['html'][:160]}" for one in found["violations"] for node in one["nodes"]]

    def picture(self) -> bytes:
        """Return what the screen shows, as PNG."""
        shown = self.page.screenshot()
        self.page.evaluate(_TIDY)
        return shown

    def light(self, scheme: Scheme) -> None:
        """Let it be day or night; return when the page is drawn so."""
        self.page.emulate_media(color_scheme=scheme)
        self.page.evaluate(_DRAWN)

    def fits(self) -> bool:
        """Whether nothing of the page is cut off at the side."""
        wide, shown = self.page.evaluate(
            "[document.scrollingElement.scrollWidth, document.documentElement.clientWidth]"
        )
        return bool(wide <= shown)

    def was_good(self) -> None:
        """Assert that no page did anything that it must not."""
        wrong = "\n".join(self.wrong)
        self.wrong.clear()
        assert not wrong, wrong

    def watch(self) -> None:
        """Remember whatever the pages do that they must not."""
        self.context.add_init_script(_TELL)
        self.page.on("pageerror", lambda error: self.wrong.append(f"{self.page.url}: {error}"))
        self.page.on("dialog", self._asked)
        self.page.on("console", self._heard)

    def _asked(self, dialog: Dialog) -> None:
        self.wrong.append(f"{self.page.url}: a dialog: {dialog.message}")
        dialog.dismiss()

    def _heard(self, message: ConsoleMessage) -> None:
        place = message.location.get("url", "")
        missing = "/static/" in place and message.text.startswith("Failed to load")
        if message.type == "error" and (missing or not _REFUSED.search(message.text)):
            self.wrong.append(f"{self.page.url}: {message.text} ({place})")


@contextmanager
def tablet(
    browser: Browser, box: Gateway, name: str = "ann", *, logged_in: bool = True, scale: float = 1
) -> Iterator[Tablet]:
    """Give a person a tablet on which they are logged in; nothing that a page must not do may happen on it."""
    context = browser.new_context(
        viewport=PHONE, device_scale_factor=scale, has_touch=True, reduced_motion="reduce", locale="en-US"
    )
    try:
        one = Tablet(box, context, context.new_page(), name)
        one.page.set_default_timeout(WAIT_MS)
        one.watch()
        if logged_in:
            one.log_in()
        yield one
        one.was_good()
    finally:
        context.close()
