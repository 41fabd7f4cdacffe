"""How fast the demo model learns, step by step."""

import math

WARM_UP = 100
"""Steps until the rate has risen to its peak."""


def learning_rate(peak: float, step: int, share: float) -> float:
    """The rate of a step: a linear rise, then half a cosine down; Loshchilov and Hutter 2017.

    Args:
        peak: the highest rate.
        step: steps done before this one.
        share: how much of the training is over, 0 to 1.
    """
    return peak * min(1.0, (step + 1) / WARM_UP) * (0.5 * (1 + math.cos(math.pi * share)) + 0.005)
