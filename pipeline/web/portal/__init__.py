"""EDGE: the portal: pages in 繁體中文 and English, written on the server, whole without scripts."""

from pipeline.web.portal.errors import error_page
from pipeline.web.portal.routes import router

__all__ = ["error_page", "router"]
