"""The verb that says whether mails will be believed, and what to do where they will not."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Annotated, Any

import typer
from rich.text import Text

from mailer.cli.invocation import run, this
from mailer.cli.output import counted, facts, shown, tell
from mailer.core.doctor.finding import Finding, Verdict, to_look_at
from mailer.core.doctor.outside import seen_from_outside
from mailer.core.doctor.sending import Ip
from mailer.errors import UsageError

_MARKS = {Verdict.OK: "✓", Verdict.WARN: "!", Verdict.FAULT: "✗", Verdict.UNKNOWN: "?"}
_STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAULT: "bold red", Verdict.UNKNOWN: "cyan"}


def register(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("doctor", rich_help_panel="Run")(doctor)


def doctor(
    ip: Annotated[
        list[str] | None,
        typer.Option(
            "--ip", metavar="ADDRESS", help="An address that mails leave from; may be given several times."
        ),
    ] = None,
    selector: Annotated[
        list[str] | None,
        typer.Option(
            "--selector",
            metavar="NAME",
            help="The selector your relay signs with; may be given several times.",
        ),
    ] = None,
    nameserver: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Ask this nameserver, not those of this machine.")
    ] = None,
) -> None:
    """See whether Gmail, Yahoo and Outlook will believe your mails, and what to do where they will not."""
    ips, found = list(dict.fromkeys(map(_address, ip or ()))), list[Finding]()
    selectors = list(dict.fromkeys(selector or ()))

    async def work() -> None:
        from mailer.app.doctor import Asked, examine  # noqa: PLC0415 (time and memory no sender should pay)

        found.extend(await examine(this.settings(), Asked(ips, selectors, nameserver)))

    run(work())
    if this.json:
        this.out.many([_row(each) for each in found], [], "")
    else:
        _show(found)
    own = [each.verdict for each in found if not each.area.is_checklist]
    faults, warnings = own.count(Verdict.FAULT), own.count(Verdict.WARN)
    unknown = own.count(Verdict.UNKNOWN)
    tell(
        f"{counted(faults, 'fault')}, {counted(warnings, 'warning')}, "
        f"{counted(unknown, 'thing')} that cannot be seen from here."
    )
    if to_look_at(own):
        raise typer.Exit(1)


def _address(text: str) -> Ip:
    try:
        ip = ip_address(text)
    except ValueError:
        raise UsageError(
            f"--ip {text!r} is not an address; write it as 203.0.113.5 or 2001:db8::5."
        ) from None
    ip = getattr(ip, "ipv4_mapped", None) or ip  # receivers see such an address as IPv4 (RFC 7208 §5)
    if not seen_from_outside(ip):
        raise UsageError(
            f"--ip {text} is not reached from outside; name the address under which receivers see your mails come."
        )
    return ip


def _row(finding: Finding) -> dict[str, Any]:
    source = finding.source
    return {
        "area": finding.area.name.lower(),
        "check": finding.check,
        "verdict": finding.verdict.value,
        "what": finding.what,
        "where": finding.where or None,
        "todo": finding.todo or None,
        "paste": list(finding.paste),
        "source": {"name": source.name, "url": source.url} if source is not None else None,
    }


def _show(found: Sequence[Finding]) -> None:
    """Grouped by area; marks where a terminal can draw them, words where not."""
    drawn = facts.is_terminal and facts.encoding.lower().startswith("utf")
    before: Finding | None = None
    for finding in found:
        if before is None or finding.area is not before.area:
            facts.print(Text(("" if before is None else "\n") + finding.area.value, style="bold"))
            before = None
        if finding.area.is_checklist and (before is None or finding.source != before.source):
            facts.print(Text(f"  {_named(finding)}", style="dim"), soft_wrap=True)
        mark = _MARKS[finding.verdict] if drawn else f"{finding.verdict.value:<7}"
        line = Text.assemble((f"  {mark} ", _STYLES[finding.verdict]), shown(finding.what))
        facts.print(line, soft_wrap=True)
        if finding.verdict is not Verdict.OK:
            _advise(finding, " " * (len(mark) + 3))
        before = finding


def _advise(finding: Finding, indent: str) -> None:
    """What to do about it, and where that is written down."""
    if finding.todo:
        facts.print(Text(indent + shown(finding.todo)), soft_wrap=True)
    for line in finding.paste:
        facts.print(Text(f"{indent}  {shown(line)}", style="bold"), soft_wrap=True)
    if finding.area.is_checklist:
        return
    where = [shown(finding.where)] if finding.where and finding.where not in finding.what else []
    source = [_named(finding)] if finding.source is not None else []
    if where or source:
        facts.print(Text(indent + "; ".join([*where, *source]), style="dim"), soft_wrap=True)


def _named(finding: Finding) -> str:
    return f"{finding.source.name}: {finding.source.url}" if finding.source is not None else ""
