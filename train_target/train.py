"""A small GPT and how it is trained: the file that evolves.

The harness imports this file in a process of its own and calls two functions. Everything else here may change.

    train(data, out, seed, deadline)    trains on `data`, saves whatever it needs into the directory `out`
    load(out) -> predict                in a fresh process, without the training data: `predict(tokens)` takes int32
                                        [B, T], returns logits [B, T, vocab] for the token after each, array or tensor

`deadline()` is the share of the budget that is used, from 0; the harness kills what goes on after 1 plus a short grace.
The score is bits per byte on text this file never sees; lower is better. See README.md.

Notable features: rotary positions, QK norm, residual and x0 scalars, value embeddings with gates, logit softcap,
sliding windows, smear, backout, Muon (polar express, NorMuon variance reduction, cautious weight decay) for matrices
and AdamW for the rest, and schedules on the share of the budget. One path for CPU and CUDA (bf16, SDPA).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Shape. DEPTH is the dial: width is DEPTH * ASPECT, rounded up to whole heads.
DEPTH = 4  # knob: 1 .. 8
ASPECT = 24  # knob: 8 .. 64 log
HEAD_DIM = 32  # knob: 16 | 32 | 64 | 128
MLP_RATIO = 4.0  # knob: 1 .. 8 log
ACTIVATION = "relu2"  # knob: relu2 | gelu | swiglu
NORM = "pre"  # knob: pre | peri
QK_NORM = True
QK_SCALE = 1.0  # knob: 0.5 .. 2 log
ROPE_BASE = 10_000.0  # knob: 100 .. 1e6 log
WINDOW = "L"  # knob: L | SL | SSSL | SSSSL
SHORT_WINDOW = 0.5  # knob: 0.03 .. 1 log
VALUE_EMBEDDINGS = True
GATE_CHANNELS = 32  # knob: 4 .. 64 log
X0_INIT = 0.1  # knob: 0 .. 0.5
SMEAR = False
BACKOUT = False
TIE_EMBEDDINGS = False
SOFTCAP = 15.0  # knob: 5 .. 60 log
INIT_SCALE = 1.0  # knob: 0.2 .. 3 log
EMBEDDING_STD = 1.0  # knob: 0.05 .. 2 log

# Batch. A batch that does not fit the device is split; the split is not a choice of the search.
BATCH_TOKENS = 2**12  # knob: 2**7 .. 2**13
SEQUENCE = 256  # knob: 32 .. 256 log
DEVICE_TOKENS = 2**18  # knob: fixed
COMPILE = True  # on CUDA only

# Optimisation. Embedding rates are for a width of 768 and scale with width ** -0.5.
MATRIX_OPTIMIZER = "muon"  # knob: muon | adamw
MATRIX_LR = 0.02  # knob: 0.002 .. 0.4 log
EMBEDDING_LR = 0.2  # knob: 0.01 .. 4 log
UNEMBEDDING_LR = 0.004  # knob: 0.0005 .. 0.1 log
SCALAR_LR = 0.5  # knob: 0.01 .. 2 log
MATRIX_DECAY = 0.2  # knob: 0 .. 1
ADAM_DECAY = 0.0  # knob: 0 .. 0.1
ADAM_BETA1 = 0.8  # knob: 0.5 .. 0.95
ADAM_BETA2 = 0.95  # knob: 0.8 .. 0.999
MUON_MOMENTUM = 0.95  # knob: 0.6 .. 0.98
MUON_BETA2 = 0.95  # knob: 0.8 .. 0.99
MUON_STEPS = 5  # knob: 2 .. 7
MOMENTUM_WARMUP = 0.3  # knob: 0 .. 1
WARMUP = 0.0  # knob: 0 .. 0.3
WARMDOWN = 0.5  # knob: 0.1 .. 1
FINAL_LR = 0.0  # knob: 0 .. 0.3
DECAY_SCHEDULE = "linear"  # knob: linear | cosine | constant


def norm(x: Tensor) -> Tensor:
    """Root-mean-square norm without weights."""
    return F.rms_norm(x, (x.size(-1),))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions for x [B, T, heads, head_dim]."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos + b * sin, b * cos - a * sin), dim=-1)


def rotary(length: int, where: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines [1, length, 1, head_dim / 2]."""
    frequency = ROPE_BASE ** -(torch.arange(0, HEAD_DIM, 2, device=where) / HEAD_DIM)
    angle = torch.outer(torch.arange(length, device=where), frequency)[None, :, None]
    return angle.cos(), angle.sin()


