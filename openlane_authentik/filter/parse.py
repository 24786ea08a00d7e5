"""Tokens to a syntax tree, by cel-python's grammar.

cel-python's LALR tables do the parsing, but its lexer is not used (see ``scan``): the tokens are fed in one by one,
which also says exactly what was expected where. Neither that nor the walk over its tree recurses.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from openlane_authentik.filter.diagnostics import refuse
from openlane_authentik.filter.scan import Token, scan
from openlane_authentik.filter.syntax import (
    Binary,
    Call,
    Conditional,
    Index,
    ListOf,
    Literal,
    Logic,
    MapOf,
    Name,
    Negate,
    Node,
    Not,
    Select,
    depth,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import lark

MAX_DEPTH: Final = 100
"""Operators and calls that may stand on top of each other; chains of one logical operator count as one."""


@dataclass(frozen=True, slots=True)
class _Operator:
    """The left half of a binary operation, or the sign of a unary one, as the grammar nests them."""

    offset: int
    text: str
    left: Node | None = None


@dataclass(frozen=True, slots=True)
class _Items:
    """The parts of a list, a map or an argument list."""

    nodes: tuple[Node, ...]


def parse(expression: str) -> Node:
    """Read an expression that is not blank into a tree.

    Raises:
        FilterError: It is no CEL expression, or one larger or deeper than allowed.
    """
    tokens = _without_trailing_commas(scan(expression))
    if not tokens:
        refuse(expression, len(expression), "filter_ends_early", "the filter is a comment only: a value is missing")
    root = _TreeReader(expression, tokens).read(_feed(expression, tokens))
    if depth(root) > MAX_DEPTH:
        message = f"the filter nests too deep: at most {MAX_DEPTH} operators and calls may stand on top of each other"
        refuse(expression, root.offset, "filter_too_deep", message)
    return root


def _without_trailing_commas(tokens: list[Token]) -> list[Token]:
    """Drop the comma of ``[1, 2,]`` and ``{'a': 1,}``, which CEL allows and cel-python's grammar does not."""
    return [
        token
        for index, token in enumerate(tokens)
        if not (
            token.kind == ","
            and index + 1 < len(tokens)
            and tokens[index + 1].kind in {"]", "}"}
            and tokens[index - 1].kind not in {"[", "{", ","}
        )
    ]


def _feed(expression: str, tokens: list[Token]) -> "lark.Tree[lark.Token]":
    # Imported here: it takes a third of a second, and most installations have no filter.
    import lark  # noqa: PLC0415
    from celpy.celparser import CELParser  # noqa: PLC0415

    CELParser()
    grammar = CELParser.CEL_PARSER
    if grammar is None:  # pragma: no cover - the line above has made it
        raise RuntimeError("cel-python has no grammar")
    # The grammar names its operators ("LPAR", "__ANON_0"); its strings tell which is which.
    names = {
        terminal.pattern.value: terminal.name
        for terminal in grammar.terminals
        if isinstance(terminal.pattern, lark.lexer.PatternStr)
    }
    parser = grammar.parse_interactive()
    for index, token in enumerate(tokens):
        fed = lark.Token(
            names.get(token.kind, token.kind), token.text, start_pos=token.offset, end_pos=token.end, line=1, column=1
        )
        try:
            parser.feed_token(fed)
        except lark.exceptions.UnexpectedToken:
            _refuse_token(expression, tokens, index)
    try:
        tree: lark.Tree[lark.Token] = parser.feed_eof()  # type: ignore[no-untyped-call]
    except lark.exceptions.UnexpectedToken:
        missing = "a field name" if tokens[-1].kind == "." else "a value"
        if "COLON" in parser.accepts():  # type: ignore[no-untyped-call]
            missing = "':' and a value"
        refuse(expression, tokens[-1].end, "filter_ends_early", f"the filter ends too early: {missing} is missing")
    return tree


def _refuse_token(expression: str, tokens: list[Token], index: int) -> None:
    token = tokens[index]
    before = tokens[index - 1].kind if index else ""
    operators = {"and": "&&", "or": "||", "not": "!", "is": "==", "AND": "&&", "OR": "||", "NOT": "!"}
    if before == "." and token.text.isidentifier():
        message = f"{token.text!r} cannot stand after a dot; write ['{token.text}'] instead of .{token.text}"
    elif token.text in operators and token.kind == "IDENT":
        message = f"use {operators[token.text]} for {token.text!r}"
    elif before == "IDENT" and tokens[index - 1].text in {"not", "NOT"}:
        refuse(expression, tokens[index - 1].offset, "filter_syntax", f"use ! for {tokens[index - 1].text!r}")
    elif before in {"IDENT", "STRING_LIT", "INT_LIT", ")", "]"} and token.kind in {"IDENT", "STRING_LIT", "INT_LIT"}:
        message = f"an operator, such as == or &&, is missing before {_shown(token)}"
    elif token.kind in {")", "]", "}"}:
        message = f"a value is missing before {token.text!r}"
    else:
        message = f"{_shown(token)} cannot stand here"
    refuse(expression, token.offset, "filter_syntax", message)


def _shown(token: Token) -> str:
    return "this string" if token.kind in {"STRING_LIT", "BYTES_LIT"} else f"{token.text[:40]!r}"


