from __future__ import annotations

import io
import json
import os
import threading
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from mailer.core.customer_row import FIELDS
from mailer.core.importing import Columns, Row, RowFault
from mailer.errors import FileFault
from mailer.files.lines import MOST_LINE
from mailer.files.rows import MOST_COLUMNS, MOST_RECORD_LINES, RowFile

HEADER = "id,email,first_name\n"


def read(
    folder: Path,
    content: str | bytes,
    *,
    name: str = "in.csv",
    maps: tuple[str, ...] = (),
    single: str | None = None,
) -> list[Row | RowFault]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with RowFile(path, Columns.mapped(FIELDS, maps), required=("id",), single=single) as rows:
        found = list(rows)
        assert rows.position == rows.size
    return found


def good(rows: list[Row | RowFault]) -> list[tuple[int, dict[str, object]]]:
    return [(row.line, dict(row.values)) for row in rows if isinstance(row, Row)]


def faults(rows: list[Row | RowFault]) -> list[int]:
    return [row.line for row in rows if isinstance(row, RowFault)]


@pytest.mark.parametrize(
    "content",
    [
        "id,first_name\nc1,Ayşe\n",
        "id;first_name\nc1;Ayşe\n",
        "id\tfirst_name\nc1\tAyşe\n",
        "id,first_name\r\nc1,Ayşe\r\n",
        "id,first_name\rc1,Ayşe\r",
        "id,first_name\nc1,Ayşe",
        '"id","first_name"\n"c1","Ayşe"\n',
        "sep=;\nid;first_name\nc1;Ayşe\n",
        "\ufeffID , First Name\nc1, Ayşe\n",
        "id,first_name,\nc1,Ayşe,\n",
        'id,"first\nname"\nc1,Ayşe\n',
        "\n\nid,first_name\n\nc1,Ayşe\n,\n\n",
    ],
    ids=[
        "comma",
        "semicolon",
        "tab",
        "crlf",
        "cr",
        "no end",
        "quoted",
        "sep",
        "bom",
        "trailing",
        "header of two lines",
        "blank lines",
    ],
)
def test_csv_as_programs_write_it(tmp_path: Path, content: str) -> None:
    [(_, values)] = good(rows := read(tmp_path, content))
    assert {name: str(value).strip() for name, value in values.items()} == {"id": "c1", "first_name": "Ayşe"}
    assert not faults(rows)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_encodings_we_read(tmp_path: Path, encoding: str, kind: str) -> None:
    text = "id,first_name\nc1,Şule\n" if kind == "csv" else '{"id": "c1", "first_name": "Şule"}\n'
    assert good(read(tmp_path, text.encode(encoding)))[0][1] == {"id": "c1", "first_name": "Şule"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("id,first_name\nc1,Şule\n".encode("cp1254"), r"in\.csv:2: is not UTF-8.*CSV UTF-8"),
        ("id,şehir\nc1,x\n".encode("cp1254"), r"in\.csv:1: is not UTF-8"),
        ("id,first_name\nc1,Ali\n".encode("utf-16-le"), "UTF-16 without its mark"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"PK\x03\x04" + b"0" * 50, "Excel workbook; save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel"),
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b'[{"id": 1}]', "one object|an object a line"),
        (b"email,name\na@b.co,Ali\n", r"no column id in its header \(email, name\).*--map COLUMN=id"),
        (b"id,ID\n1,2\n", "two columns mean id"),
        (b"id,a\\b\n1,2\n", "column 2: .*cannot name"),
        (b"id," + b",".join(b"c%d" % n for n in range(1_000)) + b"\n", "1,001 columns"),
        (b'id,"' + b"x" * 200_000 + b'"\n', "field larger"),
        (b'id,"x\n1,2\n', "quotation mark is opened"),
        (b"id," + b"x," * 600_000 + b"\n", "longer than"),
    ],
    ids=[
        "cp1254",
        "cp1254 header",
        "utf-16",
        "gzip",
        "zip",
        "xls",
        "empty",
        "blank",
        "array",
        "no id",
        "twice",
        "backslash",
        "many columns",
        "long name",
        "open quote",
        "a million columns",
    ],
)
def test_a_file_we_cannot_read_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(FileFault, match=sentence) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_a_real_workbook_is_known_by_what_it_is(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", "<sheet/>" * 10_000)
    with pytest.raises(FileFault, match="Excel"):
        read(tmp_path, packed.getvalue(), name="customers.csv")


@pytest.mark.parametrize("name", ["missing.csv", "folder"])
def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileFault, match=name):
        RowFile(tmp_path / name, Columns(FIELDS))


