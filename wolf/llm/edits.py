"""From a model's reply to files: the only way a reply becomes anything at all.

    ## Idea: why this could help, in one line
    train.py
    <<<<<<< SEARCH
    lines as they stand in the file
    =======
    lines that take their place
    >>>>>>> REPLACE

An idea has any number of such blocks, and instead of blocks it may have a whole file in a fence below the file's path.
The path may be left out where only one file is editable. An idea is applied whole or not at all, and one that cannot
be says in words why. Nothing raises, and nothing but the files it is given can change.

If a file has lines with EVOLVE-BLOCK-START and EVOLVE-BLOCK-END, only what is between them may change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from population.literals import unparsed
from population.readers import parses

LONGEST_REPLY = 1_000_000  # characters that are looked at
MOST_IDEAS = 16
LONGEST_NOTE = 160

_IDEA = re.compile(r"^#{1,4}\s*(?:idea|hypothesis)\b\s*\d*\s*[:.)\-]?\s*(.*)$", re.IGNORECASE)
_SEARCH, _DIVIDER, _REPLACE = re.compile(r"^<{5,9} ?SEARCH\s*$"), re.compile(r"^={5,9}\s*$"), re.compile(
    r"^>{5,9} ?REPLACE\s*$"
)  # fmt: skip
_FENCE = re.compile(r"^(`{3,}|~{3,})\s*([\w+.-]*)\s*$")
_REGION = re.compile(r"EVOLVE-BLOCK-(START|END)")


@dataclass(frozen=True, slots=True)
class Idea:
    """One hypothesis of a reply.

    Attributes:
        note: its rationale in one line, as the model puts it; untrusted.
        files: all editable files after it is applied; None if it cannot be.
        problem: why it cannot be, as a sentence for the model; empty if it can.
    """

    note: str
    files: Mapping[str, str] | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Edit:
    """One block: `search` is None for a whole file."""

    path: str
    search: list[str] | None
    replace: list[str]


class _Problem(Exception):
    """Why an idea cannot be applied; never leaves this file."""


def apply(reply: str, files: Mapping[str, str]) -> list[Idea]:
    """The ideas in a reply, applied one by one to `files`; at least one, if only to say what is wrong."""
    lines = reply[:LONGEST_REPLY].replace("\r\n", "\n").replace("\0", "").split("\n")
    ideas = [_idea(note, body, files) for note, body in _sections(lines)]
    return ideas[:MOST_IDEAS] or [Idea("", None, "the reply has no edit: no SEARCH/REPLACE block and no whole file")]


def _sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The ideas: what stands below each heading, or everything if there are no headings."""
    heads = [i for i, line in enumerate(lines) if _IDEA.match(line)]
    if not heads:
        if any(_SEARCH.match(line) or _FENCE.match(line) for line in lines):
            yield "", lines
        return
    for start, end in zip(heads, [*heads[1:], len(lines)], strict=True):
        match = _IDEA.match(lines[start])
        assert match
        yield " ".join(match[1].split())[:LONGEST_NOTE], lines[start + 1 : end]


def _idea(note: str, body: list[str], files: Mapping[str, str]) -> Idea:
    try:
        after = dict(files)
        edits = list(_edits(body, files))
        if not edits:
            raise _Problem("the idea has no edit: no SEARCH/REPLACE block and no whole file")
        for edit in edits:
            after[edit.path] = _apply(edit, after[edit.path])
        if after == dict(files):
            raise _Problem("the edit changes nothing: the files are the same as before")
        for path, text in after.items():
            if text != files[path]:
                _check(path, files[path], text)
    except _Problem as problem:
        return Idea(note, None, str(problem))
    return Idea(note, after)


def _edits(body: list[str], files: Mapping[str, str]) -> Iterator[_Edit]:
    """The blocks and whole files of an idea, in order."""
    path: str | None = None
    at = 0
    while at < len(body):
        line = body[at]
        if _SEARCH.match(line):
            divider = _find(_DIVIDER, body, at + 1)
            end = None if divider is None else _find(_REPLACE, body, divider + 1)
            if divider is None or end is None:
                missing = "=======" if divider is None else ">>>>>>> REPLACE"
                raise _Problem(f"a SEARCH block is not finished: its {missing} line is missing")
            yield _Edit(_named(path, files), body[at + 1 : divider], body[divider + 1 : end])
            at = end
        elif (fence := _FENCE.match(line)) and not _blocks_inside(body, at, fence):
            end = next((i for i in range(at + 1, len(body)) if body[i].rstrip() == fence[1]), None)
            if end is None:
                raise _Problem("a fenced file is not finished: its closing fence is missing")
            if path is not None or len(files) == 1:
                yield _Edit(_named(path, files), None, body[at + 1 : end])
            at = end
        elif (found := _path(line, files)) is not None:
            path = found
        at += 1


def _find(pattern: re.Pattern[str], body: list[str], start: int) -> int | None:
    """The first line that matches, before another block begins."""
    for i in range(start, len(body)):
        if pattern.match(body[i]):
            return i
        if _SEARCH.match(body[i]):
            return None
    return None


