"""The 1.0-against-2.0 pre-check report: pages, charts, JSON and CSV files, and their folders."""
