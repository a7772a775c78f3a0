"""EDGE: uploads that come in one by one: durable at the door, settled in order (docs/WEB.md)."""
