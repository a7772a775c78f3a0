"""What an upload may hold and what the tables look like."""

from schemas.fields import (
    FORMATS,
    ORDER_FIELDS,
    VISIT_FIELDS,
    Field,
    every_field,
    fields,
    layout_of,
    layouts,
)
from schemas.versions import V1, V2, Version, version_in, versions

__all__ = [
    "FORMATS",
    "ORDER_FIELDS",
    "V1",
    "V2",
    "VISIT_FIELDS",
    "Field",
    "Version",
    "every_field",
    "fields",
    "layout_of",
    "layouts",
    "version_in",
    "versions",
]
