"""Forecast the next value of a series from those before it. This file evolves."""

LEVEL = 0.5  # knob: 0.01 .. 1
TREND = 0.5  # knob: 0.001 .. 1 log
SEASON = 0.5  # knob: 0.01 .. 1
PERIOD = 7  # knob: 2 .. 30
DAMPED = False


def forecast(values: list[float]) -> float:
    """The expected next value: level, trend and season, each smoothed exponentially."""
    level, trend, season = values[0], 0.0, [0.0] * PERIOD
    for day, value in enumerate(values):
        before = level
        level += LEVEL * (value - season[day % PERIOD] - level)
        trend += TREND * (level - before - trend)
        season[day % PERIOD] += SEASON * (value - level - season[day % PERIOD])
    return level + (0.9 * trend if DAMPED else trend) + season[len(values) % PERIOD]
