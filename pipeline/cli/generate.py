"""``nhi-upload generate``: a synthetic country to try things on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from pipeline.cli.options import Moment


@click.command("generate", short_help="產生模擬上傳檔 make synthetic uploads")
@click.option("--records", type=click.IntRange(1), required=True, help="資料筆數 records in all.")
@click.option("--uploads", type=click.IntRange(1, 99_999), default=1, help="上傳檔數 uploads.")
@click.option("--seed", type=int, default=0, help="亂數種子 same seed, same bytes.")
@click.option(
    "--faults", type=click.FloatRange(0, 1), default=0.0, help="錯誤比率 share of faults."
)
@click.option(
    "--dual",
    is_flag=True,
    help="同一批就醫各寫成 1.0 與 2.0 預檢 each visit in 1.0 and as pre-check.",
)
@click.option("--as-of", type=Moment(), help="收件時間 the moment of receipt they are made for.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
def command(
    records: int,
    uploads: int,
    seed: int,
    faults: float,
    dual: bool,
    as_of: datetime | None,
    out: Path,
) -> int:
    """產生模擬的上傳檔與預期結果。Make synthetic uploads, with the findings to expect beside them.

    人、機構、就醫資料都是虛構的。Persons, institutions and visits are invented.
    --dual 時 --faults 是對不上的比率。With --dual, --faults is the share that must not match.

    \b
    Examples:
      nhi-upload generate --records 1000 --uploads 10 --faults 0.05 --out demo/
      nhi-upload generate --records 100000 --uploads 2000 --seed 7 --out country/
      nhi-upload generate --dual --records 1000 --uploads 20 --faults 0.02 --out both/
    """
    from pipeline.generate import DEFAULT_AS_OF, generate

    if dual:
        return _dual(records, uploads, seed, faults, as_of, out)
    moment = as_of or DEFAULT_AS_OF
    try:
        made = generate(records, uploads, seed, faults, out, moment)
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from None
    click.echo(
        f"{made.uploads:,} 個上傳檔 uploads（{made.refused:,} 個應整批退件 to be refused）、"
        f"{made.records:,} 筆 records（{made.faulty:,} 筆有錯 faulty）、"
        f"{made.orders:,} 筆醫令 orders、{made.bytes / 1e6:,.1f} MB → {out}"
    )
    click.echo(f"檢核 check them: nhi-upload check {out}/*.xml --as-of {moment.isoformat()}")
    return 0


def _dual(
    records: int, uploads: int, seed: int, differing: float, as_of: datetime | None, out: Path
) -> int:
    from pipeline.generate import DUAL_AS_OF, generate_dual

    moment = as_of or DUAL_AS_OF
    made = generate_dual(records, uploads, seed, differing, out, moment)
    click.echo(
        f"{made.visits:,} 次就醫 visits，應比對得上 to be matched {made.matched:,} → {out}\n"
        f"檢核 check them: nhi-upload check {out}/v1/*.xml --as-of {moment.isoformat()}"
    )
    return 0
