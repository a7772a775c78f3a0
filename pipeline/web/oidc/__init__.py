"""Signing in at the insurer's own provider: OpenID Connect, authorization code with PKCE."""

from pipeline.web.oidc.routes import router

__all__ = ["router"]
