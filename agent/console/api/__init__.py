"""The data of the console as JSON under /api/v1, for other handheld software; documented by OpenAPI, live by SSE."""

from agent.console.api.table import ENDPOINTS, PAGES

__all__ = ["ENDPOINTS", "PAGES"]
