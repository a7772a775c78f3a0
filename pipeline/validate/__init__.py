"""PURE: columns and a plan → findings and verdicts."""
