"""Pictures of every page of the console, for the manual: `scripts/screenshots` writes them into docs/images.

A gateway with simulated meters, a radio receiver, an MDSP and a clock is started, and a person walks past every page.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.system.console_tablet import PHONE, TABLET, Tablet, chromium, tablet
from tests.system.console_tour import METERS, RADIO, RADIO_PLAN, tour
from tests.system.console_world import Gateway, gateway
from tests.system.world import metersim, simulator

DIRECTORY = Path(__file__).resolve().parents[2] / "docs" / "images"
AGENT = "gw-0042"
SCALE = 1.5  # pixels of a picture for one of the page
AT_NIGHT = frozenset({"warning", "stop", "high", "result", "profile"})
ON_A_TABLET = frozenset({"route-half-way", "result", "profile", "van"})
FORWARD = """
[keys]
directory = "pki/devices/{agent}"
mdsp = "pki/mdsp.jwks"
[forward]
host = "localhost"
port = {port}
protocol = "3.1.1"
ca = "pki/ca.crt"
certificate = "pki/devices/{agent}/device-cert.pem"
key = "pki/devices/{agent}/device-key.pem"
"""
# An interface has few colours: a picture with a palette of 256 is a third as large, and nobody sees the difference.
# The most frequent stay as they are, and each of the others becomes the nearest of them.
_PALETTE = """async (png) => {
  const picture = await createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
  const { width, height } = picture;
  const brush = new OffscreenCanvas(width, height).getContext("2d");
  brush.drawImage(picture, 0, 0);
  const { data } = brush.getImageData(0, 0, width, height);
  const at = (pixel) => (data[4 * pixel] << 16) | (data[4 * pixel + 1] << 8) | data[4 * pixel + 2];
  const colours = new Uint32Array(width * height).map((_, pixel) => at(pixel));
  const counts = new Map();
  for (const colour of colours) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const palette = [...counts].sort((one, other) => other[1] - one[1]).slice(0, 256).map(([colour]) => colour);
  const part = (colour, bits) => (colour >> bits) & 255;
  const far = (one, other) => [16, 8, 0].reduce((sum, bits) => sum + (part(one, bits) - part(other, bits)) ** 2, 0);
  const places = new Map(palette.map((colour, place) => [colour, place]));
  for (const colour of counts.keys()) {
    if (places.has(colour)) continue;
    let near = 0;
    palette.forEach((other, place) => { if (far(colour, other) < far(colour, palette[near])) near = place; });
    places.set(colour, near);
  }
  const pixels = Uint8Array.from(colours, (colour) => places.get(colour));
  let text = "";
  for (let from = 0; from < pixels.length; from += 32768) {
    text += String.fromCharCode(...pixels.subarray(from, from + 32768));
  }
  return { width, height, palette, pixels: btoa(text) };
}"""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description=__doc__)
    parser.add_argument(
        "directory", metavar="DIR", type=Path, nargs="?", default=DIRECTORY, help=f"default: {DIRECTORY}"
    )
    directory = parser.parse_args(argv).directory
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, _world(Path(place)) as box, chromium() as browser:
        painter = Painter(browser.new_page(), directory)
        with tablet(browser, box, "j.doe", logged_in=False, scale=SCALE) as nobody:
            nobody.go("/login")
            painter.paint(nobody, "login")
        _walk(browser, box, painter)
    return 0


class Painter:
    """Writes pictures of pages. `blank`: a page of the same browser, on which they are made smaller."""

    def __init__(self, blank: Page, directory: Path) -> None:
        self._blank = blank
        self._directory = directory

    def paint(self, one: Tablet, name: str) -> None:
        shown = base64.b64encode(one.picture()).decode()
        octets = _png(self._blank.evaluate(_PALETTE, shown))
        file = self._directory / f"console-{name}.png"
        file.write_bytes(octets)
        sys.stdout.write(f"{file} {len(octets):,}\n")


def _walk(browser: Browser, box: Gateway, painter: Painter) -> None:
    with tablet(browser, box, "olga", scale=SCALE) as olga:
        for name in tour(olga):
            painter.paint(olga, name)
            if name in AT_NIGHT:
                olga.light("dark")
                painter.paint(olga, f"{name}-night")
                olga.light("light")
            if name in ON_A_TABLET:
                _on_a_tablet(olga, name, painter)


def _on_a_tablet(one: Tablet, name: str, painter: Painter) -> None:
    top = one.page.evaluate("scrollY")
    one.page.set_viewport_size(TABLET)
    if name == "profile":
        one.page.locator("#profile").evaluate("one => one.scrollIntoView({ block: 'center' })")
    expect(one.page.locator("main")).to_be_visible()
    painter.paint(one, f"{name}-tablet")
    one.page.set_viewport_size(PHONE)
    one.page.evaluate("top => scrollTo(0, top)", top)


@contextmanager
def _world(place: Path) -> Iterator[Gateway]:
    """Run a gateway that lacks nothing."""
    metersim("pki", str(place / "pki"), "--agent", AGENT)
    with ExitStack() as stack:
        port = stack.enter_context(simulator("broker", str(place / "pki"), "--port", "0")).split()[0].rpartition(":")[2]
        stack.enter_context(simulator("mdsp", str(place / "pki"), "--broker", f"localhost:{port}", "--mqtt", "3.1.1"))
        more = FORWARD.format(agent=AGENT, port=port)
        if shutil.which("rtl_433"):
            air = ("radio", "--rtl-tcp", "0", "--seconds", "2", "--every", "1", "--foreign", "20")
            (place / "plan.csv").write_text(RADIO_PLAN)
            more += RADIO.format(device=stack.enter_context(simulator(*air)))
        box = stack.enter_context(gateway(place, "left probe", "right probe", agent=AGENT, more=more))
        for probe, meter in zip(box.probes, METERS, strict=True):
            probe.hold_to(*meter)
        yield box


def _png(picture: dict[str, Any]) -> bytes:
    """Return a picture as PNG (ISO/IEC 15948): 8 bits a pixel, each a place in the palette."""
    width, height, pixels = picture["width"], picture["height"], base64.b64decode(picture["pixels"])
    lines = b"".join(b"\0" + pixels[line * width : (line + 1) * width] for line in range(height))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", b"".join(colour.to_bytes(3, "big") for colour in picture["palette"])),
            _chunk(b"IDAT", zlib.compress(lines, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, octets: bytes) -> bytes:
    return struct.pack(">I", len(octets)) + kind + octets + struct.pack(">I", zlib.crc32(kind + octets))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
