from __future__ import annotations

import numpy as np
import pytest
import torch

from train_target.harness_predict import framed


def test_arrays_and_tensors_are_framed_alike() -> None:
    logits = np.random.default_rng(0).normal(0, 5, (2, 3, 4))
    for given in (
        logits,
        logits.astype(np.float32),
        torch.from_numpy(logits),
        torch.from_numpy(logits).requires_grad_(),
    ):
        answer = framed(given, "float32")
        assert answer.dtype == np.float32 and answer.flags.c_contiguous
        assert answer == pytest.approx(logits.astype(np.float32))
    assert (
        framed(np.broadcast_to(logits[0, 0], (2, 3, 4)), "float32").tolist()
        == [[[*map(np.float32, logits[0, 0])]] * 3] * 2
    )


def test_half_precision_keeps_what_is_finite_finite_and_what_is_not_not() -> None:
    logits = torch.tensor([[[1.0, -1e30, 1e9, 0.1]]])
    assert framed(logits, "float16").tolist() == [[[1.0, -65504.0, 65504.0, pytest.approx(0.1, abs=1e-4)]]]
    broken = framed(torch.tensor([[[float("inf"), -float("inf"), float("nan")]]]), "float16")
    assert not np.isfinite(broken).any()


def test_half_precision_costs_less_than_a_ten_thousandth_of_a_bit() -> None:
    from judges.scorer import bits

    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, (64, 64, 512)).astype(np.float32)
    targets = (logits + rng.gumbel(size=logits.shape)).argmax(-1).astype(np.int32)  # as likely as the model says
    exact, half = bits(logits, targets), bits(framed(logits, "float16"), targets)
    assert abs((half - exact).mean()) < 1e-4
    assert np.abs(half - exact).max() < 0.02
