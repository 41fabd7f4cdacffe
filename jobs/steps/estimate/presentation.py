"""An estimate as a person reads it at a terminal, and how far off it was."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs.job.progress import in_words


def print_estimate(details: Mapping[str, Any], console: Console) -> None:
    """What is pending, what the sample showed, and a line per number of machines.

    Args:
        details: of a report of estimate whose status is done.
        console: where to.
    """
    pending = ", ".join(f"{number:,} {entity}s" for entity, number in details["pending"].items() if number)
    console.print(f"  {escape(pending)} to embed with {escape(str(details['model']))}", highlight=False)
    for entity, pace in details["measured"]["paces"].items():
        console.print(f"  {escape(_sampled(entity, pace, details['sample'][entity]))}", highlight=False)
    cold = in_words(details["measured"]["cold_start_seconds"])
    console.print(f"  cold start {cold}; commits: {escape(details['commits'])}", highlight=False)
    console.print(_table(details, *details["plans"]))
    console.print(f"  models.photo.batch_size {details['batch_size']}", highlight=False)


def off_by_in_words(off_by: float) -> str:
    """`took 12 % longer than claimlens estimate said`, from the signed share 0.12."""
    percent = round(abs(off_by) * 100)
    if not percent:
        return "took as long as claimlens estimate said"
    return f"took {percent} % {'longer' if off_by > 0 else 'less'} than claimlens estimate said"


def _sampled(entity: str, pace: Mapping[str, Any], sample: Mapping[str, Any]) -> str:
    rate = f"{_rate(pace['rows_per_second'])} {entity}s a second through the model"
    if pace["rounds"] > 1:
        rate += f" ({_rate(pace['slowest'])} to {_rate(pace['fastest'])} in {pace['rounds']} rounds)"
    else:
        rate += " (one round: too few for a spread)"
    failed = f", {sample['failed']:,} of them failed" if sample["failed"] else ""
    return f"timed {sample['rows']:,} {entity}s{failed}: {rate}, {pace['wave_seconds']:.1f} s more a wave"


def _table(details: Mapping[str, Any], here: Mapping[str, Any], *others: Mapping[str, Any]) -> Table:
    device = "gpu" if details["measured"]["gpus"] else "core"
    plans = [details["as_set"], here, *others]
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True)
    for plan, named in zip(plans, ("as set", *("recommended" for _ in plans)), strict=False):
        machines = "1 machine" if plan["machines"] == 1 else f"{plan['machines']:,} machines"
        table.add_column(f"{machines}\n{named}", justify="right")
    table.add_row("  photos a second", *(_rate(plan["photos_per_second"]) for plan in plans))
    table.add_row("  time", *(in_words(plan["seconds"]) for plan in plans))
    table.add_row("  at the fastest round", *(in_words(plan["seconds_range"][0]) for plan in plans))
    table.add_row("  at the slowest round", *(in_words(plan["seconds_range"][1]) for plan in plans))
    table.add_row(f"  {device}-hours", *(f"{plan[f'{device}_hours']:,.2f}" for plan in plans))
    if here["cost"] is not None:
        table.add_row("  cost", *(f"{plan['cost']:,.2f}" for plan in plans))
    for key in ("partitions", "wave_photos"):
        table.add_row(f"  embed.{key}", *("null" if plan[key] is None else f"{plan[key]:,}" for plan in plans))
    table.add_row("  tasks a wave", *(f"{plan['tasks_per_wave']:,}" for plan in plans))
    return table


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"
