"""What is wrong with a value that somebody wrote in a file or a variable, in words for whoever wrote it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic_core import ErrorDetails

from mailer.errors import FileFault, SegmentFault


def in_short(faults: Sequence[FileFault]) -> str:
    """The first of several faults that are looked at together, and how many there are besides."""
    more = len(faults) - 1
    others = f" ({more} more fault{'s' if more > 1 else ''} after this one, see mailer check)" if more else ""
    return f"{faults[0]}{others}"


def one_for_each(faults: Iterable[FileFault]) -> list[str]:
    """A sentence for each file, and for each segment, that cannot be used."""
    of: dict[tuple[str, str], list[FileFault]] = {}
    for each in faults:
        segment = (each.key or "").partition(".")[0] if isinstance(each, SegmentFault) else ""
        of.setdefault((each.file, segment), []).append(each)
    return [in_short(each) for each in of.values()]


def fault_words(fault: ErrorDetails) -> str:
    """One fault of a pydantic model as a sentence that says what to write instead."""
    kind, text, facts = fault["type"], str(fault["msg"]), fault.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return _SHAPES.get(str(fault["loc"][-1]) if fault["loc"] else "", _ANY_SHAPE)
    if kind in ("literal_error", "enum"):
        return f"write {facts['expected']}"
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return words.format(facts[name])
    if kind == "too_short" and facts["field_type"] == "Value":  # a secret
        return f"write at least {facts['min_length']} letters"
    return _PLAIN.get(kind, text.removeprefix("Value error, ").removeprefix("Assertion failed, "))


_BOUNDS = {
    "greater_than_equal": ("ge", "write a number that is {:g} or more"),
    "less_than_equal": ("le", "write a number that is {:g} or less"),
    "greater_than": ("gt", "write a number above {:g}"),
    "less_than": ("lt", "write a number below {:g}"),
}
_NUMBER, _WHOLE, _TRUTH = "write a number", "write a whole number", "write true or false"
_LIST, _MAPPING = "write a list, such as [one, another]", "write keys and values below each other"
_PATH = "write a path; put numbers in quotes"
_DAY = "write a day, such as 2026-11-01"
_PLAIN = {
    "missing": "is missing; write one",
    "path_type": _PATH,
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "decimal_parsing": _NUMBER,
    "decimal_type": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "string_type": "write a text; put numbers in quotes",
    "string_too_short": "write something here, or take the key out",
    "string_too_long": "write less; this text is too long",
    "tuple_type": _LIST,
    "list_type": _LIST,
    "set_type": _LIST,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
}

#: By the last word of the key: what its pattern asks for.
_SHAPES = {
    "country": "write the two capitals of a country, such as TR",
    "currency": "write the three capitals of a currency, such as TRY",
    "listen": "write an address and a port, such as 127.0.0.1:8080",
    "prefix": "write one to twelve of A–Z and 0–9, such as DG",
    "code": "write one to forty of A–Z, a–z, 0–9, - and _, such as YAZ25",
    "event": "write the name of an event in small letters, such as order.placed",
    "events": "write the name of an event in small letters, such as post.published",
    "topic": "write small letters, digits, - and _, such as news",
    "template": "write the name of a template's folder: small letters, digits, - and _",
    "holdout": "write a share, such as 10%",
    "selector": "write letters, digits and -, such as s1",
    "username": "write it without a colon",
    "source": "write one of the registry's words, such as HS_WEB",
}
_ANY_SHAPE = "write it as the documentation shows it"
