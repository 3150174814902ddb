"""Tests mirror `src/latentia`; `laws/` holds tables of cases, `oracles/` models solved exactly."""
