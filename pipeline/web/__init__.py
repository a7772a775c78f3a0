"""EDGE: HTTP: the API, the insurer's own envelope, the portal (docs/WEB.md)."""
