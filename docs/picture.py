"""Write a run's best-so-far curve as an SVG that stands alone, for the README.

python docs/picture.py RUN docs/img/val_bpb.svg
"""

import re
import sys
from pathlib import Path

from wolf.reading.records import load_run
from wolf.report.command import HERE
from wolf.report.curve import curve


def main(run: str, out: Path) -> None:
    """The report's curve, with the report's style inside."""
    page = (HERE / "style.css").read_text()
    root, dark = re.findall(r":root \{(.*?)\}", page, re.S)[:2]
    rules = "\n".join(re.findall(r"^svg [a-z.].*$", page, re.M))
    style = (
        f"<style>:root {{{root}}} @media (prefers-color-scheme: dark) {{ :root {{{dark}}} }}\n{rules}</style>"
        '<rect width="100%" height="100%" style="fill: var(--card)"/>'
    )
    svg = str(curve(load_run(run))).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(svg.replace(">", f">{style}", 1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
