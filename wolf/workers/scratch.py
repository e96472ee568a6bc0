"""Where candidates of one session work: a folder below the system's temporary one, with whose it is written in it.

A process that is killed cannot tidy up. Whoever starts or resumes a run next removes the folders of runs that nobody is
working on any more.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wolf.store.lock import held
from wolf.workers.local import remove

PREFIX = "wolf-"
OWNER = ".run"  # the file that says which run a folder belongs to


@contextmanager
def scratch(run_dir: Path) -> Iterator[Path]:
    """A folder for the run that this process holds; what dead sessions, of it and of others, left behind is removed."""
    own = run_dir.absolute()
    for folder in _left_behind(own):
        remove(folder)
    made = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        (made / OWNER).write_text(str(own), "utf-8")
        yield made
    finally:
        remove(made)


def _left_behind(own: Path) -> Iterator[Path]:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, UnicodeDecodeError):
            info = folder.lstat()
            if info.st_uid == os.getuid() and not folder.is_symlink() and (folder / OWNER).is_file():
                run = Path((folder / OWNER).read_text("utf-8"))
                if run.is_absolute() and (run == own or not held(run)):
                    yield folder
