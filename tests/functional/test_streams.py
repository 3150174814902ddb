"""Numbers that their stream and place decide."""

from __future__ import annotations

import torch

from latentia.functional.streams import integers, uniforms

# Of the published program, begun with 0 and with 1234567.
KNOWN = {
    0: [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F],
    1234567: [0x599ED017FB08FC85, 0x2C73F08458540FA5, 0x883EBCE5A3F27C77],
}


def test_integers_are_those_of_the_published_program():
    for stream, known in KNOWN.items():
        found = integers(torch.full((3,), stream), torch.arange(3))
        assert [value % 2**64 for value in found.tolist()] == known


def test_a_place_far_off_or_a_negative_stream_has_a_number_too():
    assert integers(torch.tensor([-5, 2**62]), 2**40).dtype == torch.int64


def test_numbers_are_uniform_and_streams_and_places_are_independent():
    grid = uniforms(torch.arange(400)[:, None], torch.arange(500))
    assert 0 <= grid.min() < grid.max() < 1
    assert abs(grid.mean() - 0.5) < 5 * (1 / 12 / grid.numel()) ** 0.5
    counts = torch.histc(grid, 64, 0, 1)
    expected = grid.numel() / 64
    assert ((counts - expected).square() / expected).sum() < 120  # 63 degrees: above 110 once in 5,000
    for other in (grid.roll(1, 0), grid.roll(1, 1)):
        assert abs(torch.corrcoef(torch.stack([grid.flatten(), other.flatten()]))[0, 1]) < 0.012
