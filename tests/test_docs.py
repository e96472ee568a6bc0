"""Every block in the documentation is what it says: commands exist, YAML is a configuration, pages run as they stand.

A comment above a block says what is different about it: `<!-- not run: why -->`, `<!-- smaller: key=value -->` (added
to its `wolf run` lines here), and for a whole page `<!-- no block is run: why -->` or `<!-- before: command -->`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import click
import pytest
import yaml

from wolf import cli
from wolf.errors import ConfigError, WolfError
from wolf.settings.config import load

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/howto/*.md"), ROOT / "train_target/README.md"]
)
BLOCK = re.compile(r"^(?:<!-- (not run|smaller): (.+?) -->\n)?```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
LANGUAGES = {"bash", "console", "yaml", "python", "toml", "text"}
SHELL = {
    "cd",
    "export",
    "source",
    "git",
    "ray",
    "srun",
    "sleep",
    "uv",
    "sudo",
    "apt",
    "nice",
}  # of others, not looked at
SLOW = {"docs/howto/val_bpb.md", "docs/howto/speed.md"}  # evaluations of seconds
BEGINNING = {  # what a fragment of a configuration is put on
    "target": {"root": ".", "files": ["params.py"]},
    "judge": {"kind": "function", "call": "judge.py:score", "metric": "loss", "goal": "minimize"},
    "budget": {"evaluations": 10, "usd": 1},
}
JUDGES = {"command": {"run": "python judge.py", "metric": "loss"}, "function": {"call": "judge.py:score"}}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    runs: bool
    smaller: str

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    none = "<!-- no block is run: " in text
    for found in BLOCK.finditer(text):
        mark, said, language, body = found.groups()
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, language, body, not none and mark != "not run", said if mark == "smaller" else "")


ALL = [block for page in PAGES for block in blocks(page)]


def name(item: Block | Path) -> str:
    return item.where if isinstance(item, Block) else str(item.relative_to(ROOT))


def test_every_block_says_what_it_is() -> None:
    assert len(ALL) > 40
    assert not [block.where for block in ALL if block.language not in LANGUAGES]
    assert not [
        b.where for b in ALL if b.language == "text" and re.search(r"^\$? ?(wolf|make) \w", b.text, re.MULTILINE)
    ]


# commands


def commands(text: str) -> Iterator[list[str]]:
    """The simple commands of a script, word by word."""
    for line in text.replace("\\\n", " ").splitlines():
        if "$(" in line or "`" in line:
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word and set(word) <= set("&|;"):
                if words:
                    yield words
                words = []
            elif words or not re.fullmatch(r"[A-Z_]+=.*", word):
                words.append(word)


def problem(words: list[str]) -> str:
    """What is wrong with a command; empty if nothing is."""
    program, *rest = words
    if program == "wolf":
        return wolf_problem(rest)
    if program == "make":
        missing = [word for word in rest if not re.search(rf"^{re.escape(word)}:", MAKEFILE, re.MULTILINE)]
        return f"the Makefile has no {missing}" if missing else ""
    if program.endswith("python"):
        return python_problem(rest)
    if program == "pip":
        extras = re.findall(r"auto-wolf\[(\w+)\]", " ".join(rest))
        missing = [extra for extra in extras if not re.search(rf"^{extra} = \[", PROJECT, re.MULTILINE)]
        return f"pyproject.toml has no extra {missing}" if missing else ""
    return "" if program in SHELL else f"nobody knows the program {program!r}"


MAKEFILE, PROJECT = (ROOT / "Makefile").read_text(), (ROOT / "pyproject.toml").read_text()


def python_problem(rest: list[str]) -> str:
    if rest[:2] == ["-m", "pytest"]:
        gone = [word for word in rest[2:] if word.startswith("tests") and not (ROOT / word).exists()]
        return f"there is no {gone}" if gone else ""
    if rest[:1] == ["-m"] or not rest:
        return ""
    script = ROOT / rest[0]
    if not script.is_file():
        return f"there is no {rest[0]}"
    source = script.read_text()
    unknown = [word for word in rest[1:] if word.startswith("--") and f'"{word.partition("=")[0]}"' not in source]
    return f"{rest[0]} has no option {unknown}" if unknown else ""


def wolf_problem(arguments: list[str]) -> str:
    """What click says about the arguments, and the configuration about a preset's overrides. Nothing is run."""
    context, command, left = click.Context(cli.main, info_name="wolf"), cli.main, arguments
    try:
        while isinstance(command, click.Group):
            if context.command is not command:
                context = command.make_context(command.name, [*left], parent=context)
                left = [*context._protected_args, *context.args]
            if not left:
                return ""
            _, command, left = command.resolve_command(context, left)
        command.make_context(command.name, [*left], parent=context)
    except (click.exceptions.Exit, click.exceptions.NoArgsIsHelpError):
        return ""  # --help, or a group alone
    except click.ClickException as error:
        return error.format_message()
    overrides = [word for word in left[1:] if "=" in word and not word.startswith("-")]
    if (
        command.name in ("run", "check", "compare")
        and (ROOT / f"configs/{left[0]}.yaml").is_file()
        and "$" not in str(overrides)
    ):
        if any(re.search(r"=[A-Z]$", word) for word in overrides):
            return ""  # a placeholder
        try:
            load(left[0], [word for word in overrides if not word.startswith(("workers.kind", "workers.address"))])
        except ConfigError as error:
            return "" if "there is no folder" in str(error) and len(error.problems) == 1 else str(error)
        except WolfError as error:
            return str(error)
    return ""


