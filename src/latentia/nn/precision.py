"""What the processor does natively."""

import torch


def multiplies_bfloat16() -> bool:
    """Tell whether the processor has instructions for products of bfloat16, which others imitate slowly."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())  # noqa: SLF001
