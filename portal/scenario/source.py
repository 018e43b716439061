"""A scenario file as read: values that know their line, and mistakes reported by line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """What is wrong on a line, in Japanese and in English."""

    line: int
    japanese: str
    english: str

    def __str__(self) -> str:
        return f"{self.line}行目 / line {self.line}: {self.japanese} / {self.english}"


class WrongFile(Exception):
    """A file of which nothing was loaded, and why."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("\n".join(map(str, sorted(mistakes))))
        self.mistakes = sorted(mistakes)


@dataclass(frozen=True, slots=True)
class Word:
    """A single value, as typed: 010 and no are words, whatever else YAML takes them for."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Row:
    """Values one after another."""

    items: tuple[Value, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """Values by name; `lines` says where each name stands."""

    items: Mapping[str, Value]
    line: int
    lines: Mapping[str, int] = field(default_factory=dict)

    def line_of(self, name: str) -> int:
        return self.lines.get(name, self.line)


Value = Word | Row | Table


class Loader(yaml.BaseLoader):
    """Every scalar stays text. No references (`&x`, `*x`): a short file could unfold into an endless one."""

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "references (*) are not allowed", mark)
        return super().compose_node(parent, index)


def read(path: Path) -> Table:
    """The whole file as one table.

    Raises:
        WrongFile: it cannot be read, is no YAML, or names something twice.
    """
    try:
        typed = path.read_bytes()
    except OSError as error:
        raise WrongFile(Mistake(1, "ファイルを開けません", f"cannot be opened: {error.strerror}")) from error
    try:
        root = yaml.compose(typed.decode("utf-8-sig"), Loader=Loader)
    except UnicodeDecodeError as error:
        line = typed.count(b"\n", 0, error.start) + 1
        raise WrongFile(Mistake(line, "UTF-8 で書かれていません", "not UTF-8")) from error
    except yaml.reader.ReaderError as error:
        line = typed.decode("utf-8-sig")[: error.position].count("\n") + 1
        raise WrongFile(Mistake(line, "使えない文字があります", "an unusable character")) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise WrongFile(Mistake(line, "YAML として読めません", f"not YAML: {error.problem}")) from error
    except RecursionError as error:
        raise WrongFile(Mistake(1, "入れ子が深すぎます", "nested too deeply")) from error
    found = value_of(root) if root else None
    if not isinstance(found, Table):
        raise WrongFile(Mistake(1, "agencies・staff・events がありません", "no agencies, staff and events"))
    return found


def value_of(node: Node) -> Value:
    line = node.start_mark.line + 1
    match node:
        case MappingNode():
            return table_of(node, line)
        case SequenceNode():
            return Row(tuple(value_of(item) for item in node.value), line)
        case ScalarNode():
            return Word(node.value, line)
    raise TypeError(f"YAML has no other nodes: {node}")


def table_of(node: MappingNode, line: int) -> Table:
    items: dict[str, Value] = {}
    lines: dict[str, int] = {}
    for name, value in node.value:
        here = name.start_mark.line + 1
        if not isinstance(name, ScalarNode):
            raise WrongFile(Mistake(here, "項目の名前が読めません", "a field's name must be a word"))
        if name.value in items:
            raise WrongFile(Mistake(here, f"「{name.value}」が二度あります", f'"{name.value}" stands twice'))
        items[name.value], lines[name.value] = value_of(value), here
    return Table(items, line, lines)