@pytest.fixture
def no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in commands need not exist."""
    monkeypatch.setattr(click.Path, "convert", lambda self, value, param, ctx: value)


@pytest.mark.usefixtures("no_files")
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_exists(page: Path) -> None:
    wrong = []
    for block in blocks(page):
        text = block.text
        if block.language == "console":
            text = "\n".join(line[2:] for line in text.splitlines() if line.startswith("$ "))
        if block.language in ("bash", "console"):
            wrong += [(block.line, words, said) for words in commands(text) if (said := problem(words))]
    prose = BLOCK.sub("", page.read_text("utf-8")).replace("\n", " ")
    for quoted in re.findall(r"`((?:wolf|make) (?:--)?[a-z][^`]*)`", prose):
        plain = re.sub(r"\.\.\.|[\[\]]", "", re.split(r" \| |[;>]", quoted)[0])
        if len(words := shlex.split(plain)) > 1 and (said := problem(words)) and "Missing" not in said:
            wrong.append((0, words, said))
    assert not wrong


@pytest.mark.usefixtures("no_files")
def test_a_command_that_does_not_exist_is_noticed() -> None:
    for stale in ("wolf evolve x", "wolf run knobs --fast", "wolf tell RUN dance", "wolf run knobs search.speed=1",
                  "make coffee", "python benchmarks/none.py", "python benchmarks/truth.py --lies",
                  "pip install 'auto-wolf[gold]'", "wolf export --format xml"):  # fmt: skip
        assert [said for words in commands(stale) if (said := problem(words))], stale


# YAML


def fragments(text: str) -> list[dict[str, object]]:
    """The configuration in a block; several if it shows the same key several ways."""
    chunks = re.findall(r"^\w.*\n(?:[ #].*\n|\n)*", text, re.MULTILINE)
    keys = [chunk.partition(":")[0] for chunk in chunks]
    return [yaml.safe_load(part) for part in (chunks if len({*keys}) < len(keys) else [text])]


@pytest.mark.parametrize("block", [b for b in ALL if b.language == "yaml" and "apiVersion" not in b.text], ids=name)
def test_every_yaml_block_is_a_configuration(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wolf.machines.here.width", lambda threads, each: 4)
    monkeypatch.setattr("wolf.machines.cluster.width", lambda address, threads, each: 4)
    for said in fragments(block.text):
        whole = {**BEGINNING, **said}
        if "judge" in said:
            whole["judge"] = {**JUDGES.get(said["judge"]["kind"], {}), **said["judge"]}
        if "usd" not in whole["budget"] and "llm" in said:
            whole["budget"] = {**whole["budget"], "usd": 1}
        words = [choice for knob in whole["target"].get("knobs", {}).values() for choice in knob.get("choices", [])[:1]]
        for file in [*whole["target"]["files"], "params.py", "judge.py", "program.md", "article.md", "memo.md"]:
            (tmp_path / file).write_text("\n".join(words) + "\n" if words else "LR = 0.1\n")
        (tmp_path / "my.yaml").write_text(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True))
        assert load(str(tmp_path / "my.yaml"))


# pages


def script(page: Path) -> str:
    """All that runs of a page, in its order, as one shell script."""
    parts = re.findall(r"<!-- before: (.+?) -->", page.read_text("utf-8"))
    for block in blocks(page):
        if block.runs and block.language == "bash":
            wolf_run = r"^(wolf (?:run|compare) [^#\n]*?)(?=\s*(?:#|$))"
            parts.append(re.sub(wolf_run, rf"\1 {block.smaller}", block.text, flags=re.MULTILINE))
        if block.runs and block.language == "python":
            parts.append(f"python - <<'END'\n{block.text}END\n")
    return "\n".join(parts)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] * (name(page) in SLOW)) for page in PAGES if script(page)],
    ids=name,
)
def test_the_page_runs_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script(page)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


# the reference and the site


def test_the_reference_is_current() -> None:
    spec = spec_from_file_location("reference", ROOT / "docs/reference.py")
    assert spec and spec.loader
    spec.loader.exec_module(reference := module_from_spec(spec))
    assert (ROOT / "docs/yaml.md").read_text() == reference.page(), "run: python docs/reference.py"


def test_every_key_has_a_meaning_and_an_example_that_its_schema_allows() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((ROOT / "configs/wolf.schema.json").read_text())
    examples = yaml.safe_load((ROOT / "docs/examples.yaml").read_text())
    for title, section in schema["$defs"].items():
        form = next((form for form in section.get("anyOf", [section]) if "properties" in form), None)
        if form is None:
            continue
        assert {*examples[title]} == {*form["properties"]}, title
        for key, said in form["properties"].items():
            assert said.get("description"), f"{title}.{key}"
            jsonschema.Draft202012Validator({**said, "$defs": schema["$defs"]}).validate(examples[title][key])


@pytest.mark.parametrize(
    "file", [*sorted(ROOT.glob("configs/*.yaml")), *sorted(ROOT.glob("wolf/commands/*/task.yaml"))], ids=name
)
def test_editors_find_nothing_wrong_with_our_own_files(file: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((ROOT / "configs/wolf.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(file.read_text()))


def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("material")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-d", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in tmp_path.rglob("*.html"):
        text = page.read_text("utf-8")
        assert not re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=\"?(?:https?:)?//[^>]*", text), page
        assert not re.findall(r"<link[^>]*rel=\"?(?:stylesheet|preconnect|icon)[^>]*https?://[^>]*", text), page
        assert 'class="mermaid"' not in text, "it is drawn by a script from a CDN"
    for style in tmp_path.rglob("*.css"):
        assert not re.search(r"url\(\"?(?:https?:)?//", style.read_text("utf-8")), style


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == ROOT], ids=name)
def test_links_outside_the_site_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))
    assert not [link for link in links if not (ROOT / link).exists()]


def test_every_file_that_the_architecture_names_is_there() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    files = {path.name for package in ("wolf", "judges", "population", "train_target") for path in
             (ROOT / package).rglob("*.py")}  # fmt: skip
    named = set(re.findall(r"`(\w+\.py)`", text))
    assert len(named) > 50 and not named - files


def test_make_help_is_a_table() -> None:
    said = subprocess.run(["make", "-C", str(ROOT), "--no-print-directory", "help"], capture_output=True, text=True)
    starts = [len(found) for found in re.findall(r"^  make [a-z-]+ +", said.stdout, re.MULTILINE)]
    assert len(starts) > 20 and len(set(starts)) == 1
