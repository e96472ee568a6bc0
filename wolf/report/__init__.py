"""`wolf report`: one self-contained HTML page about a run, finished or not.

Nothing is fetched. The only script on the page is ours: its content security policy names the script's hash, so that
nothing that a candidate wrote could run even if it got past the escaping. Without scripts the page still reads: scripts
filter the table, compare any two variants, and name the points of the map. Candidates' text is escaped by the template
engine and stripped of control characters before that.
"""

from __future__ import annotations

from wolf.report.command import render, report

__all__ = ["render", "report"]
