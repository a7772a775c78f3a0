"""Takes in, checks, merges and stores visit records in 健保卡資料上傳格式 2.0.

The listing of this package is its architecture: ingest → decode → parse → validate → merge →
store → report. ``pipeline.core.process`` is the pure heart; ``pipeline.cli`` the command.
"""

from pipeline.version import ENGINE

__version__ = ENGINE
