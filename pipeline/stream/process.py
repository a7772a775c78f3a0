"""What the processes of a stream are made of, from a store, a cluster and the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from pipeline.batches import Checker, plans_of
from pipeline.errors import StoreUnusableError
from pipeline.limits import LIMITS, Limits
from pipeline.merge.merge import MergePolicy
from pipeline.metrics import Job as Name
from pipeline.metrics import Metrics
from pipeline.reference.kept import read_snapshot
from pipeline.store.failures import write_failures
from pipeline.store.layout import Layout, layout_of
from pipeline.store.opening import config_of
from pipeline.stream.admin import make_topics
from pipeline.stream.broker import Cluster
from pipeline.stream.checking import CheckingWorker, Judge
from pipeline.stream.dispatch import Dispatcher
from pipeline.stream.losses import refuse_lost
from pipeline.stream.merge_worker import MergeWorker, Merging
from pipeline.stream.objects import Objects
from pipeline.stream.receipt_folder import StreamReceipts
from pipeline.stream.recorder import Pace, Recorder
from pipeline.stream.standing import standing_of
from pipeline.stream.topics import Stream, begin_stream
from pipeline.stream.vitals import Vitals
from pipeline.stream.watch import Answers, watched
from pipeline.stream.worker import Job, Stop, work
from rules import load_plan

WINDOW = 20_000


@dataclass(frozen=True)
class Options:
    """How a process of a stream runs.

    ``member`` names it for good (static membership; its states are kept under its name, in the
    folder ``states`` or in the store), else it is one of many and builds its states anew.
    ``prefix`` begins the names of a new stream's topics.
    ``window``: uploads the dispatcher may be ahead. ``receipts``: a folder for those of
    uploads with something to tell. ``watch``: host and port for machines that ask
    for metrics and health. ``only``: the one of its jobs that is run, all where ``None``.
    """

    cluster: Cluster
    store_uri: str
    member: str | None = None
    prefix: str = "nhi-"
    replicas: int = 1
    window: int = WINDOW
    pace: Pace = field(default_factory=Pace)
    policy: MergePolicy = field(default_factory=MergePolicy)
    utf8: bool = False
    limits: Limits = LIMITS
    watch: tuple[str, int] | None = None
    receipts: Path | None = None
    states: Path | None = None
    only: Name | None = None


def open_stream(options: Options) -> Stream:
    """The stream into the store, with topics. Raises ``BrokerError``, ``StoreUnusableError``."""
    layout = layout_of(options.store_uri)
    stream = begin_stream(layout, prefix=options.prefix)
    make_topics(options.cluster, stream.topics, options.replicas)
    refuse_lost(options.cluster, stream, standing_of(layout, stream))
    return stream


def run_validate(options: Options, stop: Stop) -> None:
    """Check, and dispatch while leading, until told to stop."""
    stream, layout = open_stream(options), layout_of(options.store_uri)
    plan = load_plan()
    judge = Judge(
        Checker(
            plans_of(plan), utf8=options.utf8, limits=options.limits,
            references=read_snapshot(layout),
        ),
        plan.hash, config_of(layout).buckets, options.policy,
    )  # fmt: skip
    cluster, member = options.cluster, options.member

    def recorded() -> int:
        return standing_of(layout, stream).through

    metrics = Metrics()
    _work(options, stop, layout.disk, metrics, {
        "validate": lambda: CheckingWorker(
            cluster, stream, Objects(layout), judge, metrics, recorded=recorded, member=member
        ),
        "dispatch": lambda: Dispatcher(
            cluster, stream, metrics, window=options.window, recorded=recorded, member=member
        ),
    })  # fmt: skip


def run_merge(options: Options, stop: Stop) -> None:
    """Merge, and record while leading, until told to stop."""
    stream, layout = open_stream(options), layout_of(options.store_uri)
    cluster, member = options.cluster, options.member
    with _states(options, layout) as folder:
        merging = Merging(
            lambda number: load_plan(version=number), options.policy,
            config_of(layout).buckets, folder,
        )  # fmt: skip
        metrics, receipts = Metrics(), None
        if options.receipts is not None:
            receipts = StreamReceipts(options.receipts, layout, load_plan(), options.limits)
        _work(options, stop, layout.disk or folder, metrics, {
            "merge": lambda: MergeWorker(
                cluster, stream, layout, merging, metrics, member=member
            ),
            "record": lambda: Recorder(
                cluster, stream, layout, options.pace, metrics, member=member, receipts=receipts
            ),
        })  # fmt: skip


@contextmanager
def _states(options: Options, layout: Layout) -> Iterator[Path]:
    """The folder of a worker's states: kept under its name, else gone with it."""
    if options.member is None:
        with TemporaryDirectory(prefix="nhi-upload-") as passing:
            yield Path(passing)
        return
    kept = options.states or (layout.disk and layout.disk / "state" / "workers")
    if kept is None:
        raise StoreUnusableError(
            f"{layout.uri} 不能存放合併狀態，請以 --state 或 NHI_UPLOAD_STATE 指定資料夾",
            f"States can't be kept at {layout.uri}; name a folder with --state or NHI_UPLOAD_STATE",
        )
    folder = kept / options.member
    with write_failures():
        folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):  # two of one name would write one state
        yield folder


def _work(
    options: Options, stop: Stop, disk: Path | None, metrics: Metrics,
    jobs: Mapping[Name, Callable[[], Job]],
) -> None:  # fmt: skip
    """Run jobs, watched by machines where the options say so. ``disk`` may fill up."""
    jobs = {name: job for name, job in jobs.items() if options.only in (None, name)}
    if disk is not None:
        metrics.watch_disk(disk)
    vitals = Vitals()
    watch = (
        nullcontext()
        if options.watch is None
        else watched(options.watch, Answers.of(metrics, vitals))
    )
    with watch:
        work(stop, jobs, metrics, vitals)
