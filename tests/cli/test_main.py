"""The command line as its users meet it: options anywhere, facts on stdout, one sentence for every error."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from mailer.app.voice import explain
from mailer.cli.main import arranged
from mailer.cli.output import shown, tell
from tests.cli.conftest import PYTHON, ROOT, Mailer

# Words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "order"),
    [
        ("runs --json", "--json runs"),
        ("--json runs", "--json runs"),
        ("runs --now T --campaign offer --json", "--now T --json runs --campaign offer"),
        ("runs --now=T --settings=s.yaml", "--now=T --settings=s.yaml runs"),
        ("runs --json=1", "runs --json=1"),
        ("runs --jso", "runs --jso"),
        ("suppressions add -- --json", "suppressions add -- --json"),
        ("", ""),
    ],
)
def test_global_options_may_stand_anywhere(words: str, order: str) -> None:
    assert arranged(words.split()) == order.split()


@pytest.mark.parametrize("words", [["--version"], ["runs", "--version"]], ids=" ".join)
def test_it_says_which_version_it_is(mailer: Mailer, words: list[str]) -> None:
    answer = mailer(*words)
    assert (answer.status, answer.out) == (0, f"mailer {version('mailer')}\n")


@pytest.mark.parametrize("words", [["--json", "campaigns", "list"], ["campaigns", "--json", "list"],
                                   ["campaigns", "list", "--json"]], ids=" ".join)  # fmt: skip
def test_wherever_it_stands_it_means_the_same(mailer: Mailer, words: list[str]) -> None:
    answer = mailer(*words)
    assert answer.status == 0
    assert [row["name"] for row in answer.rows] == ["birthday", "offer"]


@pytest.mark.parametrize(
    ("words", "ended", "said"),
    [
        pytest.param("frobnicate", 2, "No such command 'frobnicate'", id="unknown verb"),
        pytest.param("runs --frob", 2, "No such option: --frob", id="unknown option"),
        pytest.param("campaigns show", 2, "Missing argument 'NAME'", id="missing word"),
        pytest.param("runs --now tomorrow", 2, "--now 'tomorrow' is not an instant; write it as 2027-", id="instant"),
        pytest.param("runs --now 2027-01-15T08:00:00", 2, "is not an instant", id="instant without a zone"),
        pytest.param("runs --now 0001-01-01T00:00:00+23:00", 2, "write one from 1970 to 8999.", id="before time"),
        pytest.param("runs --now 1969-12-31T23:59:59Z", 2, "lies in a year no clock is set to", id="before clocks"),
        pytest.param("incidents preview --postal", 2, "argument. Try 'mailer incidents preview --help'.",
                     id="an option of a verb without its value"),
        pytest.param("--settings runs report --since", 2, "argument. Try 'mailer report --help'.",
                     id="an option without its value behind another that is called like a verb"),
        pytest.param("report --since yesterday", 2, "--since 'yesterday' is not a time; write 2027-05-10", id="day"),
        pytest.param("coupons export --since 0001-01-01T00:00:00+23:00", 2, "is not a time", id="day before time"),
        pytest.param("coupons redeem X --net -5", 2, "--net '-5': What an order came to is not below 0", id="a sum"),
        pytest.param("runs --settings nowhere.yaml", 2, "nowhere.yaml: there is no such file", id="settings"),
        pytest.param("campaigns show nobody", 2, "There is no campaign 'nobody'; see mailer campaigns list.",
                     id="campaign"),
        pytest.param("campaigns show broken", 2, "jobs/broken.yaml:2: trigger.cron: ", id="a broken campaign"),
        pytest.param("campaigns run broken", 2, "jobs/broken.yaml:2: trigger.cron: ", id="running a broken one"),
        pytest.param("customers show nobody", 2, "There is no customer 'nobody'", id="customer"),
        pytest.param("customers import nowhere.csv", 1, "nowhere.csv: cannot be read", id="file"),
        pytest.param("segments count nobody", 2, "There is no segment 'nobody'; see mailer segments list.",
                     id="segment"),
        pytest.param("segments explain buyer A", 2, "There is no segment 'buyer'; did you mean 'buyers'?",
                     id="a segment of another name"),
        pytest.param("deliveries --state gone", 2, "'--state': 'gone' is not one of 'queued', 'sen", id="state"),
        pytest.param("deliveries --run x", 2, "'--run': write a whole number. Try", id="a number"),
        pytest.param("runs --now", 2, "--now needs a value.", id="an option without its value"),
        pytest.param("runs --now 9999-12-31T23:59:59Z", 2, "write one from 1970 to 8999.", id="after time"),
        pytest.param("preview offer --customer nobody", 2, "There is no customer 'nobody'", id="preview"),
        pytest.param("test offer --to me@x.example", 2, "is not among the settings' staff", id="staff"),
        pytest.param("deliveries settle 7 --sent", 2, "There is no delivery 7.", id="delivery"),
        pytest.param("deliveries settle 9223372036854775808 --sent", 2, "'ID': Input should be less", id="number"),
        pytest.param("deliveries retry 9223372036854775808", 2, "less than or equal to 9223372", id="a row"),
        pytest.param("deliveries --run 9223372036854775808", 2, "less than or equal to 9223372", id="a run"),
        pytest.param("runs cancel 9223372036854775808", 2, "less than or equal to 92233720368", id="cancelling no run"),
        pytest.param("incidents show 9223372036854775808", 2, "less than or equal to 9223372", id="no incident"),
        pytest.param("deliveries --run 9223372036854775807", 2, "There is no run 9223372036854775807", id="no run"),
        pytest.param("deliveries --customer nobody --json", 2, "There is no customer 'nobody'; see", id="no one"),
        pytest.param("deliveries --campaign ofer", 2, "There is no campaign 'ofer'; see", id="a filter: campaign"),
        pytest.param("runs --campaign ofer", 2, "There is no campaign 'ofer'; see", id="a filter of runs"),
        pytest.param("coupons list --campaign ofer", 2, "There is no campaign 'ofer'; see", id="a filter of codes"),
        pytest.param("deliveries --campaign broken", 0, "No delivery fits", id="a filter that is known"),
        pytest.param("runs --campaign offer", 0, "No run of it so far.", id="runs that are not"),
        pytest.param("coupons list --campaign offer", 0, "No code fits; see", id="codes that are not"),
        pytest.param("deliveries settle 7", 2, "--sent or --resend", id="settle"),
        pytest.param("suppressions remove a@x.example", 2, "a@x.example is not suppressed.", id="suppression"),
        pytest.param("check", 1, "jobs/broken.yaml:2: trigger.cron: ", id="check"),
    ],
)  # fmt: skip
def test_an_error_is_a_sentence_and_a_status(mailer: Mailer, words: str, ended: int, said: str) -> None:
    answer = mailer(*words.split())
    assert answer.status == ended
    assert answer.out == ""
    assert said in answer.err


def test_check_warns_of_what_was_over_before_it_was_here(mailer: Mailer) -> None:
    Path("jobs/broken.yaml").unlink()
    for name, at in (("late", "2020-01-01T10:00"), ("soon", "2027-01-16T10:00"), ("off", "2020-01-01T10:00")):
        Path(f"jobs/{name}.yaml").write_text(
            f"purpose: commercial\ntrigger:\n  at: {at}\ntemplate: offer\nenabled: {str(name != 'off').lower()}\n"
        )
    for now in ("2027-01-15T08:00:00Z", "2027-02-15T08:00:00Z"):  # what had its day is nothing to look at
        answer = mailer("--now", now, "--json", "check")
        rows = [json.loads(line) for line in answer.out.splitlines()]
        [row] = [each for each in rows if each["file"].endswith(("late.yaml", "soon.yaml", "off.yaml"))]
        assert (row["file"].rpartition("/")[2], row["line"], row["key"]) == ("late.yaml", 3, "warning")
        assert "2020-01-01T10:00 was over before this campaign was here" in row["message"]


def test_check_names_every_fault_and_others_count_them(mailer: Mailer) -> None:
    Path("jobs/broken.yaml").write_text("purpose: none\ntrigger: {cron: often}\npriority: x\n")
    answer = mailer("--json", "check")
    rows = [json.loads(line) for line in answer.out.splitlines()]
    assert [(row["line"], row["key"]) for row in rows] == [
        (1, "purpose"),
        (2, "trigger.cron"),
        (3, "priority"),
    ]
    assert answer.err.count("jobs/broken.yaml:") == len(rows)
    assert mailer("campaigns", "list").err.count("jobs/broken.yaml:") == 1
    assert "(2 more faults after this one, see mailer check)" in mailer("campaigns", "show", "broken").err
    Path("settings.yaml").write_text("relais: 1\nlisten: 1\n")
    answer = mailer("--json", "check")
    assert answer.status == 2
    assert [json.loads(line)["line"] for line in answer.out.splitlines()] == [1, 2]


def test_bytes_that_are_no_letters_are_named_and_keep_nobody_from_stopping(mailer: Mailer) -> None:
    odd = os.fsdecode(b"b\xfcro")
    for words in (["customers", "show", odd], ["customers", "erase", odd], ["coupons", "redeem", odd]):
        answer = mailer(*words)
        assert (answer.status, answer.out) == (2, "")
        assert answer.err.startswith("'b\\udcfcro' is no text in UTF-8")
    assert mailer("halt", "--note", odd).status == 0
    assert "Everything is halted since" in mailer("run", "--until-idle").err


def test_whatever_others_may_do_elsewhere_they_may_not_write_among_our_files(
    mailer: Mailer, tmp_path: Path
) -> None:
    now = ("--now", "2027-05-10T09:00:00Z")
    mailer("customers", "import", "customers.jsonl")
    assert mailer("campaigns", "run", "offer", *now).status == 0
    ended = subprocess.run(
        ["/bin/sh", "-c", f'umask 000; exec "{PYTHON}" -m mailer run --until-idle {" ".join(now)}'],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MAILER_STATE_DIR": "state"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    made = list((tmp_path / "state").rglob("*"))
    assert {each.name for each in made} >= {"secret.key", "journal", "mailbox", "000001.eml"}
    rights = {each.name: stat.S_IMODE(each.stat().st_mode) for each in made}
    assert {name: mode for name, mode in rights.items() if mode & 0o077} == {}, "nobody else may even look"
    assert not (tmp_path / "state").stat().st_mode & 0o022


def test_a_key_that_is_gone_is_not_replaced_without_a_word(mailer: Mailer, tmp_path: Path) -> None:
    lost = "secret.key was not there, so a new secret key was made: no link in a mail sent before opens"
    assert lost not in mailer("campaigns", "list").err, "the first one"
    (tmp_path / "var" / "secret.key").unlink()
    assert lost in mailer("campaigns", "list").err
    assert lost not in mailer("campaigns", "list").err, "once"


def test_settings_that_cannot_be_used_end_everything(mailer: Mailer, tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("relay:\n  host: a\n  pasword: s3cret\n")
    answer = mailer("runs")
    assert answer.status == 2
    assert answer.err.startswith("settings.yaml:3: relay.pasword: unknown key")
    assert "s3cret" not in answer.err


def test_a_database_that_cannot_be_used_is_a_sentence(mailer: Mailer, tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("database_url: sqlite:///settings.yaml\n")
    answer = mailer("runs")
    assert answer.status == 1
    assert "settings.yaml" in answer.err
    assert answer.err.count("\n") == 1


def test_a_database_url_never_shows_its_password(mailer: Mailer, tmp_path: Path) -> None:
    url = "postgresql://me:s3cret@127.0.0.1:1/shop"
    (tmp_path / "settings.yaml").write_text(f"database_url: {url}\n")
    answer = mailer("runs")
    assert answer.status == 1
    assert "s3cret" not in answer.err


# Facts ---------------------------------------------------------------------------------------------------


def test_facts_are_json_lines_and_everything_else_is_on_stderr(mailer: Mailer) -> None:
    now = ("--now", "2027-04-02T07:00:00.123456+00:00")
    report = mailer("customers", "import", "customers.jsonl", "--json", *now)
    assert [(row["created"], row["rejected"]) for row in report.rows] == [(2, [])]
    started = mailer("campaigns", "run", "offer", "--json", *now)
    assert started.rows == [{"campaign": "offer", "occurrence": "2027-04-02", "audience": 2}]
    assert "jobs/broken.yaml:2" in started.err
    for words in (
        "runs", "deliveries", "deliveries --state skipped", "campaigns list", "campaigns show offer", "coupons list",
        "customers list", "customers show A", "segments list", "segments count buyers", "segments preview buyers",
        "segments explain buyers A", "suppressions list", "incidents list", "mailbox list", "check",
        "campaigns run offer --dry-run", "preview offer",
    ):  # fmt: skip
        answer = mailer(*words.split(), "--json", *now)
        assert all(isinstance(row, dict) for row in answer.rows), words
    (run,) = mailer("runs", "--json").rows
    assert (run["audience"], run["queued"], run["skipped"]) == (2, 1, 1)
    assert run["due_at"] == "2027-04-02T07:00:00Z"  # whole seconds, UTC
    skipped = mailer("deliveries", "--customer", "B", "--json").rows
    assert [(row["state"], row["reason"], row["sent_at"]) for row in skipped] == [
        ("skipped", "no_consent", None)
    ]


def test_without_json_facts_are_a_table_that_nobodys_name_can_paint(mailer: Mailer) -> None:
    mailer("customers", "import", "customers.jsonl")
    table = mailer("customers", "list").out
    assert "Ayşe" in table
    assert "\x1b" not in table
    assert shown("\x1b[31mred\u202e\n") == "�[31mred��"
    assert mailer("runs").out == ""
    assert "No run so far." in mailer("runs").err


def test_no_sentence_paints_what_it_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    tell("The mailbox at x cannot be read: \x1b]0;title\x07\x9b2J \u202eno.\nŞöyle.")
    assert capsys.readouterr().err == "The mailbox at x cannot be read: �]0;title��2J �no.\nŞöyle.\n"


def test_an_import_with_bad_rows_takes_the_good_ones_and_ends_with_one(
    mailer: Mailer, tmp_path: Path
) -> None:
    (tmp_path / "c.csv").write_text("id,email\nC,c@x.example\nD,nonsense\n")
    answer = mailer("customers", "import", "c.csv")
    assert answer.status == 1
    assert "line 3: email: " in answer.err
    assert [row["id"] for row in mailer("customers", "list", "--json").rows] == ["C"]


@pytest.mark.parametrize(("given", "ended"), [("2", 0), ("3", 2)])
def test_a_script_may_say_how_many_it_expects(mailer: Mailer, given: str, ended: int) -> None:
    mailer("customers", "import", "customers.jsonl")
    answer = mailer("campaigns", "run", "offer", "--confirm", given)
    assert answer.status == ended
    assert bool(mailer("runs", "--json").rows) is (ended == 0)


def test_a_campaign_that_answers_nothing_cannot_be_started_by_hand(mailer: Mailer, tmp_path: Path) -> None:
    shutil.copy(ROOT / "jobs" / "welcome.yaml", tmp_path / "jobs")
    answer = mailer("campaigns", "run", "welcome")
    assert answer.status == 2
    assert "cannot be started by hand" in answer.err


def test_an_unsubscribe_is_not_lifted_by_hand(mailer: Mailer, tmp_path: Path) -> None:
    mailer("customers", "import", "customers.jsonl")
    (tmp_path / "no.jsonl").write_text(
        '{"id": "e", "customer": "A", "name": "consent.revoked", "at": "2027-05-01T09:00:00Z"}\n'
    )
    mailer("events", "import", "no.jsonl", "--now", "2027-05-02T09:00:00Z")
    before = mailer("suppressions", "list", "--json").rows
    assert [(row["address"], row["reason"]) for row in before] == [("ayse@x.example", "unsubscribed")]
    answer = mailer("suppressions", "remove", "ayse@x.example")
    assert (answer.status, answer.out) == (2, "")
    assert "only they lift that" in answer.err
    mailer("suppressions", "add", "ayse@x.example")
    answer = mailer("suppressions", "remove", "ayse@x.example")
    assert (answer.status, "stays" in answer.err) == (0, True)
    assert mailer("suppressions", "list", "--json").rows == before


def test_a_pause_is_shown_and_lifted(mailer: Mailer) -> None:
    mailer("campaigns", "pause", "offer")
    assert [row["paused"] for row in mailer("campaigns", "list", "--json").rows] == [False, True]
    mailer("campaigns", "resume", "offer")
    assert [row["paused"] for row in mailer("campaigns", "list", "--json").rows] == [False, False]


@pytest.mark.parametrize("how", [[], ["--json"], ["--by", "domain"]], ids=str)
@pytest.mark.parametrize(("name", "ended"), [("ofer", 2), ("offer", 0), ("broken", 0)])
def test_a_name_that_is_misspelt_is_no_campaign_without_runs(
    mailer: Mailer, how: list[str], name: str, ended: int
) -> None:
    answer = mailer("report", name, *how)
    assert (answer.status, answer.out) == (ended, "")
    assert ("There is no campaign 'ofer'; see mailer campaigns list." in answer.err) is (ended == 2)


# Pipes ---------------------------------------------------------------------------------------------------


REHEARSED = ["rehearse", "--from", "2027-05-01", "--until", "2027-05-12", "--json"]


@pytest.mark.parametrize("words", [["segments", "list", "--json"], ["segments", "list"], ["preview", "offer"],
                                   ["customers", "list", "--json"], REHEARSED],
                         ids=" ".join)  # fmt: skip
def test_a_reader_that_has_seen_enough_is_no_error(mailer: Mailer, tmp_path: Path, words: list[str]) -> None:
    many = "".join(
        json.dumps({"id": f"n{n}", "email": f"n{n}@x.example", "consent": "yes", "birthday": "1990-05-10"})
        + "\n"
        for n in range(200)
    )  # more than a pipe's buffer
    (tmp_path / "many.jsonl").write_text(many)
    mailer("customers", "import", "many.jsonl")
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [PYTHON, "-m", "mailer", *words],
        cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    os.close(writing)
    assert ended.returncode == 0
    assert "Exception ignored" not in ended.stderr
    assert "Error" not in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("where", "ended", "said"),
    [
        pytest.param("> /dev/full", 1, "What there is to print cannot be written: No space left", id="full"),
        pytest.param(">&-", 0, "", id="closed"),
    ],
)
@pytest.mark.parametrize("words", ["campaigns list --json", "campaigns list"])
def test_where_nothing_can_be_printed_it_is_said_in_a_sentence(
    mailer: Mailer, tmp_path: Path, words: str, where: str, ended: int, said: str
) -> None:
    answer = subprocess.run(
        ["/bin/sh", "-c", f'exec "{PYTHON}" -m mailer {words} {where}'],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert answer.returncode == ended
    assert said in answer.stderr
    for never in ("did not expect", "Traceback", "Exception ignored"):
        assert never not in answer.stderr


@pytest.mark.parametrize("key", ["geheimnis", "TUlJQg==", "-----BEGIN PUBLIC KEY-----"])
def test_a_providers_key_is_tried_before_its_events_come(
    mailer: Mailer, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.yaml"
    text = settings.read_text()
    settings.write_text(f"{text}webhooks: {{sendgrid: {{public_key: {key}}}}}\n")
    for words in (["check"], ["run", "--until-idle"]):
        answer = mailer(*words)
        assert answer.status == 2
        assert "settings.yaml:4: webhooks.sendgrid.public_key: this is not the key SendGrid" in answer.err
        assert key not in answer.err
    settings.write_text(text)
    monkeypatch.setenv("MAILER_WEBHOOKS__SENDGRID__PUBLIC_KEY", key)
    assert "MAILER_WEBHOOKS__SENDGRID__PUBLIC_KEY: webhooks.sendgrid.public_key" in mailer("check").err


@pytest.mark.parametrize("library", ["tzdata", "ruamel.yaml"])
def test_a_library_that_is_missing_is_a_sentence(library: str) -> None:
    code = (
        f"import runpy, sys; sys.modules[{library!r}] = None; runpy.run_module('mailer', run_name='__main__')"
    )
    ended = subprocess.run([PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"mailer cannot start: {library} is not installed here. Install mailer with its requirements anew.\n"
    )


def test_ctrl_c_is_a_word_while_the_program_is_still_loaded(tmp_path: Path) -> None:
    tmp_path.joinpath("tzdata.py").write_text("raise KeyboardInterrupt")  # the first thing that is imported
    code = f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); runpy.run_module('mailer', run_name='__main__')"
    ended = subprocess.run([PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "Stopped.\n")


@pytest.mark.parametrize("at", ["0001-01-01", "0001-01-01T00:00:00+23:00", "soon"])
def test_a_time_of_an_incident_that_is_none_is_refused_in_a_sentence(mailer: Mailer, at: str) -> None:
    mailer("init")
    answer = mailer("incidents", "open", "--title", "Fault", "--postal", "34*", "--eta", at)
    assert (answer.status, answer.out) == (2, "")
    assert f"--eta {at!r} is not a time" in answer.err


def test_what_nobody_expected_is_one_line_and_quotes_no_values() -> None:
    said: list[str] = []
    assert explain(KeyError("1\n2"), said.append, debug=False) == 1
    assert (
        explain(
            RuntimeError("out of range\n[SQL: SELECT 1]\nparameters: ayse@x.example"),
            said.append,
            debug=False,
        )
        == 1
    )
    assert explain(RuntimeError(), said.append, debug=False) == 1
    assert "(RuntimeError: out of range). Run it again with --debug" in said[1]
    assert all("\n" not in sentence and "ayse" not in sentence for sentence in said)