def test_an_unbalanced_quote_costs_one_row_and_no_more(tmp_path: Path) -> None:
    lines = [f"c{n},c{n}@b.co,Ali" for n in range(2, 500)]
    lines[10] = 'c12,c12@b.co,"Ali'
    lines[400] = 'c402,c402@b.co,"Ali'
    lines[-1] = 'c499,c499@b.co,"Ali'
    rows = read(tmp_path, HEADER + "\n".join(lines) + "\n")
    assert faults(rows) == [12, 402, 499]
    assert len(good(rows)) == len(lines) - 3


def test_a_quote_closed_by_another_row_costs_both_faulty_rows_only(tmp_path: Path) -> None:
    rows = read(tmp_path, HEADER + 'c1,a@b.co,"Ali\nc2,c@b.co,Can\nc3,"d@b.co",Dua\nc4,e@b.co,"Efe"\n')
    assert faults(rows) == [2]
    assert [values["id"] for _, values in good(rows)] == ["c2", "c3", "c4"]


def test_a_quoted_value_may_hold_lines_and_delimiters(tmp_path: Path) -> None:
    rows = read(tmp_path, 'id,note\nc1,"one\ntwo, ""three"""\nc2,x\n')
    assert good(rows) == [(2, {"id": "c1", "note": 'one\ntwo, "three"'}), (4, {"id": "c2", "note": "x"})]


def test_a_quote_inside_a_plain_value_is_text(tmp_path: Path) -> None:
    assert good(read(tmp_path, 'id,note\nc1,5" pipe\n')) == [(2, {"id": "c1", "note": '5" pipe'})]


@pytest.mark.parametrize("row", ["c1,a@b.co", "c1", "c1,a@b.co,Ali,Veli"])
def test_a_row_of_another_width_is_a_fault(tmp_path: Path, row: str) -> None:
    rows = read(tmp_path, f"{HEADER}{row}\nc2,b@b.co,Can\n")
    assert faults(rows) == [2]
    assert [line for line, _ in good(rows)] == [3]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (HEADER.encode() + b"c1,a@b.co," + b"x" * (3 * MOST_LINE) + b"\nc2,b@b.co,Can\n", "in.csv"),
        (b'{"id": "' + b"x" * (3 * MOST_LINE) + b'"}\n\n{"id": "c2"}\n', "in.jsonl"),
    ],
)
def test_an_endless_line_is_passed_over_in_little_memory(tmp_path: Path, content: bytes, name: str) -> None:
    if name == "in.jsonl":
        content = b'{"id": "c0"}\n' + content
    tracemalloc.start()
    rows = read(tmp_path, content, name=name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(faults(rows)) == 1
    assert good(rows)[-1][1]["id"] == "c2"
    assert peak < 40 * MOST_LINE


def test_a_line_that_is_no_utf8_among_good_ones_costs_itself(tmp_path: Path) -> None:
    rows = read(tmp_path, HEADER.encode() + "c1,a@b.co,Şule\n".encode() + b"c2,b@b.co,\xde\nc3,c@b.co,Can\n")
    assert faults(rows) == [3]
    assert [line for line, _ in good(rows)] == [2, 4]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "1",
        '"x"',
        '{"id": 1} {"id": 2}',
        '{"id": NaN}',
        '{"id": Infinity}',
        "{'id': 1}",
        "[" * 200_000,
        '{"id":' * 100_000,
        '{"n": ' + "9" * 10_000 + "}",
        '{"a\\\\b": 1}',
        '{"id": 1, "ID": 2}',
        json.dumps({f"k{n}": n for n in range(1000)}),
    ],
    ids=[
        "open",
        "array",
        "number",
        "text",
        "two",
        "nan",
        "infinity",
        "single quotes",
        "deep",
        "deep objects",
        "digits",
        "backslash",
        "twice",
        "keys",
    ],
)
def test_a_bad_json_line_costs_itself(tmp_path: Path, line: str) -> None:
    rows = read(tmp_path, '{"id": "c0"}\n' + line + '\n{"id": "c2"}\n', name="in.jsonl")
    assert faults(rows) == [2]
    assert [number for number, _ in good(rows)] == [1, 3]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('{"id": 1, "email": "a@b.co", "email": "c@b.co"}', "email"),
        ('{"id": 1, "city": "İzmir", "city": "İzmir"}', "city"),
        ('{"id": 1, "properties": {"net": 1, "net": 2}}', "net"),
    ],
)
def test_a_key_that_is_written_twice_is_named(tmp_path: Path, line: str, key: str) -> None:
    [row, _] = read(tmp_path, line + '\n{"id": "c2"}\n', name="in.jsonl")
    assert row == RowFault(1, "", f"The key '{key}' is written twice; keep one of the two.")