def _blocks_inside(body: list[str], at: int, fence: re.Match[str]) -> bool:
    """Whether a fence is only the wrapping of SEARCH/REPLACE blocks, or the end of such a wrapping."""
    for line in body[at + 1 :]:
        if line.rstrip() == fence[1]:
            return False
        if _SEARCH.match(line):
            return True
    return not fence[2]  # nothing closes it: without a language it closes what was opened around blocks before


def _path(line: str, files: Mapping[str, str]) -> str | None:
    """The file that a line names, if it is a line that only names one."""
    said = line.strip().strip("#*`:").strip().removeprefix("./").strip("`*: ")
    for prefix in ("file:", "path:", "filename:"):
        if said.lower().startswith(prefix):
            said = said[len(prefix) :].strip(" `*")
    if said in files:
        return said
    looks = re.fullmatch(r"[\w./-]*[\w-]+\.\w{1,8}", said)
    return said if looks else None


def _named(path: str | None, files: Mapping[str, str]) -> str:
    if path is None and len(files) == 1:
        return next(iter(files))
    if path is None:
        raise _Problem(f"a block does not say which file it is for; the editable files are {', '.join(sorted(files))}")
    if path not in files:
        raise _Problem(f"{path} is not one of the editable files, which are {', '.join(sorted(files))}")
    return path


def _apply(edit: _Edit, text: str) -> str:
    if edit.search is None:
        return "\n".join(edit.replace) + ("\n" if text.endswith("\n") or not text else "")
    if not any(line.strip() for line in edit.search):
        if text.strip():
            raise _Problem(f"a SEARCH block for {edit.path} is empty: copy the lines that are to be replaced")
        return "\n".join(edit.replace) + "\n"
    lines = text.split("\n")
    for same in (_exactly, _but_for_line_ends, _but_for_indentation):
        places = [at for at in range(len(lines) - len(edit.search) + 1) if same(lines, at, edit.search)]
        if len(places) > 1:
            raise _Problem(
                f"the SEARCH text that begins with {_quote(edit.search)} stands in {edit.path} {len(places)} times: "
                "add lines around it until it is unique"
            )
        if places:
            at = places[0]
            new = _indented(edit, lines[at : at + len(edit.search)]) if same is _but_for_indentation else edit.replace
            return "\n".join([*lines[:at], *new, *lines[at + len(edit.search) :]])
    known = {line.strip() for line in lines}
    strange = [line for line in edit.search if line.strip() and line.strip() not in known]
    if strange:
        raise _Problem(f"the SEARCH text is not in {edit.path}; its first line that is nowhere there is "
                       f"{_quote(strange)}")  # fmt: skip
    raise _Problem(f"the lines of the SEARCH text that begins with {_quote(edit.search)} are in {edit.path}, but do "
                   "not follow each other like that")  # fmt: skip


def _exactly(lines: list[str], at: int, search: list[str]) -> bool:
    return lines[at : at + len(search)] == search


def _but_for_line_ends(lines: list[str], at: int, search: list[str]) -> bool:
    return all(lines[at + i].rstrip() == line.rstrip() for i, line in enumerate(search))


def _but_for_indentation(lines: list[str], at: int, search: list[str]) -> bool:
    """Whether the lines are the same when all are moved by the same number of columns."""
    moves = set()
    for i, line in enumerate(search):
        there = lines[at + i]
        if there.strip() != line.strip():
            return False
        if line.strip():
            moves.add(_margin(there) - _margin(line))
    return len(moves) == 1


def _indented(edit: _Edit, there: list[str]) -> list[str]:
    """The replacement, moved by as much as the SEARCH text is off."""
    assert edit.search is not None
    first = next(i for i, line in enumerate(edit.search) if line.strip())
    move = _margin(there[first]) - _margin(edit.search[first])
    if move >= 0:
        return [" " * move + line if line.strip() else line for line in edit.replace]
    return [line[min(-move, _margin(line)) :] for line in edit.replace]


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _check(path: str, before: str, after: str) -> None:
    """Frozen regions are as they were, and what could be parsed still can."""
    if _frozen(before) != _frozen(after):
        raise _Problem(f"the edit changes {path} outside its editable region: only what is between the lines with "
                       "EVOLVE-BLOCK-START and EVOLVE-BLOCK-END may change")  # fmt: skip
    if parses(path, before) and not parses(path, after):
        why = unparsed(path, after)
        raise _Problem(f"{path} does not parse after the edit{why and ': '}{why}")


def _frozen(text: str) -> list[str]:
    """The lines outside the editable regions, markers included; none if the file has no markers."""
    lines, frozen, inside = text.split("\n"), [], False
    if not any(_REGION.search(line) for line in lines):
        return []
    for line in lines:
        marker = _REGION.search(line)
        inside = inside and not (marker and marker[1] == "END")
        if not inside:
            frozen.append(line)
        inside = inside or bool(marker and marker[1] == "START")
    return frozen


def _quote(lines: list[str]) -> str:
    first = next((line.strip() for line in lines if line.strip()), "")
    return f"`{first[:80]}`"
