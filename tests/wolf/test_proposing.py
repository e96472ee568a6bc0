from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from wolf.errors import LedgerError
from wolf.proposing import NOTES, setting
from wolf.settings.config import load


def test_notes_that_cannot_be_written_are_one_sentence_that_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / NOTES).symlink_to("gone/away")
    known = setting(load("knobs"), tmp_path, str, cast(Any, None), cast(Any, None))
    with pytest.raises(LedgerError, match=rf"cannot use .*{NOTES}: No such file.*`wolf resume {tmp_path}`"):
        known.notes("what was learnt")
