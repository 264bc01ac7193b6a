from __future__ import annotations

import re
import sys
from importlib.metadata import distribution, packages_distributions

import pytest

from tests.project.tree import DOCS, ROOT, canonical, imported, name, python_files, requirements

RUNTIME, DEV = "requirements.lock", "requirements-dev.lock"
TABLE = DOCS / "decisions" / "0003-dependencies.md"

#: Parts of a library that it hands out under a name of their own.
PARTS = {"click": "typer", "markupsafe": "jinja2", "pydantic-core": "pydantic"}

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==[^\s;\\]+", re.MULTILINE)


def pinned(lock: str) -> dict[str, str]:
    """Distribution → its stretch of the lock file."""
    text = (ROOT / lock).read_text("utf-8")
    starts = list(_PIN.finditer(text))
    ends = [*(found.start() for found in starts[1:]), len(text)]
    return {canonical(found[1]): text[found.start() : end] for found, end in zip(starts, ends, strict=True)}


def written_down() -> dict[str, tuple[str, str]]:
    """Distribution → (reason, licence), from the table of the decision."""
    rows = [line.strip("| \n").split(" | ") for line in TABLE.read_text("utf-8").splitlines() if "|" in line]
    return {canonical(row[0].strip("`")): (row[1], row[2]) for row in rows if row[0].startswith("`")}


def licence(distribution_name: str) -> str:
    """What a distribution says of its licence, in every way it may."""
    facts = distribution(distribution_name).metadata
    named = [facts.get("License-Expression"), (facts.get("License") or "").split("\n")[0]]
    classes = [each for each in facts.get_all("Classifier") or [] if each.startswith("License ::")]
    said = [each for each in [*named, *classes] if each]
    if not said:  # only its licence itself says which it is
        files = facts.get_all("License-File") or []
        texts = (distribution(distribution_name).read_text(f"licenses/{file}") for file in files)
        said = [text for text in texts if text]
    return "; ".join(said)


def installed(lock: str) -> list[str]:
    """What a lock pins and this system needs; the rest is for other systems."""
    return [each for each, text in pinned(lock).items() if "sys_platform == 'win32'" not in text]


@pytest.mark.parametrize("dependency", requirements("runtime") + requirements("dev"))
def test_each_dependency_has_its_reason_and_licence(dependency: str) -> None:
    reason, stated = written_down()[dependency]
    assert len(reason.split()) >= 3
    assert stated


def test_the_table_has_nothing_else() -> None:
    assert set(written_down()) == {*requirements("runtime"), *requirements("dev")}


@pytest.mark.parametrize(
    ("lock", "which"), [(RUNTIME, ["runtime"]), (DEV, ["runtime", "dev"])], ids=["runtime", "dev"]
)
def test_the_lock_pins_every_dependency_by_hash(lock: str, which: list[str]) -> None:
    pins = pinned(lock)
    assert {each for group in which for each in requirements(group)} <= set(pins)
    assert [each for each, text in pins.items() if "--hash=sha256:" not in text] == []
    assert "://" not in (ROOT / lock).read_text("utf-8")  # whoever installs chooses the index


def test_tests_run_on_what_the_product_ships() -> None:
    runtime, dev = pinned(RUNTIME), pinned(DEV)
    version = re.compile(r"==([^\s;\\]+)")
    differing = [
        each
        for each, text in runtime.items()
        if each not in dev or version.findall(text)[0] != version.findall(dev[each])[0]
    ]
    assert differing == []


@pytest.mark.parametrize("lock", [RUNTIME, DEV])
def test_no_licence_binds_the_product(lock: str) -> None:
    """The LGPL allows use as a library; the GPL and AGPL would bind what uses them."""
    stated = {each: licence(each) for each in installed(lock)}
    assert [each for each, text in stated.items() if not text] == []
    binding = {
        each: text
        for each, text in stated.items()
        if re.search(r"(?<!L)GPL|General Public", text) and not re.search(r"LGPL|Lesser", text)
    }
    assert binding == {}


@pytest.mark.parametrize(
    ("folders", "which"),
    [(["mailer"], ["runtime"]), (["tests", "bench"], ["runtime", "dev"])],
    ids=["mailer", "tests"],
)
def test_what_is_imported_is_declared(folders: list[str], which: list[str]) -> None:
    declared = {each for group in which for each in requirements(group)}
    owners = packages_distributions()
    own = {"mailer", "tests", "bench", "docs"}
    undeclared = set[str]()
    for path in python_files(*folders):
        for module, line in imported(path):
            first = module.split(".")[0]
            if first in own or first in sys.stdlib_module_names:
                continue
            names = {canonical(each) for each in owners.get(first, [first])}
            if not declared & (names | {PARTS.get(each, each) for each in names}):
                undeclared.add(f"{name(path)}:{line}: {first}")
    assert undeclared == set()


#: What is used without being imported by name.
UNSEEN = {"psycopg": "SQLAlchemy loads it for a PostgreSQL address", "tzdata": "zoneinfo reads its files"}


def test_what_is_declared_is_used() -> None:
    owners = packages_distributions()
    used = {
        canonical(owner)
        for path in python_files("mailer")
        for module, _line in imported(path)
        for owner in owners.get(module.split(".")[0], [])
    }
    assert set(requirements("runtime")) - used - set(UNSEEN) == set()
