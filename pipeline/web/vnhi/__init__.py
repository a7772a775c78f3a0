"""The insurer's own envelope, for clinics whose software speaks it (docs/VNHI.md)."""

from pipeline.web.vnhi.routes import router

__all__ = ["router"]
