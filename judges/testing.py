"""Conformance tests for judges: subclass `JudgeConformance` in your own tests and fill in four methods.

class TestMyJudge(JudgeConformance):
    def judge(self): return MyJudge(...)
    def root(self, tmp_path): ...write a target below tmp_path...; return its folder
    def good(self): return Variant({"train.py": ...})
    def bad(self): return Variant({"train.py": "this does not even parse("})

pytest collects the tests that the subclass inherits.
"""

from __future__ import annotations

import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from judges.base import Context, Judge
from population.evaluation import Evaluation, Goal, Status
from population.variant import Variant


class JudgeConformance:
    """What the engine relies on."""

    def judge(self) -> Judge:
        """The judge under test."""
        raise NotImplementedError

    def root(self, tmp_path: Path) -> Path:
        """A target: its folder, filled."""
        raise NotImplementedError

    def good(self) -> Variant:
        """A variant that has a score."""
        raise NotImplementedError

    def bad(self) -> Variant:
        """A variant that has none."""
        raise NotImplementedError

    def test_has_a_name_and_a_goal(self) -> None:
        """Tables and reports need both."""
        assert self.judge().name
        assert isinstance(self.judge().goal, Goal)

    def test_survives_pickling(self) -> None:
        """Workers on other machines get a copy."""
        assert pickle.loads(pickle.dumps(self.judge())) == self.judge()

    def test_scores_a_good_variant(self, tmp_path: Path) -> None:
        """A finite score, and the fields that say whose it is."""
        evaluation = self._evaluate(self.good(), tmp_path, seed=7)
        assert evaluation.status is Status.OK, evaluation.feedback
        assert evaluation.score is not None and math.isfinite(evaluation.score)
        assert evaluation.variant == self.good().id
        assert evaluation.judge == self.judge().name
        assert evaluation.seed == 7
        assert evaluation.seconds > 0
        assert all(math.isfinite(value) for value in evaluation.metrics.values())

    def test_a_bad_variant_is_an_answer_not_an_exception(self, tmp_path: Path) -> None:
        """No score, and feedback that says why."""
        evaluation = self._evaluate(self.bad(), tmp_path)
        assert evaluation.status is not Status.OK
        assert evaluation.score is None
        assert evaluation.feedback

    def test_leaves_the_target_alone(self, tmp_path: Path) -> None:
        """The same bytes under the same names, whatever the variant did."""
        root = self.root(tmp_path)
        before = _contents(root)
        self._evaluate(self.good(), tmp_path, root=root)
        assert _contents(root) == before

    def test_two_at_a_time(self, tmp_path: Path) -> None:
        """Evaluations in two threads do not meet."""
        root = self.root(tmp_path)
        variants = [self.good(), self.bad()]
        with ThreadPoolExecutor(2) as pool:
            evaluations = list(
                pool.map(lambda slot: self._evaluate(variants[slot], tmp_path, root=root, slot=slot), range(2))
            )
        assert [evaluation.variant for evaluation in evaluations] == [variant.id for variant in variants]
        assert [evaluation.ok for evaluation in evaluations] == [True, False]

    def _evaluate(
        self, variant: Variant, tmp_path: Path, seed: int = 1, slot: int = 0, root: Path | None = None
    ) -> Evaluation:
        root = root or self.root(tmp_path)
        judge = self.judge()
        judge.prepare(root, lambda sentence: None)
        scratch = tmp_path / f"scratch-{slot}"
        scratch.mkdir()
        return judge.evaluate(variant, Context(root, scratch, seed=seed, slot=slot))


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
