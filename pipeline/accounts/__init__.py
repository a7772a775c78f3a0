"""EDGE: who asks: accounts, sessions, API keys, bindings, and the audit log (docs/WEB.md)."""
