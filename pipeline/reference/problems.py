"""What is wrong with a table's CSV: every problem with its line, to be mended in one go."""

from __future__ import annotations

from dataclasses import dataclass

MOST_SHOWN = 20


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. ``line`` counts from 1, the header included; 0 is the whole file."""

    line: int
    zh: str
    en: str

    def __str__(self) -> str:
        place = f"第 {self.line} 行 line {self.line}: " if self.line else ""
        return f"{place}{self.zh} {self.en}"


class ReferenceFileError(Exception):
    """A table can't be taken; nothing of it was loaded. The message lists what is wrong with it."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file, self.problems = file, tuple(problems)
        lines = [f"{file}: 參考表有 {len(problems)} 個問題 {len(problems)} problem(s)"]
        lines += [f"  {problem}" for problem in problems[:MOST_SHOWN]]
        if len(problems) > MOST_SHOWN:
            more = len(problems) - MOST_SHOWN
            lines.append(f"  …另有 {more} 個 and {more} more")
        super().__init__("\n".join(lines))