class Block(nn.Module):
    """Attention over the last `window` share of the context, then a perceptron; `valued` adds a value embedding."""

    def __init__(self, vocab: int, width: int, window: float, valued: bool) -> None:
        super().__init__()
        gates = 2 if ACTIVATION == "swiglu" else 1
        hidden = 8 * max(1, round(width * MLP_RATIO * 2 / (gates + 1) / 8))  # as many weights with a gate as without
        self.heads, self.window = width // HEAD_DIM, window
        self.qkv = nn.Parameter(torch.empty(3, width, width))
        self.out = nn.Parameter(torch.zeros(width, width))
        self.up = nn.Parameter(torch.empty(gates, hidden, width))
        self.down = nn.Parameter(torch.zeros(width, hidden))
        self.resid = nn.Parameter(torch.tensor(1.0))
        self.x0 = nn.Parameter(torch.tensor(X0_INIT))
        self.values = nn.Parameter(torch.empty(vocab, width)) if valued else None
        self.gate = nn.Parameter(torch.zeros(self.heads, min(GATE_CHANNELS, width))) if valued else None
        bound = INIT_SCALE * math.sqrt(3 / width)
        for p in (self.qkv, self.up, self.values):
            if p is not None:
                nn.init.uniform_(p, -bound, bound)

    def forward(self, x: Tensor, x0: Tensor, tokens: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        """The next residual stream [B, T, width]; `x0` is the first one."""
        x = self.resid * x + self.x0 * x0
        y = self.attend(norm(x), tokens, cos, sin, mask)
        x = x + (norm(y) if NORM == "peri" else y)
        y = self.perceive(norm(x))
        return x + (norm(y) if NORM == "peri" else y)

    def attend(self, x: Tensor, tokens: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        """Causal self-attention."""
        rows, length, _ = x.shape
        q, k, v = F.linear(x, self.qkv.flatten(0, 1)).view(rows, length, 3 * self.heads, HEAD_DIM).chunk(3, dim=2)
        if self.values is not None and self.gate is not None:
            gate = 2 * torch.sigmoid(F.linear(x[..., : self.gate.size(1)], self.gate))
            v = v + gate.unsqueeze(-1) * F.embedding(tokens, self.values).view_as(v)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if QK_NORM:
            q, k = norm(q), norm(k)
        q, k, v = (t.transpose(1, 2).to(x.dtype) for t in (q * QK_SCALE**2, k, v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return F.linear(y.transpose(1, 2).flatten(2), self.out)

    def perceive(self, x: Tensor) -> Tensor:
        """Two matrices and an activation, or three with a gate."""
        h = F.linear(x, self.up.flatten(0, 1))
        if ACTIVATION == "swiglu":
            gate, h = h.chunk(2, dim=-1)
            h = F.silu(gate) * h
        else:
            h = F.relu(h).square() if ACTIVATION == "relu2" else F.gelu(h)
        return F.linear(h, self.down)


class GPT(nn.Module):
    """The model: tokens [B, T] -> float32 logits [B, T, vocab]."""

    def __init__(self, vocab: int, context: int) -> None:
        super().__init__()
        self.context, self.width = context, HEAD_DIM * math.ceil(DEPTH * ASPECT / HEAD_DIM)
        last = DEPTH - 1
        windows = [SHORT_WINDOW if WINDOW[i % len(WINDOW)] == "S" and i < last else 1.0 for i in range(DEPTH)]
        valued = [VALUE_EMBEDDINGS and i % 2 == last % 2 for i in range(DEPTH)]
        self.blocks = [Block(vocab, self.width, w, v) for w, v in zip(windows, valued, strict=True)]
        self.layers = nn.ModuleList(self.blocks)
        self.embed = nn.Parameter(EMBEDDING_STD * torch.randn(vocab, self.width))
        self.unembed = None if TIE_EMBEDDINGS else nn.Parameter(0.001 * torch.randn(vocab, self.width))
        self.smear = nn.Parameter(torch.zeros(min(GATE_CHANNELS, self.width))) if SMEAR else None
        self.backout = nn.Parameter(torch.tensor(0.2)) if BACKOUT else None

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits for the token after each one."""
        length = tokens.size(1)
        cos, sin = rotary(length, tokens.device)
        masks = {share: self.mask(share, length, tokens.device) for share in {block.window for block in self.blocks}}
        x = norm(F.embedding(tokens, self.embed))
        if self.smear is not None:
            gate = torch.sigmoid(F.linear(x[:, 1:, : self.smear.numel()], self.smear[None]))
            x = torch.cat((x[:, :1], x[:, 1:] + gate * x[:, :-1]), dim=1)
        x0, middle = x, x
        for i, block in enumerate(self.blocks):
            x = block(x, x0, tokens, cos, sin, masks[block.window])
            middle = x if i == DEPTH // 2 else middle
        if self.backout is not None:
            x = x - self.backout * middle
        head = self.embed / math.sqrt(self.width) if self.unembed is None else self.unembed
        return SOFTCAP * torch.tanh(F.linear(norm(x), head).float() / SOFTCAP)

    def mask(self, share: float, length: int, where: torch.device) -> Tensor | None:
        """Which tokens see which [length, length]; None means plain causal attention, which has faster kernels."""
        window = max(1, round(share * self.context))
        if window >= length:
            return None
        distance = torch.arange(length, device=where)[:, None] - torch.arange(length, device=where)
        return (distance >= 0) & (distance < window)


class Muon:
    """Momentum, orthogonalised. Parameters [..., rows, columns] of one shape are updated together.

    Polar express (Amsel et al. 2025) instead of Newton-Schulz; NorMuon's variance reduction; cautious weight decay.
    """

    COEFFICIENTS = (
        (8.156554524902461, -22.48329292557795, 15.878769915207462),
        (4.042929935166739, -2.808917465908714, 0.5000178451051316),
        (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
        (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
        (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
    )

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        shapes = sorted({tuple(p.shape) for p in parameters})
        self.groups = [[p for p in parameters if tuple(p.shape) == shape] for shape in shapes]
        self.state: list[tuple[Tensor, Tensor] | None] = [None] * len(self.groups)

    @staticmethod
    def polar(g: Tensor) -> Tensor:
        """The nearest matrix with singular values about 1."""
        x: Tensor = g.bfloat16() if g.is_cuda else g
        tall = x.size(-2) > x.size(-1)
        x = x.mT if tall else x
        x = x / (x.norm(dim=(-2, -1), keepdim=True) * 1.02 + 1e-6)
        for step in range(MUON_STEPS):
            a, b, c = Muon.COEFFICIENTS[min(step, len(Muon.COEFFICIENTS) - 1)]
            gram = x @ x.mT
            x = a * x + (b * gram + c * gram @ gram) @ x
        return x.mT if tall else x

    @torch.no_grad()
    def step(self, lr: float, momentum: float, decay: float) -> None:
        """One update with learning rate `lr` and weight decay `decay` (times `lr`)."""
        for i, group in enumerate(self.groups):
            grad = torch.stack([p.grad for p in group])  # type: ignore[misc]
            rows, columns = grad.shape[-2:]
            along = -1 if rows >= columns else -2
            if (state := self.state[i]) is None:
                state = self.state[i] = torch.zeros_like(grad), torch.zeros_like(grad.mean(along, keepdim=True))
            velocity, second = state
            velocity.lerp_(grad, 1 - momentum)
            update = self.polar(grad.lerp(velocity, momentum)).float()
            square = update.square().mean(along, keepdim=True)
            size = square.mean((-2, -1), keepdim=True)
            second.lerp_(square, 1 - MUON_BETA2)
            scale = second.clamp_min(1e-10).rsqrt()
            update *= scale * (size / (square * scale.square()).mean((-2, -1), keepdim=True).clamp_min(1e-10)).sqrt()
            rate = lr * math.sqrt(max(1.0, rows / columns))
            for p, u in zip(group, update.unbind(), strict=True):
                p.sub_(rate * (u + decay * p * (u * p > 0)))
                p.grad = None


class Adam:
    """AdamW over groups of (parameters, learning rate, weight decay), every rate times what `step` is given.

    Our own, because importing `torch.optim` costs a second of CPU, a good part of a small budget.
    """

    def __init__(self, groups: list[tuple[list[nn.Parameter], float, float]]) -> None:
        self.groups, self.steps = groups, 0
        self.moments = {p: (torch.zeros_like(p), torch.zeros_like(p)) for group, _, _ in groups for p in group}

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """One update."""
        self.steps += 1
        first, second = 1 - ADAM_BETA1**self.steps, 1 - ADAM_BETA2**self.steps
        for group, lr, decay in self.groups:
            for p in group:
                if p.grad is not None:
                    mean, square = self.moments[p]
                    mean.lerp_(p.grad, 1 - ADAM_BETA1)
                    square.mul_(ADAM_BETA2).addcmul_(p.grad, p.grad, value=1 - ADAM_BETA2)
                    p.mul_(1 - lr * scale * decay)
                    p.addcdiv_(mean, (square / second).sqrt_().add_(1e-10), value=-lr * scale / first)
                    p.grad = None


class Optimizer:
    """Muon for the matrices of the blocks, AdamW for tables, gates and scalars; all rates follow one schedule."""

    def __init__(self, model: GPT) -> None:
        wide = (model.width / 768) ** -0.5
        matrices = [p for block in model.blocks for p in (block.qkv, block.out, block.up, block.down)]
        groups = [
            (present(model.embed, *(block.values for block in model.blocks)), EMBEDDING_LR * wide, ADAM_DECAY),
            (present(model.unembed, *(block.gate for block in model.blocks)), UNEMBEDDING_LR * wide, ADAM_DECAY),
            (present(model.smear, model.backout, *(block.resid for block in model.blocks)), SCALAR_LR * 0.01, 0.0),
            ([block.x0 for block in model.blocks], SCALAR_LR, 0.0),
        ]
        self.muon = Muon(matrices) if MATRIX_OPTIMIZER == "muon" else None
        if self.muon is None:
            groups.append((matrices, MATRIX_LR * 0.1, MATRIX_DECAY))
        self.adam = Adam(groups)

    def step(self, progress: float) -> None:
        """One update at `progress`, the share of the budget used."""
        lr = rate(progress)
        self.adam.step(lr)
        if self.muon is not None:
            decay = {"linear": 1 - progress, "cosine": (1 + math.cos(math.pi * progress)) / 2, "constant": 1.0}
            warm = min(1.0, progress / MOMENTUM_WARMUP) if MOMENTUM_WARMUP > 0 else 1.0
            self.muon.step(MATRIX_LR * lr, MUON_MOMENTUM - 0.1 * (1 - warm), MATRIX_DECAY * decay[DECAY_SCHEDULE])


def present(*parameters: nn.Parameter | None) -> list[nn.Parameter]:
    """Those that the switches left in."""
    return [p for p in parameters if p is not None]


def rate(progress: float) -> float:
    """Learning-rate multiplier: linear warm-up, constant, linear warm-down to FINAL_LR."""
    if progress < WARMUP:
        return max(0.05, progress / WARMUP)
    down = min(1.0, (1 - progress) / WARMDOWN)
    return down + (1 - down) * FINAL_LR


def device() -> torch.device:
    """Where to run: the harness shows a GPU or hides it."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed(where: torch.device) -> torch.autocast:
    """bf16 on CUDA, float32 on CPU."""
    return torch.autocast(where.type, dtype=torch.bfloat16, enabled=where.type == "cuda")


def train(data: Any, out: Path, seed: int, deadline: Callable[[], float]) -> dict[str, float]:
    """Train until the budget is used and save the weights; the numbers returned are shown, not believed."""
    torch.manual_seed(seed)
    where = device()
    model = GPT(data.vocab, data.context).to(where)
    optimizer = Optimizer(model)
    forward = torch.compile(model) if COMPILE and where.type == "cuda" else model
    length = min(SEQUENCE, data.context)
    rows = max(1, BATCH_TOKENS // length)
    splits = math.ceil(rows * length / DEVICE_TOKENS)
    steps, cost, shown, progress = 0, 0.0, 0.0, deadline()
    while progress + cost <= 1:  # stop before a step that would not fit
        for _ in range(splits):
            x, y = (torch.from_numpy(part).to(where) for part in data.batch(math.ceil(rows / splits), length))
            with mixed(where):
                loss = F.cross_entropy(forward(x).flatten(0, 1), y.flatten()) / splits
            loss.backward()
        optimizer.step(progress)
        steps += 1
        if progress >= shown:
            nats = splits * loss.item()
            print(f"step {steps}  budget {progress:.0%}  loss {nats:.3f}", flush=True)
            if not nats < 100:
                raise FloatingPointError(f"the loss is {nats} at step {steps}")
            shown += 0.1
        before, progress = progress, deadline()
        cost = progress - before
    torch.save({"vocab": data.vocab, "context": data.context, "weights": model.state_dict()}, out / "model.pt")
    return {"steps": steps, "params": sum(p.numel() for p in model.parameters())}


def load(out: Path) -> Callable[[np.ndarray], torch.Tensor]:
    """The trained model as a function from tokens to logits."""
    where = device()
    saved = torch.load(out / "model.pt", map_location=where, weights_only=True)
    model = GPT(saved["vocab"], saved["context"]).to(where)
    model.load_state_dict(saved["weights"])

    @torch.inference_mode()
    def predict(tokens: np.ndarray) -> torch.Tensor:
        with mixed(where):
            logits: torch.Tensor = model(torch.from_numpy(tokens).to(where).long()).float()
        return logits

    return predict
