"""Score one variant. Replace this by your own measure; it may take as long as it needs."""

import math
import random
import runpy
from pathlib import Path


def series(seed: int, days: int = 120) -> list[float]:
    """Daily visitors of a shop: slow growth, a rhythm of twelve days, and noise that differs from seed to seed."""
    rng = random.Random(seed)
    return [100 + 0.4 * day + 25 * math.sin(2 * math.pi * day / 12) + rng.gauss(0, 4) for day in range(days)]


def score(folder: Path, seed: int) -> float:
    """Mean absolute error of the forecasts for the second half of the series."""
    forecast = runpy.run_path(str(folder / "forecast.py"))["forecast"]
    values = series(seed)
    days = range(len(values) // 2, len(values))
    return math.fsum(abs(forecast(values[:day]) - values[day]) for day in days) / len(days)
