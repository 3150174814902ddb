"""Tests of `latentia.data`."""
