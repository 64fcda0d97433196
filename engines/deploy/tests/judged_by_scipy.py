"""SciPy's answers to the comparisons that it is given: one JSON array on standard input, one on standard output."""

import json
import sys

import numpy
from scipy import optimize, stats


def interval(stable, new, confidence):
    """The shifts at which the test is just not significant, from the definition: the test inverted by root finding."""
    m, n = len(new), len(stable)

    def statistic(shift, wanted):
        ranks = stats.rankdata(numpy.concatenate([new - shift, stable]))
        z = ranks[:m].sum() - m * (m + 1) / 2 - m * n / 2
        # Ties within the sides alone: at a shift where values of both meet, the statistic only changes its step.
        ties = sum((t**3 - t) for side in (new, stable) for t in numpy.unique(side, return_counts=True)[1])
        sigma = (m * n / 12 * ((m + n + 1) - ties / ((m + n) * (m + n - 1)))) ** 0.5
        return (z - numpy.sign(z) * 0.5) / sigma - wanted

    lowest, highest = new.min() - stable.max(), new.max() - stable.min()
    margin = 1 + abs(lowest) + abs(highest)

    def root(wanted):
        if statistic(lowest - margin, wanted) <= 0:
            return lowest
        if statistic(highest + margin, wanted) >= 0:
            return highest
        return optimize.brentq(statistic, lowest - margin, highest + margin, args=(wanted,), xtol=1e-13, rtol=1e-14)

    z = stats.norm.isf((1 - confidence) / 2)
    return root(z), root(-z)


answers = []
for case in json.load(sys.stdin):
    stable, new = numpy.array(case["stable"]), numpy.array(case["new"])
    test = stats.mannwhitneyu(new, stable, alternative="two-sided", method="asymptotic", use_continuity=True)
    lower, upper = interval(stable, new, case["confidence"])
    q1, q3, p1, p99 = numpy.percentile(stable, [25, 75, 1, 99])
    low, high = min(p1, q1 - 3 * stats.iqr(stable)), max(p99, q3 + 3 * stats.iqr(stable))
    answers.append(
        {
            "u": float(test.statistic),
            "p": float(test.pvalue),
            "shift": float(numpy.median(numpy.subtract.outer(new, stable))),
            "lower": float(lower),
            "upper": float(upper),
            "kept": int(((stable >= low) & (stable <= high)).sum()),
            "tail": float(stats.norm.sf(case["z"])),
            "quantile": float(stats.norm.isf(case["q"])),
        }
    )
json.dump(answers, sys.stdout)
