"""A synthetic country: uploads as institutions would send them, and the findings to expect.

For demonstrations, benchmarks and as a second opinion on the rule engine: what is expected is
written by whoever planted the fault, never by running the engine.
"""

from pipeline.generate.dual import DUAL_AS_OF, DualSummary, generate_dual
from pipeline.generate.generate import DEFAULT_AS_OF, Summary, generate

__all__ = [
    "DEFAULT_AS_OF",
    "DUAL_AS_OF",
    "DualSummary",
    "Summary",
    "generate",
    "generate_dual",
]
