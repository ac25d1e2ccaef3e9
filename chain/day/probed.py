"""Says what a read did to the shop's own statement."""

from __future__ import annotations

from staging.documents.manifest import Probed


def tell_probed(probed: Probed) -> str:
    """Return both p99 and their ratio.

    And whether the promise was kept.
    """
    if probed.beside_p99_milliseconds is None or probed.resting_p99_milliseconds is None:
        measured = "not measured"
    else:
        beside, resting = probed.beside_p99_milliseconds, probed.resting_p99_milliseconds
        measured = f"p99 {beside:.1f} ms beside reading, {resting:.1f} ms without"
        if probed.increase is not None:
            measured += f": {probed.increase:.2f} times"
    if probed.promised is None:
        return measured
    return f"{measured}; {probed.promised:g} was promised and {_verdict(probed)}"


def _verdict(probed: Probed) -> str:
    if not probed.held:
        return probed.why_not
    rest = f", with up to {probed.longest_nice:g} s of rest for each second" if probed.longest_nice else ""
    return f"held{rest}"
