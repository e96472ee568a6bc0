"""Frozen: the score, CPU microseconds per question on a machine on which the yardstick takes a millisecond.

Every question is asked in several rounds, and its fastest counts: nothing but the machine makes it slower. Each round
also times the yardstick (a fixed piece of work), so that a machine that is slow today does not matter, and starts with
a fresh copy of the module, so that remembering answers does not pay.
"""

import os
import runpy
import time

import reference

ROUNDS, QUESTIONS, WORDS, COUNT = 7, 12, 200, 1


def timed(function, *arguments):
    started = time.process_time()
    function(*arguments)
    return time.process_time() - started


def yardstick():
    for _ in range(20):
        reference.distance("a yardstick of", "the same length")


rng = reference.rng_of(f"bench {os.environ.get('WOLF_SEED', '0')}")
dictionary = reference.invent(rng, WORDS)
questions = [reference.misspell(rng, word) for word in rng.sample(dictionary, QUESTIONS)]
fastest = [1e9] * (QUESTIONS + 1)
for _ in range(ROUNDS):
    nearest = runpy.run_path("words.py")["nearest"]
    times = [timed(nearest, word, dictionary, COUNT) for word in questions] + [timed(yardstick)]
    fastest = list(map(min, fastest, times))
print(f"microseconds: {1000 * sum(fastest[:-1]) / QUESTIONS / fastest[-1]:.1f}")
