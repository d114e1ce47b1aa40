"""Turns the JSON files of bench.py into matrices of ratios to the best float32 peer.

summarize.py RESULT.json...
"""

import json
import sys
from pathlib import Path
from typing import Any

STATISTIC = "best_block_ms"
LOW_PRECISION = {"openvino-default"}  # bfloat16: shown, never the best

Results = dict[str, dict[str, dict[str, Any]]]


def merged(paths: list[str]) -> tuple[Results, dict[str, list[float]], int]:
    """All results by workload and peer, operations and bytes by workload, and the thread count."""
    results: Results = {}
    counts: dict[str, list[float]] = {}
    threads = 0
    for path in paths:
        document = json.loads(Path(path).read_text())
        threads = document["threads"]
        counts |= document["flops_bytes"]
        for workload, by_peer in document["results"].items():
            known = results.setdefault(workload, {})
            known |= {peer: r for peer, r in by_peer.items() if STATISTIC in r}
    return {workload: peers for workload, peers in results.items() if peers}, counts, threads


def matrix(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def ratios(results: Results, counts: dict[str, list[float]], peers: list[str]) -> str:
    rows: list[list[str]] = []
    for workload, by_peer in results.items():
        exact = [peer for peer in by_peer if peer not in LOW_PRECISION] or list(by_peer)
        best = min(exact, key=lambda peer: by_peer[peer][STATISTIC])
        time = by_peer[best][STATISTIC]
        rate = counts.get(workload, [0])[0] / time / 1e6
        row = [f"{by_peer[p][STATISTIC] / time:.2f}" if p in by_peer else "-" for p in peers]
        median = by_peer[best]["median_ms"]
        rows.append([workload, best, f"{time:.3f} ({median:.3f})", f"{rate:.0f}", *row])
    return matrix(["workload", "best peer", "its ms (median)", "GFLOP/s", *peers], rows)


def column(results: Results, peers: list[str], key: str, digits: int) -> str:
    rows = [
        [name, *(f"{r[p][key]:.{digits}f}" if p in r else "-" for p in peers)]
        for name, r in results.items()
    ]
    return matrix(["workload", *peers], rows)


def main(paths: list[str]) -> None:
    results, counts, threads = merged(paths)
    peers = list(dict.fromkeys(peer for by_peer in results.values() for peer in by_peer))
    print(f"\n**{threads} thread(s); ratios of {STATISTIC} to the best float32 peer**\n")
    print(ratios(results, counts, peers))
    print("**Time to first result, s** (set-up, trace, compile, first run; without import)\n")
    print(column(results, peers, "first_s", 2))
    print("**Peak memory, MiB**\n")
    print(column(results, peers, "rss_mib", 0))


if __name__ == "__main__":
    main(sys.argv[1:] or sys.exit(__doc__))