class _TreeReader:
    """Turns the grammar's tree, a dozen levels for each operator, into ours."""

    def __init__(self, expression: str, tokens: list[Token]) -> None:
        self._expression = expression
        self._tokens = {token.offset: token for token in tokens}
        self._rules: dict[str, Callable[[int, int, list[Any]], Any]] = {
            "expr": self._conditional,
            "conditionalor": lambda start, _, parts: self._logic(start, "||", parts),
            "conditionaland": lambda start, _, parts: self._logic(start, "&&", parts),
            "relation": self._binary,
            "addition": self._binary,
            "multiplication": self._binary,
            "unary": self._unary,
            "unary_not": lambda start, _, __: _Operator(start, "!"),
            "unary_neg": lambda start, _, __: _Operator(start, "-"),
            "member_dot": lambda _, __, parts: Select(parts[1].offset, parts[0], parts[1].text),
            "member_dot_arg": self._method,
            "member_index": lambda _, __, parts: Index(parts[1].offset, parts[0], parts[1]),
            "ident": lambda start, _, parts: Name(start, parts[0].text),
            "ident_arg": lambda start, _, parts: Call(start, parts[0].text, _nodes(parts[1:]), method=False),
            "list_lit": lambda start, _, parts: ListOf(start, _nodes(parts)),
            "map_lit": lambda start, _, parts: MapOf(start, _nodes(parts)),
            "exprlist": lambda _, __, parts: _Items(tuple(parts)),
            "mapinits": lambda _, __, parts: _Items(tuple(parts)),
            "literal": lambda start, _, parts: Literal(start, parts[0].value),
            "member": lambda _, __, parts: parts[0],
            "primary": lambda _, __, parts: parts[0],
            "paren_expr": lambda _, __, parts: parts[0],
        }

    def read(self, root: "lark.Tree[lark.Token]") -> Node:
        """Turn the whole tree, children before parents."""
        done: list[Any] = []
        pending: list[tuple[Any, bool]] = [(root, False)]
        while pending:
            part, visited = pending.pop()
            if not hasattr(part, "children"):
                done.append(self._tokens[part.start_pos])
            elif visited:
                count = len(part.children)
                parts = done[len(done) - count :]
                del done[len(done) - count :]
                done.append(self._convert(part, parts))
            else:
                pending.append((part, True))
                pending.extend((child, False) for child in reversed(part.children))
        root_node: Node = done[0]
        return root_node

    def _convert(self, tree: "lark.Tree[lark.Token]", parts: list[Any]) -> Any:
        rule = str(tree.data)
        # An empty list, map or operator has no children, but a place all the same.
        start, end = tree.meta.start_pos, tree.meta.end_pos
        if rule in self._rules:
            return self._rules[rule](start, end, parts)
        if rule.startswith(("relation_", "addition_", "multiplication_")):
            operator = self._last_token(end)
            return _Operator(operator.offset, operator.text, parts[0])
        if rule in {"member_object", "fieldinits"}:
            message = "message literals are not supported; a map is written {'key': value}"
            return refuse(self._expression, start, "filter_syntax", message)
        return refuse(self._expression, start, "filter_syntax", "a name cannot start with a dot")

    def _last_token(self, end: int) -> Token:
        """Return the operator that ends at an offset; none is longer than two characters."""
        for offset in (end - 2, end - 1):
            token = self._tokens.get(offset)
            if token is not None and token.end == end:
                return token
        raise AssertionError("an operation without its operator")  # pragma: no cover

    def _conditional(self, start: int, _end: int, parts: list[Any]) -> Node:
        if len(parts) == 1:
            node: Node = parts[0]
            return node
        return Conditional(start, *parts)

    def _logic(self, _start: int, operator: str, parts: list[Any]) -> Node:
        if len(parts) == 1:
            node: Node = parts[0]
            return node
        operands: list[Node] = []
        for part in parts:
            flat = isinstance(part, Logic) and part.operator == operator
            operands.extend(part.operands if flat else (part,))
        return Logic(parts[0].offset, operator, tuple(operands))

    def _binary(self, _start: int, _end: int, parts: list[Any]) -> Node:
        if len(parts) == 1:
            node: Node = parts[0]
            return node
        operator, right = parts
        return Binary(operator.offset, operator.text, operator.left, right)

    def _unary(self, _start: int, _end: int, parts: list[Any]) -> Node:
        if len(parts) == 1:
            node: Node = parts[0]
            return node
        operator, operand = parts
        doubled = isinstance(operand, Not if operator.text == "!" else Negate)
        if doubled and "(" not in self._expression[operator.offset : operand.offset]:
            undone: Node = operand.operand  # CEL's parser drops !! and --, whatever they are applied to
            return undone
        if operator.text == "!":
            return Not(operator.offset, operand)
        if isinstance(operand, Literal) and type(operand.value) in {int, float}:
            return Literal(operator.offset, -operand.value)
        return Negate(operator.offset, operand)

    def _method(self, _start: int, _end: int, parts: list[Any]) -> Node:
        target, name, *arguments = parts
        return Call(name.offset, name.text, (target, *_nodes(arguments)), method=True)


def _nodes(parts: list[Any]) -> tuple[Node, ...]:
    """Return the nodes of an argument list, which the grammar leaves out when it is empty."""
    items: _Items | None = parts[0] if parts else None
    return items.nodes if items else ()
