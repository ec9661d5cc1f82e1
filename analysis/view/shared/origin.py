"""The line under a result that says how it was made, and whether with the weights of this page."""

from __future__ import annotations

from html import escape

from analysis.base.provenance import Provenance


def note(provenance: Provenance, fingerprint: str) -> str:
    """How a result was made, as HTML, and before it, where it is so, that the weights are others.

    fingerprint: of the page's weights.
    """
    line, weights = provenance.line(), provenance.weights
    if weights != fingerprint:
        line = f"Measured on other weights ({weights}) than those on this page. {line}"
    return escape(line)


def note_of_model(name: str, provenance: Provenance, fingerprint: str) -> str:
    """The same for one model of a file that holds several."""
    other = "" if provenance.weights == fingerprint else ", not the weights of this page"
    return escape(f"{name}{other}: {provenance.line()}")
