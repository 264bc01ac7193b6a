"""The figures of several rounds as rows: medians, and how far they lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from mailer.bench.rounds import Result

SUMMARY = ("sender", "mails_per_second", "ratio", "ratio_low", "ratio_high", "cpu_us_per_mail", "peak_mb")
ENGINE = (
    "round", "sent", "arrived", "seconds", "planning_seconds", "sending_seconds", "first_mail_seconds",
    "planner_cpu_us", "senders_cpu_us", "sink_cpu_us", "senders", "start_up_seconds",
    "sender_private_mb", "sender_proportional_mb", "all_processes_mb",
)  # fmt: skip


def summary(results: Sequence[Result]) -> list[dict[str, Any]]:
    """A row for each sender, in the order they were first met."""
    found = []
    for sender in dict.fromkeys(each.sender for each in results):
        mine = [each for each in results if each.sender == sender]
        ratios = [each.ratio for each in mine]
        found.append(
            {
                "size": mine[0].size,
                "sender": sender,
                "rounds": len(mine),
                "mails_per_second": round(median(each.rate for each in mine)),
                "ratio": round(median(ratios), 3),
                "ratio_low": round(min(ratios), 3),
                "ratio_high": round(max(ratios), 3),
                "cpu_us_per_mail": round(median(each.cpu_us for each in mine), 1),
                "peak_mb": round(max(each.peak_mb for each in mine), 1),
            }
        )
    return found


def engine_rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    """A row for each run of ours. The phases overlap where mails leave while others are planned."""
    return [
        {
            "size": each.size,
            "round": each.round,
            "sent": run.sent,
            "arrived": run.arrived,
            "seconds": round(run.seconds, 2),
            "planning_seconds": round(run.planning, 2),
            "sending_seconds": round(run.seconds - run.first, 2),
            "first_mail_seconds": round(run.first, 3),
            "planner_cpu_us": round(run.planner_cpu / run.sent * 1e6, 1),
            "senders_cpu_us": round(run.sender_cpu / run.sent * 1e6, 1),
            "sink_cpu_us": round(run.sink_cpu / run.sent * 1e6, 1),
            "senders": run.senders,
            "start_up_seconds": round(run.start_up, 2),
            "sender_private_mb": round(run.sender.private, 1),
            "sender_proportional_mb": round(run.sender.proportional, 1),
            "all_processes_mb": round(run.whole_mb, 1),
        }
        for each in results
        if (run := each.engine) is not None
    ]
