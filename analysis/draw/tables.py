"""The numbers behind a figure, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from analysis.base.metrics import limit_label
from analysis.base.results import Estimate, Experiment
from analysis.peers.frontier import Peers
from analysis.rate.codecs import Codecs
from analysis.rate.sides import Sides


def to_csv(result: Experiment | Codecs | Sides | Peers) -> str:
    """Every number of the file but the replicates; the first line, a comment, says how it came."""
    out = io.StringIO()
    out.write(f"# {result.provenance.line()}\n")
    rows = {Codecs: _codec_rows, Sides: _side_rows}.get(type(result), _experiment_rows)
    csv.writer(out, lineterminator="\n").writerows(rows(result))
    return out.getvalue()


def _experiment_rows(result: Experiment | Peers) -> Iterable[list]:
    counted = ["N", "N deviation", "bits", "bits per pixel"]
    labels = ["PSNR, dB", result.fd_label, result.kid_label]
    limited = all(p.limit for series in result.series for p in series.points)
    if limited:
        labels.append(limit_label(result.provenance.extractor))
    yield ["series", f"x: {result.x}", "policy", "k", *counted, *_bounds(labels)]
    for series in result.series:
        for p in series.points:
            setting = [series.name, p.x, p.setting.label, p.setting.k]
            size = [p.count, p.count_deviation, p.bits, p.bits_per_pixel]
            limit = [p.limit.estimate] if limited else []
            yield [*setting, *size, *_numbers(p.psnr, p.fd, p.kid, *limit)]


def _codec_rows(result: Codecs) -> Iterable[list]:
    measured = ("file bytes", "payload bytes", "PSNR, dB", result.distance_label)
    yield ["coder", "quality, ε or N", "side, px", *_bounds(measured)]
    for p in result.points:
        numbers = _numbers(p.file_bytes, p.payload_bytes, p.psnr, p.distance)
        yield [p.coder, p.how, p.side, *numbers]


def _side_rows(result: Sides) -> Iterable[list]:
    measured = ("N", "N / M", "bits", "PSNR, dB", "loss, dB")
    yield ["estimator", "ε", "side, px", "M", *_bounds(measured), "largest loss, dB"]
    for p in result.points:
        numbers = _numbers(p.count, p.share, p.bits, p.psnr, p.loss)
        yield [p.estimator, p.epsilon, p.side, p.patches, *numbers, p.worst]


def _bounds(labels: Iterable[str]) -> list[str]:
    return [f"{label}{end}" for label in labels for end in ("", ", low", ", high")]


def _numbers(*estimates: Estimate) -> list[float | None]:
    return [number for e in estimates for number in (e.value, e.low, e.high)]
