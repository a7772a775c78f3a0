"""Facts of the service's health as people read them: how good each is, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from pipeline.desk.health import Health
from pipeline.report.printable import printable
from schemas.reference import REFERENCE_TABLES

Light = Literal["good", "warn", "bad"]
_LIGHTS: Final[tuple[Light, ...]] = ("good", "warn", "bad")
_SLOW_SECONDS: Final = 60
_STUCK_SECONDS: Final = 600
_LOW_SHARE: Final = 0.10
_SCARCE_SHARE: Final = 0.03
_GIB: Final = 1024**3
_SCARCE_BYTES: Final = 2 * _GIB
_STALE_SECONDS: Final = 900
_FAULT_CHARACTERS: Final = 120
Words = tuple[str, str]
_NOTHING: Final[Words] = ("", "")


@dataclass(frozen=True)
class Signal:
    """One fact: its name, what is so, and what to do where it isn't good."""

    light: Light
    name: Words
    says: Words
    todo: Words = _NOTHING


def signals(health: Health, now: datetime) -> list[Signal]:
    """Every fact that may turn red."""
    return [
        _settling(health),
        _waiting(health),
        _failed(health),
        _commit(health, now),
        _disk(health),
        _references(health),
    ]


def worst(found: Iterable[Signal]) -> Light:
    """The light of all of them together."""
    return max((signal.light for signal in found), key=_LIGHTS.index, default="good")


def _settling(health: Health) -> Signal:
    name = ("檢核與合併", "Checking and merging")
    if not health.settling.alive:
        return Signal(
            "bad", name, ("已停止", "stopped"),
            ("重新啟動服務；已收到的上傳會自動接續處理。",
             "Start the service again; what was received is taken up where it stopped."),
        )  # fmt: skip
    if health.settling.fault:
        fault = printable(health.settling.fault, _FAULT_CHARACTERS)
        return Signal(
            "bad", name, (f"資料庫暫時無法使用（{fault}）", f"the store can't be used ({fault})"),
            ("查看磁碟空間與權限；排除後會自動恢復，期間收件暫停。",
             "See to disk space and rights; it goes on by itself and takes nothing meanwhile."),
        )  # fmt: skip
    return Signal("good", name, ("運作中", "at work"))


def _waiting(health: Health) -> Signal:
    name = ("等候檢核", "Waiting to be checked")
    count, age = health.settling.waiting, round(health.settling.oldest_seconds)
    if not count:
        return Signal("good", name, ("沒有", "none"))
    says = (f"{count:,} 個，最久 {age:,} 秒", f"{count:,}, the oldest for {age:,} seconds")
    if age < _SLOW_SECONDS:
        return Signal("good", name, says)
    todo = (
        "若持續增加，查看服務的記錄與主機負載。",
        "If it goes on growing, look at the service's log and the machine's load.",
    )
    return Signal("bad" if age >= _STUCK_SECONDS else "warn", name, says, todo)


def _failed(health: Health) -> Signal:
    name = ("系統處理失敗", "Failed on our side")
    count = health.settling.failed
    if not count:
        return Signal("good", name, ("沒有", "none"))
    return Signal(
        "warn", name, (f"{count:,} 個，原檔已保留", f"{count:,}, kept as they were received"),
        ("這是程式的缺陷：留存記錄並回報；下次啟動會再處理。",
         "A defect of the program: keep the log and report it; the next start tries again."),
    )  # fmt: skip


def _commit(health: Health, now: datetime) -> Signal:
    name = ("最近寫入資料表", "Last written to the tables")
    last = health.settling.last_commit or health.committed_at
    if last is None:
        return Signal("good", name, ("尚無資料", "nothing yet"))
    seconds = max(0, round((now - last).total_seconds()))
    says = (f"{_ago_zh(seconds)}前", f"{_ago_en(seconds)} ago")
    if health.settling.waiting and seconds > _STALE_SECONDS:
        todo = ("有上傳在等，卻很久沒有寫入：查看服務的記錄。",
                "Uploads wait, yet nothing was written for long: look at the log.")  # fmt: skip
        return Signal("warn", name, says, todo)
    return Signal("good", name, says)


def _disk(health: Health) -> Signal:
    name = ("磁碟空間", "Disk space")
    if not health.disk_total:
        return Signal("good", name, ("資料庫在物件儲存", "the store is on object storage"))
    share = health.disk_free / health.disk_total
    free, total = health.disk_free / _GIB, health.disk_total / _GIB
    says = (
        f"剩 {free:,.1f} GB，共 {total:,.1f} GB（{share:.0%}）",
        f"{free:,.1f} GB free of {total:,.1f} GB ({share:.0%})",
    )
    todo = (
        "清出空間或擴充；用盡時收件會暫停，已收到的不會遺失。",
        "Make room. When it is full nothing more is taken, but nothing is lost.",
    )
    scarce = share < _SCARCE_SHARE or health.disk_free < _SCARCE_BYTES
    light: Light = "bad" if scarce else "warn" if share < _LOW_SHARE else "good"
    return Signal(light, name, says, todo)


def _references(health: Health) -> Signal:
    name = ("參考檔", "Reference tables")
    there = {table.name for table in health.references}
    lacking = [table for key, table in REFERENCE_TABLES.items() if key not in there]
    says = (
        f"已載入 {len(there)}／{len(REFERENCE_TABLES)} 個",
        f"{len(there)} of {len(REFERENCE_TABLES)} loaded",
    )
    if not lacking:
        return Signal("good", name, says)
    return Signal(
        "warn", name, says,
        ("未載入的參考檔，相關規則不檢核：nhi-upload reference load",
         "Rules that need those not loaded are not checked: nhi-upload reference load"),
    )  # fmt: skip


def _ago_zh(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} 秒"
    if seconds < 7200:
        return f"{seconds // 60} 分鐘"
    return f"{seconds // 3600} 小時" if seconds < 172_800 else f"{seconds // 86_400} 天"


def _ago_en(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} seconds"
    if seconds < 7200:
        return f"{seconds // 60} minutes"
    return f"{seconds // 3600} hours" if seconds < 172_800 else f"{seconds // 86_400} days"
