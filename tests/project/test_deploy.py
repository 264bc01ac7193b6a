"""What deploy/ offers, held against the program: verbs, settings, paths, and how much each unit may do."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest

from mailer import settings
from mailer.cli import parts
from mailer.files import yaml
from tests.project.tree import ROOT

DEPLOY = ROOT / "deploy"
VERBS = {verb.__name__ for verb in (parts.scheduler, parts.worker, parts.web)}

HARDENED = {
    "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
    "PrivateDevices": "yes", "CapabilityBoundingSet": "", "RestrictNamespaces": "yes", "LockPersonality": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX", "Restart": "always",
}  # fmt: skip


def unit(name: str) -> dict[str, str]:
    """The service section of a unit; of a key that is given twice, the last."""
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    parser.read(DEPLOY / "systemd" / f"{name}.service", "utf-8")
    return dict(parser["Service"])


def compose() -> dict[str, Any]:
    return yaml.read(DEPLOY / "compose.yaml").values


def example() -> dict[str, str]:
    lines = (DEPLOY / "mailer.env.example").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_each_part_has_a_unit() -> None:
    assert {file.stem for file in (DEPLOY / "systemd").iterdir()} == {f"mailer-{verb}" for verb in VERBS} | {
        "mailer"
    }


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_unit_starts_its_part_and_may_do_little_else(verb: str) -> None:
    found = unit(f"mailer-{verb}")
    assert found["ExecStart"].split()[-1] == verb
    assert {key: found.get(key) for key in HARDENED} == HARDENED
    assert found["StateDirectory"] == f"mailer-{verb}"
    assert found["Environment"] == f"MAILER_STATE_DIR=/var/lib/mailer-{verb}"
    assert int(found["TimeoutStopSec"]) >= {"worker": 35, "scheduler": 10, "web": 6}[verb]


def test_one_machine_has_a_unit_whose_account_its_owner_can_be(tmp_path: Path) -> None:
    found = unit("mailer")
    assert found["ExecStart"].split()[-1] == "up"
    assert {key: found.get(key) for key in HARDENED} == HARDENED
    assert (found["User"], found["StateDirectory"]) == ("mailer", "mailer")
    assert int(found["TimeoutStopSec"]) >= 35
    text = (ROOT / "docs/deploying.md").read_text("utf-8")
    (line,) = re.findall(r"^database_url: .+$", text, re.MULTILINE)
    (tmp_path / "settings.yaml").write_text(line)
    assert settings.load(tmp_path / "settings.yaml", environment={}).state == Path("/var/lib/mailer")


def test_the_compose_file_starts_every_part() -> None:
    services = compose()["services"]
    started = [service["command"][0] for name, service in services.items() if name != "postgres"]
    assert set(started) == VERBS | {"migrate"}
    assert started.count("worker") == 2
    for name, service in services.items():
        if name != "postgres":
            assert service["env_file"] == "mailer.env"
            assert service["read_only"]
            assert any(str(volume).endswith("/var/lib/mailer") for volume in service.get("volumes", ())) or (
                name == "migrate"
            )
    folders = [services[name]["volumes"][0] for name in ("worker-a", "worker-b")]
    assert len(set(folders)) == 2, "each worker has a journal of its own"


def test_the_example_of_the_environment_is_of_settings(tmp_path: Path) -> None:
    read = settings.load(tmp_path / "none.yaml", environment=example())
    assert read.database_url.get_secret_value().startswith("postgresql://")
    assert read.tenant.name == "Kardelen"
    assert example()["MAILER_SECRET_KEY"] == "", "a key that everybody knows is none"


def copied_by_the_image() -> list[str]:
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    return [word for line in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE) for word in line.split()]


def test_the_image_copies_what_there_is() -> None:
    copied = copied_by_the_image()
    assert {"mailer", "jobs", "templates", "requirements.lock"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)


def test_the_builder_is_handed_what_the_image_copies_and_nothing_else() -> None:
    lines = [each for each in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if each[:1] != "#"]
    assert lines[0] == "*", "all is left out at first: keys, databases, mailer.env, the history"
    assert {each[1:] for each in lines if each.startswith("!")} == set(copied_by_the_image())
    assert all(each.startswith("**/") for each in lines[1:] if not each.startswith("!"))
