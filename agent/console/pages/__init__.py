"""The pages that a person sees, one module each; each lists its paths in `PAGES`."""

from __future__ import annotations

from agent.console.page import Page
from agent.console.pages.bundle import PAGES as BUNDLE
from agent.console.pages.inspection import PAGES as INSPECTION
from agent.console.pages.job import PAGES as JOB
from agent.console.pages.login import PAGES as LOGIN
from agent.console.pages.profile import PAGES as PROFILE
from agent.console.pages.routes import PAGES as ROUTES
from agent.console.pages.status import PAGES as STATUS
from agent.console.pages.stop import PAGES as STOP
from agent.console.pages.trouble import PAGES as TROUBLE
from agent.console.pages.van import PAGES as VAN
from agent.console.pages.visual import PAGES as VISUAL

PAGES: tuple[Page, ...] = (
    *LOGIN,
    *STATUS,
    *BUNDLE,
    *ROUTES,
    *STOP,
    *TROUBLE,
    *VISUAL,
    *INSPECTION,
    *JOB,
    *PROFILE,
    *VAN,
)
