"""Forecast the next value of a daily series from those before it. This file evolves."""

LEVEL = 0.5  # knob: 0.01 .. 1
TREND = 0.5  # knob: 0.001 .. 1 log
DAMPING = 1.0  # knob: 0.5 .. 1
SEASON = 0.5  # knob: 0.01 .. 1
LIMIT = 100.0  # knob: 1 .. 100 log
LAST_WEEK = 0.5  # knob: 0 .. 1
MULTIPLY = False


def forecast(values: list[float]) -> float:
    """The expected next value: level, trend and a weekly rhythm, each smoothed exponentially, beside last week's."""
    level, trend = values[0], 0.0
    week = [1.0 if MULTIPLY else 0.0] * 7
    for day, value in enumerate(values):
        expected, season = level + DAMPING * trend, week[day % 7]
        told = expected * season if MULTIPLY else expected + season
        value = told + max(-LIMIT, min(LIMIT, value - told))  # no single day counts for more
        before = level
        level = expected + LEVEL * ((value / season if MULTIPLY else value - season) - expected)
        trend = DAMPING * trend + TREND * (level - before - DAMPING * trend)
        week[day % 7] += SEASON * ((value / level if MULTIPLY else value - level) - season)
    expected, season = level + DAMPING * trend, week[len(values) % 7]
    return LAST_WEEK * values[-7] + (1 - LAST_WEEK) * (expected * season if MULTIPLY else expected + season)
