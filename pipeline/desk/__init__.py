"""EDGE: what may be asked of a running store. Every question names who asks (docs/WEB.md)."""
