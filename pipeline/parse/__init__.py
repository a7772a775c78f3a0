"""PURE: bytes → columns, by a fast way and a careful one that agree."""
