"""The rule catalogue for people: entries by error code, as a page, as Markdown, on a terminal."""
