"""A template's code, rewritten for many renders: it gathers its output in a list and looks data up where it lies.

The code Jinja writes hands out each piece by itself and asks the environment for every attribute. Of a mail with fifty
values most of the time went there. The rewriting knows the few shapes this version of Jinja writes and leaves all else
as it is; what it cannot gather stays a generator. Line numbers stay, so faults are traced as before.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from types import CodeType
from typing import TypeGuard

from mailer.errors import RenderError

#: The largest part a template may make, in characters.
OUTPUT_LIMIT = 2_000_000

#: Pieces between two looks at how long a part has become.
_BATCH = 256

# Names of ours in a template's code; Jinja's begin with `l_`, `t_` or are listed in its first line.
_SAID, _MORE, _DATA = "said", "more", "data_"


class Pieces(list[str]):
    """What a template with loops has said so far: a loop asks now and then whether it may go on."""

    __slots__ = ("_counted", "_size")

    def __init__(self) -> None:
        super().__init__()
        self._counted = self._size = 0

    def bounded(self) -> int:
        """The number of pieces at which to ask again.

        Raises:
            RenderError: it is too long.
        """
        self._size += sum(map(len, self[self._counted :]))
        self._counted = len(self)
        check_length(self._size)
        return self._counted + _BATCH


def check_length(size: int) -> None:
    """Refuse a part of more than OUTPUT_LIMIT characters.

    Raises:
        RenderError: it is too long.
    """
    if size > OUTPUT_LIMIT:
        raise RenderError(f"a part of the message is longer than {OUTPUT_LIMIT:,} characters")


def collected(pieces: Iterator[str]) -> Pieces:
    """What a template hands out piece by piece.

    Raises:
        RenderError: it is too long.
    """
    said = Pieces()
    while batch := list(islice(pieces, _BATCH)):
        said += batch
        said.bounded()
    return said


def gathered(source: str) -> CodeType | None:
    """The code of a template whose `root` returns a list of pieces; None where it has to stay a generator.

    Its globals need `Pieces`.
    """
    module = ast.parse(source)
    roots = [each for each in module.body if isinstance(each, ast.FunctionDef)]
    if len(roots) != 1 or roots[0].name != "root":  # blocks, that hand on each other's pieces
        return None
    root = roots[0]
    own = _own(root.body)
    yields = sum(isinstance(each, ast.Yield) for each in own)
    pieces = sum(_piece(each) is not None for each in own)
    if not pieces or pieces != yields or any(isinstance(each, ast.YieldFrom | ast.Return) for each in own):
        return None  # written by another version of Jinja, which we do not know
    _Lookups(root).visit(root)
    root.body = [*_start(root, own), *_Gathering().lines(root.body), ast.Return(_name(_SAID))]
    return compile(ast.fix_missing_locations(module), "<template>", "exec")


def _own(body: Sequence[ast.AST]) -> list[ast.AST]:
    """All nodes of a function but those of functions inside it."""
    found: list[ast.AST] = []
    waiting = list(body)
    while waiting:
        each = waiting.pop()
        found.append(each)
        if not isinstance(each, ast.FunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(each)
    return found


def _piece(line: ast.AST) -> ast.expr | None:
    """What a line hands out; None where it does something else."""
    if isinstance(line, ast.Expr) and isinstance(line.value, ast.Yield):
        return line.value.value or ast.Constant(None)
    return None


def _start(root: ast.FunctionDef, own: Sequence[ast.AST]) -> list[ast.stmt]:
    loops = any(isinstance(each, ast.For | ast.While) for each in own)
    start = ast.parse(f"{_SAID} = {Pieces.__name__}()\n{_MORE} = {_BATCH}" if loops else f"{_SAID} = []").body
    return [ast.copy_location(each, root) for each in start]


class _Gathering:
    """Pieces go to the list: those that follow each other at once."""

    def lines(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """The statements of a block, rewritten."""
        made: list[ast.stmt] = []
        pieces: list[ast.expr] = []
        for each in body:
            piece = _piece(each)
            if piece is not None:
                pieces.append(piece)
            elif not isinstance(each, ast.Pass):
                made += [*_said(pieces), *self._line(each)]
                pieces = []
        return made + _said(pieces) or [ast.Pass()]

    def _line(self, line: ast.stmt) -> list[ast.stmt]:
        if isinstance(line, ast.If) and ast.unparse(line.test) == "0" and not line.orelse:
            return []  # `if 0: yield None`, which made it a generator
        if isinstance(line, ast.FunctionDef):
            return [line]  # a macro, which has its own list
        for name in ("body", "orelse", "finalbody"):
            inner = getattr(line, name, None)
            if inner:
                setattr(line, name, self.lines(inner))
        if isinstance(line, ast.For | ast.While):
            look = ast.parse(f"if len({_SAID}) > {_MORE}: {_MORE} = {_SAID}.bounded()").body
            line.body += [ast.copy_location(each, line) for each in look]
        return [line]


def _said(pieces: Sequence[ast.expr]) -> list[ast.stmt]:
    if not pieces:
        return []
    if len(pieces) == 1:
        call = ast.Call(_attribute(_SAID, "append"), [pieces[0]], [])
    else:
        call = ast.Call(_attribute(_SAID, "extend"), [ast.Tuple(list(pieces), ast.Load())], [])
    return [ast.copy_location(ast.Expr(ast.copy_location(call, pieces[0])), pieces[0])]


class _Lookups(ast.NodeTransformer):
    """`environment.getattr(customer, 'city')`: where `customer` is a dict that has it, it is taken from there."""

    def __init__(self, root: ast.FunctionDef) -> None:
        self._given = _given(root)

    def visit_Assign(self, line: ast.Assign) -> ast.AST | list[ast.AST]:
        """Where a value is resolved, a second name for it: itself if it is a dict, else an empty one."""
        self.generic_visit(line)
        local = _resolved(line)
        if local is None or local not in self._given:
            return line
        second = ast.parse(f"{_DATA}{local} = {local} if type({local}) is dict else {{}}").body[0]
        return [line, ast.copy_location(second, line)]

    def visit_Call(self, call: ast.Call) -> ast.AST:
        """A lookup."""
        self.generic_visit(call)
        return self._looked_up(call) or call

    def _looked_up(self, call: ast.Call) -> ast.IfExp | None:
        if ast.unparse(call.func) != "environment.getattr" or len(call.args) != 2:  # noqa: PLR2004 - object, name
            return None
        of, key = call.args
        if not (isinstance(of, ast.IfExp) and isinstance(of.orelse, ast.Name)) or not _is_text(key):
            return None
        local = of.orelse.id
        if local not in self._given or ast.unparse(of.test) != f"{local} is missing":
            return None
        data = _name(_DATA + local)
        there = ast.Compare(key, [ast.In()], [data])
        made = ast.IfExp(there, ast.Subscript(data, key, ast.Load()), call)
        for each in (data, there, made.body, made):
            ast.copy_location(each, call)
        return made


def _given(root: ast.FunctionDef) -> frozenset[str]:
    """Local names that stand for one value of the context, from its first mention to the end."""
    written = Counter(
        each.id for each in ast.walk(root) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    )
    resolved = {_resolved(line) for line in root.body}
    return frozenset(name for name in resolved if name is not None and written[name] == 1)


def _resolved(line: ast.stmt) -> str | None:
    """`l_0_customer = resolve('customer')`: the local name."""
    if not isinstance(line, ast.Assign) or not isinstance(line.targets[0], ast.Name):
        return None
    value = line.value
    is_resolved = isinstance(value, ast.Call) and ast.unparse(value.func) == "resolve"
    return line.targets[0].id if is_resolved else None


def _is_text(node: ast.expr) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _attribute(name: str, attribute: str) -> ast.Attribute:
    return ast.Attribute(_name(name), attribute, ast.Load())