def test_json_keeps_its_types_and_leaves_out_what_is_empty(tmp_path: Path) -> None:
    rows = read(tmp_path, '{"ID": 7, "email": "", "city": null, "score": 4.5, "vip": false, "tags": ["a"]}\n')
    assert good(rows) == [(1, {"id": 7, "score": 4.5, "vip": False, "tags": ["a"]})]


def test_columns_are_renamed_and_a_renaming_without_its_column_is_told(tmp_path: Path) -> None:
    assert good(read(tmp_path, "Müşteri,E-Posta\n1,a@b.co\n", maps=("Müşteri=id", "E-Posta=email"))) == [
        (2, {"id": "1", "email": "a@b.co"})
    ]
    with pytest.raises(FileFault, match="no column 'Posta'"):
        read(tmp_path, "id,E-Posta\n1,a@b.co\n", maps=("Posta=email",))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("c1\na@b.co\n\n c2 \n", [(1, "c1"), (2, "a@b.co"), (4, "c2")]),
        ("id\nc1\n", [(2, "c1")]),
        ("name,email\nAli,a@b.co\n", [(2, "a@b.co")]),
    ],
    ids=["bare", "id header", "email column"],
)
def test_a_list_is_bare_lines_or_a_table(
    tmp_path: Path, content: str, expected: list[tuple[int, str]]
) -> None:
    path = tmp_path / "list.txt"
    path.write_text(content, encoding="utf-8")
    rows = RowFile(path, Columns(("id", "email")), required=("id", "email"), single="id")
    found = [
        (row.line, row.values.get("id") or row.values.get("email")) for row in rows if isinstance(row, Row)
    ]
    assert found == expected


def test_memory_stays_flat_over_many_rows(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    peaks = []
    for count in (20_000, 60_000):
        path.write_text(HEADER + "".join(f"c{n},c{n}@b.co,Ali\n" for n in range(count)), encoding="utf-8")
        tracemalloc.start()
        with RowFile(path, Columns(FIELDS)) as rows:
            assert sum(1 for _ in rows) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000


def test_rows_come_through_a_pipe_as_well(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    other = threading.Thread(target=pipe.write_text, args=(HEADER + "A,a@x.example,Ayşe\n",))
    other.start()
    with RowFile(pipe, Columns.mapped(FIELDS, ()), required=("id",)) as rows:
        assert good(list(rows)) == [(2, {"id": "A", "email": "a@x.example", "first_name": "Ayşe"})]
    other.join()


@pytest.mark.parametrize(("lines", "taken"), [(MOST_RECORD_LINES, 1), (MOST_RECORD_LINES + 1, 0)])
def test_a_record_has_so_many_lines_and_no_more(tmp_path: Path, lines: int, taken: int) -> None:
    value = "\n".join(["x"] * lines)
    rows = read(tmp_path, f'id,note\nc1,"{value}"\n')
    assert len([row for row in good(rows) if row[1].get("note") == value]) == taken


def test_so_many_columns_are_read_and_no_more(tmp_path: Path) -> None:
    columns = ",".join(["id", *(f"a{number}" for number in range(1, MOST_COLUMNS))])
    row = "c1" + "," * (MOST_COLUMNS - 1)
    assert good(read(tmp_path, f"{columns}\n{row}\n")) == [(2, {"id": "c1"})]
    with pytest.raises(FileFault, match="501 columns"):
        read(tmp_path, f"{columns},one\n")


def test_a_renaming_may_lack_its_column_where_the_field_has_one(tmp_path: Path) -> None:
    """One set of --map serves files of two exports that call their columns differently."""
    maps = ("Mail=email", "E-Posta=email")
    assert good(read(tmp_path, "id,Mail\nc1,a@b.co\n", maps=maps)) == [(2, {"id": "c1", "email": "a@b.co"})]


def test_what_a_file_holds_counts_and_not_what_it_is_called(tmp_path: Path) -> None:
    assert good(read(tmp_path, "id\nc1\n", name="in.json")) == [(2, {"id": "c1"})]
    assert read(tmp_path, "", name="in.jsonl") == []
