"""Small catalogues for tests: the text of one good rule, and a directory to put texts in."""

from __future__ import annotations

from pathlib import Path

GOOD = """\
id: makeup/late
code: D060
severity: reject
status: stable
since: "0.1.0"
certainty: documented
decided_by: record
field: M49
broken_when: M49 >= M11
authority:
  - {document: rules.md, section: R-MK-3}
summary: {zh: 實際就醫未早於補卡, en: The real visit is not before the swipe}
remedy: {zh: "請改正 M49", en: "Correct M49"}
examples:
  - {base: makeup, expect: ""}
  - {base: makeup, set: {M49: "1140310091122"}, expect: "M49:D060;"}
"""


def catalogue_of(directory: Path, **texts: str) -> Path:
    """A catalogue with a rule file for each text; ``__`` in a name is a folder."""
    for name, text in texts.items():
        path = directory / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return directory


def changed(old: str, new: str, text: str = GOOD) -> str:
    """The rule with one passage replaced, which must be there."""
    assert old in text
    return text.replace(old, new)
