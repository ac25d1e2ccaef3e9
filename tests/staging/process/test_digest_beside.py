"""The digest of what passes by is that of all its bytes in their order, whatever the pieces."""

from __future__ import annotations

import hashlib
from itertools import pairwise

from staging.process.digest_beside import DigestBeside

DATA = bytes(range(251)) * 4000


def test_pieces_of_any_length_are_digested_in_their_order() -> None:
    cuts = [0, 1, 10, 64 * 1024, 300_000, 300_000, 900_000, len(DATA)]
    with DigestBeside() as digest:
        for start, end in pairwise(cuts):
            digest.update(DATA[start:end])
        assert digest.hexdigest() == hashlib.sha256(DATA).hexdigest()


def test_a_digest_can_be_asked_for_between_two_pieces() -> None:
    with DigestBeside() as digest:
        assert digest.hexdigest() == hashlib.sha256().hexdigest()
        digest.update(DATA)
        assert digest.hexdigest() == hashlib.sha256(DATA).hexdigest()
        digest.update(DATA)
        assert digest.hexdigest() == hashlib.sha256(DATA + DATA).hexdigest()


def test_what_begins_again_forgets_what_passed_by() -> None:
    with DigestBeside() as digest:
        digest.update(DATA)
        digest.restart()
        digest.update(DATA[:100])
        assert digest.hexdigest() == hashlib.sha256(DATA[:100]).hexdigest()
