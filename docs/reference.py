"""Write docs/yaml.md, the reference of the YAML file, from its schema and docs/examples.yaml.

python docs/reference.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).parent
SCHEMA = DOCS.parent / "configs/wolf.schema.json"
PAGE = DOCS / "yaml.md"
HEAD = """# The YAML file

This page lists every key of a configuration. Keys in bold are required. Unknown keys and wrong values are errors that
name the line. A relative path starts at the folder of the file that it is written in.

Any key can also be given on the command line, with dots between the names: `wolf run my.yaml search.seed=1`.

If your editor knows YAML schemas, it completes keys and marks mistakes: write the schema beside your file with `wolf
schema > wolf.schema.json`, and begin the file with `# yaml-language-server: $schema=wolf.schema.json`.

(`python docs/reference.py` makes this page from that schema.)
"""


def page() -> str:
    """The whole page."""
    schema, examples = json.loads(SCHEMA.read_text()), yaml.safe_load((DOCS / "examples.yaml").read_text())
    parts = [HEAD]
    for title, name, section in sections(schema):
        parts.append(f"{'###' if '.' in title else '##'} {title}\n")
        if about := section.get("description"):
            parts.append(about.replace("\n\n", "\n") + "\n")
        required = section["anyOf"][1]["required"] if name == "Config" else section.get("required", ())
        rows = [
            f"| {f'**`{key}`**' if key in required else f'`{key}`'} | {takes(said, schema)} | {default(said)} "
            f"| {meaning(said, schema)} | {example(key, examples[name])} |"
            for key, said in section["properties"].items()
        ]
        parts.append("| key | takes | default | meaning | example |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def sections(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Heading, name in the schema and definition of every section, in the order in which they are met."""
    seen: set[str] = set()

    def below(path: str, said: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for key, part in said["properties"].items():
            for name, mark in named(part):
                section = body(schema["$defs"][name])
                if name in seen or "properties" not in section:
                    continue
                seen.add(name)
                kind = section["properties"].get("kind", {}).get("const")
                here = f"{path}{key}{mark}"
                yield f"`{here}`" + (f" with `kind: {kind}`" if kind else ""), name, section
                yield from below(f"{here}.", section)

    yield "The top level", "Config", schema
    yield from below("", schema)


def named(part: Any, mark: str = "") -> Iterator[tuple[str, str]]:
    """The definitions that a key leads to, with `[]` behind lists of them and `.NAME` behind mappings to them."""
    if "$ref" in part:
        yield part["$ref"].rpartition("/")[2], mark
    for choice in (*part.get("oneOf", ()), *part.get("anyOf", ())):
        yield from named(choice, mark)
    if "items" in part:
        yield from named(part["items"], f"{mark}[]")
    if isinstance(part.get("additionalProperties"), dict):
        yield from named(part["additionalProperties"], f"{mark}.NAME")


def body(definition: dict[str, Any]) -> dict[str, Any]:
    """The mapping among the forms that a section may have."""
    forms = definition.get("anyOf", [definition])
    return next((form for form in forms if "properties" in form), definition)


def takes(said: Any, schema: dict[str, Any]) -> str:
    """What may stand behind a key, in words."""
    if "$ref" in said:
        target = schema["$defs"][said["$ref"].rpartition("/")[2]]
        return takes(target, schema) if "properties" not in body(target) else "section"
    if "const" in said:
        return f"`{said['const']}`"
    if "enum" in said:
        return ", ".join(f"`{choice}`" for choice in said["enum"])
    if choices := said.get("oneOf") or said.get("anyOf"):
        words = [takes(choice, schema) for choice in choices if choice.get("type") != "null"]
        return " or ".join(dict.fromkeys(words))
    if "prefixItems" in said:
        return f"`[{', '.join(takes(part, schema) for part in said['prefixItems'])}]`"
    if said.get("type") == "array":
        if "items" not in said:
            return "list"
        one = takes(said["items"], schema)
        return f"list of ({one})" if " or " in one else f"list of {one}s"
    if said.get("type") == "object":
        inner = said.get("additionalProperties")
        return f"mapping to {takes(inner, schema)}" if isinstance(inner, dict) else "mapping"
    plain = {"integer": "integer", "number": "number", "boolean": "`true`, `false`", "string": "string"}
    return plain[said["type"]] + bounds(said)


def bounds(said: Any) -> str:
    """The limits of a number."""
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    return "".join(f" {word} {said[key]}" for key, word in words.items() if key in said)


def default(said: Any) -> str:
    """What holds where a key is left out."""
    value = said.get("default")
    if value is None or isinstance(value, dict) or value in ([], ""):
        return ""
    return f"`{value:g}`" if isinstance(value, float) else f"`{flow(value)}`"


def meaning(said: Any, schema: dict[str, Any]) -> str:
    """A key's description, or the first sentence of its section's."""
    if "description" in said:
        return str(said["description"])
    names = [name for name, _ in named(said)]
    return "below, by kind" if len(names) > 1 else str(schema["$defs"][names[0]]["description"].splitlines()[0])


def example(key: str, values: Any) -> str:
    """One line of YAML; none for a section that has a table of its own and nothing more to show."""
    if key not in values:
        return ""
    return f"`{flow({key: values[key]})[1:-1]}`".replace("|", "\\|")


def flow(value: Any) -> str:
    """YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).removesuffix("...\n").strip()


if __name__ == "__main__":
    PAGE.write_text(page())
