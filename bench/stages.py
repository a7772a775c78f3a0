"""Where the time goes: seconds of CPU by stage of ``process_many``, and of validation by operation.

``python -m bench.stages [--faults SHARE] [--megabytes N]`` prints Markdown. A stage's time is its
own: what stages inside it take is taken off. The patches cost a little, so compare shares.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from bench.measure import pin_to_one_core
from bench.uploads import UploadSet, about
from pipeline import core
from pipeline.kernels import logic
from pipeline.kernels.context import Context
from pipeline.kernels.run import Step
from pipeline.parse import fast, parse
from pipeline.validate import validate
from pipeline.validate.ready import Ready, ready
from rules import load_plan

STAGES: tuple[tuple[Any, str], ...] = (
    (core, "process_many"),
    (core, "parse_many"),
    (parse, "decode"),
    (parse, "parse_lxml"),
    (parse, "join"),
    (parse, "_batch"),
    (parse, "parse_fast"),
    (fast, "count_rows"),
    (fast, "scan"),
    (fast, "_rewrite"),
    (core, "validate"),
    (validate, "_run"),
    (validate, "_silenced"),
    (validate, "_subsumed"),
    (validate, "_located"),
    (validate, "_faults"),
    (validate, "_sorted"),
    (validate, "_verdicts"),
)


class Clock:
    """Own seconds and calls by name, of nested spans."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._inner = [0.0]

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Time what runs inside, less the spans inside that."""
        self._inner.append(0.0)
        started = time.process_time()
        yield
        whole = time.process_time() - started
        self.seconds[name] += whole - self._inner.pop()
        self.calls[name] += 1
        self._inner[-1] += whole

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, in a span."""

        def call(*args: Any, **named: Any) -> Any:
            with self.span(name):
                return function(*args, **named)

        return call


def by_stage(chosen: UploadSet, rounds: int) -> Clock:
    """Stages of ``process_many``."""
    clock, plan = Clock(), load_plan()
    core.process_many(chosen.payloads, chosen.envelopes, plan)
    with ExitStack() as patches:
        for module, name in STAGES:
            timed = clock.timed(name, getattr(module, name))
            patches.enter_context(patch.object(module, name, timed))
        for _ in range(rounds):
            core.process_many(chosen.payloads, chosen.envelopes, plan)
    return clock


def by_operation(chosen: UploadSet, rounds: int) -> Clock:
    """Nodes of the plan by operation; reading each field's text apart, as ``read KIND``."""
    clock, plan = Clock(), load_plan()
    batch = parse.parse_many(chosen.payloads).batch
    envelopes = chosen.envelopes
    made = ready(plan)
    stages = tuple(
        replace(stage, steps=tuple(_timed(step, clock) for step in stage.steps))
        for stage in made.program.stages
    )
    watched: Ready = replace(made, program=replace(made.program, stages=stages))
    reading = Context._read  # noqa: SLF001  # the one place where text is read

    def read(self: Context, name: str) -> Any:
        with clock.span(f"read {name}"):
            return reading(self, name)

    validate.validate(batch, plan, envelopes)
    evaluate = clock.timed("and, or, not", logic.evaluate)
    with (
        patch.object(validate, "ready", lambda _plan: watched),
        patch.object(logic, "evaluate", evaluate),
        patch.object(Context, "_read", read),
    ):
        for _ in range(rounds):
            with clock.span("(the rest of validate)"):
                validate.validate(batch, plan, envelopes)
    return clock


def _timed(step: Step, clock: Clock) -> Step:
    return replace(step, kernel=clock.timed(step.node.op, step.kernel))


def show(clock: Clock, size: int, rounds: int, most: int) -> None:
    """Print the largest shares as a Markdown table."""
    total = sum(clock.seconds.values())
    print("| what | calls | ms | share | MB/s |\n|---|--:|--:|--:|--:|")
    for name, seconds in sorted(clock.seconds.items(), key=lambda item: -item[1])[:most]:
        each = max(seconds / rounds, 1e-9)
        print(
            f"| `{name}` | {clock.calls[name] // rounds:,} | {each * 1e3:,.1f} "
            f"| {seconds / total:.1%} | {size / each / 1e6:,.0f} |"
        )
    print(f"| all | | {total / rounds * 1e3:,.1f} | | {size * rounds / total / 1e6:,.0f} |\n")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=float, default=0.02)
    parser.add_argument("--megabytes", type=float, default=64)
    parser.add_argument("--each", type=float, default=0.1, help="MB an upload")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=30, help="rows a table")
    chosen_by = parser.parse_args()
    pin_to_one_core()
    chosen = about(chosen_by.megabytes, each=chosen_by.each, faults=chosen_by.faults)
    print(
        f"{chosen.size / 1e6:.1f} MB, {len(chosen.paths):,} uploads, {chosen.records:,} records\n"
    )
    for measure in (by_stage, by_operation):
        show(measure(chosen, chosen_by.rounds), chosen.size, chosen_by.rounds, chosen_by.most)


if __name__ == "__main__":
    main()
