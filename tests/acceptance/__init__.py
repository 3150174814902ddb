"""Tests of whole systems on corpora and toys that need no download."""
