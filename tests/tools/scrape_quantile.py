# SPDX-License-Identifier: GPL-2.0-or-later
"""scrape_quantile.py QUANTILE BEFORE AFTER FAMILY LABELS: what histogram_quantile(QUANTILE,
increase(FAMILY_bucket{LABELS})) gives of what came between two scrapes: files of what /metrics said.
LABELS as they stand there, without le."""
import sys


def read(path, prefix):
    """Cumulative counts by upper bound."""
    with open(path, encoding="utf-8") as lines:
        words = [line[len(prefix):].split('"} ') for line in lines if line.startswith(prefix)]
    return {float(le): int(count) for le, count in words}


def main():
    quantile, before, after, family, labels = sys.argv[1:]
    prefix = f'{family}_bucket{{{labels},le="'
    was, now = read(before, prefix), read(after, prefix)
    rank = float(quantile) * (now[float("inf")] - was[float("inf")])
    low, below = 0.0, 0
    for bound in sorted(now):
        count = now[bound] - was[bound]
        if count >= rank:
            break
        low, below = bound, count
    if bound == float("inf") or count == below:
        sys.exit("no such quantile")
    print(low + (bound - low) * (rank - below) / (count - below))


main()
