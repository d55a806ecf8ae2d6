"""The pages become a site: none is missing from it, no link leads nowhere, nothing is fetched from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT

ELSEWHERE = re.compile(r"""<(?:link|script|img)[^>]*(?:href|src)=["']?(https?://[^"' >]+)""")


def test_the_site_is_whole(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.stem for path in tmp_path.glob("*.html")} - {"404"}
    assert pages == {path.stem for path in (ROOT / "docs").glob("*.md")}
    fetched = {url for path in tmp_path.glob("*.html") for url in ELSEWHERE.findall(path.read_text(encoding="utf-8"))}
    assert fetched == set()
