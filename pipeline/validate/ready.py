"""A plan made ready to run: its program, and what findings need of its rules, as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.columns import Int32
from pipeline.kernels.run import Program, bind
from pipeline.parse.places import ELEMENTS
from rules.plan import Plan
from schemas import layouts

_KEPT = 4


@dataclass(frozen=True, eq=False)
class Ready:
    """One value a rule: whether it stops, runs per order, only warns; its rank by code
    (then id); its field as an index of ``names``. ``subsumers`` are the rules that subsume.
    ``program`` runs the rules on records, ``stopping`` those of them that silence others,
    ``admission`` those that refuse whole uploads."""

    plan: Plan
    program: Program
    stopping: Program
    admission: Program
    names: tuple[str, ...]
    stops: npt.NDArray[np.bool_]
    on_order: npt.NDArray[np.bool_]
    warns: npt.NDArray[np.bool_]
    rank: Int32
    field: Int32
    subsumers: tuple[int, ...]


_ready: dict[int, Ready] = {}


def ready(plan: Plan) -> Ready:
    """The plan made ready. Kept for the last few plans by identity: hashing a plan of thousands of
    nodes would cost more than running it over a small upload."""
    found = _ready.get(id(plan))
    if found is None or found.plan is not plan:
        while len(_ready) >= _KEPT:
            _ready.pop(next(iter(_ready)), None)
        found = _ready[id(plan)] = _prepare(plan)
    return found


def _prepare(plan: Plan) -> Ready:
    rules = plan.rules
    own = layouts()[plan.layout]
    names = tuple(dict.fromkeys([*own, *ELEMENTS, *(rule.field for rule in rules)]))
    number = {name: index for index, name in enumerate(names)}
    refusing = [index for index, rule in enumerate(rules) if rule.severity == "refuse"]
    judging = [index for index, rule in enumerate(rules) if rule.severity != "refuse"]
    ranked = sorted(range(len(rules)), key=lambda index: (rules[index].code, rules[index].id))
    return Ready(
        plan,
        bind(plan, judging),
        bind(plan, [index for index in judging if rules[index].stops]),
        bind(plan, refusing),
        names,
        np.array([rule.stops for rule in rules], np.bool_),
        np.array([rule.scope == "order" for rule in rules], np.bool_),
        np.array([rule.severity == "warn" for rule in rules], np.bool_),
        np.argsort(np.array(ranked, np.intp)).astype(np.int32),
        np.array([number[rule.field] for rule in rules], np.int32),
        tuple(index for index, rule in enumerate(rules) if rule.subsumes),
    )
