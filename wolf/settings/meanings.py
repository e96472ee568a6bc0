"""What each key of the configuration means, put where editors look for it.

Judges document their keys in an `Attributes:` section, as classes do; a JSON schema has a description for each key.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

KIND = "which kind; the other keys depend on it"


def spread(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` with the `Attributes:` of its sections as the descriptions of their keys; changed in place."""
    for section in schema["$defs"].values():
        text, _, attributes = inspect.cleandoc(section.get("description", "")).partition("\n\nAttributes:\n")
        if text:
            section["description"] = text
        meanings = {"kind": KIND, **dict(re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE))}
        for key, said in section.get("properties", {}).items():
            if key in meanings:
                said.setdefault("description", re.sub(r"\s+", " ", meanings[key]).replace("None: ", "absent: "))
    return schema
