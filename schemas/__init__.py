"""What an upload may hold and what the tables look like."""

from schemas.fields import FORMATS, ORDER_FIELDS, VISIT_FIELDS, Field, fields

__all__ = ["FORMATS", "ORDER_FIELDS", "VISIT_FIELDS", "Field", "fields"]
